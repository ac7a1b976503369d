//! Where this host has its cgroups. In: the mounts and cgroups of this process. Out: hierarchies with their controllers.

use super::error::{At as _, Result};
use super::{CgroupError, CgroupPath};
use gantry_plan::limits::Controller;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    /// v1 hierarchies with a v2 one beside them.
    Hybrid,
    V2,
}

impl Version {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
        }
    }
}

/// The hierarchies of this host, as this process sees them.
#[derive(Debug)]
pub struct Layout {
    pub(super) hierarchies: Vec<Hierarchy>,
}

/// One mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// The name of its folder, for example `cpu,cpuacct`.
    pub(crate) folder: String,
    pub(crate) mountpoint: String,
    /// What the mount shows as its root.
    pub(crate) root: String,
    pub(crate) v2: bool,
    /// Of v1: controllers, or `name=…`.
    pub(crate) options: Vec<String>,
    /// This process's cgroup in it.
    pub(crate) path: String,
    /// Of v2: what its root has to give.
    available: Vec<Controller>,
}

impl Layout {
    /// Looks at this process's mounts and cgroups.
    ///
    /// # Errors
    /// [`CgroupError::NoHierarchy`] if nothing is mounted.
    pub fn detect() -> Result<Self> {
        let mut hierarchies = mounted()?;
        for hierarchy in hierarchies.iter_mut().filter(|hierarchy| hierarchy.v2) {
            let path = Path::new(&hierarchy.mountpoint).join("cgroup.controllers");
            let text = std::fs::read_to_string(&path).at("read", &path)?;
            let has = |controller: &Controller| controller.v2_name().is_some_and(|name| text.split_ascii_whitespace().any(|word| word == name));
            hierarchy.available = Controller::ALL.into_iter().filter(has).collect();
        }
        if hierarchies.is_empty() { Err(CgroupError::NoHierarchy) } else { Ok(Self { hierarchies }) }
    }

    pub fn version(&self) -> Version {
        let v2 = self.hierarchies.iter().filter(|hierarchy| hierarchy.v2).count();
        match v2 {
            0 => Version::V1,
            all if all == self.hierarchies.len() => Version::V2,
            _ => Version::Hybrid,
        }
    }

    /// True if limits of this kind can be set.
    pub fn has(&self, controller: Controller) -> bool {
        let built_in = self.version() == Version::V2 && matches!(controller, Controller::Devices | Controller::Freezer | Controller::Cpuacct);
        built_in || self.hierarchies.iter().any(|hierarchy| hierarchy.controllers().contains(&controller))
    }

    /// What the topmost cgroup of a controller says in a file; empty if there is none.
    pub fn root_value(&self, controller: Controller, file: &str) -> String {
        let of = self.hierarchies.iter().find(|hierarchy| hierarchy.controllers().contains(&controller));
        of.and_then(|hierarchy| std::fs::read_to_string(Path::new(&hierarchy.mountpoint).join(file)).ok()).unwrap_or_default().trim().to_owned()
    }

    /// False if a hierarchy is mounted read-only, as in a container.
    pub fn is_writable(&self) -> bool {
        let read_only = |hierarchy: &Hierarchy| {
            rustix::fs::statvfs(hierarchy.mountpoint.as_str()).is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
        };
        !self.hierarchies.iter().any(read_only)
    }

    /// True if swap is counted, so that memory and swap can be limited together.
    pub fn counts_swap(&self) -> bool {
        let memory = self.hierarchies.iter().find(|hierarchy| hierarchy.controllers().contains(&Controller::Memory));
        match memory {
            // The root of v2 has no limits to look at.
            Some(hierarchy) if hierarchy.v2 => {
                Path::new("/proc/swaps").exists() && !std::fs::read_to_string("/proc/cmdline").is_ok_and(|line| line.contains("swapaccount=0"))
            }
            Some(hierarchy) => Path::new(&hierarchy.mountpoint).join("memory.memsw.limit_in_bytes").exists(),
            None => false,
        }
    }
}

impl Hierarchy {
    pub(super) fn controllers(&self) -> Vec<Controller> {
        if self.v2 {
            return self.available.clone();
        }
        Controller::ALL.into_iter().filter(|controller| self.options.iter().any(|option| option == controller.v1_name())).collect()
    }

    /// This process's cgroup, as a folder.
    pub(crate) fn own(&self) -> PathBuf {
        let below = self.path.strip_prefix(self.root.trim_end_matches('/')).unwrap_or(&self.path);
        Path::new(&self.mountpoint).join(below.trim_start_matches('/'))
    }

    pub(super) fn place(&self, path: &CgroupPath) -> PathBuf {
        match path {
            CgroupPath::Absolute(path) => Path::new(&self.mountpoint).join(path),
            // Our own v2 cgroup has processes, ourselves, so none below it could have limits: beside it.
            CgroupPath::Relative(path) if self.v2 && !self.available.is_empty() && self.path.trim_end_matches('/') != self.root.trim_end_matches('/') => {
                self.own().parent().unwrap_or(Path::new(&self.mountpoint)).join(path)
            }
            CgroupPath::Relative(path) => self.own().join(path),
        }
    }
}

/// The hierarchies this process sees, without the controllers of v2.
pub(crate) fn mounted() -> Result<Vec<Hierarchy>> {
    let read = |path: &str| std::fs::read_to_string(path).at("read", Path::new(path));
    Ok(hierarchies(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?))
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
        let options: Vec<String> = if v2 { Vec::new() } else { own.map(str::to_owned).collect() };
        // Mounted twice: the first place is the usual one.
        if found.iter().any(|known| known.v2 == v2 && known.options == options) {
            continue;
        }
        let folder = mountpoint.rsplit('/').next().unwrap_or_default().to_owned();
        let path = cgroup.lines().find_map(|line| own_path(line, v2, &options)).unwrap_or("/").to_owned();
        found.push(Hierarchy { folder, mountpoint: mountpoint.to_owned(), root: root.to_owned(), v2, options, path, available: Vec::new() });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_read_with_the_own_path_in_each() {
        let mountinfo = "30 1 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw,nsdelegate\n\
            32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            33 30 0:29 /up /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            34 30 0:28 / /elsewhere/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        let found = hierarchies(mountinfo, "3:name=systemd:/up/a\n2:cpu,cpuacct:/b\n0::/c\n");
        let short: Vec<_> = found.iter().map(|one| (one.folder.as_str(), one.path.as_str(), one.options.join("+"))).collect();
        assert_eq!(short, [("unified", "/c", String::new()), ("cpu,cpuacct", "/b", "cpu+cpuacct".into()), ("systemd", "/up/a", "name=systemd".into())]);
        assert_eq!(found[1].controllers(), [Controller::Cpu, Controller::Cpuacct]);
        let place = |path: &str| found.iter().map(|one| one.place(&path.parse().expect("a path")).display().to_string()).collect::<Vec<_>>();
        assert_eq!(place("/x"), ["/sys/fs/cgroup/unified/x", "/sys/fs/cgroup/cpu,cpuacct/x", "/sys/fs/cgroup/systemd/x"]);
        assert_eq!(place("x"), ["/sys/fs/cgroup/unified/c/x", "/sys/fs/cgroup/cpu,cpuacct/b/x", "/sys/fs/cgroup/systemd/a/x"]);
    }
}
