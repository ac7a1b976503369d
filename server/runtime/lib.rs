//! The hand on Linux: namespaces, mounts, overlay, terminals, cgroups, the network. Synchronous; callers that clone have one thread.
//! In: an OCI spec and open files. Out: processes. The only crate with `unsafe`.

pub mod capabilities;
pub mod cgroup;
mod failure;
pub mod fork;
pub mod host;
mod idmap;
mod init;
pub mod inside;
mod mounts;
pub mod nameserver;
pub mod netlink;
pub mod nft;
pub mod oci;
pub mod overlay;
pub mod ports;
pub mod process;
mod procfs;
pub mod pty;
mod rootfs;
pub mod seccomp;
mod sys;
#[cfg(test)]
mod testing;
mod tree;
pub mod user;
