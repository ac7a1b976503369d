//! What a user asks of a container, in one value. `engine` stores it as it is executed; doors convert into it.

use crate::{Device, EndpointSpec, Limits, Mount, NetworkMode, PortBinding, RestartPolicy, Signal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The wish: image, process and walls. Absent process fields are taken from the image when the container is created.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// As the user wrote it: a reference or an id.
    pub image: String,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    /// `NAME=value`; `NAME` alone removes one of the image.
    pub env: Vec<String>,
    /// `user[:group]`, names or numbers, looked up in the container's own passwd and group files.
    pub user: String,
    pub group_add: Vec<String>,
    pub working_dir: String,
    pub hostname: String,
    pub domainname: String,
    pub tty: bool,
    /// Streams that its creator said would be attached: told again to who asks, and no more.
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    pub open_stdin: bool,
    /// Closes stdin when the first attached client goes.
    pub stdin_once: bool,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub stop_signal: Option<Signal>,
    pub stop_timeout_secs: Option<u32>,
    pub health: Option<HealthCheck>,
    /// First terminal size.
    pub term_size: Option<TermSize>,

    pub mounts: Vec<Mount>,
    /// Containers whose mounts it takes too: `name[:ro]`.
    pub volumes_from: Vec<String>,
    pub network: NetworkMode,
    /// Networks made by users, and what is asked of the place on each. Once the container exists, the engine keeps them apart from the wish.
    pub endpoints: Vec<EndpointSpec>,
    /// Hardware address on the default bridge; made from the address if absent.
    pub mac: Option<String>,
    pub ports: Vec<PortBinding>,
    /// `80/tcp`: told to others, published only with `publish_all`. Those of the image are added when it is created.
    pub exposed_ports: Vec<String>,
    pub publish_all: bool,
    pub dns: Vec<String>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    /// `name:address`.
    pub extra_hosts: Vec<String>,
    pub restart: RestartPolicy,
    pub auto_remove: bool,
    /// Runs a small init as process 1 that reaps children.
    pub init: bool,
    pub limits: Limits,
    /// Bytes; 64 MiB when absent.
    pub shm_size_bytes: Option<u64>,
    pub devices: Vec<Device>,
    pub ulimits: Vec<Ulimit>,
    pub sysctls: BTreeMap<String, String>,
    pub oom_score_adj: Option<i32>,
    pub security: Security,
    pub pid_mode: PidMode,
    pub ipc_mode: IpcMode,
    pub host_uts: bool,
    /// `Some(true)`: the host's cgroup namespace. Default: private on v2, host on v1.
    pub host_cgroupns: Option<bool>,
    /// Runs in a user namespace whose root is an unprivileged id of the host.
    pub userns: bool,
    pub cgroup_parent: Option<String>,
    /// `local` (kept, default) or `none`.
    pub log_driver: String,
    /// As docker's log drivers have them, for example `max-size` and `10m`.
    pub log_options: BTreeMap<String, String>,
}

/// Walls a user may move.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    pub privileged: bool,
    /// Without the `CAP_` prefix, upper case; `ALL` is all.
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub no_new_privileges: bool,
    pub read_only_rootfs: bool,
    pub seccomp: Seccomp,
    /// AppArmor profile; `unconfined` is none.
    pub apparmor: Option<String>,
    /// `None` means docker's list.
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    #[default]
    Default,
    Unconfined,
    /// A profile in docker's JSON form.
    Profile(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PidMode {
    #[default]
    Private,
    Host,
    Container(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpcMode {
    #[default]
    Private,
    Host,
    None,
    Shareable,
    Container(String),
}

/// Source: getrlimit(2); the name has no `RLIMIT_` prefix and is lower case. -1 is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

/// Source: Docker Engine API, `HealthConfig`. Times are nanoseconds there, milliseconds here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    pub test: Vec<String>,
    pub interval_ms: u64,
    pub timeout_ms: u64,
    pub start_period_ms: u64,
    /// Between two checks in the start period.
    pub start_interval_ms: u64,
    pub retries: u32,
    /// Runs the text of `CMD-SHELL`; empty is `/bin/sh -c`.
    pub shell: Vec<String>,
}

/// What the checks of a container say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Characters on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermSize {
    pub rows: u16,
    pub cols: u16,
}

/// What a user asks of an exec session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecSpec {
    pub args: Vec<String>,
    pub env: Vec<String>,
    /// Empty: the container's user.
    pub user: String,
    /// Empty: the container's folder.
    pub working_dir: String,
    pub tty: bool,
    pub open_stdin: bool,
    /// Streams whoever starts it does not want.
    pub mute_stdout: bool,
    pub mute_stderr: bool,
    pub privileged: bool,
    pub term_size: Option<TermSize>,
    /// Keeps the output for clients that come back, up to this many bytes (terminals of the browser).
    pub keep_bytes: Option<u64>,
}
