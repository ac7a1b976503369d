//! What crosses between the engine and the process beside a container: frames, messages, the launch description.
//! Bytes in, values out and back; sockets and files belong to the callers.
//!
//! The monitor listens on `monitor.sock` (a stream socket) in the container's run folder. A client sends [`Frame::Hello`], then requests;
//! it need not wait between them. Replies come in the order of the requests. A request to attach turns the connection into a stream:
//! from then on the client sends [`Frame::Input`], [`Frame::CloseInput`], [`Frame::Resize`] and [`Frame::Ack`], and receives
//! [`Frame::Output`], [`Frame::Gap`] and at last [`Frame::Ended`].

mod codec;
mod frame;
mod health;
mod launch;
mod message;
mod spawn;

pub use codec::{Decoder, encode, output_header};
pub use frame::{Ended, Frame, FrameError, Hello, MAX_CONTROL, MAX_DATA, OLDEST, OUTPUT_HEADER, STDERR, STDOUT, VERSION};
pub use health::{Health, HealthPlan, Probe};
pub use launch::{Bridge, Endpoint, Filter, Launch, LaunchError, LogDriver, LogPlan, Names, Network, Outside, Overlay, Published, Share};
pub use message::{Attach, Event, EventKind, Exec, ExecStatus, Exit, Failure, Reply, Request, Session, Status};
pub use spawn::{SpawnReply, SpawnRequest};

/// File names inside the two folders of a container, agreed between engine and monitor.
pub mod files {
    /// Data folder: what to start, written by the engine.
    pub const LAUNCH: &str = "launch.json";
    /// Data folder: how the last run ended, written by the monitor.
    pub const EXIT: &str = "exit.json";
    /// Data folder: rings of terminals.
    pub const SESSIONS: &str = "sessions";
    /// Run folder: the socket.
    pub const SOCKET: &str = "monitor.sock";
    /// Run folder: the monitor's process id, in decimal.
    pub const PID: &str = "monitor.pid";
    /// Run folder: [`super::Status`] as JSON.
    pub const STATE: &str = "state.json";
}
