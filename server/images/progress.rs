//! What a long operation tells while it runs, and how it is told to stop.

use crate::ImagesError;
use gantry_model::Digest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Listens to a load or import. Called from several threads; must return fast.
pub trait Progress: Send + Sync {
    /// Bytes of the archive read so far.
    fn read(&self, _bytes: u64) {}
    /// One layer moved on.
    fn layer(&self, _layer: LayerProgress<'_>) {}
}

/// Listens to nothing.
impl Progress for () {}

#[derive(Debug, Clone, Copy)]
pub struct LayerProgress<'a> {
    /// What the uncompressed layer hashes to, or should.
    pub diff_id: &'a Digest,
    /// Bytes of the stored layer read so far, and in all; 0 if not known.
    pub done: u64,
    pub total: u64,
    pub state: LayerState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    Unpacking,
    /// Unpacked and verified.
    Done,
    /// Was in the store already.
    Exists,
}

/// Tells a load or import to stop soon. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<(), ImagesError> {
        if self.is_cancelled() { Err(ImagesError::Cancelled) } else { Ok(()) }
    }
}
