//! Opens the address of the pages.

use crate::origin::Origins;
use crate::{gate, headers, routes, terminal};
use actix_web::dev::Server;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use gantry_engine::Engine;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Seconds that open requests have to end when the server stops; live streams end at once.
const STOP_SECS: u64 = 5;

/// Where the pages are served, and for whom.
#[derive(Debug, Clone)]
pub struct Doors {
    pub listen: SocketAddr,
    /// `https://gantry.example`: what people type when a proxy stands in front.
    pub trusted_origins: Vec<String>,
}

/// Listens and serves until the returned server is stopped; port 0 takes a free one. Call it inside an actix system.
///
/// # Errors
/// If the address is taken or may not be used, or a trusted origin is no origin.
pub fn listen(engine: Engine, doors: Doors) -> io::Result<(Server, SocketAddr)> {
    let listener = TcpListener::bind(doors.listen)?;
    let address = listener.local_addr()?;
    let origins = Data::new(Origins::new(&doors.trusted_origins, address.port()).map_err(|text| io::Error::new(io::ErrorKind::InvalidInput, text))?);
    let engine = Data::new(engine);
    let terminals = Data::new(terminal::Hub::default());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(engine.clone())
            .app_data(origins.clone())
            .app_data(terminals.clone())
            .configure(routes::configure)
            .wrap(from_fn(gate::gate))
            .wrap(Compress::default())
            .wrap(headers::all())
    })
    .workers(2)
    .disable_signals()
    .client_request_timeout(Duration::from_secs(15))
    .shutdown_timeout(STOP_SECS)
    .listen(listener)?
    .run();
    Ok((server, address))
}
