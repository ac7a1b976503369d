//! Reads images out of archives: what `docker save`, `podman save` and `skopeo copy` write, and OCI layouts.
//!
//! Entries may come in any order, so every file is written down and hashed first, under a name of ours. Then the documents are read,
//! the layers unpacked side by side, and only when all of it is proven does anything get its name in the store.

mod docker;
mod files;
mod install;
mod oci;

use crate::config::ImageConfig;
use crate::layer::{self, Bounds, Budget};
use crate::lease::Lease;
use crate::scratch::{Partial, Spooled};
use crate::store::{LayerMeta, Record, RecordLayer};
use crate::{Blob, CancelFlag, ImageStore, ImagesError, LayerProgress, LayerState, Limits, LoadedImage, Progress};
pub(crate) use files::Files;
use gantry_model::{Digest, ImageRef};
pub(crate) use install::Staged;
pub(crate) use oci::host_architecture;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// An image that an archive describes, its documents read and consistent, its layers not looked at yet.
#[derive(Debug)]
struct Plan {
    config: ImageConfig,
    config_file: Spooled,
    manifest: Option<(Spooled, String)>,
    layers: Vec<PlanLayer>,
    references: Vec<ImageRef>,
}

#[derive(Debug, Clone)]
struct PlanLayer {
    diff_id: Digest,
    file: Spooled,
    media_type: Option<String>,
}

/// What is known of each layer of a load.
type Metas = BTreeMap<Digest, LayerMeta>;

/// Layers that run side by side.
const SIDE_BY_SIDE: usize = 3;

impl ImageStore {
    /// Loads all images of an archive (docker or OCI form; plain, gzip or zstd), or none of them.
    pub fn load(&self, archive: impl Read + Send, progress: &dyn Progress, cancel: &CancelFlag, limits: &Limits) -> Result<Vec<LoadedImage>, ImagesError> {
        let scratch = self.scratch(limits.keep_free_bytes)?;
        let files = Files::of_archive(archive, &scratch, progress, cancel, limits)?;
        self.load_files(files, progress, cancel, limits)
    }

    /// Loads all images of an OCI layout folder, or none of them.
    pub fn load_layout_dir(&self, folder: &Path, progress: &dyn Progress, cancel: &CancelFlag, limits: &Limits) -> Result<Vec<LoadedImage>, ImagesError> {
        let scratch = self.scratch(limits.keep_free_bytes)?;
        let files = Files::of_folder(folder, &scratch, progress, cancel, limits)?;
        self.load_files(files, progress, cancel, limits)
    }

    fn load_files(&self, files: Files, progress: &dyn Progress, cancel: &CancelFlag, limits: &Limits) -> Result<Vec<LoadedImage>, ImagesError> {
        let plans = if files.has("manifest.json") {
            docker::plans(&files, limits)?
        } else if files.has("index.json") {
            oci::plans(&files, limits)?
        } else {
            return Err(ImagesError::invalid("archive", "neither manifest.json nor index.json is in it: it holds no image (a root filesystem is imported)"));
        };
        if plans.is_empty() {
            return Err(ImagesError::invalid("archive", "it holds no image for this platform"));
        }
        let lease = self.leases.hold(plans.iter().flat_map(Plan::digests));
        let (metas, partials) = self.unpack_all(&plans, progress, cancel, limits)?;
        let mut staged = Staged { layers: partials, ..Staged::default() };
        let loaded = plans.into_iter().map(|plan| plan.stage(&metas, &mut staged, &lease)).collect();
        cancel.check()?;
        self.install(staged)?;
        Ok(loaded)
    }

    /// Unpacks the layers that are not here yet, and proves the others.
    fn unpack_all(
        &self,
        plans: &[Plan],
        progress: &dyn Progress,
        cancel: &CancelFlag,
        limits: &Limits,
    ) -> Result<(Metas, Vec<(Digest, Partial)>), ImagesError> {
        let unique: BTreeMap<&Digest, &PlanLayer> = plans.iter().flat_map(|plan| &plan.layers).map(|layer| (&layer.diff_id, layer)).collect();
        let workers = unique.len().clamp(1, SIDE_BY_SIDE);
        let queue: Mutex<VecDeque<&PlanLayer>> = Mutex::new(unique.into_values().collect());
        let budget = Budget::new(&self.layers, limits)?;
        let done = Mutex::new((BTreeMap::new(), Vec::new()));
        let failed: Mutex<Option<ImagesError>> = Mutex::new(None);
        // Stops the other workers after a failure without touching the caller's flag.
        let stop = CancelFlag::default();
        let next = || {
            let waiting = failed.lock().unwrap_or_else(PoisonError::into_inner).is_none();
            if waiting { queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() } else { None }
        };
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(layer) = next() {
                        let watched = Watched { progress, cancel, stop: &stop };
                        match self.unpack_one(layer, &budget, limits, watched) {
                            Ok((meta, partial)) => {
                                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                                done.0.insert(layer.diff_id.clone(), meta);
                                done.1.extend(partial.map(|partial| (layer.diff_id.clone(), partial)));
                            }
                            Err(error) => {
                                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                                stop.cancel();
                            }
                        }
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn unpack_one(&self, layer: &PlanLayer, budget: &Budget, limits: &Limits, watched: Watched<'_>) -> Result<(LayerMeta, Option<Partial>), ImagesError> {
        let place = format!("layer {}", layer.diff_id.short());
        let tell = |done, state| watched.progress.layer(LayerProgress { diff_id: &layer.diff_id, done, total: layer.file.size, state });
        let bounds = Bounds { limits, cancel: watched.stop, budget, wants_end: false };
        let file = File::open(&layer.file.path).map_err(|e| ImagesError::io(format!("open {place}"), e))?;
        let source = Telling { source: file, done: 0, told: 0, tell: &|done| tell(done, LayerState::Unpacking), cancel: watched.cancel };
        let proven = |found: Digest| {
            if found == layer.diff_id {
                return Ok(());
            }
            Err(ImagesError::Digest { what: format!("the content of layer blob {}", layer.file.digest), expected: layer.diff_id.clone(), found })
        };
        if let Some(meta) = self.layer_meta(&layer.diff_id)? {
            if layer.file.digest != layer.diff_id {
                proven(layer::diff_id(&place, source, bounds)?)?;
            }
            tell(layer.file.size, LayerState::Exists);
            return Ok((meta, None));
        }
        let partial = self.partial_layer()?;
        let unpacked = layer::unpack(&place, source, &partial.files(), bounds)?;
        proven(unpacked.diff_id)?;
        partial.describe(&unpacked.meta)?;
        tell(layer.file.size, LayerState::Done);
        Ok((unpacked.meta, Some(partial)))
    }
}

#[derive(Clone, Copy)]
struct Watched<'a> {
    progress: &'a dyn Progress,
    cancel: &'a CancelFlag,
    stop: &'a CancelFlag,
}

/// Tells how far it is, each mebibyte, and stops when cancelled.
pub(crate) struct Telling<'a, R> {
    pub source: R,
    pub done: u64,
    pub told: u64,
    pub tell: &'a (dyn Fn(u64) + Sync),
    pub cancel: &'a CancelFlag,
}

