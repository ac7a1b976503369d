//! Pages of images.

pub mod add;
pub mod change;
pub mod detail;
pub mod list;
