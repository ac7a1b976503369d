//! All that crosses a process boundary.

pub mod docker;
pub mod logs;
pub mod monitor;
pub mod names;
