//! The decisions, pure: a wish becomes an OCI spec, mounts, networks, limits. The same input gives the same plan.

pub mod command_line;
pub mod files;
pub mod health;
pub mod limits;
pub mod logs;
pub mod network;
pub mod process;
pub mod restart;
pub mod seccomp;
pub mod spec;
