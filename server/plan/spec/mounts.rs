//! The mounts of a container, in the order they are made.

use super::SpecInput;
use gantry_model::{IpcMode, Mount as Wish, MountKind, PidMode, Propagation};
use oci_spec::runtime::Mount;
use std::path::PathBuf;

const DEFAULT_SHM_BYTES: u64 = 64 << 20;

/// A bind, volume or generated file with its place on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedMount {
    pub source: PathBuf,
    pub target: PathBuf,
    pub read_only: bool,
    pub propagation: Propagation,
    pub recursive: bool,
    /// Ours: in a user namespace its files belong to the container's users, as they do without one.
    pub mapped: bool,
}

/// Docker's base mounts, then what the user asked for, parents before children; a wish for a base mount's target replaces it.
pub(super) fn all(input: &SpecInput<'_>) -> Vec<Mount> {
    let mut wished: Vec<Mount> =
        input.mounts.iter().map(|mount| bind(mount, input.id_map.is_some())).chain(input.wish.mounts.iter().filter_map(tmpfs)).collect();
    wished.sort_by_key(|mount| mount.destination().components().count());
    let mut list: Vec<Mount> = base(input).into_iter().filter(|mount| !wished.iter().any(|other| other.destination() == mount.destination())).collect();
    list.append(&mut wished);
    list
}

/// A shared or slave bind needs a root that is not private.
pub(super) fn rootfs_propagation(mounts: &[ResolvedMount]) -> Option<String> {
    let any = |kinds: [Propagation; 2]| mounts.iter().any(|mount| kinds.contains(&mount.propagation));
    if any([Propagation::Shared, Propagation::Rshared]) {
        Some("shared".to_owned())
    } else if any([Propagation::Slave, Propagation::Rslave]) {
        Some("slave".to_owned())
    } else {
        None
    }
}

fn base(input: &SpecInput<'_>) -> Vec<Mount> {
    let wish = input.wish;
    let sys = if wish.security.privileged { "rw" } else { "ro" };
    let host_network = wish.network == gantry_model::NetworkMode::Host;
    let host_pid = wish.pid_mode == PidMode::Host;
    let shm = format!("size={}", wish.shm_size_bytes.unwrap_or(DEFAULT_SHM_BYTES));
    let user_namespace = input.id_map.is_some();
    let mut list = vec![
        if host_pid && user_namespace {
            mount("/proc", "none", "/proc", &["rbind", "nosuid", "noexec", "nodev"])
        } else {
            mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])
        },
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        if host_network && user_namespace {
            mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", sys])
        } else {
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", sys])
        },
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &[sys, "nosuid", "noexec", "nodev"]),
    ];
    match wish.ipc_mode {
        IpcMode::Host => {
            // One made anew shows the host's queues too, also where the host has not mounted them; a user namespace may not make it.
            list.push(if user_namespace {
                mount("/dev/mqueue", "bind", "/dev/mqueue", &["rbind", "nosuid", "noexec", "nodev"])
            } else {
                mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"])
            });
            list.push(mount("/dev/shm", "bind", "/dev/shm", &["rbind", "nosuid", "noexec", "nodev"]));
        }
        IpcMode::None => list.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"])),
        _ => {
            list.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
            list.push(mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", &shm]));
        }
    }
    list
}

fn bind(wish: &ResolvedMount, user_namespace: bool) -> Mount {
    let kind = if wish.recursive { "rbind" } else { "bind" };
    let access = if wish.read_only { "ro" } else { "rw" };
    let mut options = vec![kind, wish.propagation.as_str(), access];
    if wish.mapped && user_namespace {
        options.push("idmap");
    }
    mount_at(wish.target.clone(), "bind", wish.source.clone(), &options)
}

fn tmpfs(wish: &Wish) -> Option<Mount> {
    let MountKind::Tmpfs { size_bytes, mode, options } = &wish.kind else { return None };
    let mut all: Vec<String> =
        ["noexec", "nosuid", "nodev"].into_iter().filter(|option| !options.iter().any(|own| own.as_str() == &option[2..])).map(str::to_owned).collect();
    all.push(if wish.read_only { "ro" } else { "rw" }.to_owned());
    all.extend(size_bytes.map(|bytes| format!("size={bytes}")));
    all.extend(mode.map(|bits| format!("mode={bits:o}")));
    all.extend(options.iter().cloned());
    let options: Vec<&str> = all.iter().map(String::as_str).collect();
    Some(mount_at(PathBuf::from(&wish.target), "tmpfs", PathBuf::from("tmpfs"), &options))
}

fn mount(target: &str, typ: &str, source: &str, options: &[&str]) -> Mount {
    mount_at(PathBuf::from(target), typ, PathBuf::from(source), options)
}

fn mount_at(target: PathBuf, typ: &str, source: PathBuf, options: &[&str]) -> Mount {
    let mut mount = Mount::default();
    mount.set_destination(target).set_typ(Some(typ.to_owned())).set_source(Some(source));
    mount.set_options(Some(options.iter().map(|option| (*option).to_owned()).collect()));
    mount
}
