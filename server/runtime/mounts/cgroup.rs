//! The container's view of its cgroups. In: where this host mounts them. Out: a cgroup2 mount, or a tmpfs with one folder per v1 hierarchy.

use super::{PlannedMount, attach, clone_tree};
use crate::cgroup::{Hierarchy, mounted};
use crate::failure::{Attempt, Failure};
use crate::sys::{self, MountAttr};
use crate::tree::ensure_link;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where cgroups are, seen from the process that will become the container's first, already in its cgroups.
#[derive(Debug, Default)]
pub(crate) struct View {
    own_namespace: bool,
    hierarchies: Vec<Hierarchy>,
}

impl View {
    /// Reads this process's mounts and cgroups.
    pub(crate) fn read(own_namespace: bool) -> Result<Self, Failure> {
        let hierarchies = mounted().map_err(|error| Failure::refused(error.to_string()))?;
        Ok(Self { own_namespace, hierarchies })
    }

    fn only_v2(&self) -> bool {
        self.hierarchies.iter().all(|hierarchy| hierarchy.v2)
    }
}

/// Mounts the view at `place`.
pub(super) fn mount(place: BorrowedFd<'_>, planned: &PlannedMount<'_>, view: &View) -> Result<(), Failure> {
    let what = || format!("mount cgroup at {}", planned.destination.display());
    let attr = planned.options.attr.set | planned.options.recursive.set;
    if view.only_v2() {
        let mount = new_hierarchy("cgroup2", &[], attr).attempting(what)?;
        return attach(mount.as_fd(), place).attempting(what);
    }
    let folder = new_tmpfs(attr & !libc::MOUNT_ATTR_RDONLY).attempting(what)?;
    attach(folder.as_fd(), place).attempting(what)?;
    for hierarchy in &view.hierarchies {
        let what = || format!("mount the cgroup hierarchy {} at {}", hierarchy.folder, planned.destination.display());
        let mount = hierarchy_mount(hierarchy, view.own_namespace, attr).attempting(what)?;
        mkdirat(&folder, hierarchy.folder.as_str(), Mode::from_raw_mode(0o755)).attempting(what)?;
        let below = openat(&folder, hierarchy.folder.as_str(), OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .attempting(what)?;
        attach(mount.as_fd(), below.as_fd()).attempting(what)?;
        for controller in
            hierarchy.options.iter().filter(|name| hierarchy.options.len() > 1 && !hierarchy.v2 && **name != hierarchy.folder && !name.contains('='))
        {
            let text = |text: &str| CString::new(text).expect("mountinfo has no NUL");
            ensure_link(folder.as_fd(), &text(controller), &text(&hierarchy.folder)).attempting(what)?;
        }
    }
    if planned.options.read_only() {
        sys::mount_setattr(folder.as_fd(), MountAttr::READ_ONLY, false, None).attempting(what)?;
    }
    Ok(())
}

fn hierarchy_mount(hierarchy: &Hierarchy, own_namespace: bool, attr: u64) -> Result<OwnedFd, rustix::io::Errno> {
    if own_namespace {
        return new_hierarchy(if hierarchy.v2 { "cgroup2" } else { "cgroup" }, if hierarchy.v2 { &[] } else { &hierarchy.options }, attr);
    }
    let fd = openat(CWD, hierarchy.own(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let tree = clone_tree(fd.as_fd(), false)?;
    sys::mount_setattr(tree.as_fd(), MountAttr { set: attr, clear: 0, propagation: 0 }, false, None)?;
    Ok(tree)
}

fn new_hierarchy(kind: &str, options: &[String], attr: u64) -> Result<OwnedFd, rustix::io::Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", "cgroup")?;
    for option in options {
        match option.split_once('=') {
            Some((key, value)) => {
                fsconfig_set_flag(&context, "none")?;
                fsconfig_set_string(&context, key, value)?;
            }
            None => fsconfig_set_flag(&context, option.as_str())?,
        }
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(attr as u32))
}

fn new_tmpfs(attr: u64) -> Result<OwnedFd, rustix::io::Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", "tmpfs")?;
    fsconfig_set_string(&context, "mode", "755")?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(attr as u32))
}
