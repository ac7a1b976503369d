//! Starts the processes of containers. In: an OCI spec, a root filesystem, open files. Out: a process by pid and pidfd, its terminal.
//!
//! The caller has one thread: the child runs code of ours between clone and execve.

#[cfg(test)]
mod attacks;
pub(crate) mod channel;
mod child;
mod create;
mod error;
mod exec;
mod gate;
mod namespaces;
mod notify;
mod numbers;
mod plan;
mod program;
mod rights;
#[cfg(test)]
mod settings_tests;
mod stdio;
#[cfg(test)]
mod tests;
mod wait;

pub use crate::seccomp::SeccompProgram;
pub use create::{create, open_gate};
pub use error::LaunchError;
pub use exec::exec;
pub use wait::{Exit, try_exit, wait_exit};

use crate::cgroup::{Cgroup, JoinPlan};
use crate::overlay::OverlayPlan;
use crate::user::UserWish;
use oci_spec::runtime::{Process, Spec};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The mode bits that files and folders made from now on never have, for example `0o077`.
pub fn set_umask(mode: u32) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mode));
}

/// Everything a container's first process is made of.
#[derive(Debug)]
pub struct Launch<'a> {
    pub id: &'a str,
    pub spec: &'a Spec,
    /// Relative paths of the spec (`root.path`, sources of binds) are taken from here.
    pub bundle: &'a Path,
    pub rootfs: Rootfs,
    /// Replaces `spec.process.user` by a lookup in the root filesystem, and sets `HOME` if the environment lacks it.
    pub user: Option<UserWish<'a>>,
    pub stdio: Stdio,
    pub cgroup: Option<&'a Cgroup>,
    /// Become descriptors 3, 4, … of the process.
    pub extra_fds: Vec<OwnedFd>,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    pub seccomp: Option<&'a SeccompProgram>,
    pub gate: Gate,
    pub hooks: Option<&'a mut dyn Hooks>,
    /// The program runs below an init of ours, which reaps orphans and passes signals on.
    pub init: bool,
}

/// The tree that becomes `/`.
#[derive(Debug)]
pub enum Rootfs {
    Path(PathBuf),
    Overlay(OverlayPlan),
}

/// What descriptors 0, 1 and 2 become.
#[derive(Debug)]
pub enum Stdio {
    Fds([OwnedFd; 3]),
    /// A pty in the container's own devpts; the master is handed back.
    Terminal {
        rows: u16,
        cols: u16,
    },
}

/// What a created process waits for.
#[derive(Debug)]
pub enum Gate {
    /// [`Created::start`].
    Parent,
    /// A connection on this listening socket, which may come after the caller has ended; see [`open_gate`].
    Listener(OwnedFd),
}

/// Points of a start at which the caller acts.
pub trait Hooks: std::fmt::Debug {
    /// In the caller, when the namespaces exist and nothing is mounted: the time to move an interface into `pid`'s network.
    fn namespaces_ready(&mut self, pid: i32) -> Result<(), String> {
        let _ = pid;
        Ok(())
    }
    /// In the caller, when all is mounted, before the root changes.
    fn before_pivot(&mut self, pid: i32) -> Result<(), String> {
        let _ = pid;
        Ok(())
    }
    /// In the child, in the container's namespaces, before the root changes.
    fn in_container(&mut self) -> Result<(), String> {
        Ok(())
    }
    /// In the child, when the gate is open, just before execve.
    fn before_exec(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A process that has everything done and waits at its gate. Dropping it kills it.
#[derive(Debug)]
pub struct Created {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub terminal: Option<OwnedFd>,
    /// Things the host could not give and the container does not need, one sentence each.
    pub warnings: Vec<String>,
    channel: OwnedFd,
    alive: bool,
    /// Who hears of system calls that the filter asks about.
    listener: Option<crate::seccomp::Listener>,
}

/// A process that executes the user's program.
#[derive(Debug)]
pub struct Running {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub terminal: Option<OwnedFd>,
    pub warnings: Vec<String>,
    /// The container's mount namespace. Whoever holds it keeps the root mounted: dropping it after the exit was reported takes the unmount out of the way.
    pub mounts: Option<OwnedFd>,
}

/// One more process in a running container.
#[derive(Debug)]
pub struct ExecLaunch<'a> {
    /// The container's first process.
    pub target_pid: i32,
    pub process: &'a Process,
    /// Replaces `process.user` by a lookup in the container's root.
    pub user: Option<UserWish<'a>>,
    pub stdio: Stdio,
    pub cgroup: Option<&'a Cgroup>,
    pub extra_fds: Vec<OwnedFd>,
    pub seccomp: Option<&'a SeccompProgram>,
}
