//! Copies of this process that go on with our own code: the spawner makes monitors so, and monitors their helpers, without the cost of an execve.
//! In: a process with one thread. Out: the same process twice. And two small things such processes need.
#![expect(unsafe_code, reason = "fork, malloc_trim and a signal by number; each block says why it is sound")]

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// On which side of the fork we are.
#[derive(Debug)]
pub enum Forked {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// Forks.
///
/// # Errors
/// `EBUSY` if this process has more than one thread: a lock held by another one would stay locked in the child for ever.
pub fn fork() -> io::Result<Forked> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: this is the only thread (checked above, and no other can start one), so the child may go on as the parent would.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => {
            // Not reaped yet, so the number is still its own.
            let named = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
            Ok(Forked::Parent { pid, pidfd: pidfd_open(named, PidfdFlags::empty())? })
        }
    }
}

/// Closes what came from whoever started this program: a lock or a pipe of theirs must not be held by what outlives them.
/// Only for the first line of a program, which has opened nothing itself yet.
///
/// # Errors
/// `ENOSYS` before Linux 5.9.
pub fn close_inherited() -> io::Result<()> {
    Ok(crate::sys::close_from(3)?)
}

/// Runs `job` in a copy of this process that has nothing of its descriptors but the standard three, and ends with the job.
/// Returns the copy's pidfd, which is readable when it is to be reaped.
///
/// # Errors
/// Those of [`fork`].
pub fn aside(job: impl FnOnce() -> bool) -> io::Result<OwnedFd> {
    match fork()? {
        Forked::Parent { pidfd, .. } => Ok(pidfd),
        Forked::Child => {
            let done = crate::sys::close_from(3).is_ok() && job();
            std::process::exit(i32::from(!done));
        }
    }
}

/// Gives freed memory back to the kernel: for processes that do little for long after having done much.
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes the allocator's own locks and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Sends a signal by number; realtime signals have no names.
pub fn send_signal(pidfd: impl AsFd, number: i32) -> io::Result<()> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: the descriptor is borrowed for the call, and no pointer but null is passed.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, number, std::ptr::null::<libc::siginfo_t>(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