impl<R: Read> Read for Telling<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        let got = self.source.read(buffer)?;
        self.done += got as u64;
        if got == 0 || self.done - self.told >= 1 << 20 {
            self.told = self.done;
            (self.tell)(self.done);
        }
        Ok(got)
    }
}

/// Fails unless a configuration is one of an image that can be here.
pub(crate) fn check_config(place: &str, config: &ImageConfig, layers: usize, limits: &Limits) -> Result<(), ImagesError> {
    let count = config.rootfs.diff_ids.len();
    if count != layers {
        return Err(ImagesError::invalid(place, format!("it lists {count} layers, the manifest {layers}")));
    }
    if count > limits.layers {
        return Err(ImagesError::too_large(place, format!("{count} layers; {} is the limit", limits.layers)));
    }
    let unsupported = |reason| Err(ImagesError::Unsupported { place: place.to_owned(), reason });
    if !matches!(config.os.as_str(), "" | "linux") {
        return unsupported(format!("the image is for {}, not for linux", crate::error::shown(config.os.as_bytes())));
    }
    match config.rootfs.diff_ids.iter().find(|id| id.algorithm() != "sha256") {
        Some(odd) => unsupported(format!("layer {} is not named by sha256", odd.short())),
        None => Ok(()),
    }
}

impl Plan {
    /// Reads the configuration and pairs its layers with those of the archive.
    fn new(config_file: Spooled, layers: Vec<(Spooled, Option<String>)>, limits: &Limits) -> Result<Self, ImagesError> {
        let place = format!("configuration {}", config_file.digest.short());
        let config: ImageConfig = files::document(&place, &config_file, limits)?;
        check_config(&place, &config, layers.len(), limits)?;
        let pair = |(diff_id, (file, media_type)): (&Digest, (Spooled, Option<String>))| PlanLayer { diff_id: diff_id.clone(), file, media_type };
        let layers = config.rootfs.diff_ids.iter().zip(layers).map(pair).collect();
        Ok(Self { config, config_file, manifest: None, layers, references: Vec::new() })
    }

    fn digests(&self) -> impl Iterator<Item = Digest> {
        let layers = self.layers.iter().flat_map(|layer| [layer.diff_id.clone(), layer.file.digest.clone()]);
        layers.chain([self.config_file.digest.clone()]).chain(self.manifest.iter().map(|(file, _)| file.digest.clone()))
    }

    /// Lists what has to get its name in the store.
    fn stage(self, metas: &Metas, staged: &mut Staged, lease: &Lease) -> LoadedImage {
        let record_layer = |layer: PlanLayer, staged: &mut Staged| {
            let meta = metas[&layer.diff_id];
            let media_type = layer.media_type.filter(|named| !named.is_empty()).unwrap_or_else(|| files::layer_media_type(&layer.file));
            let blob = Blob { digest: layer.file.digest.clone(), size_bytes: layer.file.size, media_type };
            staged.blobs.push(layer.file);
            RecordLayer { diff_id: layer.diff_id, blob: Some(blob), size_bytes: meta.size_bytes, entries: meta.entries }
        };
        let layers: Vec<RecordLayer> = self.layers.into_iter().map(|layer| record_layer(layer, staged)).collect();
        let manifest = self.manifest.map(|(file, media_type)| {
            let blob = Blob { digest: file.digest.clone(), size_bytes: file.size, media_type };
            staged.blobs.push(file);
            blob
        });
        let id = self.config_file.digest.clone();
        staged.blobs.push(self.config_file);
        let loaded = LoadedImage {
            id: id.clone(),
            references: self.references,
            manifest: manifest.as_ref().map(|m| m.digest.clone()),
            size_bytes: layers.iter().map(|layer| layer.size_bytes).sum(),
            created_at_ms: crate::image::created_at_ms(self.config.created.as_deref()),
            architecture: self.config.architecture,
            os: self.config.os,
            layers: layers.len(),
            lease: lease.clone(),
        };
        staged.records.push(Record { config: id, manifest, layers });
        loaded
    }
}
