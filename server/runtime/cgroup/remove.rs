//! Taking a cgroup away, with all that was made below it.

use super::error::{At as _, Result};
use super::kill::{below, gone};
use super::{Cgroup, CgroupError, CgroupPath, Layout};
use std::path::Path;
use std::time::{Duration, Instant};

/// Processes that were killed are gone long before.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Removes it from every hierarchy. Processes that are ending are waited for; none is killed. What is gone already is fine.
    ///
    /// # Errors
    /// [`CgroupError::TimedOut`] if processes stay.
    pub fn remove(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        // The v2 folder tells when the last process has ended, so it goes last.
        let mut pause = Duration::from_millis(1);
        for folder in self.folders.iter().filter(|folder| !folder.v2).chain(self.unified()) {
            while let Err(error) = remove_tree(&folder.path) {
                if error.raw_os_error() != Some(libc::EBUSY) {
                    return Err(error).at("remove the cgroup", &folder.path);
                }
                if !self.wait_empty(end)? || Instant::now() > end {
                    return Err(CgroupError::TimedOut(format!("the cgroup {} still has processes", folder.path.display())));
                }
                // Nobody is listed and the kernel still counts somebody: a thread on its way out, of which no file tells.
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// Removes the parent of cgroups that are all gone. One that is in use stays.
    pub fn remove_empty_parent(layout: &Layout, path: &CgroupPath) {
        for folder in Self::at(layout, path).folders {
            let _ = std::fs::remove_dir(&folder.path);
        }
    }
}

/// Children before parents. Only folders are removed: the files go with them.
fn remove_tree(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error) if gone(&error) => return Ok(()),
        Err(error) if !matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ENOTEMPTY)) => return Err(error),
        Err(_) => {}
        Ok(()) => return Ok(()),
    }
    for child in below(folder) {
        remove_tree(&child)?;
    }
    match std::fs::remove_dir(folder) {
        Err(error) if gone(&error) => Ok(()),
        other => other,
    }
}
