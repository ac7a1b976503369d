//! Waiting for a process in the foreground. In: the process and its terminal. Out: its exit; signals reach it, bytes go both ways, orphans are reaped.

use super::console::{self, Raw};
use super::error::{During, Result};
use crate::process::{Exit, Running, wait_exit};
use crate::{pty, sys};
use nix::sys::signal::{SigSet, Signal as NixSignal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// All signals that can be, arriving as reads. Made before the process, so that none is lost; the child's own are reset.
#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    pub(super) fn take() -> Result<Self> {
        let what = || "take the signals".to_owned();
        let mut all = SigSet::all();
        for fatal in [NixSignal::SIGSEGV, NixSignal::SIGBUS, NixSignal::SIGILL, NixSignal::SIGFPE, NixSignal::SIGABRT] {
            all.remove(fatal);
        }
        all.thread_block().during(what)?;
        sys::set_subreaper().during(what)?;
        Ok(Self(SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).during(what)?))
    }
}

/// Waits for its end.
pub(super) fn wait(running: &Running, signals: &Signals) -> Result<Exit> {
    let terminal = running.terminal.as_ref();
    let _raw = terminal.and_then(|_| Raw::enter());
    let mut input = terminal.is_some();
    loop {
        let mut fds = vec![PollFd::from_borrowed_fd(running.pidfd.as_fd(), PollFlags::IN), PollFd::from_borrowed_fd(signals.0.as_fd(), PollFlags::IN)];
        if let Some(terminal) = terminal {
            fds.push(PollFd::from_borrowed_fd(terminal.as_fd(), PollFlags::IN));
        }
        if input {
            fds.push(PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            other => other.during(|| "wait for the process".to_owned())?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready[1] {
            forward(running, signals, terminal);
        }
        if let Some(terminal) = terminal {
            if ready[2] {
                copy(terminal.as_fd(), rustix::stdio::stdout());
            }
            if ready.get(3) == Some(&true) {
                input = copy(rustix::stdio::stdin(), terminal.as_fd());
            }
        }
        if ready[0] {
            if let Some(terminal) = terminal {
                drain(terminal);
            }
            return wait_exit(running.pidfd.as_fd()).during(|| "reap the process".to_owned());
        }
    }
}

fn forward(running: &Running, signals: &Signals, terminal: Option<&OwnedFd>) {
    while let Ok(Some(info)) = signals.0.read_signal() {
        match info.ssi_signo as i32 {
            libc::SIGCHLD => reap_orphans(running.pid),
            libc::SIGWINCH => {
                if let Some(terminal) = terminal {
                    let (rows, cols) = console::own_size();
                    let _ = pty::resize(terminal, rows, cols);
                }
            }
            libc::SIGURG => {}
            number => {
                if let Some(signal) = Signal::from_named_raw(number) {
                    let _ = pidfd_send_signal(&running.pidfd, signal);
                }
            }
        }
    }
}

/// Everything that was handed to us but the process itself, which its pidfd tells of.
fn reap_orphans(main: i32) {
    let list = format!("/proc/self/task/{}/children", rustix::process::getpid().as_raw_nonzero());
    let children = std::fs::read_to_string(list).unwrap_or_default();
    for pid in children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid != main).filter_map(Pid::from_raw) {
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

/// One read and its write; false at the end.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 8 * 1024];
    let Ok(length @ 1..) = rustix::io::read(from, &mut buffer) else { return false };
    let mut rest = &buffer[..length];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

/// What the process wrote before its end is still in the terminal.
fn drain(terminal: &OwnedFd) {
    loop {
        let mut fds = [PollFd::from_borrowed_fd(terminal.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(1..) if fds[0].revents().contains(PollFlags::IN) && copy(terminal.as_fd(), rustix::stdio::stdout()) => {}
            _ => return,
        }
    }
}
