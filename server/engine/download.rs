//! Bytes on their way out, from code that blocks.

use crate::{Engine, EngineError, Result};
use bytes::Bytes;
use gantry_images::CancelFlag;
use gantry_model::Kind;
use std::io::{self, Write};
use tokio::sync::mpsc;

const CHUNK: usize = 128 << 10;
const SLOTS: usize = 8;

/// Bytes on their way out, made as they are taken. An error is the last that comes; a reader that goes ends the work.
pub struct Download {
    pub chunks: mpsc::Receiver<Result<Bytes>>,
}

impl Engine {
    /// Runs `write` on a thread that may block and hands on what it writes.
    pub(crate) fn download<E, F>(&self, write: F) -> Download
    where
        E: Into<EngineError>,
        F: FnOnce(&mut ChunkWriter) -> std::result::Result<(), E> + Send + 'static,
    {
        let (sender, chunks) = mpsc::channel(SLOTS);
        self.inner.handle.spawn_blocking(move || {
            let mut writer = ChunkWriter { sender, buffer: Vec::with_capacity(CHUNK), cancel: CancelFlag::default() };
            let done = write(&mut writer).map_err(Into::into).and_then(|()| {
                let flushed = writer.flush();
                flushed.map_err(|source| EngineError::caused(Kind::Cancelled, "send to the client", source))
            });
            if let Err(error) = done {
                // Nobody listens if the client is what went.
                let _ = writer.sender.blocking_send(Err(error));
            }
        });
        Download { chunks }
    }
}

/// Collects what is written into chunks and waits for the client to take them.
pub(crate) struct ChunkWriter {
    sender: mpsc::Sender<Result<Bytes>>,
    buffer: Vec<u8>,
    cancel: CancelFlag,
}

impl ChunkWriter {
    /// Set once the client is gone, for work that looks at it between two writes.
    pub(crate) fn cancel_flag(&self) -> CancelFlag {
        self.cancel.clone()
    }

    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK)));
        self.sender.blocking_send(Ok(chunk)).map_err(|_| {
            self.cancel.cancel();
            io::Error::new(io::ErrorKind::BrokenPipe, "the client went away")
        })
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}
