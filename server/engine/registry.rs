//! The containers in memory: what lists are served from. The database holds the same rows; monitors tell the facts.

use crate::exec::ExecEntry;
use crate::stats::History;
use crate::{Engine, EngineError, Result};
use gantry_model::{ContainerId, ContainerName, ContainerSpec, Digest, ExecId, Kind, State};
use gantry_store::containers::{ContainerRow, Desired, Fact, ProcessRow};
use gantry_store::endpoints::EndpointRow;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// One container.
pub(crate) struct Container {
    pub id: ContainerId,
    pub image_id: Digest,
    pub created_at_ms: i64,
    /// Held by a verb that changes the container's life; never together with `live` across an await.
    pub verbs: Arc<tokio::sync::Mutex<()>>,
    /// Held while the facts are written down, so that the last write is of the newest.
    pub writing: tokio::sync::Mutex<()>,
    live: Mutex<Live>,
}

/// The part that changes.
pub(crate) struct Live {
    pub name: ContainerName,
    pub spec: ContainerSpec,
    pub process: ProcessRow,
    pub desired: Desired,
    /// On the default bridge.
    pub ip: Option<IpAddr>,
    /// On networks made by users, in the order of their interfaces.
    pub endpoints: Vec<EndpointRow>,
    pub fact: Fact,
    /// Main process in the host's numbers, while live.
    pub pid: Option<i32>,
    /// Its monitor, while there is one.
    pub monitor_pid: Option<i32>,
    /// The run of this monitor that the facts are about; tells old news from new.
    pub run: u32,
    /// A start was asked for, and neither its answer nor the monitor's news of it has come.
    pub starting: bool,
    /// The bundle was written for the next start already.
    pub prepared: bool,
    pub execs: HashMap<ExecId, ExecEntry>,
    pub health: Option<crate::Health>,
    pub history: History,
    /// Waiting for the end of this run.
    pub exit_waiters: Vec<oneshot::Sender<Result<i32>>>,
    /// Waiting for the removal.
    pub removal_waiters: Vec<oneshot::Sender<Result<i32>>>,
}

impl Container {
    pub(crate) fn from_row(row: ContainerRow) -> Arc<Self> {
        let live = Live {
            name: row.name,
            spec: row.spec,
            process: row.process,
            desired: row.desired,
            ip: row.ip,
            // An address without a network is nobody's.
            endpoints: row.endpoints.into_iter().map(|place| EndpointRow { ip: place.ip.filter(|_| place.network.is_some()), ..place }).collect(),
            fact: row.fact,
            pid: None,
            monitor_pid: None,
            run: 0,
            starting: false,
            prepared: false,
            execs: HashMap::new(),
            health: None,
            history: History::default(),
            exit_waiters: Vec::new(),
            removal_waiters: Vec::new(),
        };
        Arc::new(Self {
            id: row.id,
            image_id: row.image_id,
            created_at_ms: row.created_at_ms,
            verbs: Arc::default(),
            writing: tokio::sync::Mutex::default(),
            live: Mutex::new(live),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> State {
        self.lock().fact.state
    }

    /// Attributes of its events.
    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        let live = self.lock();
        let mut attributes: BTreeMap<String, String> = live.spec.labels.clone();
        attributes.insert("name".to_owned(), live.name.to_string());
        attributes.insert("image".to_owned(), live.spec.image.clone());
        attributes
    }
}

/// All containers, found by id, prefix or name.
#[derive(Default)]
pub(crate) struct Registry {
    all: Mutex<HashMap<ContainerId, Arc<Container>>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, Arc<Container>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, container: Arc<Container>) {
        self.lock().insert(container.id.clone(), container);
    }

    pub(crate) fn remove(&self, id: &ContainerId) {
        self.lock().remove(id);
    }

    pub(crate) fn get(&self, id: &ContainerId) -> Option<Arc<Container>> {
        self.lock().get(id).cloned()
    }

    /// Newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Container>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by(|a, b| b.created_at_ms.cmp(&a.created_at_ms).then_with(|| a.id.cmp(&b.id)));
        all
    }

    pub(crate) fn has_name(&self, name: &ContainerName) -> Option<ContainerId> {
        self.lock().values().find(|container| container.lock().name == *name).map(|container| container.id.clone())
    }

    fn find(&self, reference: &str) -> Result<Arc<Container>> {
        let all = self.lock();
        if let Ok(id) = reference.parse::<ContainerId>()
            && let Some(container) = all.get(&id)
        {
            return Ok(container.clone());
        }
        let name = reference.strip_prefix('/').unwrap_or(reference);
        if let Some(container) = all.values().find(|container| container.lock().name.as_str() == name) {
            return Ok(container.clone());
        }
        let mut matches = all.values().filter(|container| !reference.is_empty() && container.id.as_str().starts_with(reference));
        match (matches.next(), matches.next()) {
            (Some(container), None) => Ok(container.clone()),
            (Some(_), Some(_)) => {
                Err(EngineError::said(Kind::Invalid, format!("multiple containers have an id that begins with {reference:?}: give more digits")))
            }
            (None, _) => Err(EngineError::NoSuchContainer(reference.chars().take(200).collect())),
        }
    }
}

impl Engine {
    /// The container a user means: a full id, a name with or without `/`, or a unique prefix of an id.
    pub(crate) fn resolve(&self, reference: &str) -> Result<Arc<Container>> {
        self.inner.containers.find(reference)
    }

    /// Publishes an event of a container.
    pub(crate) fn tell<'a>(&self, container: &Container, action: impl Into<String>, more: impl IntoIterator<Item = (&'a str, String)>) {
        let mut attributes = container.attributes();
        attributes.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
        self.inner.events.publish(crate::EventKind::Container, action, container.id.as_str(), attributes);
    }
}
