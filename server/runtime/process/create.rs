//! The parent's side of a start. In: a launch. Out: a process at its gate; after a failure nothing is left, neither a child nor a descriptor.

use super::channel::{self, Message};
use super::child::{self, Seed};
use super::namespaces::Namespaces;
use super::plan::Plan;
use super::{Created, Hooks, Launch, LaunchError, Running, notify, wait};
use crate::failure::{Attempt, Failure};
use crate::init;
use crate::seccomp::Listener;
use crate::sys::{self, Cloned};
use rustix::process::{Signal, pidfd_send_signal};
use std::convert::Infallible;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Makes the container and stops before execve.
pub fn create(mut launch: Launch<'_>) -> Result<Created, LaunchError> {
    let plan = Plan::new(&launch)?;
    let mut hooks = launch.hooks.take();
    let (ours, theirs) = channel::pair().attempting(|| "make a channel to the child".to_owned())?;
    let child = clone_first(&launch, &plan, &ours, &theirs, hooks.as_deref_mut())?;
    drop(theirs);
    let mut created = Created::new(child.pid, child.pidfd, ours, plan.rights.warnings.clone());
    created.listener = launch.seccomp.and_then(|filter| filter.listener().cloned());
    // The mounts belong to the child now; a copy here would keep them after its end.
    drop(plan);
    created.until_ready(hooks)?;
    Ok(created)
}

/// A process by both its names.
struct Process {
    pid: i32,
    pidfd: OwnedFd,
}

