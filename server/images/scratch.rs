//! Names for work in progress.

use crate::ImageStore;
use std::sync::atomic::Ordering;

impl ImageStore {
    /// A number no other load or sweep of this process has.
    pub(crate) fn scratch_number(&self) -> u64 {
        self.next_scratch.fetch_add(1, Ordering::Relaxed)
    }
}
