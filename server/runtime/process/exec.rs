//! One more process in a container. In: the container's first process and the wish. Out: the program runs in all its namespaces.

use super::channel;
use super::create::become_root;
use super::namespaces::Restore;
use super::rights::Rights;
use super::{Created, ExecLaunch, Gate, JoinPlan, LaunchError, Running, child, gate, numbers, stdio};
use crate::failure::{Attempt, Failure};
use crate::procfs::Proc;
use crate::sys::{self, Cloned};
use crate::tree::Tree;
use rustix::fs::{CWD, Mode, OFlags, openat, stat};
use rustix::process::{Pid, PidfdFlags, pidfd_open, setsid, umask};
use std::convert::Infallible;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Joins a container and executes a program in it.
///
/// The parent joins the pid namespace for its children only and comes back; the child joins the rest at once, by pidfd, so that no path of the
/// container is used to get in.
pub fn exec(launch: ExecLaunch<'_>) -> Result<Running, LaunchError> {
    let target = Target::open(launch.target_pid)?;
    let rights = Rights::new(launch.process, launch.user, target.root.as_fd(), launch.seccomp)?;
    let (ours, theirs) = channel::pair().attempting(|| "make a channel to the child".to_owned())?;
    let joined = launch.cgroup.map(|cgroup| cgroup.join_beside(launch.target_pid)).transpose().map_err(|error| LaunchError::Cgroup(error.to_string()))?;
    let into = joined.as_ref().and_then(|cgroup| cgroup.into.as_ref()).map(AsFd::as_fd);
    let restore = target.before_clone()?;
    let cloned = sys::clone3(0, into).attempting(|| "clone".to_owned());
    let mut created = match cloned? {
        Cloned::Child => {
            std::mem::forget(restore);
            sys::close_inherited(&ours);
            child::run(theirs.as_fd(), || join_and_execute(&launch, joined.as_ref(), &target, &rights, theirs.as_fd()))
        }
        Cloned::Parent { pid, pidfd } => Created::new(pid, pidfd, ours, rights.warnings.clone()),
    };
    drop(restore);
    drop(theirs);
    created.listener = launch.seccomp.and_then(|filter| filter.listener().cloned());
    created.until_ready(None)?;
    let mut running = created.start()?;
    // The container keeps its own mounts.
    running.mounts = None;
    Ok(running)
}

/// A running container, held so that no other process can take its place.
struct Target {
    pidfd: OwnedFd,
    root: OwnedFd,
    /// `CLONE_NEW*` of the namespaces that differ from ours.
    others: u64,
}

impl Target {
    fn open(pid: i32) -> Result<Self, LaunchError> {
        let what = || format!("join the process {pid}");
        let id = Pid::from_raw(pid).ok_or_else(|| LaunchError::Invalid(format!("{pid} is no process")))?;
        let pidfd = pidfd_open(id, PidfdFlags::empty()).attempting(what)?;
        let root = openat(CWD, format!("/proc/{pid}/root"), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).attempting(what)?;
        let mut others = 0;
        for (name, flag) in NAMESPACES {
            let of = |who: &str| stat(format!("/proc/{who}/ns/{name}")).map(|stat| (stat.st_dev, stat.st_ino));
            match (of("self"), of(&pid.to_string())) {
                (Ok(own), Ok(target)) if own != target => others |= flag,
                (Ok(_), Err(errno)) => return Err(Failure::step(what(), errno).into()),
                _ => {}
            }
        }
        // What was read belongs to the process that is held, if it still lives.
        sys::pidfd_signal(pidfd.as_fd(), 0).attempting(what)?;
        Ok(Self { pidfd, root, others })
    }

    fn before_clone(&self) -> Result<Restore, LaunchError> {
        let mut restore = Restore::default();
        if self.others & sys::CLONE_NEWPID != 0 {
            restore.pid = Some(File::open("/proc/self/ns/pid").map(OwnedFd::from).attempting(|| "open the own pid namespace".to_owned())?);
            sys::setns(self.pidfd.as_fd(), sys::CLONE_NEWPID).attempting(|| "join the container's pid namespace".to_owned())?;
        }
        Ok(restore)
    }

    /// All but pid, which the clone has taken over.
    fn join(&self) -> Result<(), Failure> {
        let others = self.others & !sys::CLONE_NEWPID;
        if others != 0 {
            sys::setns(self.pidfd.as_fd(), others).attempting(|| "join the container's namespaces".to_owned())?;
        }
        if others & sys::CLONE_NEWUSER != 0 { become_root() } else { Ok(()) }
    }
}

const NAMESPACES: [(&str, u64); 8] = [
    ("user", sys::CLONE_NEWUSER),
    ("mnt", sys::CLONE_NEWNS),
    ("pid", sys::CLONE_NEWPID),
    ("net", sys::CLONE_NEWNET),
    ("ipc", sys::CLONE_NEWIPC),
    ("uts", sys::CLONE_NEWUTS),
    ("cgroup", sys::CLONE_NEWCGROUP),
    ("time", sys::CLONE_NEWTIME),
];

fn join_and_execute(
    launch: &ExecLaunch<'_>,
    cgroup: Option<&JoinPlan>,
    target: &Target,
    rights: &Rights<'_>,
    channel: BorrowedFd<'_>,
) -> Result<Infallible, Failure> {
    // Before the container's processes can see this one.
    sys::set_undumpable().attempting(|| "protect the process".to_owned())?;
    let affinity = launch.process.exec_cpu_affinity().as_ref();
    set_affinity(affinity.and_then(|affinity| affinity.initial().as_deref()))?;
    child::settle_on_host(launch.process, cgroup, channel)?;
    set_affinity(affinity.and_then(|affinity| affinity.cpu_affinity_final().as_deref()))?;
    if target.others & sys::CLONE_NEWUSER != 0 {
        rights.raise();
    }
    target.join()?;
    umask(Mode::empty());
    setsid().map(drop).attempting(|| "start a session".to_owned())?;
    child::new_keyring()?;
    let terminal = stdio::terminal(&launch.stdio, &Tree::new(target.root.as_fd()))?;
    if let Some(terminal) = &terminal {
        stdio::control(terminal.slave.as_fd())?;
    }
    rights.prepare(&Proc::private()?)?;
    gate::finish(rights, gate::Descriptors { stdio: &launch.stdio, extra: &launch.extra_fds, gate: &Gate::Parent, init: None, terminal, channel }, || Ok(()))
}

fn set_affinity(list: Option<&str>) -> Result<(), Failure> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(()) };
    let mask = numbers::mask(list).ok_or_else(|| Failure::refused(format!("execCPUAffinity {list:?} is no list of processors")))?;
    sys::set_affinity(&mask).attempting(|| format!("run on the processors {list}"))
}
