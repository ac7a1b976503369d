//! The mounts of a container. In: the spec's list and the root's descriptor. Out: everything mounted beneath it, by descriptor.
//! Each place is resolved inside the root, verified, and then only used through its descriptor.

pub(crate) mod bind;
pub(crate) mod cgroup;
pub(crate) mod copy_up;
pub(crate) mod devices;
pub(crate) mod masks;
pub(crate) mod options;

use crate::failure::{Attempt, Failure};
use crate::overlay::kernel_words;
use crate::sys::{self, MountAttr};
use crate::tree::{Make, PROC_SUPER_MAGIC, Tree, magic};
use bind::BindSource;
use oci_spec::runtime::Mount;
use options::MountOptions;
use rustix::fs::{OFlags, fstat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    move_mount, open_tree,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// One mount of the spec, with everything of it that the host had to open.
#[derive(Debug)]
pub(crate) struct PlannedMount<'a> {
    pub(crate) mount: &'a Mount,
    pub(crate) destination: PathBuf,
    pub(crate) options: MountOptions,
    pub(crate) source: Option<BindSource>,
}

/// What the mounts leave for later steps.
#[derive(Debug, Default)]
pub(crate) struct Mounted {
    /// The container's own proc, writable: sysctls and labels go through it.
    pub(crate) proc: Option<OwnedFd>,
    /// Become read-only when everything below them is in place.
    late_read_only: Vec<(OwnedFd, PathBuf)>,
}

impl Mounted {
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        for (mount, path) in &self.late_read_only {
            sys::mount_setattr(mount.as_fd(), MountAttr::READ_ONLY, false, None).attempting(|| format!("make {} read-only", path.display()))?;
        }
        Ok(())
    }
}

/// Files of proc that lxcfs and its like may cover.
const COVERABLE: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// Mounts `mounts` in order beneath `tree`.
pub(crate) fn apply(tree: &Tree<'_>, mounts: &[PlannedMount<'_>], cgroup: &cgroup::View) -> Result<Mounted, Failure> {
    let mut mounted = Mounted::default();
    for planned in mounts {
        one(tree, planned, cgroup, &mut mounted)?;
    }
    if mounts.iter().any(|planned| planned.destination == Path::new("/proc")) {
        verify_proc(tree)?;
    }
    Ok(mounted)
}

fn one(tree: &Tree<'_>, planned: &PlannedMount<'_>, cgroup: &cgroup::View, mounted: &mut Mounted) -> Result<(), Failure> {
    let destination = &planned.destination;
    let kind = planned.mount.typ().as_deref().unwrap_or_default();
    if let Some(source) = &planned.source {
        let place = place(tree, destination, source.shape, || name(planned))?;
        refuse_inside_proc(&place, destination)?;
        if destination == Path::new("/proc") && !source.is_proc {
            return Err(Failure::refused(format!("\"{}\" cannot be mounted because it is not of type proc", destination.display())));
        }
        return attach(source.tree.as_fd(), place.as_fd()).attempting(|| name(planned));
    }
    if destination == Path::new("/proc") && kind != "proc" {
        return Err(Failure::refused(format!("\"{}\" cannot be mounted because it is not of type proc", destination.display())));
    }
    let existing = tree.open(destination, OFlags::PATH | OFlags::DIRECTORY).ok();
    let existed = existing.is_some();
    let plain = kind == "proc" || kind == "sysfs" || destination == Path::new("/dev");
    let place = if plain { plain_place(tree, planned)? } else { place(tree, destination, Make::Directory, || name(planned))? };
    refuse_inside_proc(&place, destination)?;
    if kind == "cgroup" || kind == "cgroup2" {
        return cgroup::mount(place.as_fd(), planned, cgroup);
    }
    let mount = new_file_system(kind, planned, &place, existed)?;
    if planned.options.copy_up && kind == "tmpfs" {
        copy_up::copy(place.as_fd(), mount.as_fd()).attempting(|| format!("copy {} into its tmpfs", destination.display()))?;
    }
    attach(mount.as_fd(), place.as_fd()).attempting(|| name(planned))?;
    for &(propagation, recursive) in &planned.options.propagation {
        sys::mount_setattr(mount.as_fd(), MountAttr::propagation(propagation), recursive, None)
            .attempting(|| format!("set the propagation of {}", destination.display()))?;
    }
    if planned.options.read_only() && kind == "tmpfs" {
        mounted.late_read_only.push((mount, destination.clone()));
    } else if kind == "proc" && destination == Path::new("/proc") && !planned.options.read_only() {
        mounted.proc = Some(mount);
    }
    Ok(())
}

