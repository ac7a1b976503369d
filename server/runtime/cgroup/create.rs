//! Making a cgroup, with everything above it that it needs.

use super::error::{At as _, Result};
use super::files::write;
use super::{Cgroup, CgroupError, CgroupPath, Folder, Layout};
use gantry_plan::limits::Controller;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

impl Cgroup {
    /// Makes the cgroup in every hierarchy. What is there already is taken as it is: look at [`Self::pids`] before joining.
    ///
    /// # Errors
    /// [`CgroupError::Io`] when the kernel refuses a folder; those made by this call are gone again.
    pub fn create(layout: &Layout, path: &CgroupPath) -> Result<Self> {
        let cgroup = Self::at(layout, path);
        cgroup.make(layout)?;
        Ok(cgroup)
    }

    /// [`Self::create`] of a cgroup whose place is known.
    pub fn make(&self, layout: &Layout) -> Result<()> {
        for (at, folder) in self.folders.iter().enumerate() {
            let root = layout.hierarchies.iter().map(|hierarchy| Path::new(&hierarchy.mountpoint)).find(|root| folder.path.starts_with(root));
            if let Err(error) = folder.make(root.unwrap_or(&folder.path)) {
                for made in &self.folders[..=at] {
                    let _ = std::fs::remove_dir(&made.path);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Folder {
    fn make(&self, root: &Path) -> Result<()> {
        // Nearest first: usually only the last folder is missing.
        let above: Vec<&Path> = self.path.ancestors().skip(1).take_while(|folder| folder.starts_with(root)).collect();
        let cpuset = !self.v2 && self.controllers.contains(&Controller::Cpuset);
        for folder in above.iter().rev().copied() {
            if folder != root {
                make(folder)?;
                if cpuset {
                    inherit_cpuset(folder)?;
                }
            }
            if self.v2 && !self.controllers.is_empty() && !self.hand_down(folder)? {
                // In a container ourselves: the topmost cgroup we see has our processes, which v2 does not allow beside limits below.
                let moved = folder == root && folder.join("cgroup.events").exists() && step_down(folder).is_ok();
                if !moved || !self.hand_down(folder)? {
                    let processes = "has processes of its own, so cgroups below it can't have limits: move them to a cgroup below it";
                    return Err(CgroupError::Unsupported(format!("the cgroup {} {processes}", folder.display())));
                }
            }
        }
        make(&self.path)?;
        if cpuset { inherit_cpuset(&self.path) } else { Ok(()) }
    }

    /// Lets the cgroups below `folder` have its controllers. False if processes in it are in the way.
    fn hand_down(&self, folder: &Path) -> Result<bool> {
        let path = folder.join("cgroup.subtree_control");
        let enabled = std::fs::read_to_string(&path).at("read", &path)?;
        let missing: Vec<_> = self
            .controllers
            .iter()
            .filter_map(|controller| controller.v2_name())
            .filter(|name| !enabled.split_ascii_whitespace().any(|word| word == *name))
            .collect();
        if missing.is_empty() {
            return Ok(true);
        }
        match write(&path, &format!("+{}", missing.join(" +"))) {
            Ok(()) => return Ok(true),
            // On a hybrid host the usual controllers are elsewhere, and nothing is lost.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && self.controllers.contains(&Controller::Memory) => return Ok(false),
            Err(_) => {}
        }
        // One that can't be had (cpu with real-time processes) shall not take the others with it: a limit that needs it says so.
        for name in missing {
            let _ = write(&path, &format!("+{name}"));
        }
        Ok(true)
    }
}

/// Moves every process of a cgroup to one below it, as an init does that manages cgroups.
fn step_down(folder: &Path) -> Result<()> {
    let leaf = folder.join("init");
    make(&leaf)?;
    let (from, to) = (folder.join("cgroup.procs"), leaf.join("cgroup.procs"));
    // Who forks meanwhile leaves another one behind.
    for _ in 0..100 {
        let text = std::fs::read_to_string(&from).at("read", &from)?;
        if text.trim().is_empty() {
            break;
        }
        for pid in text.lines() {
            match write(&to, pid) {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                other => other.at("move a process to", &to)?,
            }
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        other => other.at("make the cgroup", folder)?,
    }
    // Whatever our umask is: users inside read their limits, and root of a user namespace mounts them.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).at("open to readers", folder)
}

/// A cpuset of v1 takes no process before it has processors and memory nodes.
fn inherit_cpuset(folder: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let path = folder.join(name);
        let read = |path: &Path| std::fs::read_to_string(path).at("read", path);
        if read(&path)?.trim().is_empty()
            && let Some(parent) = folder.parent()
        {
            write(&path, read(&parent.join(name))?.trim()).at("write the parent's list to", &path)?;
        }
    }
    Ok(())
}
