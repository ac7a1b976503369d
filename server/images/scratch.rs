//! Work in progress: a folder for the files of one load, and half-made layers. Both vanish when dropped.

use crate::layer::DiskWatch;
use crate::store::{PARTIAL, remove_any};
use crate::{ImageStore, ImagesError};
use gantry_model::Digest;
use rustix::fs::Mode;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder of one load below `ingest`.
pub(crate) struct Scratch {
    folder: PathBuf,
    next: AtomicU64,
    disk: DiskWatch,
}

/// A file of the archive, written down and hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spooled {
    pub path: PathBuf,
    pub size: u64,
    pub digest: Digest,
}

/// A layer folder that has no name yet.
pub(crate) struct Partial {
    pub folder: PathBuf,
    kept: bool,
}

impl ImageStore {
    /// A number no other load or sweep of this process has.
    pub(crate) fn scratch_number(&self) -> u64 {
        self.next_scratch.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn scratch(&self, keep_free: u64) -> Result<Scratch, ImagesError> {
        let folder = self.root.join("ingest").join(self.scratch_number().to_string());
        let disk = DiskWatch::new(&self.root, keep_free)?;
        make_folder(&folder, 0o700)?;
        Ok(Scratch { folder, next: AtomicU64::new(0), disk })
    }

    /// Makes an empty layer folder beside the finished ones.
    pub(crate) fn partial_layer(&self) -> Result<Partial, ImagesError> {
        let partial = Partial { folder: self.layers.join(format!("new{PARTIAL}{}", self.scratch_number())), kept: false };
        make_folder(&partial.folder, 0o700)?;
        make_folder(&partial.files(), 0o755)?;
        Ok(partial)
    }
}

fn make_folder(path: &Path, mode: u32) -> Result<(), ImagesError> {
    rustix::fs::mkdir(path, Mode::from_raw_mode(mode)).map_err(|e| ImagesError::io(format!("make {}", path.display()), e))
}

impl Scratch {
    /// Writes a stream down under a name of ours.
    pub fn spool(&self, source: &mut impl Read) -> Result<Spooled, ImagesError> {
        let (path, mut file) = self.file()?;
        let mut hash = Sha256::new();
        let mut size = 0;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let got = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(crate::tarball::read_error("", e)),
            };
            self.disk.spend(got as u64)?;
            hash.update(&buffer[..got]);
            file.write_all(&buffer[..got]).map_err(|e| ImagesError::io("write a part of the archive", e))?;
            size += got as u64;
        }
        Ok(Spooled { path, size, digest: Digest::sha256(hash.finalize().into()) })
    }

    /// Passes a stream on while writing it down and hashing it.
    pub fn tee<R: Read>(&self, source: R) -> Result<Tee<'_, R>, ImagesError> {
        let (path, file) = self.file()?;
        Ok(Tee { source, file, path, hash: Sha256::new(), size: 0, disk: &self.disk })
    }

    fn file(&self) -> Result<(PathBuf, File), ImagesError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        file.map(|file| (path, file)).map_err(|e| ImagesError::io("make a work file", e))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        forget(&self.folder);
    }
}

impl Partial {
    /// Where the layer's files go.
    pub fn files(&self) -> PathBuf {
        self.folder.join("fs")
    }

    /// It has its name now: nothing to remove any more.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            forget(&self.folder);
        }
    }
}

fn forget(folder: &Path) {
    if let Err(error) = remove_any(folder) {
        tracing::warn!("could not clear {}: {error}; the next start does", folder.display());
    }
}

pub(crate) struct Tee<'a, R> {
    source: R,
    file: File,
    path: PathBuf,
    hash: Sha256,
    size: u64,
    disk: &'a DiskWatch,
}

impl<R: Read> Tee<'_, R> {
    /// Reads what nobody read, and tells what was written.
    pub fn finish(mut self) -> Result<Spooled, ImagesError> {
        io::copy(&mut self, &mut io::sink()).map_err(|e| crate::tarball::read_error("", e))?;
        Ok(Spooled { path: self.path, size: self.size, digest: Digest::sha256(self.hash.finalize().into()) })
    }
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        self.disk.spend(got as u64).map_err(io::Error::other)?;
        self.hash.update(&buffer[..got]);
        self.file.write_all(&buffer[..got])?;
        self.size += got as u64;
        Ok(got)
    }
}
