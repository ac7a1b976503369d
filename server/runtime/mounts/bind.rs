//! Sources of bind mounts, opened on the host before the container exists. In: the spec's mounts. Out: detached trees with their attributes set.
//!
//! Opening them in the parent makes them independent of the container's rights, and nothing of them is resolved by path again.

use super::clone_tree;
use super::options::MountOptions;
use crate::failure::{Attempt, Failure};
use crate::idmap;
use crate::sys::{self, MountAttr};
use crate::tree::{Make, PROC_SUPER_MAGIC, magic};
use oci_spec::runtime::Mount;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A detached tree, ready to be attached.
#[derive(Debug)]
pub(crate) struct BindSource {
    pub(crate) tree: OwnedFd,
    /// What the place it goes to has to be.
    pub(crate) shape: Make,
    /// It is the root of a proc file system.
    pub(crate) is_proc: bool,
}

/// Inode of the root directory of proc. Source: Linux `include/linux/proc_fs.h`.
const PROC_ROOT_INODE: u64 = 1;

/// Opens the source of `mount` if it is a bind.
pub(crate) fn open_source(
    mount: &Mount,
    options: &MountOptions,
    bundle: &Path,
    base: Option<(u64, bool)>,
    userns: Option<BorrowedFd<'_>>,
) -> Result<Option<BindSource>, Failure> {
    let recursive = match (options.bind, mount.typ().as_deref()) {
        (Some(recursive), _) => recursive,
        (None, Some("bind")) => false,
        _ => return Ok(None),
    };
    let source = mount.source().as_deref().ok_or_else(|| Failure::refused(format!("the bind mount at {} has no source", mount.destination().display())))?;
    let source = bundle.join(source);
    let what = || format!("mount {} at {}", source.display(), mount.destination().display());
    let opened = openat(CWD, &source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).attempting(what)?;
    let stat = fstat(&opened).attempting(what)?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let is_proc = magic(&opened).attempting(what)? == PROC_SUPER_MAGIC && stat.st_ino == PROC_ROOT_INODE;
    let tree = clone_tree(opened.as_fd(), recursive).attempting(what)?;
    decorate(&tree, mount, options, base, userns)
        .map_err(|(step, errno)| Failure::step(format!("{step} of {} at {}", source.display(), mount.destination().display()), errno))?;
    Ok(Some(BindSource { tree, shape: if directory { Make::Directory } else { Make::File }, is_proc }))
}

type StepError = (String, rustix::io::Errno);

fn decorate(tree: &OwnedFd, mount: &Mount, options: &MountOptions, base: Option<(u64, bool)>, userns: Option<BorrowedFd<'_>>) -> Result<(), StepError> {
    if let Some(recursive) = options.idmap.or(mount.uid_mappings().as_ref().map(|_| false)) {
        map_ids(tree, mount, recursive, userns)?;
    }
    let set = |attr: MountAttr, recursive| {
        if attr.is_empty() { Ok(()) } else { sys::mount_setattr(tree.as_fd(), attr, recursive, None) }
    };
    set(options.recursive, true).map_err(|errno| ("set the recursive options of the mount".to_owned(), errno))?;
    set(options.attr, false).map_err(|errno| ("set the options of the mount".to_owned(), errno))?;
    for &(kind, recursive) in base.iter().chain(&options.propagation) {
        set(MountAttr::propagation(kind), recursive).map_err(|errno| ("set the propagation".to_owned(), errno))?;
    }
    Ok(())
}

fn map_ids(tree: &OwnedFd, mount: &Mount, recursive: bool, userns: Option<BorrowedFd<'_>>) -> Result<(), StepError> {
    let own = match (mount.uid_mappings(), mount.gid_mappings()) {
        (Some(uids), Some(gids)) => {
            Some(idmap::user_namespace(uids, gids).map_err(|failure| (crate::process::LaunchError::from(failure).to_string(), rustix::io::Errno::INVAL))?)
        }
        _ => None,
    };
    let namespace = own.as_ref().map(AsFd::as_fd).or(userns);
    let namespace = namespace.ok_or_else(|| ("map the ids (neither the mount nor the container has a map)".to_owned(), rustix::io::Errno::INVAL))?;
    sys::mount_setattr(tree.as_fd(), MountAttr::default(), recursive, Some(namespace)).map_err(|errno| ("map the ids".to_owned(), errno))
}
