//! Reading a container's log.

use crate::{Engine, OutputStream, Result};
use bytes::Bytes;
use gantry_model::Caller;

#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    pub stdout: bool,
    pub stderr: bool,
    pub follow: bool,
    /// Unix nanoseconds.
    pub since_ns: Option<i128>,
    pub until_ns: Option<i128>,
    /// The last N lines; `None` is all.
    pub tail: Option<u64>,
}

/// One line (or the unfinished rest of one), newline included if there was one.
#[derive(Debug, Clone)]
pub struct LogEntry {
    pub stream: OutputStream,
    pub at_ns: i128,
    pub bytes: Bytes,
}

/// Batches of lines; ends with the container if following. Dropping it stops the reading.
pub struct LogStream {
    pub tty: bool,
    pub entries: tokio::sync::mpsc::Receiver<Result<Vec<LogEntry>>>,
}

impl Engine {
    pub async fn logs(&self, caller: &Caller, reference: &str, query: LogQuery) -> Result<LogStream> {
        todo!()
    }
}