/// proc, sysfs and /dev have to be where they say they are: a link in the image could put them, and what follows, elsewhere
/// (runc CVE-2019-19921, CVE-2026-41579).
fn plain_place(tree: &Tree<'_>, planned: &PlannedMount<'_>) -> Result<OwnedFd, Failure> {
    let destination = &planned.destination;
    let refused =
        || Failure::refused(format!("{} must be mounted on an ordinary directory, and {} is or goes through a link", name(planned), destination.display()));
    let open = || tree.open_plain(destination, OFlags::PATH | OFlags::DIRECTORY);
    match open() {
        Err(Errno::NOENT) => {
            place(tree, destination, Make::Directory, || name(planned))?;
            open().map_err(|_| refused())
        }
        Err(Errno::LOOP | Errno::NOTDIR) => Err(refused()),
        other => other.attempting(|| name(planned)),
    }
}

fn place(tree: &Tree<'_>, destination: &Path, shape: Make, what: impl FnOnce() -> String) -> Result<OwnedFd, Failure> {
    tree.ensure(destination, shape).attempting(what)
}

/// Whatever way a path took: nothing may be mounted over a file of proc but what lxcfs needs.
fn refuse_inside_proc(place: &OwnedFd, destination: &Path) -> Result<(), Failure> {
    let inside = magic(place).attempting(|| format!("inspect {}", destination.display()))? == PROC_SUPER_MAGIC;
    // Over /proc itself only another proc comes, which is checked where it is known.
    if !inside || destination == Path::new("/proc") || COVERABLE.iter().any(|file| destination == Path::new(file)) {
        return Ok(());
    }
    Err(Failure::refused(format!("\"{}\" cannot be mounted because it is inside /proc", destination.display())))
}

fn verify_proc(tree: &Tree<'_>) -> Result<(), Failure> {
    let proc = tree.open_plain(Path::new("/proc"), OFlags::PATH | OFlags::DIRECTORY).attempting(|| "open the container's /proc".to_owned())?;
    let root =
        magic(&proc).and_then(|magic| Ok(magic == PROC_SUPER_MAGIC && fstat(&proc)?.st_ino == 1)).attempting(|| "inspect the container's /proc".to_owned())?;
    if root { Ok(()) } else { Err(Failure::refused("the container's /proc is not a proc file system")) }
}

fn new_file_system(kind: &str, planned: &PlannedMount<'_>, place: &OwnedFd, existed: bool) -> Result<OwnedFd, Failure> {
    let what = || name(planned);
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).attempting(what)?;
    let source = planned.mount.source().as_deref().and_then(Path::to_str).unwrap_or(kind);
    fsconfig_set_string(&context, "source", source).attempting(what)?;
    for (key, value) in &planned.options.data {
        match value {
            Some(value) => fsconfig_set_string(&context, key.as_str(), value.as_str()),
            None => fsconfig_set_flag(&context, key.as_str()),
        }
        .attempting(|| format!("{} with option {key}{}", what(), value.as_ref().map_or(String::new(), |value| format!("={value}"))))?;
    }
    if kind == "tmpfs" && existed && planned.options.value("mode").is_none() {
        let mode = fstat(place).attempting(what)?.st_mode & 0o7777;
        fsconfig_set_string(&context, "mode", format!("{mode:o}")).attempting(what)?;
    }
    fsconfig_create(&context).attempting(|| format!("{}{}", what(), kernel_words(&context)))?;
    let mut attributes = planned.options.attr.set | planned.options.recursive.set;
    if kind == "tmpfs" {
        attributes &= !libc::MOUNT_ATTR_RDONLY;
    }
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(attributes as u32)).attempting(what)
}

/// `mount tmpfs at /dev`, for messages.
fn name(planned: &PlannedMount<'_>) -> String {
    let what = match (&planned.source, planned.mount.source(), planned.mount.typ()) {
        (Some(_), Some(source), _) => source.display().to_string(),
        (_, _, Some(kind)) => kind.clone(),
        _ => "nothing".to_owned(),
    };
    format!("mount {what} at {}", planned.destination.display())
}

/// A detached copy of the mount at `fd`, with all below it if `recursive`.
pub(crate) fn clone_tree(fd: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(fd, c"", if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags })
}

/// Attaches a detached mount at the very place that `place` refers to.
pub(crate) fn attach(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<(), Errno> {
    move_mount(mount, c"", place, c"", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH)
}
