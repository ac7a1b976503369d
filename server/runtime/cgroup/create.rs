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
            if self.v2 && !self.controllers.is_empty() {
                self.hand_down(folder)?;
            }
        }
        make(&self.path)?;
        if cpuset { inherit_cpuset(&self.path) } else { Ok(()) }
    }

    /// Lets the cgroups below `folder` have its controllers.
    fn hand_down(&self, folder: &Path) -> Result<()> {
        let path = folder.join("cgroup.subtree_control");
        let enabled = std::fs::read_to_string(&path).at("read", &path)?;
        let missing: Vec<_> = self
            .controllers
            .iter()
            .filter_map(|controller| controller.v2_name())
            .filter(|name| !enabled.split_ascii_whitespace().any(|word| word == *name))
            .collect();
        if missing.is_empty() || write(&path, &format!("+{}", missing.join(" +"))).is_ok() {
            return Ok(());
        }
        // One that can't be had (cpu with real-time processes) shall not take the others with it: a limit that needs it says so.
        for name in missing {
            match write(&path, &format!("+{name}")) {
                // On a hybrid host the usual controllers are elsewhere, and nothing is lost.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) && self.controllers.contains(&Controller::Memory) => {
                    let processes = "has processes of its own, so cgroups below it can't have limits: move them to a cgroup below it";
                    return Err(CgroupError::Unsupported(format!("the cgroup {} {processes}", folder.display())));
                }
                _ => {}
            }
        }
        Ok(())
    }
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
