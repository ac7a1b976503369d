//! Which path is whose. A path with another method is as unknown as one that is not here, as with dockerd.

use crate::error::ApiError;
use crate::query::MAX_BODY;
use crate::{containers, events, exec, gantry, images, networks, registry, system, unsupported, volumes};
use actix_web::web::{self, PayloadConfig, ServiceConfig};
use actix_web::{HttpResponse, ResponseError as _};
use gantry_model::Kind;

pub fn configure(app: &mut ServiceConfig) {
    app.route("/_ping", web::get().to(system::ping));
    app.route("/_ping", web::head().to(system::ping));
    app.route("/version", web::get().to(system::version));
    app.route("/info", web::get().to(system::info));
    app.route("/system/df", web::get().to(system::df));
    app.route("/auth", web::post().to(registry::auth));
    app.route("/distribution/{name:.+}/json", web::get().to(registry::distribution));
    app.route("/build/prune", web::post().to(system::build_prune));
    containers::configure(app);
    exec::configure(app);
    images::configure(app);
    networks::configure(app);
    volumes::configure(app);
    gantry::configure(app);
    unsupported::configure(app);
    app.route("/events", web::get().to(events::events));
    app.app_data(PayloadConfig::new(MAX_BODY));
    app.default_service(web::to(unknown));
}

async fn unknown() -> HttpResponse {
    ApiError::new(Kind::NotFound, "page not found").error_response()
}
