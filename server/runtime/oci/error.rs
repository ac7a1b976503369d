//! What goes wrong on the command line, in runc's words where callers look for them.

use crate::cgroup::CgroupError;
use crate::process::LaunchError;
use std::io;

#[derive(Debug, thiserror::Error)]
pub(super) enum OciError {
    #[error("container does not exist: {0}")]
    Missing(String),
    #[error("container with given ID already exists: {0}")]
    Exists(String),
    #[error("invalid container ID format: {0:?}")]
    Id(String),
    #[error("container not running")]
    NotRunning,
    /// A whole sentence.
    #[error("{0}")]
    Refused(String),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{what}: {source}")]
    Json { what: String, source: serde_json::Error },
    #[error("unable to start container process: {0}")]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

pub(super) type Result<T> = std::result::Result<T, OciError>;

/// Names what an input or output error was about.
pub(super) trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> During<T> for std::result::Result<T, E> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| OciError::Io { what: what(), source: source.into() })
    }
}
