//! What the verbs on containers take and give.

use crate::Result;
use gantry_model::{ContainerId, ContainerName, ContainerSpec, Digest, Mount, PortBinding, Protocol, State};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One row of a list; made from memory, no disk and no process is asked.
#[derive(Debug, Clone)]
pub struct ContainerSummary {
    pub id: ContainerId,
    pub name: ContainerName,
    /// As the user wrote it.
    pub image: String,
    pub image_id: Digest,
    /// Entrypoint and command as started.
    pub command: Vec<String>,
    pub state: State,
    /// `Up 3 seconds`, `Exited (3) 2 minutes ago`, `Created`: docker's words.
    pub status: String,
    pub exit_code: Option<i32>,
    pub oom_killed: bool,
    pub created_at_ms: i64,
    pub started_at_ms: Option<i64>,
    pub finished_at_ms: Option<i64>,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<PublishedPort>,
    /// Its mode: `bridge`, `none`, a network's name …
    pub network: String,
    /// Its places on networks.
    pub endpoints: Vec<crate::EndpointInfo>,
    /// The first address, while it runs.
    pub ip: Option<IpAddr>,
    pub mounts: Vec<String>,
    pub mount_list: Vec<Mount>,
    pub tty: bool,
    pub open_stdin: bool,
    pub pid: Option<i32>,
    /// Last sample, while live.
    pub cpu_percent: Option<f64>,
    pub memory_bytes: Option<u64>,
    pub memory_limit_bytes: Option<u64>,
    /// CPU percent of the last minutes, oldest first, for a spark line.
    pub cpu_history: Vec<f32>,
}

/// A port as it is published now (host port resolved); `host` is `None` for a port that is only exposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPort {
    pub container_port: u16,
    pub protocol: Protocol,
    pub host: Option<(IpAddr, u16)>,
}

/// Everything about one container.
#[derive(Debug, Clone)]
pub struct ContainerDetail {
    pub summary: ContainerSummary,
    /// The wish as stored, image defaults merged in (`cmd`, `env`, `user` … are what runs).
    pub spec: ContainerSpec,
    /// As it is without a wish for it.
    pub host_cgroupns: bool,
    pub masked_paths: Vec<String>,
    pub readonly_paths: Vec<String>,
    /// `NAME=value` as the wish has them, without the image's.
    pub given_env: Vec<String>,
    pub path: String,
    pub args: Vec<String>,
    pub restart_count: u32,
    /// Why it failed to start or ended, in one sentence; empty if there is nothing to say.
    pub error: String,
    pub log_path: String,
    /// Folder of the writable layer.
    pub upper_dir: String,
    pub hosts_path: String,
    pub resolv_conf_path: String,
    pub hostname_path: String,
    /// Of a container with a health check, while it runs.
    pub health: Option<crate::Health>,
    pub execs: Vec<gantry_model::ExecId>,
    pub monitor_pid: Option<i32>,
    /// `gantry run …`: the equivalent command.
    pub command_line: String,
}

/// Which containers a list shows. Values of one key are OR-ed, keys and labels AND-ed.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Also those that do not run.
    pub all: bool,
    pub limit: Option<usize>,
    pub id: Vec<String>,
    pub name: Vec<String>,
    pub state: Vec<State>,
    /// `key` or `key=value`.
    pub label: Vec<String>,
    /// Image reference or id.
    pub ancestor: Vec<String>,
    pub exited: Vec<i32>,
    /// `none`, `starting`, `healthy` or `unhealthy`.
    pub health: Vec<String>,
    pub network: Vec<String>,
    pub volume: Vec<String>,
    pub before: Option<String>,
    pub since: Option<String>,
    pub publish: Vec<PortBinding>,
    pub expose: Vec<PortBinding>,
}

/// Which things a prune takes. Labels are `key` or `key=value`; all must match.
#[derive(Debug, Clone, Default)]
pub struct PruneFilter {
    /// Only what was made before, Unix milliseconds.
    pub until_ms: Option<i64>,
    pub label: Vec<String>,
    /// Nothing that has one of these.
    pub no_label: Vec<String>,
}

/// What a prune took.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// Ids or names.
    pub removed: Vec<String>,
    pub bytes: u64,
}

/// What a container takes on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContainerSize {
    pub writable_bytes: u64,
    /// With the layers of its image.
    pub total_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct Created {
    pub id: ContainerId,
    pub name: ContainerName,
    /// Wishes that this host can't honour and that are not safety relevant.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    pub force: bool,
    /// Also its anonymous volumes.
    pub volumes: bool,
}

/// Source: Docker Engine API, `POST /containers/{id}/wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitCondition {
    #[default]
    NotRunning,
    NextExit,
    Removed,
}

/// A wait that has begun: nothing that happens after it was made is missed.
pub struct Waiter {
    pub(crate) done: tokio::sync::oneshot::Receiver<Result<i32>>,
}

impl Waiter {
    /// The exit code.
    pub async fn exit_code(self) -> Result<i32> {
        self.done.await.unwrap_or_else(|_| Err(crate::EngineError::said(gantry_model::Kind::Cancelled, "the server is stopping")))
    }
}

/// `ps` inside the container. The last column takes the rest of the line.
#[derive(Debug, Clone, Default)]
pub struct ProcessTable {
    pub titles: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// How a container is walled in, for people.
#[derive(Debug, Clone, Default)]
pub struct Isolation {
    pub namespaces: Vec<IsolationFact>,
    pub limits: Vec<IsolationFact>,
    pub capabilities: Vec<IsolationFact>,
    pub seccomp: Vec<IsolationFact>,
    pub paths: Vec<IsolationFact>,
    /// What weakens it, worst first; empty for a default container.
    pub warnings: Vec<String>,
}

/// One fact: `pid` · `pid:[4026532198]` · "Sees only its own processes; its first process is number 1."
#[derive(Debug, Clone)]
pub struct IsolationFact {
    pub name: String,
    pub value: String,
    pub meaning: String,
    /// False: shared with the host, or switched off.
    pub strong: bool,
}
