//! Why the network is not as it should be, in one sentence.

use gantry_model::Kind;
use rustix::io::Errno;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("{what}: {}", reason(*.errno))]
    Step { what: String, errno: Errno },
    #[error("{what}: {source}")]
    File { what: String, source: io::Error },
    #[error("{0} is there already and is no bridge: give the server another one with --bridge")]
    NoBridge(String),
    /// A port of the host is somebody else's.
    #[error("{0}")]
    Taken(String),
    #[error("{0}")]
    Unsupported(String),
}

fn reason(errno: Errno) -> String {
    io::Error::from(errno).to_string()
}

impl NetworkError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoBridge(_) | Self::Taken(_) => Kind::Conflict,
            Self::Unsupported(_) => Kind::Unsupported,
            Self::Step { .. } | Self::File { .. } => Kind::Internal,
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, NetworkError>;

/// Names what was attempted.
pub(crate) trait Attempt<T> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Attempt<T> for std::result::Result<T, Errno> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| NetworkError::Step { what: what(), errno })
    }
}
