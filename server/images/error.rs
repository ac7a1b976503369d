//! Why a content operation failed: one line that names the place and the reason.

use gantry_model::{Digest, Kind};
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The archive, layer or document is malformed or hostile.
    #[error("{place}: {reason}")]
    Invalid { place: String, reason: String },
    /// More of something than the limits allow.
    #[error("{place}: {reason}")]
    TooLarge { place: String, reason: String },
    /// Bytes are not the ones their name promises.
    #[error("{what} has the wrong digest: expected {expected}, found {found}")]
    Digest { what: String, expected: Digest, found: Digest },
    /// Valid, and not something this release reads.
    #[error("{place}: {reason}")]
    Unsupported { place: String, reason: String },
    #[error("no such image: {0}")]
    NoSuchImage(Digest),
    #[error("no such layer: {0}")]
    NoSuchLayer(Digest),
    /// Docker's words, which its command line looks for.
    #[error("Could not find the file {0} in container")]
    NoSuchPath(String),
    /// An instruction that a commit or an import does not take, in lower case.
    #[error("{0} is not a valid change command")]
    Change(String),
    #[error("extraction point is not a directory")]
    NoFolder,
    #[error("{0}")]
    Refused(String),
    #[error("no space left on the device while trying to {what}")]
    NoSpace { what: String },
    #[error("cancelled")]
    Cancelled,
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

impl ImagesError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } | Self::Digest { .. } | Self::Change(_) | Self::NoFolder => Kind::Invalid,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::Unsupported { .. } => Kind::Unsupported,
            Self::NoSuchImage(_) | Self::NoSuchLayer(_) | Self::NoSuchPath(_) => Kind::NotFound,
            Self::Refused(_) => Kind::Forbidden,
            Self::Cancelled => Kind::Cancelled,
            Self::NoSpace { .. } | Self::Io { .. } => Kind::Internal,
        }
    }

    pub(crate) fn invalid(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), reason: reason.into() }
    }

    pub(crate) fn too_large(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::TooLarge { place: place.into(), reason: reason.into() }
    }

    /// Keeps a full disk apart from other failures: it is the one a user can mend.
    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        let (what, source) = (what.into(), source.into());
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) { Self::NoSpace { what } } else { Self::Io { what, source } }
    }

    /// Says where it happened, for errors that know only what happened.
    pub(crate) fn within(self, outer: &str) -> Self {
        let join = |place: String| if place.is_empty() { outer.to_owned() } else { format!("{outer}: {place}") };
        match self {
            Self::Invalid { place, reason } => Self::Invalid { place: join(place), reason },
            Self::TooLarge { place, reason } => Self::TooLarge { place: join(place), reason },
            Self::Unsupported { place, reason } => Self::Unsupported { place: join(place), reason },
            Self::Io { what, source } => Self::Io { what: join(what), source },
            Self::NoSpace { what } => Self::NoSpace { what: join(what) },
            other => other,
        }
    }
}

/// A name from outside on one line: control characters escaped, at most 160 characters.
pub(crate) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut short: String = text.chars().take(160).flat_map(char::escape_debug).collect();
    if text.chars().nth(160).is_some() {
        short.push('…');
    }
    format!("\"{short}\"")
}
