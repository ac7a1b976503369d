//! System calls that no crate offers safely. In: descriptors and plain values. Out: descriptors or an errno. Every `unsafe` of starting processes is here.
#![expect(unsafe_code, reason = "raw system calls; each block says why it is sound")]

use rustix::io::Errno;
use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

type Result<T> = std::result::Result<T, Errno>;

pub(crate) const CLONE_NEWTIME: u64 = 0x80;
pub(crate) const CLONE_NEWNS: u64 = 0x0002_0000;
pub(crate) const CLONE_NEWCGROUP: u64 = 0x0200_0000;
pub(crate) const CLONE_NEWUTS: u64 = 0x0400_0000;
pub(crate) const CLONE_NEWIPC: u64 = 0x0800_0000;
pub(crate) const CLONE_NEWUSER: u64 = 0x1000_0000;
pub(crate) const CLONE_NEWPID: u64 = 0x2000_0000;
pub(crate) const CLONE_NEWNET: u64 = 0x4000_0000;
/// The child becomes a child of our own parent.
pub(crate) const CLONE_PARENT: u64 = 0x8000;

/// Both sides of a clone.
pub(crate) enum Cloned {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

fn check(result: libc::c_long) -> Result<libc::c_long> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Clones this process, as fork does, into new namespaces and, on cgroup v2, straight into a cgroup.
/// The caller has one thread, so the child may allocate.
pub(crate) fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: an all-zero clone_args is a valid request.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    // A child of our parent inherits our own exit signal and may not name one.
    args.exit_signal = if flags & CLONE_PARENT == 0 { libc::SIGCHLD as u64 } else { 0 };
    if let Some(cgroup) = cgroup {
        args.flags |= 0x2_0000_0000;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM the child has its own copy of memory and stack; `args` and `pidfd` outlive the call.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the kernel wrote a new descriptor that nobody else owns.
    Ok(Cloned::Parent { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// Ends a cloned child without running the parent's exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code) }
}

/// What `mount_setattr(2)` changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
}

impl MountAttr {
    pub(crate) const READ_ONLY: Self = Self { set: libc::MOUNT_ATTR_RDONLY, clear: 0, propagation: 0 };

    pub(crate) fn propagation(kind: u64) -> Self {
        Self { propagation: kind, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Changes the mount that `mount` refers to, with all below it if `recursive`; `idmap` is a user namespace.
pub(crate) fn mount_setattr(mount: BorrowedFd<'_>, attr: MountAttr, recursive: bool, idmap: Option<BorrowedFd<'_>>) -> Result<()> {
    let mut raw = libc::mount_attr { attr_set: attr.set, attr_clr: attr.clear, propagation: attr.propagation, userns_fd: 0 };
    if let Some(namespace) = idmap {
        raw.attr_set |= libc::MOUNT_ATTR_IDMAP;
        raw.userns_fd = namespace.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string and `raw` is a mount_attr of the size given.
    check(unsafe { libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), flags, &raw mut raw, size_of::<libc::mount_attr>()) })?;
    Ok(())
}

/// Marks every descriptor from `first` on as closed by execve.
pub(crate) fn close_on_exec_from(first: u32) -> Result<()> {
    // SAFETY: only sets flags of descriptors.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })?;
    Ok(())
}

/// Makes `to` a copy of `from` that survives execve. Whatever `to` was is closed.
pub(crate) fn place(from: RawFd, to: RawFd) -> Result<()> {
    // SAFETY: the caller is a child about to execute; no owner of `to` runs again.
    let result = if from == to { unsafe { libc::fcntl(to, libc::F_SETFD, 0) } } else { unsafe { libc::dup2(from, to) } };
    check(result.into()).map(drop)
}

/// Copies `fd` to the first free number from `least` on.
pub(crate) fn dup_above(fd: BorrowedFd<'_>, least: RawFd) -> Result<OwnedFd> {
    // SAFETY: duplicates a valid descriptor.
    let copy = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) }.into())?;
    // SAFETY: the kernel made it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(copy as RawFd) })
}

/// New namespaces for the caller, which has one thread and shares no file table with another.
pub(crate) fn unshare(flags: u64) -> Result<()> {
    // SAFETY: none of the CLONE_NEW* flags touches memory.
    check(unsafe { libc::unshare(flags as i32) }.into()).map(drop)
}

/// Joins namespaces: `fd` is one of /proc/PID/ns, or a pidfd with several flags.
pub(crate) fn setns(fd: BorrowedFd<'_>, flags: u64) -> Result<()> {
    // SAFETY: changes the namespaces of a process with one thread.
    check(unsafe { libc::setns(fd.as_raw_fd(), flags as i32) }.into()).map(drop)
}

/// Default actions and an empty mask, so that the program does not inherit ours (Rust ignores SIGPIPE).
pub(crate) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL runs no code of ours; the numbers that may not be changed are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an emptied set is a valid set.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Whether others may look into this process; 0 until execve answers runc CVE-2016-9962 and CVE-2019-5736.
pub(crate) fn set_undumpable() -> Result<()> {
    // SAFETY: sets a flag.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into()).map(drop)
}

/// A session keyring of its own and without a name, so that nobody's keys are found, neither the caller's nor another container's.
pub(crate) fn new_session_keyring() -> Result<()> {
    const JOIN_SESSION: libc::c_long = 1;
    // SAFETY: no name is a null pointer.
    check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION, std::ptr::null::<c_char>()) }).map(drop)
}

