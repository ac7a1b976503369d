//! The synchronous side of the engine: cgroups, devices and folders. Called where blocking is allowed.

use crate::filters::{Filters, Ready};
use crate::{EngineConfig, EngineError, Result};
use gantry_model::{ContainerId, ContainerSpec, Kind, Limits, Security};
use gantry_plan::limits::{self, Controller, HostLimits};
use gantry_plan::spec::HostDevice;
use gantry_runtime::cgroup::{Cgroup, CgroupError, CgroupPath, Layout, Stats, Version};
use oci_spec::runtime::LinuxResources;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Hands on this host's kernel and folders.
pub(crate) struct Hand {
    data_dir: PathBuf,
    run_dir: PathBuf,
    layout: Layout,
    cgroup_parent: String,
    filters: Filters,
}

fn cgroup_error(what: &str) -> impl FnOnce(CgroupError) -> EngineError + '_ {
    move |error| EngineError::caused(error.kind(), what.to_owned(), error)
}

impl Hand {
    pub(crate) fn new(config: &EngineConfig) -> Result<Self> {
        let layout = Layout::detect().map_err(cgroup_error("look at this host's cgroups"))?;
        let cgroup_parent = config.cgroup_parent.clone();
        Ok(Self { data_dir: config.data_dir.clone(), run_dir: config.run_dir.clone(), layout, cgroup_parent, filters: Filters::new() })
    }

    pub(crate) fn is_cgroup_v2(&self) -> bool {
        self.layout.version() == Version::V2
    }

