//! Counts what a load writes, and stops it before the disk or the image's share is full.

use crate::{ImagesError, Limits};
use rustix::fs::{Mode, OFlags, fstatvfs, open};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Looks at the free space again after this many bytes.
const STEP: u64 = 32 << 20;

/// Keeps some of a disk free.
#[derive(Debug)]
pub(crate) struct DiskWatch {
    folder: OwnedFd,
    keep_free: u64,
    since: AtomicU64,
}

impl DiskWatch {
    pub fn new(folder: &Path, keep_free: u64) -> Result<Self, ImagesError> {
        let what = || format!("open {}", folder.display());
        let fd = open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| ImagesError::io(what(), e))?;
        Ok(Self { folder: fd, keep_free, since: AtomicU64::new(STEP) })
    }

    /// Counts bytes about to be written.
    pub fn spend(&self, bytes: u64) -> Result<(), ImagesError> {
        if self.since.fetch_add(bytes, Ordering::Relaxed) + bytes < STEP && bytes < STEP {
            return Ok(());
        }
        self.since.store(0, Ordering::Relaxed);
        let stat = fstatvfs(&self.folder).map_err(|e| ImagesError::io("ask for free disk space", e))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < self.keep_free.saturating_add(bytes) {
            let reason = format!("the disk has {} MiB free, {} MiB must stay so", free >> 20, self.keep_free >> 20);
            return Err(ImagesError::too_large("", reason));
        }
        if stat.f_files > 0 && stat.f_favail < 1024 {
            return Err(ImagesError::too_large("", "the disk has no room for more files"));
        }
        Ok(())
    }
}

/// What all layers of one load may unpack to together.
#[derive(Debug)]
pub(crate) struct Budget {
    disk: DiskWatch,
    image_bytes: AtomicU64,
    limit: u64,
}

impl Budget {
    pub fn new(folder: &Path, limits: &Limits) -> Result<Self, ImagesError> {
        Ok(Self { disk: DiskWatch::new(folder, limits.keep_free_bytes)?, image_bytes: AtomicU64::new(0), limit: limits.image_bytes })
    }

    /// Counts a file of this size, of which so many bytes are stored.
    pub fn file(&self, size: u64, stored: u64) -> Result<(), ImagesError> {
        if self.image_bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size) > self.limit {
            return Err(ImagesError::too_large("", format!("the image unpacks to more than {} bytes", self.limit)));
        }
        // An inode and its name, roughly.
        self.disk.spend(stored.saturating_add(512))
    }
}