pub(crate) fn personality(persona: u64) -> Result<()> {
    // SAFETY: sets flags of this process.
    check(unsafe { libc::personality(persona) }.into()).map(drop)
}

pub(crate) fn set_io_priority(class: u32, level: u32) -> Result<()> {
    const WHO_PROCESS: libc::c_long = 1;
    // SAFETY: plain numbers.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, libc::c_long::from(class << 13 | level)) }).map(drop)
}

/// `struct sched_attr` of `sched_setattr(2)`.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct SchedAttr {
    pub(crate) size: u32,
    pub(crate) policy: u32,
    pub(crate) flags: u64,
    pub(crate) nice: i32,
    pub(crate) priority: u32,
    pub(crate) runtime: u64,
    pub(crate) deadline: u64,
    pub(crate) period: u64,
}

pub(crate) fn set_scheduler(mut attr: SchedAttr) -> Result<()> {
    attr.size = size_of::<SchedAttr>() as u32;
    // SAFETY: `attr` has the layout and size the kernel expects.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) }).map(drop)
}

/// `set_mempolicy(2)` with a mask of at most 1024 nodes.
pub(crate) fn set_memory_policy(mode: i32, nodes: &[u64; 16]) -> Result<()> {
    let bits: libc::c_ulong = 1024;
    // SAFETY: the mask holds `bits` bits.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, nodes.as_ptr(), bits) }).map(drop)
}

/// Brings the loopback interface of the caller's network namespace up.
pub(crate) fn loopback_up() -> Result<()> {
    let socket = rustix::net::socket_with(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, rustix::net::SocketFlags::CLOEXEC, None)?;
    // SAFETY: an all-zero ifreq is valid; the name is shorter than its field, and SIOCSIFFLAGS reads only name and flags.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as c_char;
        request.ifr_name[1] = b'o' as c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request).into()).map(drop)
    }
}

/// Lets the pty's other side be opened.
pub(crate) fn unlock_pty(master: BorrowedFd<'_>) -> Result<()> {
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) }.into()).map(drop)
}

/// As C has arrays of strings: with a null at the end.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Replaces this process by what `file` holds; returns only the reason why not.
pub(crate) fn execute_fd(file: &OwnedFd, args: &[CString], env: &[CString]) -> Errno {
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays end with a null pointer and their strings outlive the call; the path is an empty C string.
    unsafe { libc::syscall(libc::SYS_execveat, file.as_raw_fd(), c"".as_ptr(), args.as_ptr(), env.as_ptr(), libc::AT_EMPTY_PATH) };
    last_error()
}

/// Both sides of a fork of a container's process.
pub(crate) enum Forked {
    Parent(i32),
    Child,
}

/// Forks a process with one thread by the call that filters know best; both sides are about to execute.
pub(crate) fn fork() -> Result<Forked> {
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM the child has its own copy of memory and stack.
    match check(unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(libc::SIGCHLD), none, none, none, none) })? {
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid as i32)),
    }
}

