//! Bytes on their way in, for code that blocks.

use bytes::Bytes;
use gantry_images::CancelFlag;
use std::io::{self, Read};
use tokio::sync::mpsc;

/// Bytes on their way in: chunks from a request body, consumed as they come, so that nothing is stored twice.
pub struct Upload {
    /// Closed after the last chunk; an error says that the client went away.
    pub chunks: mpsc::Receiver<io::Result<Bytes>>,
    pub total_bytes: Option<u64>,
    /// File name as the user gave it, for messages only.
    pub label: String,
}

/// Reads an upload's chunks as one stream. Blocks; not for async threads.
pub(crate) struct UploadReader {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    cancel: CancelFlag,
}

impl UploadReader {
    pub(crate) fn new(chunks: mpsc::Receiver<io::Result<Bytes>>, cancel: CancelFlag) -> Self {
        Self { chunks, current: Bytes::new(), cancel }
    }
}

impl Read for UploadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.cancel.is_cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}
