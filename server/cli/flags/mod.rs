//! From docker's flags to the API's values. Pure but for the files that flags name.

pub mod body;
pub mod container;
mod devices;
mod files;
mod health;
mod mounts;
mod networks;
mod ports;
mod security;
mod times;
mod units;

pub use files::{environment, pairs};
pub use times::{instant, now_secs};
pub use units::duration_ns;
pub use units::restart_policy;
