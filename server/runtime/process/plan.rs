//! All that can be opened, checked and computed before a container's first process is cloned. In: the launch. Out: what the child needs, or the error.

use super::namespaces::Namespaces;
use super::rights::Rights;
use super::{Launch, LaunchError, Rootfs};
use crate::failure::{Attempt, Failure};
use crate::mounts::options::{self, MountOptions};
use crate::mounts::{PlannedMount, bind, clone_tree};
use crate::overlay::IdMap;
use crate::rootfs;
use crate::sys::{self, MountAttr};
use oci_spec::runtime::{Linux, LinuxIdMapping, Process, Spec};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// A container about to be.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) linux: &'a Linux,
    pub(crate) process: &'a Process,
    pub(crate) namespaces: Namespaces,
    pub(crate) rootfs: OwnedFd,
    pub(crate) mounts: Vec<PlannedMount<'a>>,
    pub(crate) propagation: Option<(u64, bool)>,
    pub(crate) rights: Rights<'a>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(launch: &Launch<'a>) -> Result<Self, LaunchError> {
        let missing = |what: &str| LaunchError::Invalid(format!("the spec has no {what}"));
        let spec = launch.spec;
        let linux = spec.linux().as_ref().ok_or_else(|| missing("linux section"))?;
        let process = spec.process().as_ref().ok_or_else(|| missing("process"))?;
        let namespaces = Namespaces::open(linux)?;
        check(spec, linux, &namespaces)?;
        let propagation = match linux.rootfs_propagation().as_deref() {
            None | Some("") => None,
            Some(word) => Some(options::propagation(word).ok_or_else(|| LaunchError::Invalid(format!("rootfsPropagation {word:?} is unknown")))?),
        };
        let base = Some(rootfs::early_propagation(propagation));
        let userns = namespaces.user.as_ref().map(AsFd::as_fd);
        let rootfs = root(launch, base, userns)?;
        let mounts = spec.mounts().iter().flatten().map(|mount| {
            let options = MountOptions::parse(mount.options().iter().flatten().map(String::as_str));
            let source = bind::open_source(mount, &options, launch.bundle, base, userns)?;
            Ok(PlannedMount { mount, destination: clean(mount.destination()), options, source })
        });
        let mounts = mounts.collect::<Result<_, Failure>>()?;
        let rights = Rights::new(process, launch.user, rootfs.as_fd(), launch.seccomp)?;
        Ok(Self { spec, linux, process, namespaces, rootfs, mounts, propagation, rights })
    }
}

fn root(launch: &Launch<'_>, base: Option<(u64, bool)>, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Failure> {
    let path = match &launch.rootfs {
        Rootfs::Overlay(plan) => return plan.mount_in(id_map(launch.spec, userns)?.as_ref()),
        Rootfs::Path(path) => launch.bundle.join(path),
    };
    let what = || format!("bind the root filesystem {}", path.display());
    let folder = openat(CWD, &path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).attempting(what)?;
    let tree = clone_tree(folder.as_fd(), true).attempting(what)?;
    if let Some((kind, recursive)) = base {
        sys::mount_setattr(tree.as_fd(), MountAttr::propagation(kind), recursive, None).attempting(what)?;
    }
    Ok(tree)
}

fn id_map<'a>(spec: &Spec, userns: Option<BorrowedFd<'a>>) -> Result<Option<IdMap<'a>>, Failure> {
    let Some(namespace) = userns else { return Ok(None) };
    let linux = spec.linux().as_ref();
    let root = |maps: Option<&Vec<LinuxIdMapping>>| maps.into_iter().flatten().find(|map| map.container_id() == 0).map(LinuxIdMapping::host_id);
    let uid = root(linux.and_then(|linux| linux.uid_mappings().as_ref()));
    let gid = root(linux.and_then(|linux| linux.gid_mappings().as_ref()));
    let (Some(uid), Some(gid)) = (uid, gid) else {
        return Err(Failure::refused("layers in a user namespace need uidMappings and gidMappings that map id 0"));
    };
    Ok(Some(IdMap { namespace, root: (uid, gid) }))
}

/// A destination without `.` and `..`, from `/`.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

/// Wishes that would change the host instead of the container.
fn check(spec: &Spec, linux: &Linux, namespaces: &Namespaces) -> Result<(), Failure> {
    let named = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.is_empty());
    if !namespaces.is_separate(sys::CLONE_NEWUTS) && (named(spec.hostname()) || named(spec.domainname())) {
        return Err(Failure::refused("unable to set hostname without a private UTS namespace"));
    }
    for name in linux.sysctl().iter().flatten().map(|(name, _)| name) {
        let path = crate::procfs::sysctl_path(name);
        let path = path.trim_start_matches("sys/");
        if path.split('/').any(|part| part == ".." || part.is_empty()) {
            return Err(Failure::refused(format!("sysctl {name:?} is no name of a sysctl")));
        }
        let needs = match path {
            "kernel/hostname" => return Err(Failure::refused(format!("sysctl {name:?}: use the hostname of the spec"))),
            "kernel/domainname" => sys::CLONE_NEWUTS,
            "kernel/msgmax"
            | "kernel/msgmnb"
            | "kernel/msgmni"
            | "kernel/sem"
            | "kernel/shmall"
            | "kernel/shmmax"
            | "kernel/shmmni"
            | "kernel/shm_rmid_forced" => sys::CLONE_NEWIPC,
            path if path.starts_with("fs/mqueue/") => sys::CLONE_NEWIPC,
            path if path.starts_with("net/") => sys::CLONE_NEWNET,
            path if path.starts_with("user/") => sys::CLONE_NEWUSER,
            _ => return Err(Failure::refused(format!("sysctl {name:?} is not in a separate kernel namespace"))),
        };
        if !namespaces.is_separate(needs) {
            return Err(Failure::refused(format!("sysctl {name:?} is not allowed: the container shares that namespace with the host")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_absolute_and_stay_below_the_root() {
        for (given, expected) in [("/a/../b", "/b"), ("../../etc", "/etc"), ("x/./y/", "/x/y"), ("/", "/")] {
            assert_eq!(clean(Path::new(given)), Path::new(expected), "{given}");
        }
    }
}
