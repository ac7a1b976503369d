//! Notices that memory ran out. In: a cgroup. Out: a descriptor to poll, and how often the kernel killed.

use super::Cgroup;
use super::error::{At as _, Result};
use super::files::{open, write};
use gantry_plan::limits::Controller;
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::fs::OFlags;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

/// Becomes ready when the cgroup runs out of memory: for reading on v1 (an eventfd), with `EPOLLPRI` on v2 (`memory.events`).
#[derive(Debug)]
pub struct OomWatch {
    file: OwnedFd,
    v2: bool,
}

impl Cgroup {
    /// `None` if this host does not count memory.
    pub fn watch_oom(&self) -> Result<Option<OomWatch>> {
        let Some(folder) = self.of(Controller::Memory) else { return Ok(None) };
        if folder.v2 {
            let path = folder.file("memory.events");
            let watch = OomWatch { file: open(&path, OFlags::RDONLY).at("open", &path)?, v2: true };
            watch.clear();
            return Ok(Some(watch));
        }
        let (events, control) = (folder.file("memory.oom_control"), folder.file("cgroup.event_control"));
        let file = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).at("watch", &events)?;
        let events = open(&events, OFlags::RDONLY).at("open", &events)?;
        write(&control, &format!("{} {}", file.as_raw_fd(), events.as_raw_fd())).at("write to", &control)?;
        Ok(Some(OomWatch { file, v2: false }))
    }

    /// How many processes the kernel killed for memory, in this cgroup and below it.
    pub fn oom_kills(&self) -> u64 {
        let Some(folder) = self.of(Controller::Memory) else { return 0 };
        folder.field(if folder.v2 { "memory.events" } else { "memory.oom_control" }, "oom_kill").unwrap_or(0)
    }
}

impl OomWatch {
    /// True if it is waited for with `EPOLLPRI`.
    pub fn is_priority(&self) -> bool {
        self.v2
    }

    /// What `poll` waits for.
    pub fn poll_flags(&self) -> PollFlags {
        if self.v2 { PollFlags::PRI } else { PollFlags::IN }
    }

    /// Waits for the next notice from here on.
    pub fn clear(&self) {
        let mut bytes = [0; 512];
        // Nothing to read is nothing to forget.
        let _ = if self.v2 { rustix::io::pread(&self.file, &mut bytes, 0) } else { rustix::io::read(&self.file, &mut bytes[..8]) };
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