    pub(crate) fn cgroup_name(&self) -> &'static str {
        self.layout.version().as_str()
    }

    /// Fails for a path that no cgroup can have.
    pub(crate) fn check_cgroup(&self, path: &str) -> Result<()> {
        path.parse::<CgroupPath>().map(drop).map_err(cgroup_error("understand the cgroup's path"))
    }

    fn cgroup(&self, path: &str) -> Result<Cgroup> {
        let path: CgroupPath = path.parse().map_err(cgroup_error("understand the cgroup's path"))?;
        Cgroup::open(&self.layout, &path).map_err(cgroup_error("open the container's cgroup"))
    }

    pub(crate) fn stats(&self, path: &str) -> Result<Stats> {
        self.cgroup(path)?.stats().map_err(cgroup_error("read the container's cgroup"))
    }

    pub(crate) fn pids(&self, path: &str) -> Result<Vec<i32>> {
        self.cgroup(path)?.pids().map_err(cgroup_error("list the container's processes"))
    }

    /// Removes the cgroup, if it is still there; whatever runs in it is killed.
    pub(crate) fn remove_cgroup(&self, path: &str) -> Result<()> {
        match self.cgroup(path) {
            Ok(cgroup) => {
                cgroup.kill_all().map_err(cgroup_error("kill what is left of the container"))?;
                cgroup.remove().map_err(cgroup_error("remove the container's cgroup"))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends what is left of a container whose monitor died: processes, cgroup, socket.
    pub(crate) fn kill_leftovers(&self, id: &ContainerId, cgroup: &str) -> Result<()> {
        self.remove_cgroup(cgroup)?;
        let run = self.run_dir.join("containers").join(id.as_str());
        match std::fs::remove_dir_all(&run) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(EngineError::io(format!("remove {}", run.display()))(error)),
            _ => Ok(()),
        }
    }

    /// Moves a container's folders out of sight in two renames; [`Self::empty_trash`] removes them.
    pub(crate) fn to_trash(&self, id: &ContainerId) -> Result<PathBuf> {
        let trash = self.data_dir.join("trash");
        std::fs::create_dir_all(&trash).map_err(EngineError::io(format!("make {}", trash.display())))?;
        let target = trash.join(id.as_str());
        rename(&self.data_dir.join("containers").join(id.as_str()), &target)?;
        let run = self.run_dir.join("containers").join(id.as_str());
        match std::fs::remove_dir_all(&run) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(EngineError::io(format!("remove {}", run.display()))(error)),
            _ => {}
        }
        Ok(target)
    }

    pub(crate) fn empty_trash(&self, target: &Path) {
        if let Err(error) = std::fs::remove_dir_all(target)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("remove {}: {error}; the next start tries again", target.display());
        }
    }

    /// Removes what earlier servers left in the trash.
    pub(crate) fn empty_all_trash(&self) {
        for entry in std::fs::read_dir(self.data_dir.join("trash")).into_iter().flatten().flatten() {
            self.empty_trash(&entry.path());
        }
    }

    /// Removes the cgroup above all containers if none is left in it.
    pub(crate) fn remove_empty_parent(&self) {
        if let Ok(path) = self.cgroup_parent.parse() {
            Cgroup::remove_empty_parent(&self.layout, &path);
        }
    }

    /// The limits as the kernel takes them, and what of the wish this host can't honour.
    pub(crate) fn resources(&self, limits: &Limits) -> Result<(LinuxResources, Vec<String>)> {
        let number = |path: &str| std::fs::metadata(path).ok().filter(|meta| meta.file_type().is_block_device()).map(|meta| split(meta.rdev()));
        let v2 = self.is_cgroup_v2();
        let available = |v1, v2_file| self.layout.root_value(Controller::Cpuset, if v2 { v2_file } else { v1 });
        let host = HostLimits {
            cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
            cpuset_cpus: &available("cpuset.cpus", "cpuset.cpus.effective"),
            cpuset_mems: &available("cpuset.mems", "cpuset.mems.effective"),
            cgroup_v2: v2,
            swap_limit: self.layout.counts_swap(),
            device: &number,
        };
        let resources = limits::resources(limits, &host).map_err(|error| EngineError::said(error.kind(), error.to_string()))?;
        Ok((resources, limits::warnings(limits, &host)))
    }

    pub(crate) fn filter(&self, security: &Security, capabilities: &[String]) -> Result<Option<Arc<Ready>>> {
        self.filters.of(security, capabilities)
    }

    /// Devices of `--device`, as they stand on the host; every one for a privileged container.
    pub(crate) fn devices(&self, spec: &ContainerSpec) -> Result<Vec<HostDevice>> {
        let mut list = Vec::new();
        if spec.security.privileged {
            collect(Path::new("/dev"), Path::new("/dev"), "rwm", &mut list);
        }
        for device in &spec.devices {
            if !device.permissions.bytes().all(|b| b"rwm".contains(&b)) || device.permissions.is_empty() {
                return Err(EngineError::said(Kind::Invalid, format!("invalid device mode {:?}: use letters of rwm", device.permissions)));
            }
            let before = list.len();
            collect(Path::new(&device.path_on_host), Path::new(&device.path_in_container), &device.permissions, &mut list);
            if list.len() == before {
                return Err(EngineError::said(
                    Kind::Invalid,
                    format!(
                        "error gathering device information while adding custom device \"{}\": {}",
                        device.path_on_host,
                        if Path::new(&device.path_on_host).exists() { "not a device node" } else { "no such file or directory" }
                    ),
                ));
            }
        }
        Ok(list)
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    // A trash of the same name is what an earlier try left.
    let _ = std::fs::remove_dir_all(to);
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(EngineError::io(format!("remove {}", from.display()))(error)),
        _ => Ok(()),
    }
}

fn split(rdev: u64) -> (i64, i64) {
    (nix::sys::stat::major(rdev) as i64, nix::sys::stat::minor(rdev) as i64)
}

/// A device node, or all below a folder; pseudo terminals and what the container has of its own are left out.
fn collect(host: &Path, target: &Path, access: &str, list: &mut Vec<HostDevice>) {
    const OWN: [&str; 9] = ["pts", "shm", "fd", "mqueue", "console", "ptmx", "stdin", "stdout", "stderr"];
    let Ok(meta) = std::fs::symlink_metadata(host) else { return };
    let meta = if meta.is_symlink() && list.is_empty() { std::fs::metadata(host).unwrap_or(meta) } else { meta };
    let kind = meta.file_type();
    if kind.is_dir() {
        for entry in std::fs::read_dir(host).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if host != Path::new("/dev") || !OWN.iter().any(|own| name == *own) {
                collect(&entry.path(), &target.join(&name), access, list);
            }
        }
    } else if kind.is_char_device() || kind.is_block_device() {
        let (major, minor) = split(meta.rdev());
        list.push(HostDevice {
            path_in_container: target.to_owned(),
            block: kind.is_block_device(),
            major,
            minor,
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            access: access.to_owned(),
        });
    }
}
