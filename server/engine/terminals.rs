//! Terminals of the browser: exec sessions that outlive their viewers, the network and the server.

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::exec::ExecEntry;
use crate::monitor::{Client, join, refused};
use crate::{Attached, Engine, EngineError, Result, random};
use gantry_model::{Action, Caller, ContainerId, ExecId, ExecSpec, Kind, TermSize};
use gantry_store::terminals::{self, TerminalRow};
use gantry_wire::monitor::{Attach, Reply, Request, Session};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Output kept for a viewer that comes back.
const KEEP_BYTES: u64 = 64 << 20;
const ENDED_KEPT_MS: i64 = 10 * 60_000;

/// What a person asked for.
#[derive(Debug, Clone, Default)]
pub struct TerminalSpec {
    /// Empty: the best shell the container has (found, not guessed: bash, zsh, fish, ash, dash, sh).
    pub command: Vec<String>,
    /// Empty: the container's user.
    pub user: String,
    pub size: Option<TermSize>,
}

/// An open terminal.
#[derive(Debug, Clone)]
pub struct TerminalSession {
    pub id: ExecId,
    pub container: ContainerId,
    pub container_name: String,
    pub command: Vec<String>,
    pub user: String,
    pub opened_by: String,
    pub opened_at_ms: i64,
    pub running: bool,
    /// Why it ended, in one sentence.
    pub ended: Option<String>,
    pub viewers: usize,
}

/// A terminal that was joined.
pub struct JoinedTerminal {
    pub attached: Attached,
    /// The first byte wanted; older ones than the kept come as a gap.
    pub from: u64,
    /// Bytes of output there were when it was joined: what comes before is a replay.
    pub head: u64,
    /// Offsets count from the beginning of this: with another one they begin anew.
    pub epoch: String,
}

/// The open terminals in memory; the table has the same.
#[derive(Default)]
pub(crate) struct Terminals {
    all: Mutex<HashMap<ExecId, Terminal>>,
}

struct Terminal {
    row: TerminalRow,
    viewers: Arc<AtomicUsize>,
}

impl Terminals {
    pub(crate) fn add(&self, row: TerminalRow) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).insert(row.id.clone(), Terminal { row, viewers: Arc::default() });
    }

    pub(crate) fn of(&self, container: &ContainerId) -> Vec<ExecId> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.values()
            .filter(|terminal| terminal.row.container_id == *container && terminal.row.ended.is_none())
            .map(|terminal| terminal.row.id.clone())
            .collect()
    }
}

impl Engine {
    /// Opens a terminal; sessions are listed until their container goes or they ended ten minutes ago.
    pub async fn open_terminal(&self, caller: &Caller, container: &str, spec: TerminalSpec) -> Result<TerminalSession> {
        authorize(caller, Action::Exec)?;
        let container = self.resolve(container)?;
        self.needs_live(&container)?;
        let command = if spec.command.is_empty() { vec![self.find_shell(&container).await?] } else { spec.command };
        let exec = ExecSpec {
            args: command.clone(),
            user: spec.user.clone(),
            tty: true,
            open_stdin: true,
            term_size: spec.size,
            keep_bytes: Some(KEEP_BYTES),
            ..ExecSpec::default()
        };
        let id = random::exec_id();
        let row = TerminalRow {
            id: id.clone(),
            container_id: container.id.clone(),
            command,
            user: spec.user,
            opened_by: caller.user.clone(),
            opened_at_ms: now_ms(),
            ended_at_ms: None,
            ended: None,
        };
        // Intent first: a server that dies after the launch finds the session again.
        terminals::insert(&self.inner.db, &row).await?;
        self.inner.terminals.add(row);
        self.remember_exec(&container, &id, ExecEntry { started: true, ..ExecEntry::new(exec.clone()) });
        let request = self.exec_request(&container, &id, &exec)?;
        if let Err(error) = self.launch_exec(&container, &id, request).await {
            self.end_terminal(&id, &error.to_string()).await;
            return Err(error);
        }
        self.terminal(caller, &id).await
    }

