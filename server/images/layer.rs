//! Unpacks one layer into a folder in overlay form, checking its digest on the way.
//!
//! Reading, decompressing and hashing run on a thread of their own beside the one that makes files.

mod apply;
mod disk;
mod names;
mod tree;

use crate::compress::{self, Compression};
use crate::error::shown;
use crate::store::LayerMeta;
use crate::tarball::Walker;
use crate::{CancelFlag, ImagesError, Limits};
use apply::Applier;
pub(crate) use apply::{HARMLESS, times, write_content, xattrs};
pub(crate) use disk::{Budget, DiskWatch};
use gantry_model::Digest;
pub(crate) use names::Name;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// A layer as unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Unpacked {
    pub diff_id: Digest,
    pub compression: Compression,
    pub meta: LayerMeta,
}

/// What an unpacking may use and whom it obeys.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub limits: &'a Limits,
    pub cancel: &'a CancelFlag,
    pub budget: &'a Budget,
    /// A stream without the mark at its end is truncated, where no digest would tell.
    pub wants_end: bool,
}

/// Unpacks `source` into the empty folder `target`, made by the caller.
pub(crate) fn unpack(place: &str, source: impl Read + Send, target: &Path, bounds: Bounds<'_>) -> Result<Unpacked, ImagesError> {
    let plain = compress::open(place, source, bounds.cancel, bounds.limits)?;
    let compression = plain.compression;
    let result = std::thread::scope(|scope| {
        let (reader, feed) = pipe();
        let hashing = scope.spawn(move || feed.run(plain.reader));
        let applied = apply_all(reader, target, bounds);
        let diff_id = hashing.join().map_err(|_| ImagesError::io(place, io::Error::other("the reading thread failed")))?;
        let meta = applied?;
        Ok(Unpacked { diff_id, compression, meta })
    });
    result.map_err(|e: ImagesError| e.within(place))
}

/// Reads a layer to its end for its digest alone.
pub(crate) fn diff_id(place: &str, source: impl Read + Send, bounds: Bounds<'_>) -> Result<Digest, ImagesError> {
    let mut plain = compress::open(place, source, bounds.cancel, bounds.limits)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match plain.reader.read(&mut buffer) {
            Ok(0) => return Ok(Digest::sha256(hash.finalize().into())),
            Ok(got) => hash.update(&buffer[..got]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(crate::tarball::read_error("", e).within(place)),
        }
    }
}

fn apply_all(reader: PipeReader, target: &Path, bounds: Bounds<'_>) -> Result<LayerMeta, ImagesError> {
    let mut walker = Walker::new(reader, bounds.limits.layer_entries);
    let mut applier = Applier::new(target, bounds.limits, bounds.budget)?;
    while let Some(entry) = walker.next()? {
        applier.apply(&entry, &mut walker).map_err(|e| e.within(&format!("entry {}", shown(&entry.name))))?;
    }
    if bounds.wants_end && !walker.saw_end() {
        return Err(ImagesError::invalid("", "truncated: the mark at the end of the archive is missing"));
    }
    walker.drain()?;
    applier.finish()
}

const CHUNK: usize = 256 << 10;

/// The end that reads the source: hashes chunks and passes them on.
struct PipeFeed {
    full: SyncSender<io::Result<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
}

/// The end that the walker reads.
struct PipeReader {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
}

fn pipe() -> (PipeReader, PipeFeed) {
    let (full_in, full_out) = sync_channel(4);
    let (empty_in, empty_out) = channel();
    (PipeReader { full: full_out, empty: empty_in, chunk: Vec::new(), at: 0 }, PipeFeed { full: full_in, empty: empty_out })
}

impl PipeFeed {
    /// Runs until the source ends or fails, or nobody reads any more. The digest is that of what was read.
    fn run(self, mut source: impl Read) -> Digest {
        let mut hash = Sha256::new();
        loop {
            let mut chunk = self.empty.try_recv().unwrap_or_default();
            chunk.resize(CHUNK, 0);
            let filled = fill(&mut source, &mut chunk);
            let (chunk, last) = match filled {
                Ok(0) => break,
                Ok(filled) => {
                    chunk.truncate(filled);
                    hash.update(&chunk);
                    (Ok(chunk), false)
                }
                Err(e) => (Err(e), true),
            };
            if self.full.send(chunk).is_err() || last {
                break;
            }
        }
        Digest::sha256(hash.finalize().into())
    }
}

/// Reads until the buffer is full or the source ends.
pub(crate) fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            let Ok(next) = self.full.recv() else { return Ok(0) };
            // The other end may be gone already; then nobody needs the buffer.
            let _ = self.empty.send(std::mem::replace(&mut self.chunk, next?));
            self.at = 0;
        }
        let got = buffer.len().min(self.chunk.len() - self.at);
        buffer[..got].copy_from_slice(&self.chunk[self.at..self.at + got]);
        self.at += got;
        Ok(got)
    }
}
