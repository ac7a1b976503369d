//! What this release does not do, each with a sentence.

use crate::error::{ApiError, ApiResult};
use actix_web::web::{self, Path, ServiceConfig};
use gantry_model::Kind;

pub fn configure(app: &mut ServiceConfig) {
    app.route("/build", web::post().to(build));
    app.route("/swarm/{verb:init|join}", web::post().to(no_swarm));
    app.route("/swarm/leave", web::post().to(no_member));
    for noun in ["swarm", "nodes", "services", "tasks", "secrets", "configs"] {
        app.route(&format!("/{noun}"), web::route().to(swarm));
        app.route(&format!("/{noun}/{{rest:.+}}"), web::route().to(swarm));
    }
    app.route("/plugins", web::get().to(no_plugins));
    app.route("/plugins/{verb:pull|create|privileges}", web::route().to(plugins));
    app.route("/plugins/{name:.+}", web::route().to(no_plugin));
}

async fn build() -> ApiResult {
    Err(ApiError::unsupported("building images is not supported yet: build elsewhere and load the image"))
}

/// In dockerd's words, which clients look for.
async fn swarm() -> ApiResult {
    Err(ApiError::new(Kind::Cancelled, "This node is not a swarm manager. Gantry has no swarm mode"))
}

async fn no_member() -> ApiResult {
    Err(ApiError::new(Kind::Cancelled, "This node is not part of a swarm"))
}

async fn no_swarm() -> ApiResult {
    Err(ApiError::unsupported("Gantry has no swarm mode: run containers on this host alone"))
}

async fn plugins() -> ApiResult {
    Err(ApiError::unsupported("plugins are not supported: volumes are local, networks are built in"))
}

async fn no_plugin(name: Path<String>) -> ApiResult {
    let name = name.split('/').next().unwrap_or_default().chars().take(80).collect::<String>();
    Err(ApiError::new(Kind::NotFound, format!("plugin {name:?} not found")))
}

async fn no_plugins() -> ApiResult {
    Ok(crate::answer::json(&Vec::<String>::new()))
}
