//! Hides and protects paths. In: the spec's `maskedPaths` and `readonlyPaths`. Out: mounts over them.

use super::{attach, clone_tree};
use crate::failure::{Attempt, Failure};
use crate::sys::{self, MountAttr};
use crate::tree::{Tree, is_char_device};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The host's /dev/null, known to be it: whatever an image calls /dev/null is never used (runc CVE-2025-31133).
pub(crate) fn host_null() -> Result<OwnedFd, Failure> {
    let null =
        openat(CWD, c"/dev/null", OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).attempting(|| "open the host's /dev/null".to_owned())?;
    if is_char_device(&null, 1, 3).attempting(|| "inspect the host's /dev/null".to_owned())? {
        Ok(null)
    } else {
        Err(Failure::refused("the host's /dev/null is not the null device"))
    }
}

/// Covers files with the null device and folders with one empty read-only tmpfs. What does not exist needs no mask.
pub(crate) fn mask(tree: &Tree<'_>, paths: &[String]) -> Result<(), Failure> {
    let mut null = None;
    let mut empty: Option<OwnedFd> = None;
    for path in paths {
        let what = || format!("mask {path}");
        let Some(place) = existing(tree, path)? else { continue };
        if FileType::from_raw_mode(fstat(&place).attempting(what)?.st_mode) != FileType::Directory {
            let null = match &null {
                Some(null) => null,
                None => null.insert(host_null()?),
            };
            let cover = clone_tree(null.as_fd(), false).attempting(what)?;
            attach(cover.as_fd(), place.as_fd()).attempting(what)?;
        } else if let Some(first) = &empty {
            let cover = clone_tree(first.as_fd(), false).attempting(what)?;
            attach(cover.as_fd(), place.as_fd()).attempting(what)?;
        } else {
            // The first is attached itself: older kernels copy only what is attached.
            let first = empty_folder().attempting(what)?;
            attach(first.as_fd(), place.as_fd()).attempting(what)?;
            empty = Some(first);
        }
    }
    Ok(())
}

/// Makes paths read-only with all that is mounted below them.
pub(crate) fn protect(tree: &Tree<'_>, paths: &[String]) -> Result<(), Failure> {
    for path in paths {
        let what = || format!("make {path} read-only");
        let Some(place) = existing(tree, path)? else { continue };
        let copy = clone_tree(place.as_fd(), true).attempting(what)?;
        sys::mount_setattr(copy.as_fd(), MountAttr::READ_ONLY, true, None).attempting(what)?;
        attach(copy.as_fd(), place.as_fd()).attempting(what)?;
    }
    Ok(())
}

fn existing(tree: &Tree<'_>, path: &str) -> Result<Option<OwnedFd>, Failure> {
    match tree.open(Path::new(path), OFlags::PATH) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(Failure::step(format!("open {path}"), errno)),
    }
}

fn empty_folder() -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in [("source", "tmpfs"), ("nr_blocks", "1"), ("nr_inodes", "1"), ("mode", "755")] {
        fsconfig_set_string(&context, key, value)?;
    }
    fsconfig_create(&context)?;
    let attr = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attr)
}
