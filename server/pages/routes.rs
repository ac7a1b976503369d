//! The table of all routes: what is not here can't be reached, and what is here can't be reached without its role.
//! The first path that fits is taken, so fixed words stand before `{names}`.

use crate::gate;
use crate::route::{ADMIN, Entry, OPERATOR, PUBLIC, VIEWER, form, page, socket, upload};
use crate::{account, assets, dashboard, events, jobs, login, settings, setup, terminal, users};
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
    all.extend(terminals_table());
    all.extend(containers_table());
    all.extend(images_table());
    all.extend([
        page("/", VIEWER, dashboard::show),
        page("/live/dashboard", VIEWER, dashboard::live),
        page("/jobs", VIEWER, jobs::list),
        page("/jobs/{id}", VIEWER, jobs::show),
        form("/jobs/{id}/cancel", OPERATOR, jobs::cancel),
        page("/live/jobs/{id}", VIEWER, jobs::live),
        page("/events", VIEWER, events::show),
        page("/live/events", VIEWER, events::live),
        page("/settings", VIEWER, settings::show),
        page("/account", VIEWER, account::show),
        form("/account", VIEWER, account::set_password),
        page("/users", ADMIN, users::list),
        form("/users", ADMIN, users::add),
        form("/users/{name}/role", ADMIN, users::set_role),
        page("/users/{name}/password", ADMIN, users::password),
        form("/users/{name}/password", ADMIN, users::set_password),
        page("/users/{name}/remove", ADMIN, users::confirm),
        form("/users/{name}/remove", ADMIN, users::remove),
    ]);
    all
}

fn terminals_table() -> Vec<Entry> {
    vec![
        page("/containers/{name}/terminal", OPERATOR, terminal::list),
        form("/containers/{name}/terminal", OPERATOR, terminal::open),
        page("/containers/{name}/attach", OPERATOR, terminal::attach),
        socket("/containers/{name}/attach/ws", OPERATOR, terminal::join_main),
        page("/terminals/{id}", OPERATOR, terminal::show),
        form("/terminals/{id}/close", OPERATOR, terminal::close),
        socket("/terminals/{id}/ws", OPERATOR, terminal::join_shell),
    ]
}

fn containers_table() -> Vec<Entry> {
    use crate::containers::{act, create, detail, list, live, logs, rename, stats, tabs};
    vec![
        page("/containers", VIEWER, list::show),
        page("/live/containers", VIEWER, live::list),
        page("/new-container", OPERATOR, create::show),
        form("/new-container", OPERATOR, create::create),
        form("/new-container/command", OPERATOR, create::command),
        form("/containers", OPERATOR, act::act),
        page("/confirm/containers", OPERATOR, act::confirm),
        page("/containers/{name}", VIEWER, detail::show),
        page("/containers/{name}/logs", VIEWER, logs::show),
        page("/containers/{name}/logs/download", VIEWER, logs::download),
        page("/containers/{name}/stats", VIEWER, stats::show),
        page("/containers/{name}/processes", VIEWER, tabs::processes),
        page("/containers/{name}/isolation", VIEWER, tabs::isolation),
        page("/containers/{name}/inspect", OPERATOR, tabs::inspect),
        page("/containers/{name}/rename", OPERATOR, rename::show),
        form("/containers/{name}/rename", OPERATOR, rename::rename),
        page("/live/container/{id}", VIEWER, live::container),
        page("/live/stats/{id}", VIEWER, live::stats),
        page("/live/logs/{id}", VIEWER, live::logs),
    ]
}

fn images_table() -> Vec<Entry> {
    use crate::images::{add, change, detail, list};
    vec![
        page("/images", VIEWER, list::show),
        page("/new-image", OPERATOR, add::show),
        upload("/new-image/load", OPERATOR, add::load),
        upload("/new-image/import", OPERATOR, add::import),
        page("/confirm/images", OPERATOR, change::confirm),
        form("/images", OPERATOR, change::remove),
        page("/images/{reference}", VIEWER, detail::show),
        form("/images/{reference}/tag", OPERATOR, change::tag),
    ]
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
