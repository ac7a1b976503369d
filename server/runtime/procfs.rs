//! Writes to proc through a handle of our own. In: a name below proc and a value. Out: the value set, wherever an image put its `/proc`
//! (runc CVE-2025-52881: a write to a label or a sysctl redirected to another file).

use crate::failure::{Attempt, Failure};
use crate::tree::{PROC_SUPER_MAGIC, magic};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use std::os::fd::OwnedFd;

/// A proc file system that nothing is mounted over.
#[derive(Debug)]
pub(crate) struct Proc(OwnedFd);

impl Proc {
    /// A new mount that only we have; where the kernel refuses one (a nested container), the host's, checked to be proc.
    pub(crate) fn private() -> Result<Self, Failure> {
        let what = || "open a proc file system".to_owned();
        let fresh = || {
            let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_create(&context)?;
            fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC)
        };
        match fresh() {
            Ok(mount) => Ok(Self(mount)),
            Err(_) => Self::host().attempting(what),
        }
    }

    /// The one at `/proc`.
    pub(crate) fn host() -> Result<Self, Errno> {
        let proc = openat(CWD, c"/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        if magic(&proc)? == PROC_SUPER_MAGIC { Ok(Self(proc)) } else { Err(Errno::NODEV) }
    }

    pub(crate) fn from_mount(mount: OwnedFd) -> Self {
        Self(mount)
    }

    fn open(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        // NO_XDEV: what is mounted over a part of proc is not proc. `self` and `thread-self` are links, but not magic ones.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        let file = openat2(&self.0, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?;
        if magic(&file)? == PROC_SUPER_MAGIC { Ok(file) } else { Err(Errno::XDEV) }
    }

    pub(crate) fn write(&self, name: &str, value: &str) -> Result<(), Errno> {
        let file = self.open(name, OFlags::WRONLY)?;
        let mut rest = value.as_bytes();
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest)?;
            rest = &rest[written..];
        }
        Ok(())
    }

    pub(crate) fn read(&self, name: &str) -> Result<String, Errno> {
        let file = self.open(name, OFlags::RDONLY)?;
        let mut buffer = [0; 256];
        let length = rustix::io::read(&file, &mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned())
    }
}

/// The file below `sys/` that a sysctl names. Source: sysctl(8): the first of `.` and `/` separates, the other is part of a name.
pub(crate) fn sysctl_path(name: &str) -> String {
    let slash_first = name.find('/').is_some_and(|slash| name.find('.').is_none_or(|dot| slash < dot));
    let path: String = if slash_first {
        name.to_owned()
    } else {
        name.chars()
            .map(|letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect()
    };
    format!("sys/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctl_names_become_paths_and_dots_in_interface_names_survive() {
        assert_eq!(sysctl_path("net.ipv4.ip_forward"), "sys/net/ipv4/ip_forward");
        assert_eq!(sysctl_path("net/ipv4/conf/eth0.100/forwarding"), "sys/net/ipv4/conf/eth0.100/forwarding");
        assert_eq!(sysctl_path("net.ipv4.conf.eth0/100.forwarding"), "sys/net/ipv4/conf/eth0.100/forwarding");
    }
}
