//! Streams between a client and a container's process.

use crate::{Engine, Result};
use bytes::Bytes;
use gantry_model::{Caller, TermSize};

/// What to join of a container's main process.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttachOptions {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// Replays the log first.
    pub logs: bool,
    /// Goes on with live output.
    pub stream: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    Stdout,
    Stderr,
}

/// A piece of what comes from the process.
#[derive(Debug, Clone)]
pub enum Output {
    /// `offset` counts the bytes of the session from its start (terminals; 0 and meaningless for pipes).
    Data { stream: OutputStream, offset: u64, bytes: Bytes },
    /// Bytes from `from` to `to` are lost: the client was away too long.
    Gap { from: u64, to: u64 },
    /// The last message, after the last byte.
    Ended { exit_code: Option<i32>, reason: String },
}

/// A joined stream. Dropping `output` leaves the process alone.
pub struct Attached {
    pub tty: bool,
    /// Bounded: a client that does not read slows its own session only.
    pub output: tokio::sync::mpsc::Receiver<Output>,
    pub input: Input,
}

/// The way in. `send` waits when the process does not read.
#[derive(Clone)]
pub struct Input {
    pub(crate) to_monitor: tokio::sync::mpsc::Sender<InputMessage>,
}

pub(crate) enum InputMessage {
    Data(Bytes),
    Close,
    Resize(TermSize),
    /// Everything before this offset arrived at the client.
    Ack(u64),
}

impl Input {
    /// Sends bytes to the process. False once it is gone.
    pub async fn send(&self, bytes: Bytes) -> bool {
        self.to_monitor.send(InputMessage::Data(bytes)).await.is_ok()
    }
    /// Closes stdin.
    pub async fn close(&self) -> bool {
        self.to_monitor.send(InputMessage::Close).await.is_ok()
    }
    pub async fn resize(&self, size: TermSize) -> bool {
        self.to_monitor.send(InputMessage::Resize(size)).await.is_ok()
    }
    /// Says that the client has everything before `offset`.
    pub async fn ack(&self, offset: u64) -> bool {
        self.to_monitor.send(InputMessage::Ack(offset)).await.is_ok()
    }
}

impl Engine {
    /// Joins a container's main process, also before its start.
    pub async fn attach(&self, caller: &Caller, reference: &str, options: AttachOptions) -> Result<Attached> {
        todo!()
    }
}
