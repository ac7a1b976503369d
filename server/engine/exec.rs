//! Verbs on exec sessions.

use crate::{Attached, Engine, Result};
use gantry_model::{Caller, ContainerId, ExecId, ExecSpec, TermSize};

/// An exec session as it stands.
#[derive(Debug, Clone)]
pub struct ExecState {
    pub id: ExecId,
    pub container: ContainerId,
    pub spec: ExecSpec,
    pub running: bool,
    /// Set before the output stream ends.
    pub exit_code: Option<i32>,
    pub pid: Option<i32>,
    pub started_at_ms: Option<i64>,
}

impl Engine {
    pub async fn create_exec(&self, caller: &Caller, container: &str, spec: ExecSpec) -> Result<ExecId> {
        todo!()
    }
    /// Starts the session and joins its streams. Output that comes before the first read is not lost.
    pub async fn start_exec(&self, caller: &Caller, id: &ExecId, size: Option<TermSize>) -> Result<Attached> {
        todo!()
    }
    pub async fn start_exec_detached(&self, caller: &Caller, id: &ExecId) -> Result<()> {
        todo!()
    }
    pub async fn exec_state(&self, caller: &Caller, id: &ExecId) -> Result<ExecState> {
        todo!()
    }
    /// Waits for the process if it is about to start.
    pub async fn resize_exec(&self, caller: &Caller, id: &ExecId, size: TermSize) -> Result<()> {
        todo!()
    }
}
