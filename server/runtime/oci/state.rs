//! What is known of a container between two commands. In: the folder of `--root`. Out: its saved state and its status of now.

use super::error::{During, OciError, Result};
use crate::cgroup::Cgroup;
use oci_spec::runtime::Spec;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The version of the specification we speak.
pub(super) const OCI_VERSION: &str = "1.2.1";

/// As runc's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// `state.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Saved {
    pub(super) id: String,
    /// 0 while it is made.
    pub(super) pid: i32,
    /// Clock ticks after boot: with the pid it names one process.
    pub(super) start_time: u64,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    pub(super) created: String,
    pub(super) owner: String,
    #[serde(default)]
    pub(super) annotations: HashMap<String, String>,
    /// Its cgroup, found again from wherever the next command is called.
    #[serde(default)]
    pub(super) cgroup: Option<Cgroup>,
}

/// A container's folder.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) folder: PathBuf,
    pub(super) saved: Saved,
}

/// What `state` prints and hooks read. Source: OCI runtime specification, `runtime.md`, "State".
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    oci_version: &'static str,
    id: &'a str,
    pid: i32,
    status: Status,
    bundle: &'a Path,
    rootfs: &'a Path,
    created: &'a str,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    annotations: &'a HashMap<String, String>,
    owner: &'a str,
}

/// Letters, digits and `_+-.`, and no way out of the folder. Source: runc, `validateID`.
pub(super) fn check_id(id: &str) -> Result<()> {
    let letters = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte));
    if id.is_empty() || id.len() > 1024 || !letters || id == "." || id == ".." {
        return Err(OciError::Id(id.to_owned()));
    }
    Ok(())
}

impl Container {
    /// Takes the id.
    pub(super) fn make(root: &Path, saved: Saved) -> Result<Self> {
        check_id(&saved.id)?;
        let private = |recursive| {
            let mut builder = fs::DirBuilder::new();
            builder.mode(0o700).recursive(recursive);
            builder
        };
        private(true).create(root).during(|| format!("make {}", root.display()))?;
        let folder = root.join(&saved.id);
        match private(false).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(OciError::Exists(saved.id)),
            other => other.during(|| format!("make {}", folder.display()))?,
        }
        let container = Self { folder, saved };
        container.save()?;
        Ok(container)
    }

    pub(super) fn load(root: &Path, id: &str) -> Result<Self> {
        check_id(id)?;
        let folder = root.join(id);
        let text = match fs::read(folder.join("state.json")) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(OciError::Missing(id.to_owned())),
            other => other.during(|| format!("read the state of {id}"))?,
        };
        let saved = serde_json::from_slice(&text).map_err(|source| OciError::Json { what: format!("read the state of {id}"), source })?;
        Ok(Self { folder, saved })
    }

    /// All of them, by id.
    pub(super) fn all(root: &Path) -> Result<Vec<Self>> {
        let entries = match fs::read_dir(root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.during(|| format!("read {}", root.display()))?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        // One that is deleted meanwhile is no error.
        let mut all: Vec<Self> = names.filter_map(|name| Self::load(root, &name).ok()).collect();
        all.sort_by(|one, other| one.saved.id.cmp(&other.saved.id));
        Ok(all)
    }

    /// Writes by rename: a reader sees the old or the new state.
    pub(super) fn save(&self) -> Result<()> {
        let what = || format!("save the state of {}", self.saved.id);
        let text = serde_json::to_vec(&self.saved).map_err(|source| OciError::Json { what: what(), source })?;
        write_private(&self.folder.join("state.json.new"), &text).during(what)?;
        fs::rename(self.folder.join("state.json.new"), self.folder.join("state.json")).during(what)
    }

    pub(super) fn save_spec(&self, spec: &Spec) -> Result<()> {
        let what = || format!("save the configuration of {}", self.saved.id);
        let text = serde_json::to_vec(spec).map_err(|source| OciError::Json { what: what(), source })?;
        write_private(&self.folder.join("config.json"), &text).during(what)
    }

    pub(super) fn spec(&self) -> Result<Spec> {
        read_spec(&self.folder.join("config.json"))
    }

    pub(super) fn gate(&self) -> PathBuf {
        self.folder.join("start.sock")
    }

    /// The first process, if it is still the same one.
    pub(super) fn process(&self) -> Option<OwnedFd> {
        let pidfd = pidfd_open(Pid::from_raw(self.saved.pid)?, PidfdFlags::empty()).ok()?;
        // Checked after it is held: the pid can't pass to another process any more.
        (start_time(self.saved.pid) == Some(self.saved.start_time)).then_some(pidfd)
    }

    pub(super) fn status(&self) -> Status {
        if self.saved.pid == 0 {
            return Status::Creating;
        }
        if start_time(self.saved.pid) != Some(self.saved.start_time) {
            return Status::Stopped;
        }
        if self.gate().exists() {
            return Status::Created;
        }
        if super::limits::is_paused(&self.saved) { Status::Paused } else { Status::Running }
    }

    pub(super) fn shown(&self, status: Status) -> Shown<'_> {
        let saved = &self.saved;
        Shown {
            oci_version: OCI_VERSION,
            id: &saved.id,
            pid: if status == Status::Stopped { 0 } else { saved.pid },
            status,
            bundle: &saved.bundle,
            rootfs: &saved.rootfs,
            created: &saved.created,
            annotations: &saved.annotations,
            owner: &saved.owner,
        }
    }

    pub(super) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.during(|| format!("remove {}", self.folder.display())),
        }
    }
}

fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(text)
}

/// Reads a `config.json`.
pub(super) fn read_spec(path: &Path) -> Result<Spec> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(OciError::Refused(format!("JSON specification file {} not found", path.display()))),
        other => other.during(|| format!("read {}", path.display()))?,
    };
    serde_json::from_slice(&text).map_err(|source| OciError::Json { what: format!("read {}", path.display()), source })
}

/// When a process began; `None` if it is gone, or dead and not yet reaped. Source: proc(5), `/proc/PID/stat`.
pub(super) fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_can_not_leave_the_folder() {
        for good in ["a", "web_1", "a+b-c.d", "..."] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ü"] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_own_start_time_is_read() {
        assert!(start_time(std::process::id() as i32).is_some_and(|time| time > 0));
        assert_eq!(start_time(0x3f_ffff), None);
    }
}
