//! Putting a new process into a cgroup without the locks that moving a running one takes. In: a cgroup. Out: open files for the child.

use super::error::{At as _, Result};
use super::files::open;
use super::{Cgroup, Folder};
use rustix::fs::OFlags;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How a child gets into a cgroup: cloned into the v2 folder, and by writing `0` itself to each of `tasks`.
#[derive(Debug, Default)]
pub struct JoinPlan {
    pub into: Option<OwnedFd>,
    pub tasks: Vec<OwnedFd>,
}

impl Cgroup {
    /// For the first process.
    pub fn join(&self) -> Result<JoinPlan> {
        let into = self.unified().map(|folder| enter(&folder.path)).transpose()?;
        Ok(JoinPlan { into, tasks: self.tasks()? })
    }

    /// For one more process. A container that gave its own cgroups limits has its processes further down: the new one goes to its first process.
    pub fn join_beside(&self, first: i32) -> Result<JoinPlan> {
        let into = self.unified().map(|folder| enter(&folder.beside(first))).transpose()?;
        Ok(JoinPlan { into, tasks: self.tasks()? })
    }

    fn tasks(&self) -> Result<Vec<OwnedFd>> {
        let tasks = self.folders.iter().filter(|folder| !folder.v2).map(|folder| {
            let path = folder.file("tasks");
            open(&path, OFlags::WRONLY).at("open", &path)
        });
        tasks.collect()
    }
}

fn enter(folder: &Path) -> Result<OwnedFd> {
    open(folder, OFlags::PATH | OFlags::DIRECTORY).at("open the cgroup", folder)
}

impl Folder {
    fn beside(&self, first: i32) -> PathBuf {
        let gives = self.read("cgroup.subtree_control").is_ok_and(|text| !text.trim().is_empty());
        let own = || {
            let text = std::fs::read_to_string(format!("/proc/{first}/cgroup")).ok()?;
            let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
            // The same cgroup from the root of the mount, which may show only a part of the hierarchy.
            let folder = self.path.ancestors().map(|above| above.join(&path)).find(|folder| folder.starts_with(&self.path) && folder.is_dir())?;
            Some(folder)
        };
        if gives { own().unwrap_or_else(|| self.path.clone()) } else { self.path.clone() }
    }
}
