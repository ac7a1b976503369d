//! Stopping all processes of a cgroup where they are, and letting them go on.

use super::error::{At as _, Result};
use super::files::{field, open};
use super::{Cgroup, CgroupError, Folder};
use gantry_plan::limits::Controller;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

/// A process deep in the kernel (a stuck disk, a parent of vfork) can't be frozen; longer is not worth waiting.
const PATIENCE: Duration = Duration::from_secs(2);

impl Cgroup {
    /// Returns when every process stands still.
    ///
    /// # Errors
    /// [`CgroupError::TimedOut`] if some would not; they all run again then.
    pub fn freeze(&self) -> Result<()> {
        let folder = self.freezer()?;
        let frozen = if folder.v2 { folder.freeze_v2() } else { folder.freeze_v1() };
        if !matches!(frozen, Ok(true)) {
            let _ = self.thaw();
        }
        if frozen? { Ok(()) } else { Err(CgroupError::TimedOut("some processes could not be frozen in 2 s: they wait for a disk or a child".to_owned())) }
    }

    pub fn thaw(&self) -> Result<()> {
        let folder = self.freezer()?;
        if folder.v2 { folder.write("cgroup.freeze", "0") } else { folder.write("freezer.state", "THAWED") }
    }

    pub fn is_frozen(&self) -> bool {
        let Ok(folder) = self.freezer() else { return false };
        let (file, word) = if folder.v2 { ("cgroup.freeze", "1") } else { ("freezer.state", "FROZEN") };
        folder.read(file).is_ok_and(|text| text.trim() == word)
    }

    /// v1's controller where there is one: on a hybrid host both would work, and others look at that one.
    fn freezer(&self) -> Result<&Folder> {
        let missing = || CgroupError::Unsupported("this host can't freeze processes: it has neither cgroup v2 nor the freezer controller of v1".to_owned());
        self.of(Controller::Freezer).or_else(|| self.unified()).ok_or_else(missing)
    }
}

impl Folder {
    fn freeze_v2(&self) -> Result<bool> {
        let events = self.events()?;
        self.write("cgroup.freeze", "1")?;
        events.until(PATIENCE, |text| field(text, "frozen") == Some(1))
    }

    /// The kernel tells nobody when a v1 cgroup is frozen, and freezes late-comers only when asked again.
    fn freeze_v1(&self) -> Result<bool> {
        let end = Instant::now() + PATIENCE;
        let mut wait = Duration::from_micros(20);
        loop {
            self.write("freezer.state", "FROZEN")?;
            if self.read("freezer.state")?.trim() == "FROZEN" {
                return Ok(true);
            }
            if Instant::now() > end {
                return Ok(false);
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_millis(5));
        }
    }

    /// The file that tells of changes.
    pub(super) fn events(&self) -> Result<Events> {
        let path = self.file("cgroup.events");
        Ok(Events { file: open(&path, OFlags::RDONLY).at("open", &path)?, path })
    }
}

/// `cgroup.events` of v2: the kernel wakes whoever polls it when something changes.
pub(super) struct Events {
    file: std::os::fd::OwnedFd,
    path: std::path::PathBuf,
}

impl Events {
    /// Waits until the text says so; false when the time is over first.
    pub(super) fn until(&self, within: Duration, done: impl Fn(&str) -> bool) -> Result<bool> {
        let end = Instant::now() + within;
        loop {
            let mut text = [0; 256];
            match rustix::io::pread(&self.file, &mut text, 0) {
                // The cgroup is gone, and with it its processes.
                Err(rustix::io::Errno::NODEV) => return Ok(true),
                Err(errno) => return Err(errno).at("read", &self.path),
                Ok(count) if done(&String::from_utf8_lossy(&text[..count])) => return Ok(true),
                Ok(_) => {}
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::PRI)], Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno).at("wait for", &self.path),
            }
        }
    }
}
