//! The table of all routes: what is not here can't be reached, and what is here can't be reached without its role.
//! The first path that fits is taken, so fixed words stand before `{names}`.

use crate::gate;
use crate::route::{Entry, OPERATOR, PUBLIC, VIEWER, form, page, socket};
use crate::{assets, dashboard, login, setup, terminal};
use actix_web::Resource;
use actix_web::web::{self, ServiceConfig};

/// Every route.
pub fn table() -> Vec<Entry> {
    let mut all = vec![
        page("/assets/{file}", PUBLIC, assets::serve),
        page("/setup", PUBLIC, setup::show),
        form("/setup", PUBLIC, setup::set_up),
        page("/login", PUBLIC, login::show),
        form("/login", PUBLIC, login::log_in),
        form("/theme", PUBLIC, login::set_theme),
        form("/logout", VIEWER, login::log_out),
    ];
    all.extend([page("/", VIEWER, dashboard::show)]);
    all.extend([
        page("/containers/{name}/terminal", OPERATOR, terminal::list),
        form("/containers/{name}/terminal", OPERATOR, terminal::open),
        page("/containers/{name}/attach", OPERATOR, terminal::attach),
        socket("/containers/{name}/attach/ws", OPERATOR, terminal::join_main),
        page("/terminals/{id}", OPERATOR, terminal::show),
        form("/terminals/{id}/close", OPERATOR, terminal::close),
        socket("/terminals/{id}/ws", OPERATOR, terminal::join_shell),
    ]);
    all
}

/// Makes the router from the table.
pub fn configure(config: &mut ServiceConfig) {
    let mut resources: Vec<(&'static str, Resource)> = Vec::new();
    for entry in table() {
        let at = resources.iter().position(|(path, _)| *path == entry.path).unwrap_or_else(|| {
            resources.push((entry.path, web::resource(entry.path).default_service(web::to(gate::wrong_method))));
            resources.len() - 1
        });
        let (path, resource) = resources.remove(at);
        resources.insert(at, (path, resource.route(entry.route)));
    }
    for (_, resource) in resources {
        config.service(resource);
    }
    config.default_service(web::to(gate::nowhere));
}
