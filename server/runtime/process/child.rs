//! The container's first process between clone and execve. In: the plan, inherited. Out: the user's program, or one message that says which step failed.

use super::channel::{self, Message};
use super::plan::Plan;
use super::{Gate, Hooks, JoinPlan, Stdio, gate, rights, stdio};
use crate::failure::{Attempt, Failure};
use crate::mounts::{self, cgroup, devices, masks};
use crate::procfs::{Proc, sysctl_path};
use crate::rootfs;
use crate::sys;
use crate::tree::{Make, Tree};
use oci_spec::runtime::LinuxPersonalityDomain;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{setsid, umask};
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// What a child needs beside the plan.
pub(crate) struct Seed<'a> {
    pub(crate) stdio: &'a Stdio,
    pub(crate) extra: &'a [OwnedFd],
    pub(crate) cgroup: Option<&'a JoinPlan>,
    pub(crate) hooks: Option<&'a mut dyn Hooks>,
    pub(crate) gate: &'a Gate,
    pub(crate) no_pivot: bool,
    pub(crate) no_new_keyring: bool,
    pub(crate) init: Option<&'a OwnedFd>,
}

/// Runs `work` in a child and ends it with a message if it comes back. Nothing of the parent's stack is unwound.
pub(crate) fn run(channel: BorrowedFd<'_>, work: impl FnOnce() -> Result<Infallible, Failure>) -> ! {
    let failure = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(never)) => match never {},
        Ok(Err(failure)) => failure,
        Err(_) => Failure::refused("the start of the container met a bug in gantry"),
    };
    let _ = channel::send(channel, &Message::Failed(failure));
    sys::exit_now(1)
}

