//! What the engine asks of a monitor, what it answers, and what it tells unasked.

use super::Health;
use gantry_model::{ExecId, Kind, PortBinding, RestartPolicy, Signal, State, TermSize};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Answered by [`Reply::Status`].
    State,
    /// Starts what the launch description says; [`Reply::Started`] or the error. A container that can't start leaves no monitor.
    Start,
    /// To the main process, or to every process of the container.
    Signal {
        signal: Signal,
        all: bool,
    },
    /// Sends the signal (the launch description's if absent), waits, kills. No restart follows. [`Reply::Exited`] once it is down.
    Stop {
        signal: Option<Signal>,
        grace_ms: Option<u64>,
    },
    /// Waits until the container does not run and will not be restarted: [`Reply::Exited`].
    Wait,
    Pause,
    Resume,
    Resize {
        session: Session,
        size: TermSize,
    },
    /// OCI `LinuxResources` as JSON, and a new restart policy; what is absent stays.
    Update {
        resources: Option<serde_json::Value>,
        restart: Option<RestartPolicy>,
    },
    /// The launch description has other bridges: the container that runs goes on and off them. One that does not run has nothing to do.
    Rewire,
    /// [`Reply::Started`]; with [`Exec::attach`] the connection then is the session's stream.
    Exec(Exec),
    /// [`Reply::Exec`].
    ExecState {
        id: ExecId,
    },
    /// Signals an exec session's process.
    ExecSignal {
        id: ExecId,
        signal: Signal,
    },
    /// Hangs up: SIGHUP, then SIGKILL two seconds later. Its kept output goes at once.
    ExecClose {
        id: ExecId,
    },
    /// Every session still known: [`Reply::Execs`].
    Execs,
    /// [`Reply::Done`], then the stream.
    Attach(Attach),
    /// [`Reply::Status`], then [`Event`]s without end.
    Subscribe,
    /// The monitor goes as soon as no process of the container is left; refused while it runs.
    Shutdown,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Done,
    Status(Status),
    Started {
        pid: i32,
        /// Published ports with the numbers in use.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ports: Vec<PortBinding>,
    },
    Exited(Exit),
    Exec(ExecStatus),
    Execs(Vec<ExecStatus>),
    Error {
        kind: Kind,
        message: String,
    },
}

/// An exec session that shall run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    pub id: ExecId,
    /// OCI `Process` as JSON.
    pub process: serde_json::Value,
    /// `user[:group]`, looked up in the container's own files; empty is root.
    pub user: String,
    /// Further groups, names or numbers.
    pub groups: Vec<String>,
    pub tty: bool,
    pub open_stdin: bool,
    /// Keeps this many bytes of output for clients that come back; absent: 1 MiB for a terminal, nothing for pipes.
    pub keep_bytes: Option<u64>,
    pub size: Option<TermSize>,
    /// Joins the streams before the first byte is read; `session` is ignored.
    pub attach: Option<Attach>,
}

impl Default for Exec {
    fn default() -> Self {
        Self {
            id: ExecId::from_bytes([0; 32]),
            process: serde_json::Value::Null,
            user: String::new(),
            groups: Vec::new(),
            tty: false,
            open_stdin: false,
            keep_bytes: None,
            size: None,
            attach: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    #[default]
    Main,
    Exec(ExecId),
}

/// How to join a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attach {
    pub session: Session,
    /// The first byte wanted, so that a client goes on where it was; 0 is the oldest kept. Absent: only what comes from now on.
    pub from_offset: Option<u64>,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// The process waits for this client rather than losing bytes for it.
    pub lossless: bool,
    /// The client sends [`super::Frame::Ack`]: bytes not acknowledged are kept for it, also for five minutes after it went.
    pub acks: bool,
}

/// What is known of the container; also the content of `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    pub state: State,
    /// Main process, in the host's numbers.
    pub pid: Option<i32>,
    /// Its start time in clock ticks since boot (field 22 of `/proc/PID/stat`): tells it from a later process with its number.
    pub pid_started: Option<u64>,
    pub monitor_pid: i32,
    /// Rises by one with each start, restarts included. 0: not started by this monitor yet.
    pub run: u32,
    /// Restarts by the policy.
    pub restarts: u32,
    /// Unix nanoseconds.
    pub started_at_ns: Option<i64>,
    /// Bytes of output that the main process's session has given so far, over all its runs; known to [`Request::State`] only.
    pub head: u64,
    pub oom_killed: bool,
    /// How the last run ended.
    pub exit: Option<Exit>,
    /// Published ports with the numbers in use.
    pub ports: Vec<PortBinding>,
    pub restart: RestartPolicy,
    /// Of a container with a check that has been started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: State::Created,
            pid: None,
            pid_started: None,
            monitor_pid: 0,
            run: 0,
            restarts: 0,
            started_at_ns: None,
            head: 0,
            oom_killed: false,
            exit: None,
            ports: Vec::new(),
            restart: RestartPolicy::No,
            health: None,
        }
    }
}

/// How a run ended; also the content of `exit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    pub run: u32,
    /// 0 to 255; 128 and the signal's number if a signal ended it.
    pub code: i32,
    pub signal: Option<i32>,
    pub oom_killed: bool,
    pub started_at_ns: Option<i64>,
    /// Unix nanoseconds.
    pub finished_at_ns: i64,
    pub restarts: u32,
    /// A stop was asked for: `unless-stopped` holds it down.
    pub stopped: bool,
    /// Why it could not start.
    pub error: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecStatus {
    pub id: ExecId,
    pub pid: i32,
    pub tty: bool,
    pub running: bool,
    pub exit_code: Option<i32>,
    /// Why it ended, in one sentence.
    pub ended: Option<String>,
    pub started_at_ns: i64,
    /// Oldest byte kept and the next to come.
    pub kept_from: u64,
    pub head: u64,
    pub clients: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unix nanoseconds.
    pub at_ns: i64,
    pub run: u32,
    pub what: EventKind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Started {
        pid: i32,
        /// Published ports with the numbers in use.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ports: Vec<PortBinding>,
    },
    /// The run is over; [`EventKind::Restarting`] follows if the policy says so.
    Exited(Exit),
    Restarting {
        in_ms: u64,
    },
    ExecStarted {
        id: ExecId,
        pid: i32,
    },
    ExecExited {
        id: ExecId,
        exit_code: i32,
        /// Why, if it was not by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A health check was answered.
    Health(Health),
    Oom,
    Paused,
    Resumed,
    /// Something the container's owner should know; the container goes on.
    Error {
        message: String,
    },
}
