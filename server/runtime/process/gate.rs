//! The last steps of a process before execve. In: what is open, and what it may do. Out: the user's program once the gate is open.

use super::channel::{self, Message};
use super::rights::Rights;
use super::{Gate, Stdio, child, stdio};
use crate::failure::{Attempt, Failure};
use crate::pty::Pty;
use crate::sys;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What is open when a process is ready.
pub(crate) struct Descriptors<'a> {
    pub(crate) stdio: &'a Stdio,
    pub(crate) extra: &'a [OwnedFd],
    pub(crate) gate: &'a Gate,
    pub(crate) init: Option<&'a OwnedFd>,
    pub(crate) terminal: Option<Pty>,
    pub(crate) channel: BorrowedFd<'a>,
}

/// Puts the descriptors in place, becomes the user, tells the parent, waits at the gate, executes.
pub(crate) fn finish(rights: &Rights<'_>, fds: Descriptors<'_>, before_exec: impl FnOnce() -> Result<(), String>) -> Result<Infallible, Failure> {
    let stdio = match (&fds.terminal, fds.stdio) {
        (Some(terminal), _) => [terminal.slave.as_fd(); 3],
        (None, Stdio::Fds(fds)) => [fds[0].as_fd(), fds[1].as_fd(), fds[2].as_fd()],
        (None, Stdio::Terminal { .. }) => return Err(Failure::refused("there is no terminal")),
    };
    let mut kept = vec![fds.channel];
    if let Gate::Listener(listener) = fds.gate {
        kept.push(listener.as_fd());
    }
    if let Some(terminal) = &fds.terminal {
        kept.push(terminal.master.as_fd());
    }
    kept.extend(fds.init.map(AsFd::as_fd));
    let numbers = stdio::arrange(stdio, fds.extra, &kept)?;
    stdio::close_above(numbers.last().copied().unwrap_or(2))?;
    let has_terminal = fds.terminal.is_some();
    // Their old numbers are closed or belong to others now.
    std::mem::forget(fds.terminal);
    let mut numbers = numbers.into_iter().map(stdio::adopt);
    let channel = numbers.next().ok_or_else(|| Failure::refused("the channel was lost"))?;
    let listener = if matches!(fds.gate, Gate::Listener(_)) { numbers.next() } else { None };
    // The channel moved, and the caller's number for it is closed: from here on failures are told here.
    let terminal = if has_terminal { numbers.next() } else { None };
    let init = numbers.next();
    // The terminal stays open meanwhile: closing it would end this process, its session's leader, before it has told why.
    let path = match before_gate(rights, &channel) {
        Ok(path) => path,
        Err(failure) => give_up(&channel, failure),
    };
    if let Err(failure) = channel::send(channel.as_fd(), &Message::Ready(terminal)).attempting(|| "talk to the parent".to_owned()) {
        give_up(&channel, failure);
    }
    let channel = wait_at_gate(channel, listener);
    match before_exec() {
        Ok(()) => give_up(&channel, rights.execute(&path, channel.as_fd(), init.as_ref())),
        Err(sentence) => give_up(&channel, Failure::hook(sentence)),
    }
}

fn give_up(channel: &OwnedFd, failure: Failure) -> ! {
    let _ = channel::send(channel.as_fd(), &Message::Failed(failure));
    sys::exit_now(1)
}

fn before_gate(rights: &Rights<'_>, channel: &OwnedFd) -> Result<CString, Failure> {
    sys::reset_signals();
    rights.limit(&mut child::warn(channel.as_fd()))?;
    rights.assume()?;
    rights.find()
}

/// Returns the connection on which a failing execve is told; it closes with a good one.
fn wait_at_gate(channel: OwnedFd, listener: Option<OwnedFd>) -> OwnedFd {
    let Some(listener) = listener else {
        return match channel::receive(channel.as_fd()) {
            Ok(Some(Message::Go)) => channel,
            _ => sys::exit_now(1),
        };
    };
    drop(channel);
    loop {
        match accept_with(&listener, SocketFlags::CLOEXEC) {
            Ok(connection) => {
                if let Ok(Some(Message::Go)) = channel::receive(connection.as_fd()) {
                    return connection;
                }
            }
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(_) => sys::exit_now(1),
        }
    }
}
