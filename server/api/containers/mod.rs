//! `/containers` in all its verbs. Conversions: `spec` and `host` (docker's wish in our words), `inspect` and `shown` (the way back), `list`.

mod archive;
mod attach;
mod host;
mod inspect;
mod life;
mod list;
mod logs;
mod mounts;
mod networks;
mod shown;
mod spec;
mod stats;

pub use life::{prune_filter, size};
pub use list::rows;
pub use networks::endpoint_spec;

use actix_web::web::{self, ServiceConfig};

pub fn configure(app: &mut ServiceConfig) {
    app.route("/containers/json", web::get().to(list::list));
    app.route("/containers/create", web::post().to(life::create));
    app.route("/containers/prune", web::post().to(life::prune));
    app.route("/containers/{id}/json", web::get().to(inspect::inspect));
    app.route("/containers/{id}/start", web::post().to(life::start));
    app.route("/containers/{id}/stop", web::post().to(life::stop));
    app.route("/containers/{id}/restart", web::post().to(life::restart));
    app.route("/containers/{id}/kill", web::post().to(life::kill));
    app.route("/containers/{id}/pause", web::post().to(life::pause));
    app.route("/containers/{id}/unpause", web::post().to(life::unpause));
    app.route("/containers/{id}/rename", web::post().to(life::rename));
    app.route("/containers/{id}/resize", web::post().to(life::resize));
    app.route("/containers/{id}/wait", web::post().to(life::wait));
    app.route("/containers/{id}", web::delete().to(life::remove));
    // A name with a slash is none, and is told so.
    app.route("/containers/{id:.+}", web::delete().to(life::remove));
    app.route("/containers/{id}/top", web::get().to(stats::top));
    app.route("/containers/{id}/stats", web::get().to(stats::stats));
    app.route("/containers/{id}/logs", web::get().to(logs::logs));
    app.route("/containers/{id}/attach", web::post().to(attach::attach));
    app.route("/containers/{id}/attach/ws", web::get().to(attach::attach_ws));
    app.route("/containers/{id}/update", web::post().to(life::update));
    app.route("/containers/{id}/archive", web::head().to(archive::head));
    app.route("/containers/{id}/archive", web::get().to(archive::get));
    app.route("/containers/{id}/archive", web::put().to(archive::put));
    app.route("/containers/{id}/export", web::get().to(archive::export));
    app.route("/containers/{id}/changes", web::get().to(archive::changes));
    app.route("/commit", web::post().to(archive::commit));
}
