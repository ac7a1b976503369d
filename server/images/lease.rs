//! Content that a sweep must leave alone: what a running load has put down and no one has written down yet.

use gantry_model::Digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Digests held, each with the number of holders.
pub(crate) type Held = HashMap<Digest, usize>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<Held>>);

/// Keeps some content from being swept while any clone lives.
#[derive(Debug, Clone)]
pub struct Lease {
    _hold: Arc<Hold>,
}

#[derive(Debug)]
struct Hold {
    leases: Leases,
    digests: Vec<Digest>,
}

impl Leases {
    /// Locks the table: while the guard lives, no lease starts or ends.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hold(&self, digests: impl IntoIterator<Item = Digest>) -> Lease {
        let digests: Vec<Digest> = digests.into_iter().collect();
        let mut held = self.lock();
        for digest in &digests {
            *held.entry(digest.clone()).or_default() += 1;
        }
        drop(held);
        Lease { _hold: Arc::new(Hold { leases: self.clone(), digests }) }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.leases.lock();
        for digest in &self.digests {
            if let Some(count) = held.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    held.remove(digest);
                }
            }
        }
    }
}
