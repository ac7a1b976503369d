//! All that crosses a process boundary.

pub mod logs;
pub mod monitor;
