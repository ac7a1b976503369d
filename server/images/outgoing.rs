//! An image as a registry takes it: blobs by digest and the manifest that names them.

use crate::archive::Staged;
use crate::compress::Compression;
use crate::save::manifest_text;
use crate::{Blob, CancelFlag, ImageStore, ImagesError, Lease, Limits};
use flate2::bufread::GzEncoder;
use gantry_model::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::PoisonError;

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
    /// What of an image goes to a registry. One that came without a manifest has its plain layers compressed first, once and for all.
    ///
    /// # Errors
    /// If a blob of it is not kept, or `cancel` is set.
    pub fn outgoing(&self, id: &Digest, cancel: &CancelFlag, limits: &Limits) -> Result<Outgoing, ImagesError> {
        let _compressed = self.compress_layers(id, cancel, limits)?;
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

    /// Wires are slower than disks: what a commit or an import keeps plain goes out as gzip. The lease holds what this adds.
    fn compress_layers(&self, id: &Digest, cancel: &CancelFlag, limits: &Limits) -> Result<Lease, ImagesError> {
        let mut record = self.record(id)?.ok_or_else(|| ImagesError::NoSuchImage(id.clone()))?;
        let lease = self.leases.hold(record.layers.iter().filter_map(|layer| layer.blob.as_ref()).map(|blob| blob.digest.clone()));
        let plain = |blob: &&mut Blob| blob.media_type == Compression::None.layer_media_type();
        let scratch = self.scratch(limits.keep_free_bytes)?;
        let mut staged = Staged::default();
        let as_it_came = record.manifest.is_some();
        for blob in record.layers.iter_mut().filter(|_| !as_it_came).filter_map(|layer| layer.blob.as_mut()).filter(plain) {
            let what = format!("compress layer {}", blob.digest.short());
            let file = File::open(self.blob_path(&blob.digest)).map_err(|e| ImagesError::io(&what, e))?;
            let source = Stoppable { source: file, cancel };
            // No time and no name in its head: the same layer gives the same blob.
            let packed = scratch.spool(&mut GzEncoder::new(BufReader::with_capacity(CHUNK, source), flate2::Compression::default()))?;
            *blob = Blob { digest: packed.digest.clone(), size_bytes: packed.size, media_type: Compression::Gzip.layer_media_type().to_owned() };
            staged.blobs.push(packed);
        }
        if staged.blobs.is_empty() {
            return Ok(lease);
        }
        let added = self.leases.hold(staged.blobs.iter().map(|blob| blob.digest.clone()));
        staged.records.push(record);
        let _alone = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        self.install(staged)?;
        Ok(added)
    }
}

const CHUNK: usize = 256 << 10;

struct Stoppable<'a, R> {
    source: R,
    cancel: &'a CancelFlag,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.source.read(buffer)
    }
}
