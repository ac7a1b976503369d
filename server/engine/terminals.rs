//! Terminals of the browser: exec sessions that outlive their viewers, the network and the server.

use crate::{Attached, Engine, Result};
use gantry_model::{Caller, ContainerId, ExecId, TermSize};

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

impl Engine {
    /// Opens a terminal; sessions are listed until their container goes or they ended ten minutes ago.
    pub async fn open_terminal(&self, caller: &Caller, container: &str, spec: TerminalSpec) -> Result<TerminalSession> {
        todo!()
    }
    pub async fn terminals(&self, caller: &Caller, container: Option<&str>) -> Result<Vec<TerminalSession>> {
        todo!()
    }
    pub async fn terminal(&self, caller: &Caller, id: &ExecId) -> Result<TerminalSession> {
        todo!()
    }
    /// Joins from `from_offset` (bytes the client has already); `None` begins at the oldest byte kept.
    pub async fn join_terminal(&self, caller: &Caller, id: &ExecId, from_offset: Option<u64>) -> Result<Attached> {
        todo!()
    }
    /// Hangs up: SIGHUP to the session, then SIGKILL. Nothing is typed into it.
    pub async fn close_terminal(&self, caller: &Caller, id: &ExecId) -> Result<()> {
        todo!()
    }
}
