//! The processes of a cgroup and of all below it: listing, signalling, ending them.

use super::error::{At as _, Result};
use super::files::field;
use super::{Cgroup, CgroupError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// A killed process that does not end in this time is stuck in the kernel.
const PATIENCE: Duration = Duration::from_secs(10);
/// Processes waited for at once; a fork bomb must not take all our descriptors.
const BATCH: usize = 64;

impl Cgroup {
    /// Every process, those in cgroups below included, in rising order.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let Some(folder) = self.primary() else { return Ok(Vec::new()) };
        let mut pids = BTreeSet::new();
        collect(&folder.path, &mut pids)?;
        Ok(pids.into_iter().collect())
    }

    /// Sends a signal to every process. They stand still meanwhile, so that none is missed.
    pub fn signal_all(&self, signal: i32) -> Result<()> {
        let paused = self.is_frozen();
        // What can't be frozen is signalled all the same.
        let frozen = paused || self.freeze().is_ok();
        let pids = self.pids();
        for pid in pids.iter().flatten() {
            if let Some(pidfd) = held(*pid) {
                let _ = crate::sys::pidfd_signal(pidfd.as_fd(), signal);
            }
        }
        if frozen && !paused {
            self.thaw()?;
        }
        pids.map(drop)
    }

    /// Ends every process and returns when none is left. A frozen cgroup is thawed.
    ///
    /// # Errors
    /// [`CgroupError::TimedOut`] if a process does not take its death.
    pub fn kill_all(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        if let Some(folder) = self.unified() {
            // Kernels before 5.14 have no such file; what is gone needs no kill.
            let _ = super::files::write(&folder.file("cgroup.kill"), "1");
        }
        loop {
            let pids = self.all_pids()?;
            if pids.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(CgroupError::TimedOut(format!("process {} was killed and does not end: it waits in the kernel", pids[0])));
            }
            self.kill_once(end)?;
        }
    }

    /// One round of freeze, SIGKILL, thaw; then waits for some of them.
    pub(super) fn kill_once(&self, end: Instant) -> Result<()> {
        // A frozen fork bomb does not fork. If it can't be frozen at once the next round gets the rest.
        let frozen = self.hold_still();
        let mut waiting = Vec::new();
        for pid in self.all_pids()? {
            if let Some(pidfd) = held(pid) {
                let _ = crate::sys::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
                if waiting.len() < BATCH {
                    waiting.push(pidfd);
                }
            }
        }
        if frozen {
            self.thaw()?;
        }
        for pidfd in &waiting {
            wait_for_end(pidfd, end);
        }
        Ok(())
    }

    fn hold_still(&self) -> bool {
        self.is_frozen() || self.freeze().is_ok()
    }

    /// From every hierarchy: a process may have been moved away in one of them.
    pub(super) fn all_pids(&self) -> Result<Vec<i32>> {
        let mut pids = BTreeSet::new();
        for folder in &self.folders {
            collect(&folder.path, &mut pids)?;
        }
        Ok(pids.into_iter().collect())
    }

    /// Waits until no process is left, without ending any. False when the time is over first.
    pub(super) fn wait_empty(&self, end: Instant) -> Result<bool> {
        loop {
            if let Some(folder) = self.unified()
                && let Ok(events) = folder.events()
                && !events.until(end.saturating_duration_since(Instant::now()), |text| field(text, "populated") == Some(0))?
            {
                return Ok(false);
            }
            let pids = self.all_pids()?;
            if pids.is_empty() {
                return Ok(true);
            }
            if Instant::now() > end {
                return Ok(false);
            }
            for pidfd in pids.iter().take(BATCH).filter_map(|pid| held(*pid)) {
                wait_for_end(&pidfd, end);
            }
        }
    }
}

fn held(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

fn wait_for_end(pidfd: &OwnedFd, end: Instant) {
    let left = end.saturating_duration_since(Instant::now());
    let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
    // An interrupted wait is begun anew by the caller's loop.
    let _ = poll(&mut [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)], Some(&timeout));
}

/// Adds the processes of a folder and of all below it. What vanishes meanwhile is gone.
fn collect(folder: &Path, pids: &mut BTreeSet<i32>) -> Result<()> {
    let path = folder.join("cgroup.procs");
    match std::fs::read_to_string(&path) {
        Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0)),
        Err(error) if gone(&error) => return Ok(()),
        // A threaded cgroup of v2 lists its processes in the one above.
        Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {}
        Err(error) => return Err(error).at("read", &path),
    }
    for below in below(folder) {
        collect(&below, pids)?;
    }
    Ok(())
}

/// The folders right below one.
pub(super) fn below(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    // A folder has a link for each below it and two for itself: most have none, and need no reading.
    let has_some = std::fs::metadata(folder).is_ok_and(|meta| meta.nlink() > 2);
    let entries = has_some.then(|| std::fs::read_dir(folder)).into_iter().flatten().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

pub(super) fn gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}
