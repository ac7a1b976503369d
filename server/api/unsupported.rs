//! What this release does not do, each with a sentence.

use crate::error::{ApiError, ApiResult};
use actix_web::web::{self, ServiceConfig};

pub fn configure(app: &mut ServiceConfig) {
    app.route("/auth", web::post().to(auth));
    app.route("/build", web::post().to(build));
    app.route("/distribution/{name:.+}/json", web::get().to(distribution));
    app.route("/networks/create", web::post().to(networks));
    app.route("/networks/{id}/connect", web::post().to(networks));
    app.route("/networks/{id}/disconnect", web::post().to(networks));
    app.route("/swarm", web::get().to(swarm));
    app.route("/swarm/{verb}", web::post().to(swarm));
    for noun in ["nodes", "services", "tasks", "secrets", "configs"] {
        app.route(&format!("/{noun}"), web::get().to(swarm));
    }
    app.route("/plugins", web::get().to(no_plugins));
}

async fn auth() -> ApiResult {
    Err(ApiError::unsupported("logging in to a registry is not supported yet: images are loaded from archives"))
}

async fn build() -> ApiResult {
    Err(ApiError::unsupported("building images is not supported yet: build elsewhere and load the image"))
}

async fn distribution() -> ApiResult {
    Err(ApiError::unsupported("registries are not supported yet"))
}

pub async fn search() -> ApiResult {
    Err(ApiError::unsupported("searching registries is not supported yet"))
}

pub async fn push() -> ApiResult {
    Err(ApiError::unsupported("pushing images is not supported yet: save the image to an archive"))
}

async fn networks() -> ApiResult {
    Err(ApiError::unsupported("networks of your own are not supported yet: there are bridge, host and none"))
}

/// In dockerd's words, which clients look for.
async fn swarm() -> ApiResult {
    Err(ApiError::new(gantry_model::Kind::Cancelled, "This node is not a swarm manager. Gantry has no swarm mode"))
}

async fn no_plugins() -> ApiResult {
    Ok(crate::answer::json(&Vec::<String>::new()))
}
