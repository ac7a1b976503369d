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
    #[error("the role {role} does not allow this: {}", needs(*action))]
    Forbidden { role: gantry_model::Role, action: Action },
    /// It ended, or is about to: a monitor whose container is down goes by itself.
    #[error("the container's monitor went away")]
    MonitorGone(#[source] Option<std::io::Error>),
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

fn needs(action: Action) -> &'static str {
    match action {
        Action::View => "looking needs a login",
        Action::Operate => "changing containers and images needs an operator",
        Action::Exec => "opening a shell needs an operator",
        Action::ReachHost => "a container that reaches the host (privileged, host namespaces, host folders, devices, more capabilities) needs an admin",
        Action::Administer => "managing users and settings needs an admin",
    }
}

impl EngineError {
    pub fn said(kind: Kind, message: impl Into<String>) -> Self {
        Self::Said { kind, message: message.into(), hint: None }
    }

    /// A sentence with what to do next.
    pub fn hinted(kind: Kind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said { kind, message: message.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn caused(kind: Kind, message: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Caused { kind, message: message.into(), source: source.into() }
    }

    pub(crate) fn io(message: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let message = message.into();
        move |source| Self::caused(Kind::Internal, message, source)
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::NoSuchContainer(_) | Self::NoSuchImage(_) | Self::NoSuchExec(_) | Self::NoSuchJob(_) | Self::NoSuchUser(_) => Kind::NotFound,
            Self::Forbidden { .. } => Kind::Forbidden,
            Self::MonitorGone(_) => Kind::Internal,
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

impl From<gantry_store::StoreError> for EngineError {
    fn from(error: gantry_store::StoreError) -> Self {
        let kind = error.kind();
        Self::caused(kind, if kind == Kind::Conflict { "conflict" } else { "use the database" }, error)
    }
}

impl From<gantry_images::ImagesError> for EngineError {
    fn from(error: gantry_images::ImagesError) -> Self {
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            // `Io` prints its source already.
            if !text.contains(&source.to_string()) {
                text = format!("{text}: {source}");
            }
        }
        Self::said(error.kind(), text)
    }
}

impl From<tokio::task::JoinError> for EngineError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::caused(Kind::Internal, "a task of the engine ended early", error)
    }
}
