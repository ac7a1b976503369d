//! Which namespaces a container gets. In: the spec's list. Out: flags for clone3 and descriptors to join.

use crate::failure::{Attempt, Failure};
use crate::idmap;
use crate::sys;
use oci_spec::runtime::{Linux, LinuxNamespaceType};
use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// Namespaces to make and to join.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    /// `CLONE_NEW*` of those to make, without the user namespace.
    pub(crate) new: u64,
    /// Those to join in the child.
    pub(crate) join: Vec<(u64, OwnedFd)>,
    /// Joined by the parent of the child: it takes effect for children only.
    pub(crate) pid: Option<OwnedFd>,
    /// Made or opened; entered before everything else.
    pub(crate) user: Option<OwnedFd>,
    /// Lines for `timens_offsets` of a new time namespace.
    pub(crate) time_offsets: Option<String>,
}

/// The flag of clone3, unshare and setns.
pub(crate) fn flag(kind: LinuxNamespaceType) -> u64 {
    match kind {
        LinuxNamespaceType::Mount => sys::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => sys::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => sys::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => sys::CLONE_NEWIPC,
        LinuxNamespaceType::User => sys::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => sys::CLONE_NEWPID,
        LinuxNamespaceType::Network => sys::CLONE_NEWNET,
        LinuxNamespaceType::Time => sys::CLONE_NEWTIME,
    }
}

impl Namespaces {
    pub(crate) fn open(linux: &Linux) -> Result<Self, Failure> {
        let mut all = Self::default();
        let mut seen = 0;
        for namespace in linux.namespaces().iter().flatten() {
            let kind = namespace.typ();
            let bit = flag(kind);
            if seen & bit != 0 {
                return Err(Failure::refused(format!("the {kind} namespace is listed twice")));
            }
            seen |= bit;
            let path = namespace.path().as_ref().filter(|path| !path.as_os_str().is_empty());
            let opened = match path {
                Some(path) => Some(File::open(path).map(OwnedFd::from).attempting(|| format!("open the {kind} namespace {}", path.display()))?),
                None => None,
            };
            match (kind, opened) {
                (LinuxNamespaceType::User, Some(opened)) => all.user = Some(opened),
                (LinuxNamespaceType::User, None) => {
                    let maps = |maps: &Option<Vec<_>>| maps.clone().unwrap_or_default();
                    all.user = Some(idmap::user_namespace(&maps(linux.uid_mappings()), &maps(linux.gid_mappings()))?);
                }
                (LinuxNamespaceType::Pid, Some(opened)) => all.pid = Some(opened),
                (_, Some(opened)) => all.join.push((bit, opened)),
                (_, None) => all.new |= bit,
            }
        }
        if all.new & sys::CLONE_NEWNS == 0 {
            return Err(Failure::refused("a container needs a new mount namespace: list it in linux.namespaces without a path"));
        }
        if let Some(offsets) = linux.time_offsets().as_ref().filter(|offsets| !offsets.is_empty() && all.new & sys::CLONE_NEWTIME != 0) {
            let mut lines = String::new();
            for (clock, offset) in offsets {
                let _ = writeln!(lines, "{clock} {} {}", offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
            }
            all.time_offsets = Some(lines);
            all.new &= !sys::CLONE_NEWTIME;
        }
        Ok(all)
    }

    /// Whether the container has this namespace for itself, not the caller's.
    pub(crate) fn is_separate(&self, bit: u64) -> bool {
        self.new & bit != 0
            || self.join.iter().any(|(joined, _)| *joined == bit)
            || bit == sys::CLONE_NEWPID && self.pid.is_some()
            || bit == sys::CLONE_NEWUSER && self.user.is_some()
    }

    /// Prepares this process so that its next child is in the right pid and time namespaces.
    pub(crate) fn before_clone(&self) -> Result<Restore, Failure> {
        let mut restore = Restore::default();
        if let Some(pid) = &self.pid {
            restore.pid = Some(open_own("pid")?);
            sys::setns(pid.as_fd(), sys::CLONE_NEWPID).attempting(|| "join the pid namespace".to_owned())?;
        }
        if let Some(offsets) = &self.time_offsets {
            restore.time = Some(open_own("time")?);
            sys::unshare(sys::CLONE_NEWTIME).attempting(|| "make a time namespace".to_owned())?;
            std::fs::write("/proc/self/timens_offsets", offsets).attempting(|| "set the clocks of the time namespace".to_owned())?;
        }
        Ok(restore)
    }
}

fn open_own(kind: &str) -> Result<OwnedFd, Failure> {
    File::open(format!("/proc/self/ns/{kind}")).map(OwnedFd::from).attempting(|| format!("open the own {kind} namespace"))
}

/// Gives this process's children its own namespaces again when dropped.
#[derive(Debug, Default)]
pub(crate) struct Restore {
    pub(crate) pid: Option<OwnedFd>,
    time: Option<OwnedFd>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        // A child that fails to restore is about to end; a parent has the right to come back to its own.
        if let Some(pid) = &self.pid {
            let _ = sys::setns(pid.as_fd(), sys::CLONE_NEWPID);
        }
        if let Some(time) = &self.time {
            let _ = sys::setns(time.as_fd(), sys::CLONE_NEWTIME);
        }
    }
}
