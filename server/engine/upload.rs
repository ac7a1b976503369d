//! Bytes on their way in, for code that blocks.

use crate::jobs::Reporter;
use bytes::Bytes;
use gantry_images::CancelFlag;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

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
    wake: Arc<Notify>,
    handle: tokio::runtime::Handle,
}

impl UploadReader {
    /// For what is no job: it ends when the client does.
    pub(crate) fn plain(chunks: mpsc::Receiver<io::Result<Bytes>>, cancel: CancelFlag) -> Self {
        Self { chunks, current: Bytes::new(), cancel, wake: Arc::default(), handle: tokio::runtime::Handle::current() }
    }

    /// Made where the runtime is known.
    pub(crate) fn new(chunks: mpsc::Receiver<io::Result<Bytes>>, job: &Reporter) -> Self {
        Self { chunks, current: Bytes::new(), cancel: job.cancel_flag(), wake: job.wake(), handle: tokio::runtime::Handle::current() }
    }
}

impl Read for UploadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.cancel.is_cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            let (chunks, wake) = (&mut self.chunks, &self.wake);
            let next = self.handle.block_on(async {
                tokio::select! {
                    chunk = chunks.recv() => chunk,
                    // A client that sends nothing more must not keep a cancelled job alive.
                    () = wake.notified() => Some(Err(io::Error::other("cancelled"))),
                }
            });
            match next {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}
