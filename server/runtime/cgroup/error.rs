//! Why something about a cgroup failed.

use gantry_model::Kind;
use gantry_plan::limits::LimitError;
use std::io;
use std::path::{Path, PathBuf};

pub(super) type Result<T> = std::result::Result<T, CgroupError>;

#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("no cgroup hierarchy is mounted: mount cgroup2 at /sys/fs/cgroup")]
    NoHierarchy,
    #[error("no such cgroup: {0}")]
    Missing(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Unsupported(String),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error("{what} {path}: {source}")]
    Io { what: String, path: PathBuf, source: io::Error },
    /// The kernel did not come to an end with it in time.
    #[error("{0}")]
    TimedOut(String),
}

impl CgroupError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoHierarchy | Self::Unsupported(_) => Kind::Unsupported,
            Self::Missing(_) => Kind::NotFound,
            Self::Invalid(_) => Kind::Invalid,
            Self::Limit(error) => error.kind(),
            // The kernel refuses the value: out of the parent's range, of a device that is not there, below what is in use.
            Self::Io { what, source, .. } if what.starts_with("write ") && refuses_value(source) => Kind::Invalid,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::NotFound,
            Self::Io { .. } | Self::TimedOut(_) => Kind::Internal,
        }
    }
}

fn refuses_value(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ERANGE | libc::ENODEV | libc::EBUSY | libc::EACCES | libc::ENOSPC))
}

/// Says what was attempted on which file.
pub(super) trait At<T> {
    fn at(self, what: &str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, what: &str, path: &Path) -> Result<T> {
        self.map_err(|error| CgroupError::Io { what: what.to_owned(), path: path.to_owned(), source: error.into() })
    }
}
