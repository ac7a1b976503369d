//! The container's view of its cgroups. In: where this host mounts them. Out: a cgroup2 mount, or a tmpfs with one folder per v1 hierarchy.

use super::{PlannedMount, attach, clone_tree};
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

/// One mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    /// The name of its folder, for example `cpu,cpuacct`.
    folder: String,
    mountpoint: String,
    /// What the mount shows as its root.
    root: String,
    v2: bool,
    /// Controllers, or `name=…`.
    options: Vec<String>,
    /// This process's cgroup in it.
    path: String,
}

impl View {
    /// Reads this process's mounts and cgroups.
    pub(crate) fn read(own_namespace: bool) -> Result<Self, Failure> {
        let read = |path: &str| std::fs::read_to_string(path).attempting(|| format!("read {path}"));
        Ok(Self { own_namespace, hierarchies: hierarchies(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?) })
    }

    fn only_v2(&self) -> bool {
        self.hierarchies.iter().all(|hierarchy| hierarchy.v2)
    }
}

fn hierarchies(mountinfo: &str, cgroup: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((place, system)) = line.split_once(" - ") else { continue };
        let mut place = place.split(' ').skip(3);
        let mut system = system.split(' ');
        let (Some(root), Some(mountpoint), Some(kind)) = (place.next(), place.next(), system.next()) else { continue };
        let v2 = kind == "cgroup2";
        if !v2 && kind != "cgroup" {
            continue;
        }
        let own = system.nth(1).unwrap_or_default().split(',').filter(|option| !NO_CONTROLLER.iter().any(|known| option.starts_with(known)));
        let options: Vec<String> = own.map(str::to_owned).collect();
        let folder = mountpoint.rsplit('/').next().unwrap_or_default().to_owned();
        let path = cgroup.lines().find_map(|line| own_path(line, v2, &options)).unwrap_or("/").to_owned();
        if !found.iter().any(|known| known.folder == folder) {
            found.push(Hierarchy { folder, mountpoint: mountpoint.to_owned(), root: root.to_owned(), v2, options, path });
        }
    }
    found
}

/// Options of a v1 mount that name no controller.
const NO_CONTROLLER: [&str; 8] = ["rw", "ro", "xattr", "clone_children", "noprefix", "release_agent=", "cpuset_v2_mode", "nsdelegate"];

fn own_path<'a>(line: &'a str, v2: bool, options: &[String]) -> Option<&'a str> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let same =
        if v2 { controllers.is_empty() } else { !controllers.is_empty() && controllers.split(',').all(|name| options.iter().any(|option| option == name)) };
    same.then_some(path)
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
    let below = hierarchy.path.strip_prefix(hierarchy.root.trim_end_matches('/')).unwrap_or(&hierarchy.path);
    let path = format!("{}{below}", hierarchy.mountpoint);
    let fd = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_read_with_the_own_path_in_each() {
        let mountinfo = "30 1 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n\
            32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            33 30 0:29 /up /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
        let found = hierarchies(mountinfo, "3:name=systemd:/up/a\n2:cpu,cpuacct:/b\n0::/c\n");
        let short: Vec<_> = found.iter().map(|one| (one.folder.as_str(), one.path.as_str(), one.options.join("+"))).collect();
        assert_eq!(short, [("unified", "/c", String::new()), ("cpu,cpuacct", "/b", "cpu+cpuacct".into()), ("systemd", "/up/a", "name=systemd".into())]);
    }
}
