//! Takes an image in pieces, as a registry gives it: first its documents, then layers that are read, kept, decompressed and unpacked in one
//! pass, in any order and shared between pulls; at the end everything gets its name at once.

use crate::archive::{Staged, check_config};
use crate::config::ImageConfig;
use crate::layer::{self, Bounds, Budget};
use crate::scratch::{Partial, Scratch, Spooled};
use crate::store::{LayerMeta, Record, RecordLayer};
use crate::{Blob, CancelFlag, ImageStore, ImagesError, Lease, Limits, LoadedImage};
use gantry_model::Digest;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

/// An image that is coming: its documents are here and consistent. What it needs is held against sweeps while this lives.
pub struct Pull {
    pub id: Digest,
    /// Lowest first; one that occurs twice is listed twice.
    pub layers: Vec<PullLayer>,
    config: ImageConfig,
    config_json: Vec<u8>,
    manifest: (Blob, Vec<u8>),
    budget: Budget,
    lease: Lease,
    limits: Limits,
}

#[derive(Debug, Clone)]
pub struct PullLayer {
    pub diff_id: Digest,
    pub blob: Blob,
    /// It need not come: this very blob was proven to be this very layer.
    pub is_here: bool,
}

/// A layer that has come and is proven, without a name yet. Gone with its last owner, unless an image was made of it.
pub struct TakenLayer {
    meta: LayerMeta,
    blob: Spooled,
    diff_id: Digest,
    unpacked: Mutex<Option<Partial>>,
    _scratch: Scratch,
}

/// The documents of an image, byte for byte; their digests are proven by the caller.
pub struct Documents {
    pub config: Vec<u8>,
    pub config_digest: Digest,
    pub manifest: Vec<u8>,
    pub manifest_digest: Digest,
    pub manifest_type: String,
    /// Lowest first.
    pub layers: Vec<Blob>,
}

impl ImageStore {
    /// Begins a pull.
    ///
    /// # Errors
    /// If the documents don't fit each other, or are for something else than linux.
    pub fn begin_pull(&self, documents: Documents, limits: &Limits) -> Result<Pull, ImagesError> {
        let id = documents.config_digest;
        let place = format!("configuration {}", id.short());
        let config: ImageConfig =
            serde_json::from_slice(&documents.config).map_err(|e| ImagesError::invalid(&place, format!("it is not what it should be: {e}")))?;
        check_config(&place, &config, documents.layers.len(), limits)?;
        if let Some(odd) = documents.layers.iter().find(|blob| blob.media_type.ends_with("+encrypted")) {
            return Err(ImagesError::Unsupported { place: format!("layer {}", odd.digest.short()), reason: "it is encrypted".to_owned() });
        }
        let digests = config.rootfs.diff_ids.iter().cloned().chain(documents.layers.iter().map(|blob| blob.digest.clone()));
        // Held before anything is looked for, so that what is found stays.
        let lease = self.leases.hold(digests.chain([id.clone(), documents.manifest_digest.clone()]));
        let proven = self.proven()?;
        let layer = |(diff_id, blob): (&Digest, Blob)| {
            let is_here = proven.get(diff_id).is_some_and(|blobs| blobs.contains(&blob.digest)) && self.blob_path(&blob.digest).exists();
            Ok(PullLayer { is_here: is_here && self.layer_meta(diff_id)?.is_some(), diff_id: diff_id.clone(), blob })
        };
        let layers = config.rootfs.diff_ids.iter().zip(documents.layers).map(layer).collect::<Result<Vec<_>, ImagesError>>()?;
        let manifest = Blob { digest: documents.manifest_digest, size_bytes: documents.manifest.len() as u64, media_type: documents.manifest_type };
        let budget = Budget::new(&self.layers, limits)?;
        Ok(Pull { id, layers, config, config_json: documents.config, manifest: (manifest, documents.manifest), budget, lease, limits: limits.clone() })
    }

    /// The blobs that images have their layers from.
    fn proven(&self) -> Result<HashMap<Digest, Vec<Digest>>, ImagesError> {
        let mut proven: HashMap<Digest, Vec<Digest>> = HashMap::new();
        for id in self.images()? {
            for layer in self.record(&id)?.map(|record| record.layers).unwrap_or_default() {
                proven.entry(layer.diff_id).or_default().extend(layer.blob.map(|blob| blob.digest));
            }
        }
        Ok(proven)
    }

