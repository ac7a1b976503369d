//! Device rules of v2: a program that the kernel asks at each open and mknod. In: its instructions. Out: attached to a cgroup's folder.
//! Source: bpf(2); Linux `include/uapi/linux/bpf.h`.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper that is small; each block says why it is sound")]

use super::error::{At as _, Result};
use super::files::open;
use gantry_plan::limits::Insn;
use rustix::fs::OFlags;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;
const REPLACE: u32 = 4;

/// Makes `program` the cgroup's only one. There is no moment without one.
pub(super) fn set(folder: &Path, program: &[Insn]) -> Result<()> {
    let what = "set the device rules of";
    let cgroup = open(folder, OFlags::RDONLY | OFlags::DIRECTORY).at(what, folder)?;
    let program = load(program).at(what, folder)?;
    let before = attached(&cgroup).at(what, folder)?;
    if let [only] = &before[..]
        && attach(&cgroup, &program, Some(only)).is_ok()
    {
        return Ok(());
    }
    // Several, or a kernel before 5.6: both stand for a moment, and whatever one of them forbids is forbidden.
    attach(&cgroup, &program, None).at(what, folder)?;
    before.iter().try_for_each(|old| detach(&cgroup, old)).at(what, folder)
}

/// The programs that are the cgroup's own.
fn attached(cgroup: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0u32; 64];
    let mut query = Query { target: cgroup.as_raw_fd() as u32, kind: ATTACH_CGROUP_DEVICE, ids: ids.as_mut_ptr() as u64, count: 64, ..Query::default() };
    // SAFETY: `ids` has room for `count` numbers and outlives the call.
    unsafe { bpf(PROG_QUERY, &mut query)? };
    let held = ids.iter().take(query.count as usize).map(|id| by_id(*id));
    // One that is gone meanwhile is not attached.
    Ok(held.filter_map(io::Result::ok).collect())
}

fn by_id(id: u32) -> io::Result<OwnedFd> {
    let mut request = ById { id, ..ById::default() };
    // SAFETY: plain numbers.
    let fd = unsafe { bpf(PROG_GET_FD_BY_ID, &mut request)? };
    // SAFETY: the kernel made it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn load(program: &[Insn]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut request = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: program.len() as u32,
        insns: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        name: *b"gantry_devices\0\0",
        ..Load::default()
    };
    // SAFETY: the instructions have the kernel's layout; they and the licence outlive the call.
    let mut loaded = unsafe { bpf(PROG_LOAD, &mut request) };
    if matches!(&loaded, Err(error) if error.raw_os_error() == Some(libc::EPERM)) {
        // Before 5.11 programs count as locked memory.
        raise_locked_memory();
        // SAFETY: as above.
        loaded = unsafe { bpf(PROG_LOAD, &mut request) };
    }
    // SAFETY: the kernel made it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(loaded?) })
}

fn raise_locked_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Memlock);
    if setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).is_err() {
        let _ = setrlimit(Resource::Memlock, Rlimit { current: now.maximum, maximum: now.maximum });
    }
}

fn attach(cgroup: &OwnedFd, program: &OwnedFd, instead_of: Option<&OwnedFd>) -> io::Result<()> {
    let mut request = Attach {
        target: cgroup.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI | if instead_of.is_some() { REPLACE } else { 0 },
        replaced: instead_of.map_or(0, |old| old.as_raw_fd() as u32),
    };
    // SAFETY: plain numbers.
    unsafe { bpf(PROG_ATTACH, &mut request) }.map(drop)
}

fn detach(cgroup: &OwnedFd, program: &OwnedFd) -> io::Result<()> {
    let mut request = Attach { target: cgroup.as_raw_fd() as u32, program: program.as_raw_fd() as u32, kind: ATTACH_CGROUP_DEVICE, ..Attach::default() };
    // SAFETY: plain numbers.
    unsafe { bpf(PROG_DETACH, &mut request) }.map(drop)
}

#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replaced: u32,
}

#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// One bpf(2) call.
///
/// # Safety
/// Pointers in `request` are valid for the command.
unsafe fn bpf<T>(command: libc::c_int, request: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: `request` is a prefix of `union bpf_attr` of the size given; the kernel takes the rest as zero.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(request), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as libc::c_int) }
}

/// How many programs a cgroup has of its own.
#[cfg(test)]
pub(super) fn count(folder: &Path) -> usize {
    open(folder, OFlags::RDONLY | OFlags::DIRECTORY).and_then(|folder| attached(&folder)).map_or(0, |list| list.len())
}
