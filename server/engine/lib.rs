//! The verbs: what a person can ask for. Faces parse, call one function here, and render.
//!
//! Every verb takes the [`Caller`](gantry_model::Caller) who asks and checks its right on the value that is executed.

mod config;
mod containers;
mod error;
mod events;
mod exec;
mod host;
mod images;
mod jobs;
mod logs;
mod stats;
mod streams;
mod terminals;
mod users;

pub use config::EngineConfig;
pub use containers::{
    ContainerDetail, ContainerSummary, Created, Isolation, IsolationFact, ListFilter, ProcessTable, PublishedPort, RemoveOptions, WaitCondition, Waiter,
};
pub use error::{EngineError, Result};
pub use events::{Event, EventFilter, EventKind, Events};
pub use exec::ExecState;
pub use host::{Finding, HostInfo, HostLoad};
pub use images::{HistoryEntry, ImageDetail, ImageRuntimeConfig, ImageSummary, ImportOptions, LayerSummary, Removed, Upload};
pub use jobs::{Job, JobKind, JobLine, JobState, JobWatch};
pub use logs::{LogEntry, LogQuery, LogStream};
pub use stats::{BlkioStats, CpuStats, MemoryStats, NetStats, StatsSample};
pub use streams::{AttachOptions, Attached, Input, Output, OutputStream};
pub use terminals::{TerminalSession, TerminalSpec};
pub use users::{LoginError, NewSession, SessionInfo, UserRow};

use std::sync::Arc;

/// The engine. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {}