fn clone_first(launch: &Launch<'_>, plan: &Plan<'_>, ours: &OwnedFd, theirs: &OwnedFd, hooks: Option<&mut (dyn Hooks + '_)>) -> Result<Process, LaunchError> {
    // In its cgroup from the first instruction on.
    let joined = launch.cgroup.map(|cgroup| cgroup.join()).transpose().map_err(|error| LaunchError::Cgroup(error.to_string()))?;
    let cgroup = joined.as_ref();
    let init = if launch.init { Some(init::sealed()?) } else { None };
    let into = cgroup.and_then(|cgroup| cgroup.into.as_ref()).map(AsFd::as_fd);
    let init = init.as_ref();
    let first = move || {
        let seed = Seed {
            stdio: &launch.stdio,
            extra: &launch.extra_fds,
            cgroup,
            hooks: hooks.map(|hooks| hooks as &mut dyn Hooks),
            gate: &launch.gate,
            no_pivot: launch.no_pivot,
            no_new_keyring: launch.no_new_keyring,
            init,
        };
        child::first_process(plan, seed, theirs.as_fd())
    };
    if let Some(user) = &plan.namespaces.user {
        return clone_in_user_namespace(
            user.as_fd(),
            &plan.namespaces,
            into,
            theirs,
            || {
                child::settle_on_host(plan.process, cgroup, theirs.as_fd())?;
                plan.rights.raise();
                Ok(())
            },
            || {
                sys::close_inherited(ours);
                first()
            },
        );
    }
    let restore = plan.namespaces.before_clone()?;
    let mut flags = plan.namespaces.new;
    if cgroup.is_some_and(|cgroup| !cgroup.tasks.is_empty()) {
        // Made by the child when it has moved.
        flags &= !sys::CLONE_NEWCGROUP;
    }
    match sys::clone3(flags, into).attempting(|| "clone into new namespaces".to_owned())? {
        Cloned::Parent { pid, pidfd } => Ok(Process { pid, pidfd }),
        Cloned::Child => {
            std::mem::forget(restore);
            sys::close_inherited(ours);
            child::run(theirs.as_fd(), || {
                // A joined pid namespace has others in it that may look already.
                sys::set_undumpable().attempting(|| "protect the process".to_owned())?;
                child::settle_on_host(plan.process, cgroup, theirs.as_fd())?;
                first()
            })
        }
    }
}

/// A process in between joins the user namespace, so that all others belong to it, and makes the child as a child of ours.
fn clone_in_user_namespace(
    user: BorrowedFd<'_>,
    namespaces: &Namespaces,
    into: Option<BorrowedFd<'_>>,
    theirs: &OwnedFd,
    on_host: impl FnOnce() -> Result<(), Failure>,
    first: impl FnOnce() -> Result<Infallible, Failure>,
) -> Result<Process, LaunchError> {
    let (here, there) = channel::pair().attempting(|| "make a channel to the child".to_owned())?;
    match sys::clone3(0, into).attempting(|| "clone".to_owned())? {
        Cloned::Child => child::run(there.as_fd(), || {
            sys::close_inherited(&here);
            let cloned = on_host().and_then(|()| enter_user_namespace(user)).and_then(|()| {
                let restore = namespaces.before_clone()?;
                let cloned = sys::clone3(namespaces.new | sys::CLONE_PARENT, None).attempting(|| "clone into new namespaces".to_owned());
                std::mem::forget(restore);
                cloned
            });
            match cloned? {
                Cloned::Child => {
                    sys::close_inherited(&there);
                    child::run(theirs.as_fd(), first)
                }
                Cloned::Parent { pidfd, .. } => {
                    let _ = channel::send(there.as_fd(), &Message::Cloned(pidfd));
                    sys::exit_now(0)
                }
            }
        }),
        Cloned::Parent { pidfd: between, .. } => {
            drop(there);
            let answer = channel::receive(here.as_fd());
            let exit = wait::wait_exit(between.as_fd());
            match answer {
                Ok(Some(Message::Cloned(pidfd))) => Ok(Process { pid: pid_of(&pidfd)?, pidfd }),
                Ok(Some(Message::Failed(failure))) => Err(failure.into()),
                _ => Err(LaunchError::Lost(format!(" ({exit:?})"))),
            }
        }
    }
}

/// Joins, and becomes root there.
fn enter_user_namespace(user: BorrowedFd<'_>) -> Result<(), Failure> {
    sys::setns(user, sys::CLONE_NEWUSER).attempting(|| "join the user namespace".to_owned())?;
    become_root()
}

/// Root of the user namespace just joined, whatever ids it maps besides.
pub(super) fn become_root() -> Result<(), Failure> {
    use rustix::process::{Gid, Uid};
    let _ = rustix::thread::set_thread_groups(&[]);
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).attempting(|| "become root of the user namespace (does it map group 0?)".to_owned())?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).attempting(|| "become root of the user namespace (does it map user 0?)".to_owned())
}

/// The pid behind a pidfd, in our pid namespace.
fn pid_of(pidfd: &OwnedFd) -> Result<i32, LaunchError> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).attempting(|| "read the child's pid".to_owned())?;
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).and_then(|pid| pid.trim().parse().ok()).filter(|pid| *pid > 0);
    pid.ok_or_else(|| LaunchError::Lost(String::new()))
}

impl Created {
    pub(super) fn new(pid: i32, pidfd: OwnedFd, channel: OwnedFd, warnings: Vec<String>) -> Self {
        Self { pid, pidfd, terminal: None, warnings, channel, alive: true, listener: None }
    }

