//! What a process may do: limits, priority, labels, user, capabilities, filter. In: the spec's process. Out: this process has them, in the order the kernel needs.

use super::program::Program;
use super::{SeccompProgram, UserWish, notify};
use crate::capabilities::Sets;
use crate::failure::{Attempt, Failure};
use crate::init;
use crate::procfs::Proc;
use crate::sys::{self, SchedAttr};
use crate::user;
use oci_spec::runtime::{IOPriorityClass, LinuxSchedulerFlag, LinuxSchedulerPolicy, PosixRlimit, PosixRlimitType, Process, Scheduler};
use rustix::fs::{FileType, Mode, fchown, fstat};
use rustix::io::Errno;
use rustix::process::{Gid, Resource, Rlimit, Uid, chdir, getcwd, getrlimit, setrlimit, umask};
use rustix::thread::{CapabilitySet, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// What runc gives when the spec says nothing.
const DEFAULT_UMASK: u32 = 0o022;

/// Everything about the process itself, checked before anything is cloned.
#[derive(Debug)]
pub(crate) struct Rights<'a> {
    process: &'a Process,
    pub(crate) program: Program,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    capabilities: Sets,
    no_new_privileges: bool,
    seccomp: Option<&'a SeccompProgram>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Rights<'a> {
    /// `root` is the container's root, for looking up the user.
    pub(crate) fn new(
        process: &'a Process,
        wish: Option<UserWish<'_>>,
        root: BorrowedFd<'_>,
        seccomp: Option<&'a SeccompProgram>,
    ) -> Result<Self, super::LaunchError> {
        let mut program = Program::new(process.args().as_deref().unwrap_or_default(), process.env().as_deref().unwrap_or_default())?;
        let spec_user = process.user();
        let (uid, gid, groups, home) = match wish {
            Some(wish) => {
                let found = user::lookup(root, wish)?;
                (found.uid, found.gid, found.additional_gids, found.home)
            }
            None => (spec_user.uid(), spec_user.gid(), spec_user.additional_gids().clone().unwrap_or_default(), None),
        };
        if program.variable("HOME").is_none_or(str::is_empty) {
            let home = home.or_else(|| user::home(root, uid)).unwrap_or_else(|| "/".to_owned());
            program.set_default("HOME", &home);
        }
        if !process.cwd().starts_with("/") {
            return Err(super::LaunchError::Invalid(format!("the working directory {} must be an absolute path", process.cwd().display())));
        }
        let (capabilities, missing) = Sets::from_spec(process.capabilities().as_ref()).within_own();
        let warnings = match missing.as_slice() {
            [] => Vec::new(),
            names => vec![format!("this host can't give the capabilities {}", names.join(", "))],
        };
        let no_new_privileges = process.no_new_privileges().unwrap_or(false);
        Ok(Self { process, program, uid, gid, groups, capabilities, no_new_privileges, seccomp, warnings })
    }

    /// Limits; raising one that the host's own limit forbids is told and not fatal.
    pub(crate) fn limit(&self, warn: &mut dyn FnMut(String)) -> Result<(), Failure> {
        self.process.rlimits().iter().flatten().try_for_each(|limit| set_limit(limit, warn))
    }

    /// Raises hard limits to what will be asked for: root of a user namespace, which sets them later, may not raise them any more.
    pub(crate) fn raise(&self) {
        for limit in self.process.rlimits().iter().flatten() {
            let resource = resource(limit.typ());
            let own = getrlimit(resource);
            if own.maximum.is_some_and(|own| own < limit.hard()) {
                // If the host refuses, the warning comes when the limit is set.
                let _ = setrlimit(resource, Rlimit { current: own.current, maximum: value(limit.hard()) });
            }
        }
    }

    /// Priorities and labels, with the rights of the caller.
    pub(crate) fn prepare(&self, proc: &Proc) -> Result<(), Failure> {
        if let Some(scheduler) = self.process.scheduler() {
            sys::set_scheduler(scheduler_attr(scheduler)).attempting(|| "set the scheduler".to_owned())?;
        }
        if let Some(priority) = self.process.io_priority() {
            let class = match priority.class() {
                IOPriorityClass::IoprioClassRt => 1,
                IOPriorityClass::IoprioClassBe => 2,
                IOPriorityClass::IoprioClassIdle => 3,
            };
            sys::set_io_priority(class, priority.priority().clamp(0, 7) as u32).attempting(|| "set the io priority".to_owned())?;
        }
        if let Some(profile) = self.process.apparmor_profile().as_ref().filter(|profile| !profile.is_empty()) {
            // With the label of a stacked LSM where the kernel has one, so that no other LSM takes the word for its own.
            let change = format!("exec {profile}");
            match proc.write("thread-self/attr/apparmor/exec", &change) {
                Err(Errno::NOENT) => proc.write("thread-self/attr/exec", &change),
                other => other,
            }
            .attempting(|| format!("use the AppArmor profile {profile}"))?;
        }
        if let Some(label) = self.process.selinux_label().as_ref().filter(|label| !label.is_empty()) {
            proc.write("thread-self/attr/exec", label).attempting(|| format!("use the SELinux label {label}"))?;
        }
        Ok(())
    }

    /// The change of user, and everything before the gate. Afterwards only [`Self::settle`] is left.
    pub(crate) fn assume(&self) -> Result<(), Failure> {
        self.own_stdio();
        if self.no_new_privileges {
            set_no_new_privs(true).attempting(|| "set no_new_privs".to_owned())?;
        }
        self.capabilities.limit()?;
        self.change_user()?;
        umask(Mode::from_raw_mode(self.process.user().umask().unwrap_or(DEFAULT_UMASK) & 0o777));
        // A filter without no_new_privs needs CAP_SYS_ADMIN to the last moment.
        let until_filter = if self.seccomp.is_some() && !self.no_new_privileges { CapabilitySet::SYS_ADMIN } else { CapabilitySet::empty() };
        self.capabilities.hold(until_filter)?;
        self.enter_folder()
    }

    fn change_user(&self) -> Result<(), Failure> {
        let what = || format!("become user {} of group {}", self.uid, self.gid);
        let groups: Vec<Gid> = self.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        match set_thread_groups(&groups) {
            // A user namespace without setgroups keeps what it has.
            Err(Errno::PERM) if groups.is_empty() => {}
            other => other.attempting(|| "set the groups".to_owned())?,
        }
        if self.uid == u32::MAX || self.gid == u32::MAX {
            return Err(Failure::step(what(), Errno::INVAL));
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_res_gid(gid, gid, gid).attempting(what)?;
        set_thread_res_uid(uid, uid, uid).attempting(what)
    }

    /// Pipes and terminals belong to the user, so that `/dev/stdout` can be opened again; what can't be given away is let be.
    fn own_stdio(&self) {
        for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
            let Ok(stat) = fstat(fd) else { continue };
            let kind = FileType::from_raw_mode(stat.st_mode);
            let null = kind == FileType::CharacterDevice && stat.st_rdev == rustix::fs::makedev(1, 3);
            if stat.st_uid != self.uid && !null {
                let _ = fchown(fd, Some(Uid::from_raw(self.uid)), None);
            }
        }
    }

    /// The working directory must lie in the container: one reached through a descriptor of the host has no name there
    /// (runc CVE-2024-21626).
    fn enter_folder(&self) -> Result<(), Failure> {
        let cwd = self.process.cwd();
        let cwd = if cwd.as_os_str().is_empty() { Path::new("/") } else { cwd };
        chdir(cwd).attempting(|| format!("change to the working directory {}", cwd.display()))?;
        let inside = getcwd(Vec::new()).is_ok_and(|path| path.as_bytes().starts_with(b"/"));
        if inside { Ok(()) } else { Err(Failure::refused(format!("the working directory {} is outside the container", cwd.display()))) }
    }

    /// The path of the program, as the user sees it.
    pub(crate) fn find(&self) -> Result<CString, Failure> {
        self.program.find()
    }

    /// Drops the last rights and executes. The order keeps the filter from having to allow our own calls.
    /// With an init, this process becomes it and the program its child.
    pub(crate) fn execute(&self, path: &CString, channel: BorrowedFd<'_>, init: Option<&OwnedFd>) -> Failure {
        let load = || {
            let Some(filter) = self.seccomp else { return Ok(()) };
            let listener = filter.load().attempting(|| "load the seccomp filter".to_owned())?;
            listener.map_or(Ok(()), |listener| notify::tell(channel, &listener))
        };
        let result = if self.no_new_privileges { self.capabilities.settle().and_then(|()| load()) } else { load().and_then(|()| self.capabilities.settle()) };
        match (result, init) {
            (Ok(()), None) => self.program.execute(path),
            (Ok(()), Some(init)) => init::execute(init, self.program.args(), || self.program.execute(path)),
            (Err(failure), _) => failure,
        }
    }
}

/// `/proc/self/oom_score_adj`. Lowering it needs CAP_SYS_RESOURCE: told, not fatal.
pub(crate) fn set_oom_score(process: &Process, proc: &Proc, warn: &mut dyn FnMut(String)) -> Result<(), Failure> {
    let Some(wanted) = process.oom_score_adj() else { return Ok(()) };
    let what = || format!("set oom_score_adj to {wanted}");
    if proc.read("self/oom_score_adj").attempting(what)? == wanted.to_string() {
        return Ok(());
    }
    match proc.write("self/oom_score_adj", &wanted.to_string()) {
        Err(Errno::ACCESS | Errno::PERM) => {
            warn(format!("{}: this host does not allow it", what()));
            Ok(())
        }
        other => other.attempting(what),
    }
}

/// No limit is the largest number in the spec.
fn value(limit: u64) -> Option<u64> {
    (limit != u64::MAX).then_some(limit)
}

fn resource(kind: PosixRlimitType) -> Resource {
    use PosixRlimitType as T;
    match kind {
        T::RlimitCpu => Resource::Cpu,
        T::RlimitFsize => Resource::Fsize,
        T::RlimitData => Resource::Data,
        T::RlimitStack => Resource::Stack,
        T::RlimitCore => Resource::Core,
        T::RlimitRss => Resource::Rss,
        T::RlimitNproc => Resource::Nproc,
        T::RlimitNofile => Resource::Nofile,
        T::RlimitMemlock => Resource::Memlock,
        T::RlimitAs => Resource::As,
        T::RlimitLocks => Resource::Locks,
        T::RlimitSigpending => Resource::Sigpending,
        T::RlimitMsgqueue => Resource::Msgqueue,
        T::RlimitNice => Resource::Nice,
        T::RlimitRtprio => Resource::Rtprio,
        T::RlimitRttime => Resource::Rttime,
    }
}

fn set_limit(limit: &PosixRlimit, warn: &mut dyn FnMut(String)) -> Result<(), Failure> {
    let resource = resource(limit.typ());
    let what = || format!("set {} to {}:{}", limit.typ(), limit.soft(), limit.hard());
    match setrlimit(resource, Rlimit { current: value(limit.soft()), maximum: value(limit.hard()) }) {
        Err(Errno::PERM) => {
            let own = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let (soft, hard) = (limit.soft().min(own), limit.hard().min(own));
            warn(format!("{}: this host's own limit is {own}, which is used", what()));
            setrlimit(resource, Rlimit { current: value(soft), maximum: value(hard) }).attempting(what)
        }
        other => other.attempting(what),
    }
}

fn scheduler_attr(scheduler: &Scheduler) -> SchedAttr {
    use LinuxSchedulerFlag as F;
    use LinuxSchedulerPolicy as P;
    let policy = match scheduler.policy() {
        P::SchedOther => 0,
        P::SchedFifo => 1,
        P::SchedRr => 2,
        P::SchedBatch => 3,
        P::SchedIso => 4,
        P::SchedIdle => 5,
        P::SchedDeadline => 6,
    };
    let flag = |flag: &F| match flag {
        F::SchedResetOnFork => 0x01,
        F::SchedFlagReclaim => 0x02,
        F::SchedFlagDLOverrun => 0x04,
        F::SchedFlagKeepPolicy => 0x08,
        F::SchedFlagKeepParams => 0x10,
        F::SchedFlagUtilClampMin => 0x20,
        F::SchedFlagUtilClampMax => 0x40,
    };
    SchedAttr {
        size: 0,
        policy,
        flags: scheduler.flags().iter().flatten().map(flag).fold(0, |all, one| all | one),
        nice: scheduler.nice().unwrap_or(0),
        priority: scheduler.priority().unwrap_or(0).max(0) as u32,
        runtime: scheduler.runtime().unwrap_or(0),
        deadline: scheduler.deadline().unwrap_or(0),
        period: scheduler.period().unwrap_or(0),
    }
}
