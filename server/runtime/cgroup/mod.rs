//! Cgroups on v1, hybrid and v2 hosts. In: a path, OCI resources, processes. Out: limits that hold, counts, notices.
//!
//! A container's cgroup is one folder in each hierarchy of the host. A controller is used where it lives; on a hybrid host the empty v2
//! hierarchy gives a twin folder besides, for its `cgroup.kill` and `cgroup.events`. What to write is decided by `plan::limits`.

mod bpf;
mod create;
mod error;
mod files;
mod freeze;
mod join;
mod kill;
mod layout;
mod oom;
mod path;
mod remove;
mod set;
mod stats;
#[cfg(test)]
pub(crate) mod tests;

pub use error::CgroupError;
pub use join::JoinPlan;
pub use layout::{Layout, Version};
pub use oom::OomWatch;
pub use path::CgroupPath;
pub use stats::{DeviceIo, Stats};

pub(crate) use layout::{Hierarchy, mounted};

use error::Result;
use gantry_plan::limits::Controller;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A cgroup: its folder in each hierarchy. Nothing is held open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    folders: Vec<Folder>,
}

/// The cgroup's place in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Folder {
    path: PathBuf,
    v2: bool,
    controllers: Vec<Controller>,
}

impl Cgroup {
    /// Where the cgroup is or would be.
    pub fn at(layout: &Layout, path: &CgroupPath) -> Self {
        let folder = |hierarchy: &Hierarchy| Folder { path: hierarchy.place(path), v2: hierarchy.v2, controllers: hierarchy.controllers() };
        Self { folders: layout.hierarchies.iter().map(folder).collect() }
    }

    /// The cgroup that is there.
    ///
    /// # Errors
    /// [`CgroupError::Missing`] if no hierarchy has it.
    pub fn open(layout: &Layout, path: &CgroupPath) -> Result<Self> {
        let cgroup = Self::at(layout, path);
        if cgroup.exists() { Ok(cgroup) } else { Err(CgroupError::Missing(path.to_string())) }
    }

    /// True if a hierarchy has it.
    pub fn exists(&self) -> bool {
        self.folders.iter().any(|folder| folder.path.is_dir())
    }

    /// Where a cgroup below this one is or would be; no path leads out of it.
    pub fn below(&self, below: &str) -> Result<Self> {
        let below = path::clean(below.trim_start_matches('/'))?;
        let folder = |folder: &Folder| Folder { path: folder.path.join(&below), ..folder.clone() };
        Ok(Self { folders: self.folders.iter().map(folder).collect() })
    }

    /// Replaces the folders of some controllers, or of all, by those below that are there.
    /// `wish` is `below` or `controller,…:below`. Source: runc exec, `--cgroup`.
    ///
    /// # Errors
    /// [`CgroupError::Missing`] if none is there.
    pub fn moved_below(&self, wish: &str) -> Result<Self> {
        let (names, below) = wish.split_once(':').unwrap_or(("", wish));
        let mut found = false;
        let mut moved = self.below(below)?;
        for (folder, here) in moved.folders.iter_mut().zip(&self.folders) {
            let named = names.is_empty() || here.controllers.iter().any(|controller| names.split(',').any(|name| name == controller.v1_name()));
            if named && folder.path.is_dir() {
                found = true;
            } else {
                folder.clone_from(here);
            }
        }
        if found { Ok(moved) } else { Err(CgroupError::Missing(wish.to_owned())) }
    }

    /// The folder that has a controller, or does its work on v2.
    fn of(&self, controller: Controller) -> Option<&Folder> {
        self.folders.iter().find(|folder| folder.controllers.contains(&controller))
    }

    /// The v2 folder: the cgroup itself, or its twin on a hybrid host.
    fn unified(&self) -> Option<&Folder> {
        self.folders.iter().find(|folder| folder.v2)
    }

    /// The folder by which processes are found.
    fn primary(&self) -> Option<&Folder> {
        self.unified().or_else(|| self.of(Controller::Freezer)).or_else(|| self.folders.first())
    }

    /// By controller, the folder in its hierarchy; the unified one has no name.
    pub fn folders(&self) -> impl Iterator<Item = (String, &Path)> {
        self.folders.iter().map(|folder| {
            let names: Vec<_> = if folder.v2 { Vec::new() } else { folder.controllers.iter().map(|controller| controller.v1_name()).collect() };
            (names.join(","), folder.path.as_path())
        })
    }
}
