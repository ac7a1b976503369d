//! Why a registry did not do what was asked: one sentence with the registry's own words in it, as far as they are fit to be shown.

use gantry_model::{Digest, Kind};

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No connection, or it broke more often than it is tried again.
    #[error("{what}: {reason}")]
    Unreachable { what: String, reason: String },
    /// It answered, and the answer is no.
    #[error("{what}: {reason}")]
    Refused { what: String, status: u16, reason: String },
    #[error("{what}: toomanyrequests: the registry's rate limit is reached{}: {reason}", wait(*retry_secs))]
    RateLimited { what: String, retry_secs: Option<u64>, reason: String },
    /// An answer that no honest registry gives.
    #[error("{what}: {reason}")]
    Invalid { what: String, reason: String },
    #[error("{what}: {reason}")]
    TooLarge { what: String, reason: String },
    #[error("{what} has the wrong digest: expected {expected}, found {found}")]
    Digest { what: String, expected: Digest, found: Digest },
    /// Honest, and not something this release reads.
    #[error("{what}: {reason}")]
    Unsupported { what: String, reason: String },
    /// Certificates or settings on this host.
    #[error("{what}: {reason}")]
    Settings { what: String, reason: String },
}

fn wait(retry_secs: Option<u64>) -> String {
    retry_secs.map(|secs| format!(", try again in {secs} seconds")).unwrap_or_default()
}

impl RegistryError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused { status: 401, .. } => Kind::Unauthenticated,
            Self::Refused { status: 403, .. } => Kind::Forbidden,
            Self::Refused { status: 404, .. } => Kind::NotFound,
            Self::RateLimited { .. } => Kind::RateLimited,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::Unsupported { .. } => Kind::Unsupported,
            Self::Invalid { .. } | Self::Digest { .. } => Kind::Invalid,
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Settings { .. } => Kind::Internal,
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }

    /// What a failed connection says, without the address twice.
    pub(crate) fn unreachable(what: impl Into<String>, error: &reqwest::Error) -> Self {
        let mut reason = error.to_string();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
        while let Some(inner) = cause {
            reason = inner.to_string();
            cause = inner.source();
        }
        Self::Unreachable { what: what.into(), reason }
    }
}

/// A text from outside on one line: control characters gone, at most 300 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    if text.chars().nth(300).is_some() {
        short.push('…');
    }
    short.trim().to_owned()
}