/// Lets all signals wait, as far as they can.
pub(crate) fn block_signals() {
    // SAFETY: a filled set is a valid set.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

/// Replaces this process; returns only the reason why not.
pub(crate) fn execve(path: &CStr, args: &[CString], env: &[CString]) -> Errno {
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays end with a null pointer and their strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    last_error()
}

/// Closes every descriptor from `first` on. Only for a child about to execute, whose owners of them never run again, and for a program
/// that has just begun and owns none.
pub(crate) fn close_from(first: u32) -> Result<()> {
    // SAFETY: see above; the child ends by execve or `_exit`, neither of which drops anything, and the program has nothing to drop.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Takes a descriptor that this child put at a number of its choice.
pub(crate) fn adopt(number: RawFd) -> OwnedFd {
    // SAFETY: `place` made it, and nobody else closes it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Closes this child's copy of a descriptor that its parent's code owns; the owner never runs here.
pub(crate) fn close_inherited(fd: &OwnedFd) {
    // SAFETY: see above.
    unsafe { libc::close(fd.as_raw_fd()) };
}

/// Orphans of our children become ours.
pub(crate) fn set_subreaper() -> Result<()> {
    // SAFETY: sets a flag.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }.into()).map(drop)
}

/// Our own copy, from `least` on, of a descriptor that the caller of this program left open; `None` if it did not.
pub(crate) fn inherited(number: RawFd, least: RawFd) -> Option<OwnedFd> {
    // SAFETY: reading the flags of a number that may not be open fails with EBADF and does nothing.
    let flags = check(unsafe { libc::fcntl(number, libc::F_GETFD) }.into()).ok()?;
    // One that closes on execve can't have come through ours: we opened it.
    if flags & libc::c_long::from(libc::FD_CLOEXEC) != 0 {
        return None;
    }
    // SAFETY: as above; it is open.
    let copy = check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, least) }.into()).ok()?;
    // SAFETY: the kernel made it for us alone.
    Some(unsafe { OwnedFd::from_raw_fd(copy as RawFd) })
}

/// Sends any signal, also a real-time one.
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: plain numbers; a null info is allowed.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0) }).map(drop)
}

/// The ids that files are made with, and all capabilities kept; ours again when dropped.
pub(crate) struct FileUser {
    uid: u32,
    gid: u32,
}

impl FileUser {
    pub(crate) fn become_user(uid: u32, gid: u32) -> Result<Self> {
        let before = Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        // SAFETY: changes ids of this thread; they are numbers.
        unsafe {
            libc::setfsgid(gid);
            libc::setfsuid(uid);
        }
        // Giving up file id 0 also took the capabilities about files.
        let mut sets = rustix::thread::capabilities(None)?;
        sets.effective = sets.permitted;
        rustix::thread::set_capabilities(None, sets)?;
        Ok(before)
    }
}

impl Drop for FileUser {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe {
            libc::setfsuid(self.uid);
            libc::setfsgid(self.gid);
        }
    }
}

/// The processors this process may use, as a mask of at most 1024.
pub(crate) fn set_affinity(mask: &[u64; 16]) -> Result<()> {
    // SAFETY: the mask has the size given.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(mask), mask.as_ptr()) }).map(drop)
}

/// Whether this kernel has x32's system calls.
pub(crate) fn has_x32() -> bool {
    const X32_GETPID: libc::c_long = 0x4000_0000 + 39;
    // SAFETY: takes nothing and changes nothing, whether the kernel knows it or not.
    cfg!(target_arch = "x86_64") && unsafe { libc::syscall(X32_GETPID) } > 0
}

/// Puts the calling thread under a seccomp program; a listener's descriptor comes back if `flags` ask for one.
pub(crate) fn load_seccomp(program: &[crate::seccomp::Instruction], flags: u32, listener: bool) -> Result<Option<OwnedFd>> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `Instruction` is laid out as `sock_filter`; the kernel reads `len` of them and writes none.
    let result = check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) })?;
    // SAFETY: with a listener asked for, a success is a new descriptor that nobody else owns.
    Ok(listener.then(|| unsafe { OwnedFd::from_raw_fd(result as RawFd) }))
}
