//! The verbs: what a person can ask for. Faces parse, call one function here, and render.
//!
//! Every verb takes the [`Caller`](gantry_model::Caller) who asks and checks its right on the value that is executed.
//! What should exist stands in the database (`gantry_store`), what runs is told by the monitors; `adopt` makes both agree.

mod adopt;
mod authorize;
mod clock;
mod config;
mod containers;
mod download;
mod error;
mod events;
mod exec;
mod filters;
mod hand;
mod health;
mod host;
mod images;
mod isolation;
mod jobs;
mod logs;
mod monitor;
mod names;
mod network;
mod procfs;
mod random;
mod registries;
mod registry;
mod revive;
mod shells;
mod stats;
mod status;
mod streams;
mod terminals;
mod tokens;
mod top;
mod upload;
mod users;
mod volumes;

pub use config::EngineConfig;
pub use containers::{
    CommitWish, ContainerDetail, ContainerSize, ContainerSummary, Created, Isolation, IsolationFact, ListFilter, ProcessTable, PruneFilter, Pruned,
    PublishedPort, RemoveOptions, WaitCondition, Waiter,
};
pub use download::Download;
pub use error::{EngineError, Result};
pub use events::{Event, EventFilter, EventKind, Events};
pub use exec::ExecState;
pub use gantry_images::{Change, ChangeKind, PathStat};
pub use gantry_model::HealthStatus;
pub use gantry_plan::command_line;
pub use gantry_plan::logs::IDLE_OPTIONS as IDLE_LOG_OPTIONS;
pub use gantry_plan::process::configured as configured_env;
pub use gantry_registry::{Credentials, Found as FoundImage, Settings as RegistrySettings};
pub use gantry_wire::monitor::{Health, Probe};
pub use host::{Finding, HostInfo, HostLoad};
pub use images::{
    HistoryEntry, ImageDetail, ImageFilter, ImageRuntimeConfig, ImageSummary, ImportOptions, LayerSummary, PUSHED, PullWish, PushWish, RemoteImage, Removed,
};
pub use jobs::{Job, JobBound, JobKind, JobLine, JobState, JobWatch};
pub use logs::{LogEntry, LogQuery, LogStream};
pub use network::{EndpointInfo, NetworkDetail, NetworkFilter, NetworkMember};
pub use stats::{BlkioStats, CpuStats, MemoryStats, NetStats, StatsSample};
pub use streams::{AttachOptions, Attached, Input, Output, OutputStream};
pub use terminals::{JoinedTerminal, TerminalSession, TerminalSpec};
pub use tokens::TokenRow;
pub use upload::Upload;
pub use users::{LoginError, NewSession, SessionInfo, UserRow};
pub use volumes::Volume;

use gantry_model::{ContainerId, ExecId};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// The engine. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    config: EngineConfig,
    db: gantry_store::Db,
    images: gantry_images::ImageStore,
    registries: Arc<gantry_registry::Settings>,
    arrivals: registries::Arrivals,
    hand: Arc<hand::Hand>,
    /// The default bridge.
    network: Arc<network::Network>,
    networks: network::Networks,
    spawner: Arc<monitor::Spawner>,
    /// The engine's own tasks run here, whichever door's thread asked for them.
    handle: tokio::runtime::Handle,
    facts: gantry_plan::spec::HostFacts,
    findings: Vec<Finding>,
    containers: registry::Registry,
    /// The container of each exec session.
    execs: Mutex<HashMap<ExecId, ContainerId>>,
    terminals: terminals::Terminals,
    known_images: Mutex<Vec<images::KnownImage>>,
    /// Read by whoever is about to use an image, written by whoever removes one.
    images_in_use: tokio::sync::RwLock<()>,
    /// Read while a loaded image is written down, written by a sweep of image content: it must not take what is about to be known.
    sweeping: tokio::sync::RwLock<()>,
    /// Read by what clears away in the background, written by a server that ends and waits for it.
    clearing: Arc<tokio::sync::RwLock<()>>,
    /// Names and addresses are given to one container at a time.
    naming: tokio::sync::Mutex<()>,
    /// Held while a network's names are written down.
    writing_names: tokio::sync::Mutex<()>,
    events: events::EventBus,
    jobs: jobs::Jobs,
    host_load: host::LoadHistory,
    needs_setup: AtomicBool,
    /// Turns for hashing passwords.
    hashing: tokio::sync::Semaphore,
    /// Verified for unknown names, so that they take as long as known ones.
    decoy_hash: String,
    /// Held as long as this server has the data folder.
    _lock: std::fs::File,
}
