//! Streams between a client and a container's process.

use crate::authorize::authorize;
use crate::logs::LogQuery;
use crate::monitor::join;
use crate::{Engine, EngineError, Result};
use bytes::Bytes;
use gantry_model::{Action, Caller, TermSize};
use gantry_wire::monitor::{Attach, Request, Session};
use tokio::sync::mpsc;

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
    /// `offset` counts the bytes of the session from its start.
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
    pub output: mpsc::Receiver<Output>,
    pub input: Input,
}

/// The way in. `send` waits when the process does not read.
#[derive(Clone)]
pub struct Input {
    pub(crate) to_monitor: mpsc::Sender<InputMessage>,
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
        authorize(caller, if options.stdin { Action::Exec } else { Action::View })?;
        let container = self.resolve(reference)?;
        let past = if options.logs {
            Some(self.logs(caller, reference, LogQuery { stdout: options.stdout, stderr: options.stderr, ..LogQuery::default() }).await?)
        } else {
            None
        };
        let tty = container.lock().spec.tty;
        let live = if options.stream {
            let mut client = self.any_monitor(&container).await?;
            let attach =
                Attach { session: Session::Main, stdin: options.stdin, stdout: options.stdout, stderr: options.stderr, lossless: true, ..Attach::default() };
            match client.request(Request::Attach(attach.clone())).await {
                // It went just now, with the run before.
                Err(EngineError::MonitorGone(_)) => {
                    client = self.any_monitor(&container).await?;
                    client.request(Request::Attach(attach)).await?;
                }
                other => drop(other?),
            }
            Some(join(client, tty, |_| {}))
        } else {
            None
        };
        self.tell(&container, "attach", []);
        let Some(mut past) = past else {
            return live.ok_or_else(|| EngineError::said(gantry_model::Kind::Invalid, "ask for logs, for the stream, or for both"));
        };
        let (sender, output) = mpsc::channel(16);
        let (input, live_output) = match live {
            Some(live) => (live.input, Some(live.output)),
            None => (Input { to_monitor: mpsc::channel(1).0 }, None),
        };
        self.inner.handle.spawn(async move {
            while let Some(Ok(entries)) = past.entries.recv().await {
                for entry in entries {
                    if sender.send(Output::Data { stream: entry.stream, offset: 0, bytes: entry.bytes }).await.is_err() {
                        return;
                    }
                }
            }
            match live_output {
                Some(mut live) => {
                    while let Some(message) = live.recv().await {
                        if sender.send(message).await.is_err() {
                            return;
                        }
                    }
                }
                None => drop(sender.send(Output::Ended { exit_code: None, reason: "end of the log".to_owned() }).await),
            }
        });
        Ok(Attached { tty, output, input })
    }
}
