//! What a monitor refuses or fails at, with the sort of failure the engine shows.

use gantry_model::Kind;
use gantry_wire::monitor::{Failure, Reply};
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    #[error("read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Description(#[from] gantry_wire::monitor::LaunchError),
    #[error("read {path}: {source}")]
    Spec { path: PathBuf, source: serde_json::Error },
    #[error("{0}")]
    Start(#[from] gantry_runtime::process::LaunchError),
    #[error(transparent)]
    Cgroup(#[from] gantry_runtime::cgroup::CgroupError),
    #[error(transparent)]
    Network(#[from] gantry_runtime::netlink::NetworkError),
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
    /// A request that does not fit the state or is malformed.
    #[error("{message}")]
    Refused { kind: Kind, message: String },
}

impl MonitorError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Start(error) => error.kind(),
            Self::Cgroup(error) => error.kind(),
            Self::Network(error) => error.kind(),
            Self::Refused { kind, .. } => *kind,
            Self::Description(error) => error.kind(),
            Self::Spec { .. } => Kind::Invalid,
            Self::Read { .. } | Self::Write { .. } | Self::System { .. } => Kind::Internal,
        }
    }

    pub(crate) fn refused(kind: Kind, message: impl Into<String>) -> Self {
        Self::Refused { kind, message: message.into() }
    }

    pub(crate) fn failure(&self) -> Failure {
        Failure { kind: self.kind(), message: self.to_string() }
    }

    pub(crate) fn reply(&self) -> Reply {
        Reply::Error { kind: self.kind(), message: self.to_string() }
    }
}

pub(crate) type Result<T> = std::result::Result<T, MonitorError>;

/// Names what was attempted when a system call failed.
pub(crate) trait Attempt<T> {
    fn attempting(self, what: &'static str) -> Result<T>;
}

impl<T, E: Into<io::Error>> Attempt<T> for std::result::Result<T, E> {
    fn attempting(self, what: &'static str) -> Result<T> {
        self.map_err(|error| MonitorError::System { what, source: error.into() })
    }
}
