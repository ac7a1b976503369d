//! The pages: a request comes in, one verb of the engine is called, HTML goes out. No rules here but those of the door itself.
//!
//! `door` listens, `gate` asks every request who it is and where it comes from, `routes` is the table of all pages with the role each needs.

mod account;
mod ansi;
mod answer;
mod assets;
mod chart;
mod containers;
mod dashboard;
mod door;
mod errors;
mod events;
mod format;
mod frame;
mod gate;
mod guard;
mod headers;
mod images;
mod jobs;
mod live;
mod login;
mod origin;
mod route;
mod routes;
mod session;
mod settings;
mod setup;
mod spark;
mod terminal;
mod upload;
mod urls;
mod users;
mod visit;
mod words;

#[cfg(test)]
mod tests;

pub use door::{Doors, listen};
