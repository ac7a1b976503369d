//! The init of a container. In: a process ready to execute the user's program. Out: that program below a process 1 that reaps and passes signals on.
//!
//! The init is not our binary (runc CVE-2019-5736): it is a program of its own, embedded, executed from a sealed memory file that nobody can change.

use crate::failure::{Attempt, Failure};
use crate::sys::{self, Forked};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::process::{getpid, setpgid};
use rustix::termios::tcsetpgrp;
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// Built by `build.rs` from `init/program.rs`.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// The init, ready to be executed.
pub(crate) fn sealed() -> Result<OwnedFd, Failure> {
    let what = || "prepare the container's init".to_owned();
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = match memfd_create("init", flags | MemfdFlags::EXEC) {
        // Kernels before 6.3 need not be told that it will be executed.
        Err(Errno::INVAL) => memfd_create("init", flags),
        other => other,
    }
    .attempting(what)?;
    let mut rest = PROGRAM;
    while !rest.is_empty() {
        rest = &rest[rustix::io::write(&file, rest).attempting(what)?..];
    }
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).attempting(what)?;
    Ok(file)
}

/// Clones: the child goes on with `program`, which comes back only with a failure, and this process becomes its init.
pub(crate) fn execute(init: &OwnedFd, args: &[CString], program: impl FnOnce() -> Failure) -> Failure {
    // What comes until the init listens waits for it.
    sys::block_signals();
    match sys::fork().attempting(|| "start the program below its init".to_owned()) {
        Err(failure) => failure,
        Ok(Forked::Child) => {
            // As a shell does with its jobs: signals of the terminal are the program's.
            let own = getpid();
            let _ = setpgid(None, None).and_then(|()| tcsetpgrp(rustix::stdio::stdin(), own));
            sys::reset_signals();
            program()
        }
        Ok(Forked::Parent(pid)) => {
            let words = [c"init".to_owned(), c"--".to_owned()].into_iter().chain(args.iter().cloned()).collect::<Vec<_>>();
            let child = CString::new(format!("CHILD={pid}")).unwrap_or_default();
            Failure::step("execute the container's init", sys::execute_fd(init, &words, &[child]))
        }
    }
}

#[cfg(test)]
mod tests;
