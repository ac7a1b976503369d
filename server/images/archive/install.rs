//! Gives proven content its name in the store.
//!
//! One `syncfs` makes all of it safe before the first rename; the folders are synced after, and an image's record comes last.
//! A power cut leaves the image out or whole, at the price of one wait for the disk per load instead of one per file.

use crate::scratch::{Partial, Spooled};
use crate::store::{LayerMeta, Record};
use crate::sweep::sync_folder;
use crate::{ImageStore, ImagesError};
use gantry_model::Digest;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// What a load has ready.
#[derive(Default)]
pub(crate) struct Staged {
    pub layers: Vec<(Digest, Partial)>,
    pub blobs: Vec<Spooled>,
    pub records: Vec<Record>,
}

impl Partial {
    /// Writes down what is known of the layer, beside its files.
    pub(crate) fn describe(&self, meta: &LayerMeta) -> Result<(), ImagesError> {
        let text = serde_json::to_vec(meta).map_err(|e| ImagesError::io("describe a layer", e))?;
        fs::write(self.folder.join("layer.json"), text).map_err(|e| ImagesError::io("describe a layer", e))
    }
}

impl ImageStore {
    pub(crate) fn install(&self, staged: Staged) -> Result<(), ImagesError> {
        sync_disk(&self.layers)?;
        sync_disk(&self.root)?;
        for (diff_id, partial) in staged.layers {
            // Another load may have been faster with the same layer; then ours is dropped.
            if give_name(&partial.folder, &self.layer_folder(&diff_id))? {
                partial.keep();
            }
        }
        for blob in &staged.blobs {
            let target = self.blob_path(&blob.digest);
            if !target.exists() {
                give_name(&blob.path, &target)?;
            }
        }
        sync_folder(&self.layers)?;
        sync_folder(&self.root.join("blobs/sha256"))?;
        staged.records.iter().try_for_each(|record| self.write_record(record))?;
        sync_folder(&self.root.join("records"))
    }

    fn write_record(&self, record: &Record) -> Result<(), ImagesError> {
        let path = self.record_path(&record.config);
        let partial = self.root.join("records").join(format!("new{}{}", crate::store::PARTIAL, self.scratch_number()));
        let write = || {
            let mut file = File::create_new(&partial)?;
            file.write_all(&serde_json::to_vec(record)?)?;
            file.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(|e: std::io::Error| ImagesError::io(format!("write down image {}", record.config.short()), e))
    }
}

/// Renames without replacing; false if the name is taken.
fn give_name(from: &Path, to: &Path) -> Result<bool, ImagesError> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(false),
        Err(e) => Err(ImagesError::io(format!("name {}", to.display()), e)),
    }
}

fn sync_disk(folder: &Path) -> Result<(), ImagesError> {
    let what = || format!("sync {}", folder.display());
    let file = File::open(folder).map_err(|e| ImagesError::io(what(), e))?;
    rustix::fs::syncfs(&file).map_err(|e| ImagesError::io(what(), e))
}
