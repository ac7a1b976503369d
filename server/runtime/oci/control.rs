//! `kill`, `delete`, `pause`, `resume`. In: an id. Out: what was asked, or runc's reason why not.

use super::args::Global;
use super::error::{During, OciError, Result};
use super::state::{Container, Status};
use super::{hooks, limits};
use gantry_model::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

pub(super) fn kill(global: &Global, id: &str, signal: &str, all: bool) -> Result<i32> {
    let container = Container::load(&global.root, id)?;
    if signal == "0" {
        return if matches!(container.status(), Status::Stopped | Status::Creating) { Err(OciError::NotRunning) } else { Ok(0) };
    }
    let signal: Signal = signal.parse().map_err(|_| OciError::Refused(format!("unknown signal {signal:?}")))?;
    if all {
        if container.saved.cgroup.is_some() {
            limits::signal_all(&container.saved, signal.number())?;
        } else if let Some(pidfd) = container.process() {
            send(&pidfd, signal)?;
        }
        if signal == Signal::KILL && container.status() == Status::Paused {
            limits::thaw(&container.saved)?;
        }
        return Ok(0);
    }
    let pidfd = container.process().ok_or(OciError::NotRunning)?;
    if container.status() == Status::Stopped {
        return Err(OciError::NotRunning);
    }
    send(&pidfd, signal)?;
    // A paused process takes its death only when it goes on.
    if signal == Signal::KILL && container.status() == Status::Paused {
        limits::thaw(&container.saved)?;
    }
    Ok(0)
}

fn send(pidfd: &OwnedFd, signal: Signal) -> Result<()> {
    match crate::sys::pidfd_signal(pidfd.as_fd(), signal.number()) {
        Err(Errno::SRCH) => Ok(()),
        other => other.during(|| format!("send {signal}")),
    }
}

pub(super) fn delete(global: &Global, ids: &[String], force: bool) -> Result<i32> {
    for id in ids {
        let container = match Container::load(&global.root, id) {
            Err(OciError::Missing(_)) if force => {
                // A create that was killed leaves a folder without state.
                let _ = std::fs::remove_dir_all(global.root.join(id));
                continue;
            }
            other => other?,
        };
        let status = container.status();
        match status {
            Status::Stopped | Status::Creating => {}
            Status::Created => end(&container)?,
            _ if force => end(&container)?,
            _ => return Err(OciError::Refused(format!("cannot delete container {id} that is not stopped: {}", status.word()))),
        }
        delete_stopped(&container)?;
    }
    Ok(0)
}

/// Kills the first process and waits for it. Those in its pid namespace end with it.
fn end(container: &Container) -> Result<()> {
    let Some(pidfd) = container.process() else { return Ok(()) };
    send(&pidfd, Signal::KILL)?;
    if limits::is_paused(&container.saved) {
        limits::thaw(&container.saved)?;
    }
    loop {
        let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(OciError::Refused(format!("container {} is killed and does not end", container.saved.id))),
            other => return other.map(drop).during(|| "wait for the end of the container".to_owned()),
        }
    }
}

/// What is left: its cgroup, its hooks, its folder. Processes that share the host's pid namespace may have outlived the first.
pub(super) fn delete_stopped(container: &Container) -> Result<()> {
    if container.spec().map_or(true, |spec| limits::may_leave_processes(&spec)) {
        limits::kill_all(&container.saved)?;
    }
    limits::remove(&container.saved)?;
    let hooks = container.spec().ok().and_then(|spec| spec.hooks().clone());
    container.remove()?;
    if let Some(hooks) = hooks
        && let Err(reason) = hooks::run("poststop", hooks.poststop().as_ref(), &hooks::state(container, Status::Stopped))
    {
        tracing::warn!("{reason}");
    }
    Ok(())
}

pub(super) fn pause(global: &Global, id: &str) -> Result<i32> {
    let container = Container::load(&global.root, id)?;
    match container.status() {
        Status::Running | Status::Created => limits::freeze(&container.saved).map(|()| 0),
        status => Err(OciError::Refused(format!("container not running or created: {}", status.word()))),
    }
}

pub(super) fn resume(global: &Global, id: &str) -> Result<i32> {
    let container = Container::load(&global.root, id)?;
    match container.status() {
        Status::Paused => limits::thaw(&container.saved).map(|()| 0),
        _ => Err(OciError::Refused("container not paused".into())),
    }
}