    pub async fn terminals(&self, caller: &Caller, container: Option<&str>) -> Result<Vec<TerminalSession>> {
        authorize(caller, Action::View)?;
        let of = container.map(|reference| self.resolve(reference)).transpose()?.map(|container| container.id.clone());
        let forget = now_ms() - ENDED_KEPT_MS;
        let mut list: Vec<TerminalSession> = {
            let mut all = self.inner.terminals.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, terminal| terminal.row.ended_at_ms.is_none_or(|at| at > forget) && self.inner.containers.get(&terminal.row.container_id).is_some());
            all.values().filter(|terminal| of.as_ref().is_none_or(|of| *of == terminal.row.container_id)).map(|terminal| self.session_of(terminal)).collect()
        };
        list.sort_by_key(|session| session.opened_at_ms);
        Ok(list)
    }

    pub async fn terminal(&self, caller: &Caller, id: &ExecId) -> Result<TerminalSession> {
        authorize(caller, Action::View)?;
        let all = self.inner.terminals.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id).map(|terminal| self.session_of(terminal)).ok_or_else(|| EngineError::NoSuchExec(id.to_string()))
    }

    fn session_of(&self, terminal: &Terminal) -> TerminalSession {
        let row = &terminal.row;
        TerminalSession {
            id: row.id.clone(),
            container: row.container_id.clone(),
            container_name: self.inner.containers.get(&row.container_id).map(|container| container.lock().name.to_string()).unwrap_or_default(),
            command: row.command.clone(),
            user: row.user.clone(),
            opened_by: row.opened_by.clone(),
            opened_at_ms: row.opened_at_ms,
            running: row.ended.is_none(),
            ended: row.ended.clone(),
            viewers: terminal.viewers.load(Ordering::Relaxed),
        }
    }

    /// Joins from `from_offset` (bytes the client has already) of that `epoch`; without, or in another epoch, at the oldest byte kept.
    pub async fn join_terminal(&self, caller: &Caller, id: &ExecId, from: Option<(u64, &str)>) -> Result<JoinedTerminal> {
        authorize(caller, Action::Exec)?;
        let (container_id, viewers) = {
            let all = self.inner.terminals.all.lock().unwrap_or_else(PoisonError::into_inner);
            let terminal = all.get(id).ok_or_else(|| EngineError::NoSuchExec(id.to_string()))?;
            (terminal.row.container_id.clone(), terminal.viewers.clone())
        };
        let container = self.inner.containers.get(&container_id).ok_or_else(|| EngineError::NoSuchExec(id.to_string()))?;
        if container.lock().monitor_pid.is_none() {
            let why = self.terminal(caller, id).await?.ended.unwrap_or_else(|| "the container stopped".to_owned());
            return Err(EngineError::said(Kind::Conflict, format!("this terminal is closed: {why}")));
        }
        let mut joined = self.join_session(&container_id, Session::Exec(id.clone()), from).await?;
        viewers.fetch_add(1, Ordering::Relaxed);
        // Counts the viewer down when either side is done.
        let (sender, output) = tokio::sync::mpsc::channel(1);
        let mut from = std::mem::replace(&mut joined.attached.output, output);
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    message = from.recv() => message,
                    () = sender.closed() => None,
                };
                let Some(message) = message else { break };
                if sender.send(message).await.is_err() {
                    break;
                }
            }
            viewers.fetch_sub(1, Ordering::Relaxed);
        });
        Ok(joined)
    }

    /// Joins the terminal of a container's main process the same way; its monitor keeps the last MiB.
    pub async fn join_main_terminal(&self, caller: &Caller, container: &str, from: Option<(u64, &str)>) -> Result<JoinedTerminal> {
        authorize(caller, Action::Exec)?;
        let container = self.resolve(container)?;
        if !container.lock().spec.tty {
            let hint = "open a shell in it instead, or make it anew with a terminal";
            return Err(EngineError::hinted(Kind::Conflict, "the container's main process has no terminal", hint));
        }
        self.needs_live(&container)?;
        let joined = self.join_session(&container.id, Session::Main, from).await?;
        self.tell(&container, "attach", []);
        Ok(joined)
    }

    /// Every byte from there on, as long as it is kept; the process waits for a client that is far behind.
    async fn join_session(&self, container: &ContainerId, session: Session, from: Option<(u64, &str)>) -> Result<JoinedTerminal> {
        let mut client = Client::connect(&self.socket(container)).await?;
        let (head, epoch) = match &session {
            Session::Exec(id) => match client.request(Request::ExecState { id: id.clone() }).await? {
                Reply::Exec(status) => (status.head, id.short().to_owned()),
                other => return Err(refused(&other)),
            },
            Session::Main => match client.request(Request::State).await? {
                Reply::Status(status) => (status.head, format!("{}-{}", container.short(), status.monitor_pid)),
                other => return Err(refused(&other)),
            },
        };
        let from = from.filter(|(offset, of)| *of == epoch && *offset <= head).map_or(0, |(offset, _)| offset);
        let attach = Attach { session, from_offset: Some(from), stdin: true, stdout: true, stderr: true, lossless: true, acks: true };
        client.request(Request::Attach(attach)).await?;
        Ok(JoinedTerminal { attached: join(client, true, |_| {}), from, head, epoch })
    }

    /// Hangs up: SIGHUP to the session, then SIGKILL. Nothing is typed into it.
    pub async fn close_terminal(&self, caller: &Caller, id: &ExecId) -> Result<()> {
        authorize(caller, Action::Exec)?;
        let session = self.terminal(caller, id).await?;
        if session.running
            && let Some(container) = self.inner.containers.get(&session.container)
        {
            self.ask(&container, Request::ExecClose { id: id.clone() }).await?;
        }
        self.end_terminal(id, &format!("closed by {}", caller.user)).await;
        Ok(())
    }

    /// Notes why a terminal ended; the first reason stays. Nothing happens for sessions that are no terminals.
    pub(crate) async fn end_terminal(&self, id: &ExecId, why: &str) {
        let now = now_ms();
        {
            let mut all = self.inner.terminals.all.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(terminal) = all.get_mut(id) else { return };
            if terminal.row.ended.is_some() {
                return;
            }
            terminal.row.ended = Some(why.to_owned());
            terminal.row.ended_at_ms = Some(now);
        }
        if let Err(error) = terminals::end(&self.inner.db, id, now, why).await {
            tracing::error!(exec.id = %id, "write down the end of a terminal: {error}");
        }
    }
}
