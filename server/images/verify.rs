//! Reads an image again and compares it with its names.

use crate::{CancelFlag, ImageStore, ImagesError};
use gantry_model::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read as _;

/// What an image should have and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub what: String,
}

impl ImageStore {
    /// Hashes every blob of an image again and looks for its layers. Files inside unpacked layers are not compared.
    pub fn verify(&self, id: &Digest, cancel: &CancelFlag) -> Result<Vec<Trouble>, ImagesError> {
        let record = self.record(id)?.ok_or_else(|| ImagesError::NoSuchImage(id.clone()))?;
        let blobs = record.layers.iter().filter_map(|layer| layer.blob.as_ref()).chain(&record.manifest).map(|blob| &blob.digest).chain([id]);
        let mut troubles = Vec::new();
        for digest in blobs {
            let found = self.hash(digest, cancel)?;
            if found.as_ref() != Some(digest) {
                let what = found.map_or_else(|| format!("blob {digest} is missing"), |found| format!("blob {digest} has the digest {found}"));
                troubles.push(Trouble { what });
            }
        }
        for layer in &record.layers {
            if self.layer_meta(&layer.diff_id)?.is_none() || !self.layer_dir(&layer.diff_id).is_dir() {
                troubles.push(Trouble { what: format!("layer {} is not unpacked", layer.diff_id) });
            }
        }
        Ok(troubles)
    }

    fn hash(&self, digest: &Digest, cancel: &CancelFlag) -> Result<Option<Digest>, ImagesError> {
        let path = self.blob_path(digest);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(ImagesError::io(format!("open {}", path.display()), e)),
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            cancel.check()?;
            match file.read(&mut buffer).map_err(|e| ImagesError::io(format!("read {}", path.display()), e))? {
                0 => return Ok(Some(Digest::sha256(hash.finalize().into()))),
                got => hash.update(&buffer[..got]),
            }
        }
    }
}
