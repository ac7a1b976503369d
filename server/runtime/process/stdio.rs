//! The descriptors a program starts with. In: what the caller gave. Out: 0, 1, 2, the extra ones from 3 on, ours behind them, and nothing else.

use super::Stdio;
use crate::failure::{Attempt, Failure};
use crate::pty;
use crate::sys;
use crate::tree::Tree;
use rustix::process::ioctl_tiocsctty;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// The child's side of a terminal, and the master on its way to the parent.
pub(crate) fn terminal(stdio: &Stdio, tree: &Tree<'_>) -> Result<Option<pty::Pty>, Failure> {
    match stdio {
        Stdio::Terminal { rows, cols } => pty::open(tree, *rows, *cols).map(Some),
        Stdio::Fds(_) => Ok(None),
    }
}

/// Makes the terminal this session's own.
pub(crate) fn control(slave: BorrowedFd<'_>) -> Result<(), Failure> {
    ioctl_tiocsctty(slave).attempting(|| "take control of the terminal".to_owned())
}

/// Puts everything in its place. `kept` follow the extra descriptors and close on execve; everything above closes on execve too.
/// Returns the new numbers of `kept`. The old descriptors must not be used again.
pub(crate) fn arrange(stdio: [BorrowedFd<'_>; 3], extra: &[OwnedFd], kept: &[BorrowedFd<'_>]) -> Result<Vec<RawFd>, Failure> {
    let what = || "put the descriptors in place".to_owned();
    let wanted: Vec<BorrowedFd<'_>> = stdio.into_iter().chain(extra.iter().map(AsFd::as_fd)).chain(kept.iter().copied()).collect();
    let least = wanted.len() as RawFd;
    // Copies above all targets first: a source may have the number of another's target.
    let copies = wanted.iter().map(|fd| sys::dup_above(*fd, least)).collect::<Result<Vec<_>, _>>().attempting(what)?;
    for (target, copy) in copies.iter().enumerate() {
        sys::place(copy.as_raw_fd(), target as RawFd).attempting(what)?;
    }
    drop(copies);
    let first_kept = (3 + extra.len()) as u32;
    sys::close_on_exec_from(first_kept).attempting(what)?;
    Ok((first_kept as RawFd..least).collect())
}

/// Closes everything above `last` now: a process that waits at its gate holds nothing of its caller.
pub(crate) fn close_above(last: RawFd) -> Result<(), Failure> {
    sys::close_from(last as u32 + 1).attempting(|| "close the caller's descriptors".to_owned())
}

/// Takes a number that [`arrange`] returned.
pub(crate) fn adopt(number: RawFd) -> OwnedFd {
    sys::adopt(number)
}
