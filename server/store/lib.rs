//! The hand on SQLite: one module per table, one function per question. What should exist stands here; what runs, the monitors know.

pub mod containers;
mod db;
pub mod endpoints;
mod error;
pub mod images;
pub mod jobs;
pub mod networks;
pub mod sessions;
pub mod settings;
pub mod terminals;
pub mod tokens;
pub mod users;
pub mod volumes;

pub use db::Db;
pub use error::{Result, StoreError};
