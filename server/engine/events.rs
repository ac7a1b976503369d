//! What changes, told to whoever listens.

use crate::{Engine, Result};
use gantry_model::Caller;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    Container,
    Image,
    Network,
    Volume,
    Job,
    User,
    /// CPU and memory of running containers were sampled; not in `docker events`.
    Stats,
}

/// Source: Docker Engine API, `GET /events`.
#[derive(Debug, Clone)]
pub struct Event {
    /// Rises by one with each event.
    pub number: u64,
    pub kind: EventKind,
    /// `create`, `start`, `die`, `exec_create: sh` …
    pub action: String,
    /// Id of the container, image or job.
    pub actor: String,
    /// name, image, exitCode …
    pub attributes: BTreeMap<String, String>,
    pub at_ns: i128,
}

#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub since_ns: Option<i128>,
    pub until_ns: Option<i128>,
    /// Samples too.
    pub stats: bool,
}

/// A subscription. A listener that falls far behind is told so by `None` and must list anew.
pub struct Events {
    pub(crate) receiver: tokio::sync::mpsc::Receiver<Event>,
}

impl Events {
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }
}

impl Engine {
    pub async fn events(&self, caller: &Caller, filter: EventFilter) -> Result<Events> {
        todo!()
    }
}