    /// Takes one layer of a pull from a stream that ends with it. Blocks as long as the stream does.
    ///
    /// # Errors
    /// If it is not what the manifest and the configuration say; nothing is left then.
    pub fn take_layer(&self, pull: &Pull, layer: &PullLayer, source: impl Read + Send, cancel: &CancelFlag) -> Result<TakenLayer, ImagesError> {
        let place = format!("layer {}", layer.blob.digest.short());
        let scratch = self.scratch(pull.limits.keep_free_bytes)?;
        let bounds = Bounds { limits: &pull.limits, cancel, budget: &pull.budget, wants_end: false };
        let mut tee = scratch.tee(source)?;
        let (unpacked, partial) = match self.layer_meta(&layer.diff_id)? {
            Some(meta) => (layer::diff_id(&place, &mut tee, bounds).map(|found| (found, meta)), None),
            None => {
                let partial = self.partial_layer()?;
                let unpacked = layer::unpack(&place, &mut tee, &partial.files(), bounds).map(|unpacked| (unpacked.diff_id, unpacked.meta));
                (unpacked, Some(partial))
            }
        };
        let came = |blob: Spooled| prove(format!("{place} from the registry"), &layer.blob.digest, &blob.digest).map(|()| blob);
        let (blob, diff_id, meta) = match unpacked {
            Ok((diff_id, meta)) => (came(tee.finish().map_err(|error| error.within(&place))?)?, diff_id, meta),
            Err(error) => {
                // Bytes that were exchanged on the way rarely unpack; that they are the wrong ones says more.
                if matches!(error, ImagesError::Invalid { .. } | ImagesError::Io { .. })
                    && let Ok(blob) = tee.finish()
                {
                    came(blob)?;
                }
                return Err(error);
            }
        };
        prove(format!("the content of {place}"), &layer.diff_id, &diff_id)?;
        if let Some(partial) = &partial {
            partial.describe(&meta)?;
        }
        Ok(TakenLayer { meta, blob, diff_id, unpacked: Mutex::new(partial), _scratch: scratch })
    }

    /// Makes the image of what has come: `taken` are its layers that were not here.
    ///
    /// # Errors
    /// If a layer is missing or writing fails; the image does not exist then.
    pub fn finish_pull(&self, pull: &Pull, taken: &[impl AsRef<TakenLayer>], cancel: &CancelFlag) -> Result<LoadedImage, ImagesError> {
        let scratch = self.scratch(pull.limits.keep_free_bytes)?;
        // A layer may be taken for two images: while one gives it its name, the other must not take it for done.
        let _alone = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut staged = Staged::default();
        let mut metas: BTreeMap<&Digest, LayerMeta> = BTreeMap::new();
        for layer in taken.iter().map(AsRef::as_ref) {
            metas.insert(&layer.diff_id, layer.meta);
            staged.blobs.push(layer.blob.clone());
            let unpacked = layer.unpacked.lock().unwrap_or_else(PoisonError::into_inner).take();
            staged.layers.extend(unpacked.map(|unpacked| (layer.diff_id.clone(), unpacked)));
        }
        let mut layers = Vec::with_capacity(pull.layers.len());
        for layer in &pull.layers {
            let coming = staged.layers.iter().any(|(diff_id, _)| *diff_id == layer.diff_id);
            let meta = match metas.get(&layer.diff_id).copied().filter(|_| coming) {
                Some(meta) => meta,
                None => self.layer_meta(&layer.diff_id)?.ok_or_else(|| ImagesError::NoSuchLayer(layer.diff_id.clone()))?,
            };
            layers.push(RecordLayer { diff_id: layer.diff_id.clone(), blob: Some(layer.blob.clone()), size_bytes: meta.size_bytes, entries: meta.entries });
        }
        staged.blobs.push(scratch.spool(&mut pull.config_json.as_slice())?);
        staged.blobs.push(scratch.spool(&mut pull.manifest.1.as_slice())?);
        let loaded = LoadedImage {
            id: pull.id.clone(),
            references: Vec::new(),
            manifest: Some(pull.manifest.0.digest.clone()),
            size_bytes: layers.iter().map(|layer| layer.size_bytes).sum(),
            created_at_ms: crate::image::created_at_ms(pull.config.created.as_deref()),
            architecture: pull.config.architecture.clone(),
            os: pull.config.os.clone(),
            layers: layers.len(),
            lease: pull.lease.clone(),
        };
        staged.records.push(Record { config: pull.id.clone(), manifest: Some(pull.manifest.0.clone()), layers });
        cancel.check()?;
        self.install(staged)?;
        Ok(loaded)
    }
}

fn prove(what: String, expected: &Digest, found: &Digest) -> Result<(), ImagesError> {
    if expected == found { Ok(()) } else { Err(ImagesError::Digest { what, expected: expected.clone(), found: found.clone() }) }
}

/// The error of a stream that ended because nobody feeds it any more.
pub fn abandoned() -> io::Error {
    io::Error::other(ImagesError::Cancelled)
}
