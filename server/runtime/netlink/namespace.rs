//! The network namespace of a container, and the settings of it and of the host.

use super::error::{Attempt, NetworkError, Result};
use super::socket::Socket;
use gantry_plan::network::Sysctl;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A network namespace that is entered for a moment. Only threads that nothing else runs on may do that.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// That of a process, which must not have been reaped.
    ///
    /// # Errors
    /// If it is gone.
    pub fn of(pid: i32) -> Result<Self> {
        Self::open(&format!("/proc/{pid}/ns/net"))
    }

    #[cfg(test)]
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    fn open(path: &str) -> Result<Self> {
        let what = || format!("open the network namespace {path}");
        File::open(path).map(|file| Self { fd: file.into() }).map_err(|source| NetworkError::File { what: what(), source })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Runs `act` in it and comes back. A process that can't come back ends: nothing it does afterwards would be where it should.
    pub(crate) fn inside<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let own = Self::open("/proc/thread-self/ns/net")?;
        let enter = |namespace: &Self| move_into_link_name_space(namespace.fd(), Some(LinkNameSpaceType::Network));
        enter(self).attempting(|| "enter the container's network namespace".to_owned())?;
        let result = act();
        if let Err(errno) = enter(&own) {
            eprintln!("come back from the container's network namespace: {errno}");
            std::process::abort();
        }
        result
    }

    /// Writes settings there, and returns a socket that stays there.
    pub(super) fn prepare(&self, sysctls: &[Sysctl]) -> Result<Socket> {
        self.inside(|| {
            for sysctl in sysctls {
                write(sysctl)?;
            }
            Socket::route().attempting(|| "open a netlink socket".to_owned())
        })
    }
}

/// Makes settings of the host so, and returns a sentence for each that was otherwise and is not ours alone.
///
/// # Errors
/// If one can't be written.
pub fn apply_host_sysctls(sysctls: &[Sysctl]) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for sysctl in sysctls {
        if write(sysctl)? && sysctl.shared {
            told.push(format!("net/{} was set to {}: containers reach other hosts, and this host now forwards for others too", sysctl.path, sysctl.value));
        }
    }
    Ok(told)
}

/// Whether it had to be changed.
fn write(sysctl: &Sysctl) -> Result<bool> {
    let path = format!("/proc/sys/net/{}", sysctl.path);
    let failed = |source| NetworkError::File { what: format!("set {path} to {}", sysctl.value), source };
    match std::fs::read(&path) {
        Ok(value) if value.trim_ascii() == sysctl.value.as_bytes() => return Ok(false),
        Err(error) if sysctl.optional && error.kind() == ErrorKind::NotFound => return Ok(false),
        // Some may be written and not read; the write tells.
        _ => {}
    }
    std::fs::write(&path, sysctl.value).map(|()| true).map_err(failed)
}