/// Tells the parent about something that is not needed.
pub(crate) fn warn(channel: BorrowedFd<'_>) -> impl FnMut(String) + '_ {
    move |text| {
        let _ = channel::send(channel, &Message::Warning(text));
    }
}

/// The first acts, still with the host's view and rights: cgroups, and what only the host's root may raise.
pub(crate) fn settle_on_host(process: &oci_spec::runtime::Process, cgroup: Option<&JoinPlan>, channel: BorrowedFd<'_>) -> Result<(), Failure> {
    for tasks in cgroup.iter().flat_map(|cgroup| &cgroup.tasks) {
        // Written by the process itself no lock of all processes is taken, which saves milliseconds.
        rustix::io::write(tasks, b"0").attempting(|| "join the cgroup".to_owned())?;
    }
    if process.oom_score_adj().is_some() {
        rights::set_oom_score(process, &Proc::host().attempting(|| "open /proc".to_owned())?, &mut warn(channel))?;
    }
    Ok(())
}

/// Everything; returns only a failure.
pub(crate) fn first_process(plan: &Plan<'_>, mut seed: Seed<'_>, channel: BorrowedFd<'_>) -> Result<Infallible, Failure> {
    sys::set_undumpable().attempting(|| "protect the process".to_owned())?;
    umask(Mode::empty());
    join(plan, seed.cgroup)?;
    setsid().map(drop).attempting(|| "start a session".to_owned())?;
    if seed.hooks.is_some() {
        ask(channel, &Message::Namespaces)?;
    }
    if !seed.no_new_keyring {
        new_keyring()?;
    }
    host_words(plan)?;
    let tree = Tree::new(plan.rootfs.as_fd());
    rootfs::enter(&plan.rootfs, plan.propagation)?;
    let proc = mount_all(plan, &tree)?;
    make_working_folder(plan, &tree);
    let terminal = stdio::terminal(seed.stdio, &tree)?;
    if let Some(terminal) = &terminal {
        devices::console(&tree, terminal.slave.as_fd())?;
    }
    if let Some(hooks) = seed.hooks.as_mut() {
        ask(channel, &Message::Mounted)?;
        hooks.in_container().map_err(Failure::hook)?;
    }
    for (name, value) in plan.linux.sysctl().iter().flatten() {
        proc.write(&sysctl_path(name), value).attempting(|| format!("set the sysctl {name} to {value}"))?;
    }
    plan.rights.prepare(&proc)?;
    masks::protect(&tree, plan.linux.readonly_paths().as_deref().unwrap_or_default())?;
    masks::mask(&tree, plan.linux.masked_paths().as_deref().unwrap_or_default())?;
    if seed.no_pivot {
        rootfs::change_without_pivot(&plan.rootfs)?;
    } else {
        rootfs::pivot(&plan.rootfs)?;
    }
    rootfs::finish(plan.spec.root().as_ref().is_some_and(|root| root.readonly().unwrap_or(false)), plan.propagation)?;
    personality(plan)?;
    memory_policy(plan)?;
    if let Some(terminal) = &terminal {
        stdio::control(terminal.slave.as_fd())?;
    }
    let descriptors = gate::Descriptors { stdio: seed.stdio, extra: seed.extra, gate: seed.gate, init: seed.init, terminal, channel };
    gate::finish(&plan.rights, descriptors, || seed.hooks.as_mut().map_or(Ok(()), |hooks| hooks.before_exec()))
}

/// A working directory that is missing is made, as runc does, also on what is mounted. If it can't be, entering it tells why.
fn make_working_folder(plan: &Plan<'_>, tree: &Tree<'_>) {
    if let Some(process) = plan.spec.process() {
        let _ = tree.ensure(process.cwd(), Make::Directory);
    }
}

fn join(plan: &Plan<'_>, cgroup: Option<&JoinPlan>) -> Result<(), Failure> {
    for (flag, namespace) in &plan.namespaces.join {
        sys::setns(namespace.as_fd(), *flag).attempting(|| format!("join the namespace with flag {flag:#x}"))?;
    }
    // On v1 the process moved after it was cloned: only now is its cgroup the root of the new namespace.
    let moved = cgroup.is_some_and(|cgroup| !cgroup.tasks.is_empty()) && plan.namespaces.user.is_none();
    if moved && plan.namespaces.new & sys::CLONE_NEWCGROUP != 0 {
        sys::unshare(sys::CLONE_NEWCGROUP).attempting(|| "make a cgroup namespace".to_owned())?;
    }
    if plan.namespaces.new & sys::CLONE_NEWNET != 0 {
        sys::loopback_up().attempting(|| "bring the loopback interface up".to_owned())?;
    }
    Ok(())
}

/// Sends a question and waits for the parent's "go".
fn ask(channel: BorrowedFd<'_>, question: &Message) -> Result<(), Failure> {
    channel::send(channel, question).attempting(|| "talk to the parent".to_owned())?;
    match channel::receive(channel) {
        Ok(Some(Message::Go)) => Ok(()),
        // The parent gave up or died: nobody is left to be told.
        _ => sys::exit_now(1),
    }
}

/// Hides the caller's keys.
pub(crate) fn new_keyring() -> Result<(), Failure> {
    match sys::new_session_keyring() {
        // Kernels without keyrings, and filters of an outer container, have none to hide.
        Ok(()) | Err(Errno::NOSYS | Errno::PERM | Errno::DQUOT) => Ok(()),
        Err(errno) => Err(Failure::step("make a session keyring", errno)),
    }
}

fn host_words(plan: &Plan<'_>) -> Result<(), Failure> {
    if let Some(name) = plan.spec.hostname().as_ref().filter(|name| !name.is_empty()) {
        rustix::system::sethostname(name.as_bytes()).attempting(|| format!("set the hostname {name}"))?;
    }
    if let Some(name) = plan.spec.domainname().as_ref().filter(|name| !name.is_empty()) {
        rustix::system::setdomainname(name.as_bytes()).attempting(|| format!("set the domain name {name}"))?;
    }
    Ok(())
}

/// Mounts, devices, and a proc handle that stays ours.
fn mount_all(plan: &Plan<'_>, tree: &Tree<'_>) -> Result<Proc, Failure> {
    let wants_cgroups = plan.mounts.iter().any(|planned| planned.mount.typ().as_deref().is_some_and(|kind| kind.starts_with("cgroup")));
    let view = if wants_cgroups { cgroup::View::read(plan.namespaces.is_separate(sys::CLONE_NEWCGROUP))? } else { cgroup::View::default() };
    let mut mounted = mounts::apply(tree, &plan.mounts, &view)?;
    let own_dev = !plan.mounts.iter().any(|planned| planned.destination == Path::new("/dev") && planned.source.is_some());
    if own_dev {
        devices::create(tree, plan.linux.devices().as_deref().unwrap_or_default(), plan.namespaces.user.is_some())?;
    }
    mounted.finish()?;
    mounted.proc.take().map_or_else(Proc::private, |mount| Ok(Proc::from_mount(mount)))
}

fn personality(plan: &Plan<'_>) -> Result<(), Failure> {
    let Some(personality) = plan.linux.personality() else { return Ok(()) };
    let persona = match personality.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    };
    sys::personality(persona).attempting(|| "set the personality".to_owned())
}

fn memory_policy(plan: &Plan<'_>) -> Result<(), Failure> {
    use oci_spec::runtime::{MemoryPolicyFlagType as F, MemoryPolicyModeType as M};
    let Some(policy) = plan.linux.memory_policy() else { return Ok(()) };
    let mode = match policy.mode() {
        M::MpolDefault => 0,
        M::MpolPreferred => 1,
        M::MpolBind => 2,
        M::MpolInterleave => 3,
        M::MpolLocal => 4,
        M::MpolPreferredMany => 5,
        M::MpolWeightedInterleave => 6,
    };
    let flag = |flag: &F| match flag {
        F::MpolFStaticNodes => 1 << 15,
        F::MpolFRelativeNodes => 1 << 14,
        F::MpolFNumaBalancing => 1 << 13,
    };
    let flags = policy.flags().iter().flatten().map(flag).fold(0, |all, one| all | one);
    let nodes =
        super::numbers::mask(policy.nodes().as_deref().unwrap_or_default()).ok_or_else(|| Failure::refused("memoryPolicy.nodes is no list of numbers"))?;
    sys::set_memory_policy(mode | flags, &nodes).attempting(|| "set the memory policy".to_owned())
}
