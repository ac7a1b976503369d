//! An image as a registry takes it: blobs by digest and the manifest that names them.

use crate::save::manifest_text;
use crate::{Blob, ImageStore, ImagesError, Lease};
use gantry_model::Digest;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// What goes out. Held against sweeps while this lives.
pub struct Outgoing {
    pub config: Blob,
    /// Lowest first.
    pub layers: Vec<Blob>,
    /// Byte for byte as it came, if the image came with one.
    pub manifest: Vec<u8>,
    pub manifest_digest: Digest,
    pub manifest_type: String,
    blobs: PathBuf,
    _lease: Lease,
}

impl Outgoing {
    /// Where a blob lies.
    pub fn path(&self, blob: &Blob) -> PathBuf {
        self.blobs.join(blob.digest.hex())
    }
}

impl ImageStore {
    /// What of an image goes to a registry.
    ///
    /// # Errors
    /// If a blob of it is not kept.
    pub fn outgoing(&self, id: &Digest) -> Result<Outgoing, ImagesError> {
        let image = self.image(id)?;
        let layers = crate::save::layer_blobs(&image)?;
        let all = layers.iter().chain(&image.manifest).map(|blob| blob.digest.clone());
        let lease = self.leases.hold(all.chain(image.layers.iter().map(|layer| layer.diff_id.clone())).chain([id.clone()]));
        let (text, media_type) = match &image.manifest {
            Some(manifest) => {
                let path = self.blob_path(&manifest.digest);
                (std::fs::read(&path).map_err(|e| ImagesError::io(format!("read {}", path.display()), e))?, manifest.media_type.clone())
            }
            None => (manifest_text(&image, &layers).into_bytes(), crate::save::MANIFEST.to_owned()),
        };
        let digest = Digest::sha256(Sha256::digest(&text).into());
        if let Some(expected) = image.manifest.map(|manifest| manifest.digest).filter(|expected| *expected != digest) {
            return Err(ImagesError::Digest { what: format!("the manifest of image {}", id.short()), expected, found: digest });
        }
        // The configuration is named in the manifest as it was.
        let config_type =
            serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|manifest| Some(manifest["config"]["mediaType"].as_str()?.to_owned()));
        let config = Blob { digest: id.clone(), size_bytes: image.config_json.len() as u64, media_type: config_type.unwrap_or_default() };
        Ok(Outgoing {
            config,
            layers,
            manifest: text,
            manifest_digest: digest,
            manifest_type: media_type,
            blobs: self.blob_path(id).parent().map(PathBuf::from).unwrap_or_default(),
            _lease: lease,
        })
    }
}
