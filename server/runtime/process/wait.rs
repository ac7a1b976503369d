//! Ends of processes. In: a pidfd of a child. Out: its exit.

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::BorrowedFd;

/// How a process ended: `code` as a shell has it (128 + signal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    pub code: i32,
    pub signal: Option<i32>,
}

/// Waits for a child and reaps it.
pub fn wait_exit(pidfd: BorrowedFd<'_>) -> std::io::Result<Exit> {
    loop {
        if let Some(exit) = wait(pidfd, WaitIdOptions::EXITED)? {
            return Ok(exit);
        }
    }
}

/// [`wait_exit`] that returns `None` while the child lives.
pub fn try_exit(pidfd: BorrowedFd<'_>) -> std::io::Result<Option<Exit>> {
    wait(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
}

fn wait(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> std::io::Result<Option<Exit>> {
    match waitid(WaitId::PidFd(pidfd), options) {
        Err(Errno::INTR) | Ok(None) => Ok(None),
        Err(errno) => Err(errno.into()),
        Ok(Some(status)) => Ok(Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit { code, signal: None },
            (None, Some(signal)) => Exit { code: 128 + signal, signal: Some(signal) },
            (None, None) => return Ok(None),
        })),
    }
}
