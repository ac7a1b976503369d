//! Removes what no image needs: mark from the images to keep, sweep the rest.
//!
//! The order makes a kill at any point harmless: first records go (an image without one does not exist), then blobs and layers that no record names.
//! A layer is renamed away before its files are removed, so that no half of one ever has its name.

use crate::store::{PARTIAL, entries, remove_any};
use crate::{ImageStore, ImagesError};
use gantry_model::Digest;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub images: u64,
    pub blobs: u64,
    pub layers: u64,
    /// Blobs as stored and layers as unpacked.
    pub bytes: u64,
}

impl ImageStore {
    /// Removes every image that is not in `keep`, and all content that only they used. What a lease holds stays.
    pub fn remove_unreferenced(&self, keep: &[Digest]) -> Result<Removed, ImagesError> {
        let mut removed = Removed::default();
        // Held to the end of the renames: a load that starts now waits, and then finds the content gone or kept, never going.
        let held = self.leases.lock();
        let mut needed: HashSet<Digest> = held.keys().cloned().collect();
        let (mut doomed, mut gone) = (Vec::new(), Vec::new());
        for id in self.images()? {
            let Some(record) = self.record(&id)? else { continue };
            if keep.contains(&id) || needed.contains(&id) {
                needed.extend(record.layers.iter().flat_map(|l| [Some(l.diff_id.clone()), l.blob.as_ref().map(|b| b.digest.clone())]).flatten());
                needed.extend(record.manifest.map(|m| m.digest));
                needed.insert(id);
            } else {
                doomed.push(id);
            }
        }
        for id in doomed {
            remove_any(&self.record_path(&id))?;
            removed.images += 1;
        }
        sync_folder(&self.root.join("records"))?;
        for path in unneeded(&self.root.join("blobs/sha256"), &needed)? {
            removed.bytes += fs::symlink_metadata(&path).map_or(0, |meta| meta.len());
            removed.blobs += 1;
            remove_any(&path)?;
        }
        for path in unneeded(&self.layers, &needed)? {
            let diff_id = digest_of(&path);
            removed.bytes += diff_id.and_then(|id| self.layer_meta(&id).ok().flatten()).map_or(0, |meta| meta.size_bytes);
            removed.layers += 1;
            let away = self.layers.join(format!("{}{PARTIAL}gone-{}", file_name(&path), self.scratch_number()));
            fs::rename(&path, &away).map_err(|e| ImagesError::io(format!("remove layer {}", path.display()), e))?;
            gone.push(away);
        }
        drop(held);
        gone.iter().try_for_each(|path| remove_any(path))?;
        Ok(removed)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn digest_of(path: &Path) -> Option<Digest> {
    format!("sha256:{}", file_name(path)).parse().ok()
}

/// Paths in a folder of digests that are not needed. Names that are no digests are not ours to remove.
fn unneeded(folder: &Path, needed: &HashSet<Digest>) -> Result<Vec<PathBuf>, ImagesError> {
    Ok(entries(folder)?.into_iter().filter(|path| digest_of(path).is_some_and(|digest| !needed.contains(&digest))).collect())
}

/// Makes names in a folder survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), ImagesError> {
    fs::File::open(folder).and_then(|file| file.sync_all()).map_err(|e| ImagesError::io(format!("sync {}", folder.display()), e))
}
