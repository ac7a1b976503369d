//! The hand on Linux: namespaces, mounts, overlay, terminals, cgroups, the network. Synchronous; callers that clone have one thread.
//! In: an OCI spec and open files. Out: processes. The only crate with `unsafe`.

pub mod overlay;
pub mod process;
pub mod pty;
pub mod user;
