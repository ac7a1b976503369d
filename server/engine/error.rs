//! The one error of all verbs.

use gantry_model::{Action, Kind};

pub type Result<T> = std::result::Result<T, EngineError>;

/// Why a verb failed: one sentence, its kind, and sometimes what to do next.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    #[error("No such image: {0}")]
    NoSuchImage(String),
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    #[error("no such job: {0}")]
    NoSuchJob(String),
    #[error("no such user: {0}")]
    NoSuchUser(String),
    #[error("{role} may not do this ({action:?})")]
    Forbidden { role: gantry_model::Role, action: Action },
    /// A sentence of our own with its kind.
    #[error("{message}")]
    Said { kind: Kind, message: String, hint: Option<String> },
    /// A sentence with the error that caused it.
    #[error("{message}")]
    Caused {
        kind: Kind,
        message: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EngineError {
    pub fn said(kind: Kind, message: impl Into<String>) -> Self {
        Self::Said { kind, message: message.into(), hint: None }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::NoSuchContainer(_) | Self::NoSuchImage(_) | Self::NoSuchExec(_) | Self::NoSuchJob(_) | Self::NoSuchUser(_) => Kind::NotFound,
            Self::Forbidden { .. } => Kind::Forbidden,
            Self::Said { kind, .. } | Self::Caused { kind, .. } => *kind,
        }
    }

    /// What the user can do about it, if we know.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Said { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    /// The sentence with the chain of causes, parted by `: `.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
