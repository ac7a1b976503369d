//! Pages of containers.

pub mod act;
pub mod create;
pub mod detail;
mod fields;
pub mod head;
pub mod list;
pub mod live;
pub mod logs;
pub mod rename;
pub mod rows;
pub mod stats;
pub mod tabs;
mod wish;
