//! Long work with a page of its own.

use crate::{Engine, Result};
use gantry_model::{Caller, JobId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    Load,
    Import,
    Start,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    Running,
    Done,
    Failed(String),
    Cancelled,
}

/// A job as it stands.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    pub kind: JobKind,
    /// `Load busybox.tar`.
    pub title: String,
    pub state: JobState,
    pub asked_by: String,
    pub started_at_ms: i64,
    pub finished_at_ms: Option<i64>,
    /// Done and total, in `unit` (bytes, layers); total 0 is unknown.
    pub progress: Option<(u64, u64)>,
    pub output: Vec<JobLine>,
    /// What came out: image references or ids.
    pub results: Vec<String>,
}

/// One line of output; a line with an `id` replaces the one before with that id (a layer's progress).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLine {
    pub id: Option<String>,
    pub text: String,
    pub progress: Option<(u64, u64)>,
}

/// A job being watched: the lines so far, then live; closed after the last.
pub struct JobWatch {
    pub id: JobId,
    pub lines: tokio::sync::mpsc::Receiver<JobLine>,
    pub(crate) end: tokio::sync::oneshot::Receiver<Job>,
}

impl JobWatch {
    /// Waits for the end (lines not read are dropped).
    pub async fn finished(self) -> Result<Job> {
        drop(self.lines);
        self.end.await.map_err(|_| crate::EngineError::said(gantry_model::Kind::Cancelled, "the server is stopping"))
    }
}

impl Engine {
    pub async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        todo!()
    }
    pub async fn job(&self, caller: &Caller, id: &JobId) -> Result<Job> {
        todo!()
    }
    pub async fn watch_job(&self, caller: &Caller, id: &JobId) -> Result<JobWatch> {
        todo!()
    }
    /// Asks it to stop; it cleans up after itself. `Kind::NotModified` if it has ended.
    pub async fn cancel_job(&self, caller: &Caller, id: &JobId) -> Result<()> {
        todo!()
    }
}