    pub(super) fn until_ready(&mut self, mut hooks: Option<&mut (dyn Hooks + '_)>) -> Result<(), LaunchError> {
        loop {
            match self.next()? {
                Message::Namespaces => {
                    if let Some(hooks) = hooks.as_deref_mut() {
                        hooks.namespaces_ready(self.pid).map_err(LaunchError::Hook)?;
                    }
                    self.go()?;
                }
                Message::Mounted => {
                    if let Some(hooks) = hooks.as_deref_mut() {
                        hooks.before_pivot(self.pid).map_err(LaunchError::Hook)?;
                    }
                    self.go()?;
                }
                Message::Ready(terminal) => {
                    self.terminal = terminal;
                    return Ok(());
                }
                Message::Warning(text) => self.warnings.push(text),
                Message::Failed(failure) => return Err(failure.into()),
                Message::Cloned(_) | Message::Listener(_) | Message::Go => return Err(LaunchError::Lost(" (it sent nonsense)".to_owned())),
            }
        }
    }

    fn next(&mut self) -> Result<Message, LaunchError> {
        match channel::receive(self.channel.as_fd()) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.lost()),
            Err(errno) => Err(Failure::step("hear from the container's first process", errno).into()),
        }
    }

    fn go(&self) -> Result<(), LaunchError> {
        channel::send(self.channel.as_fd(), &Message::Go).map_err(|errno| Failure::step("talk to the container's first process", errno).into())
    }

    /// The channel closed without a word: the kernel ended the child.
    fn lost(&mut self) -> LaunchError {
        self.alive = false;
        let exit = wait::wait_exit(self.pidfd.as_fd()).ok();
        LaunchError::Lost(match exit {
            Some(wait::Exit { signal: Some(9), .. }) => ": it was killed, which a memory limit too low for a start does".to_owned(),
            Some(wait::Exit { signal: Some(signal), .. }) => format!(": it got signal {signal}"),
            Some(wait::Exit { code, .. }) => format!(": it ended with code {code}"),
            None => String::new(),
        })
    }

    /// Opens the gate and waits for the execve.
    ///
    /// # Errors
    /// [`LaunchError::Exec`] when the program is missing or not executable; the process is reaped.
    pub fn start(mut self) -> Result<Running, LaunchError> {
        let mounts = File::open(format!("/proc/{}/ns/mnt", self.pid)).map(OwnedFd::from).ok();
        self.go()?;
        loop {
            match channel::receive(self.channel.as_fd()) {
                Ok(None) => return self.into_running(mounts),
                Ok(Some(Message::Warning(text))) => self.warnings.push(text),
                Ok(Some(Message::Listener(number))) => notify::pass(self.channel.as_fd(), self.pidfd.as_fd(), self.pid, number, self.listener.as_ref())?,
                Ok(Some(Message::Failed(failure))) => return Err(failure.into()),
                Ok(Some(_)) => return Err(LaunchError::Lost(" (it sent nonsense)".to_owned())),
                Err(errno) => return Err(Failure::step("hear from the container's first process", errno).into()),
            }
        }
    }

    /// Kills and reaps.
    pub fn abort(self) {
        drop(self);
    }

    /// Lets go of a process that waits at a [`super::Gate::Listener`].
    pub fn leave(self) -> Result<Running, LaunchError> {
        self.into_running(None)
    }

    fn into_running(mut self, mounts: Option<OwnedFd>) -> Result<Running, LaunchError> {
        let pidfd = self.pidfd.try_clone().attempting(|| "keep the process".to_owned())?;
        self.alive = false;
        Ok(Running { pid: self.pid, pidfd, terminal: self.terminal.take(), warnings: std::mem::take(&mut self.warnings), mounts })
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if self.alive {
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            let _ = wait::wait_exit(self.pidfd.as_fd());
        }
    }
}

/// Opens the gate of the process `pid` that waits at a [`super::Gate::Listener`] behind `connection`, and waits for its execve.
/// `listener` is who hears of system calls that its filter asks about.
pub fn open_gate(connection: BorrowedFd<'_>, pid: i32, pidfd: BorrowedFd<'_>, listener: Option<&Listener>) -> Result<(), LaunchError> {
    channel::send(connection, &Message::Go).attempting(|| "open the container's gate".to_owned())?;
    loop {
        match channel::receive(connection).attempting(|| "hear from the container's first process".to_owned())? {
            None => return Ok(()),
            Some(Message::Listener(number)) => notify::pass(connection, pidfd, pid, number, listener)?,
            Some(Message::Failed(failure)) => return Err(failure.into()),
            Some(_) => return Err(LaunchError::Lost(" (it sent nonsense)".to_owned())),
        }
    }
}
