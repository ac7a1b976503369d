//! All that crosses a process boundary.

pub mod monitor;
