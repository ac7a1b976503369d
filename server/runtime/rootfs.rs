//! The change of root. In: a detached root mount. Out: this process sees it as `/` and nothing of the host.

use crate::failure::{Attempt, Failure};
use crate::mounts::attach;
use crate::sys::{self, MountAttr};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{chdir, chroot, fchdir, pivot_root};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// Cuts this mount namespace off from the host's and attaches `root` on top of the present `/`.
/// No folder of the host is needed for it, and none shows it.
pub(crate) fn enter(root: &OwnedFd, propagation: Option<(u64, bool)>) -> Result<(), Failure> {
    let what = || "cut the mounts off from the host".to_owned();
    let host = open_folder(c"/").attempting(what)?;
    let (kind, recursive) = early_propagation(propagation);
    sys::mount_setattr(host.as_fd(), MountAttr::propagation(kind), recursive, None).attempting(what)?;
    // pivot_root refuses a root below a shared mount, and ours must never propagate to the host.
    sys::mount_setattr(host.as_fd(), MountAttr::propagation(libc::MS_PRIVATE), false, None).attempting(what)?;
    if kind == libc::MS_SHARED {
        // For the same reason; it becomes shared when it is the root.
        sys::mount_setattr(root.as_fd(), MountAttr::propagation(libc::MS_PRIVATE), false, None).attempting(what)?;
    }
    attach(root.as_fd(), host.as_fd()).attempting(|| "attach the root filesystem".to_owned())
}

/// The propagation while mounts are made: unbindable mounts could not be copied for read-only paths.
pub(crate) fn early_propagation(propagation: Option<(u64, bool)>) -> (u64, bool) {
    match propagation {
        None => (libc::MS_SLAVE, true),
        Some((libc::MS_UNBINDABLE, recursive)) => (libc::MS_PRIVATE, recursive),
        Some(asked) => asked,
    }
}

/// Makes `root` the root and lets go of the old one.
pub(crate) fn pivot(root: &OwnedFd) -> Result<(), Failure> {
    let what = || "change the root".to_owned();
    let host = open_folder(c"/").attempting(what)?;
    fchdir(root).attempting(what)?;
    // Both the same folder: the old root comes to lie on top of the new one, and is taken off by its own name.
    pivot_root(c".", c".").attempting(what)?;
    // With shared propagation the unmount would reach the host.
    sys::mount_setattr(host.as_fd(), MountAttr::propagation(libc::MS_SLAVE), true, None).attempting(what)?;
    unmount(c".", UnmountFlags::DETACH).attempting(|| "let go of the host's root".to_owned())?;
    chdir(c"/").attempting(what)
}

/// For roots that can't be pivoted (an initramfs): the host's mounts stay, out of reach of a process without CAP_SYS_CHROOT.
pub(crate) fn change_without_pivot(root: &OwnedFd) -> Result<(), Failure> {
    let what = || "change the root without pivot_root".to_owned();
    // A process that breaks out of its chroot shall not find these.
    for mountpoint in [c"/proc", c"/sys"] {
        let mounted = open_folder(mountpoint).attempting(what)?;
        match sys::mount_setattr(mounted.as_fd(), MountAttr::propagation(libc::MS_SLAVE), true, None) {
            // No mount, so none to take off.
            Err(Errno::INVAL) => continue,
            other => other.attempting(what)?,
        }
        match unmount(mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::PERM) => {}
            Err(errno) => return Err(Failure::step(format!("unmount the host's {}", mountpoint.to_string_lossy()), errno)),
        }
    }
    fchdir(root).attempting(what)?;
    chroot(c".").attempting(what)?;
    chdir(c"/").attempting(what)
}

fn open_folder(path: &CStr) -> Result<OwnedFd, Errno> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// What is done to `/` when it is the root.
pub(crate) fn finish(read_only: bool, propagation: Option<(u64, bool)>) -> Result<(), Failure> {
    let attr = if read_only { MountAttr::READ_ONLY } else { MountAttr::default() };
    let root = open_folder(c"/").attempting(|| "open the new root".to_owned())?;
    if read_only {
        sys::mount_setattr(root.as_fd(), attr, false, None).attempting(|| "make the root read-only".to_owned())?;
    }
    match propagation {
        Some((kind, recursive)) if kind != libc::MS_PRIVATE => {
            sys::mount_setattr(root.as_fd(), MountAttr::propagation(kind), recursive, None).attempting(|| "set the root's propagation".to_owned())
        }
        _ => Ok(()),
    }
}
