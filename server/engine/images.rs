//! Verbs on images. Names and ids are in the database and, for lists, in memory; content is in the image store.

mod filter;
mod pull;
mod push;
mod save;

pub use filter::ImageFilter;
pub use pull::PullWish;
pub use push::{PUSHED, PushWish, RemoteImage};

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::events::EventKind;
use crate::jobs::{JobKind, Reporter};
use crate::upload::{Upload, UploadReader};
use crate::{Engine, EngineError, JobWatch, Result};
use gantry_images::{LayerProgress, LayerState, LoadedImage, Progress};
use gantry_model::{Action, Caller, Digest, ImageRef, Kind};
use gantry_store::images::{self, ImageRow};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError};

#[derive(Debug, Clone)]
pub struct ImageSummary {
    pub id: Digest,
    /// Familiar forms, `busybox:latest`.
    pub tags: Vec<String>,
    /// `busybox@sha256:…`.
    pub repo_digests: Vec<String>,
    pub created_at_ms: i64,
    /// Unpacked size of all layers.
    pub size_bytes: u64,
    /// Of that, what other images have too.
    pub shared_bytes: u64,
    pub labels: BTreeMap<String, String>,
    /// Containers made from it.
    pub containers: usize,
    pub layers: usize,
}

#[derive(Debug, Clone)]
pub struct ImageDetail {
    pub summary: ImageSummary,
    pub architecture: String,
    pub os: String,
    pub author: String,
    pub comment: String,
    pub config: ImageRuntimeConfig,
    pub history: Vec<HistoryEntry>,
    /// Lowest first.
    pub layers: Vec<LayerSummary>,
    /// The configuration blob as stored.
    pub config_json: String,
}

/// Defaults a container takes from its image.
pub type ImageRuntimeConfig = gantry_images::RuntimeConfig;

/// How a step of the image was made, oldest first.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    pub created_at_ms: Option<i64>,
    pub created_by: String,
    pub comment: String,
    pub empty_layer: bool,
    pub size_bytes: u64,
    /// Layer this step made.
    pub layer: Option<Digest>,
}

#[derive(Debug, Clone)]
pub struct LayerSummary {
    pub diff_id: Digest,
    pub size_bytes: u64,
    /// Other images that share it.
    pub shared_by: usize,
}

/// Source: `docker import`.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    pub reference: Option<ImageRef>,
    pub message: String,
    /// Dockerfile instructions: `CMD ["sh"]`, `ENV A=b`.
    pub changes: Vec<String>,
}

/// What a removal did, in docker's two words.
#[derive(Debug, Clone, Default)]
pub struct Removed {
    pub untagged: Vec<String>,
    pub deleted: Vec<Digest>,
}

/// An image in memory.
#[derive(Clone)]
pub(crate) struct KnownImage {
    /// Its tags are the names that people give.
    pub row: ImageRow,
    /// Names by digest: where it was pulled from, or pushed to.
    pub digests: Vec<ImageRef>,
    pub labels: BTreeMap<String, String>,
    pub layers: Vec<(Digest, u64)>,
}

impl KnownImage {
    /// True for one of its tags; a digest counts whatever tag stands before it.
    fn has(&self, name: &ImageRef) -> bool {
        let same = |known: &ImageRef| (known.registry(), known.repository(), known.digest()) == (name.registry(), name.repository(), name.digest());
        if name.digest().is_some() { self.digests.iter().any(same) } else { self.row.tags.contains(name) }
    }

    /// What a name takes along when it goes: with the last tag of a repository the digests of that repository.
    fn names_with(&self, name: &ImageRef) -> Vec<ImageRef> {
        let same = |known: &&ImageRef| (known.registry(), known.repository()) == (name.registry(), name.repository());
        let is_last = name.digest().is_none() && self.row.tags.iter().filter(same).count() == 1;
        let digests = self.digests.iter().filter(|known| same(known) && (is_last || known.digest() == name.digest()));
        self.row.tags.iter().filter(|known| *known == name).chain(digests).cloned().collect()
    }
}

impl Engine {
    pub(crate) fn known(&self) -> MutexGuard<'_, Vec<KnownImage>> {
        self.inner.known_images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the images' rows and what lists show of their configurations.
    pub(crate) async fn reload_images(&self) -> Result<()> {
        let rows = images::all(&self.inner.db).await?;
        let engine = self.clone();
        let known = tokio::task::spawn_blocking(move || {
            let describe = |mut row: ImageRow| {
                let image = engine.inner.images.image(&row.id).map_err(|error| tracing::error!("image {}: {error}", row.id.short())).ok()?;
                let layers = image.layers.iter().map(|layer| (layer.diff_id.clone(), layer.size_bytes)).collect();
                let (digests, tags) = row.tags.into_iter().partition(|name| name.digest().is_some());
                row.tags = tags;
                Some(KnownImage { digests, labels: image.config.config.labels.clone(), layers, row })
            };
            rows.into_iter().filter_map(describe).collect::<Vec<_>>()
        })
        .await?;
        *self.known() = known;
        Ok(())
    }

    /// The id of the image a user means: a name, an id with or without `sha256:`, or a unique prefix of one.
    pub(crate) fn image_id(&self, reference: &str) -> Result<Digest> {
        let missing =
            || EngineError::NoSuchImage(reference.parse::<ImageRef>().map_or_else(|_| reference.chars().take(300).collect(), |image| image.familiar()));
        let known = self.known();
        if let Ok(image) = reference.parse::<ImageRef>()
            && let Some(found) = known.iter().find(|known| known.has(&image))
        {
            return Ok(found.row.id.clone());
        }
        let hex = reference.strip_prefix("sha256:").unwrap_or(reference);
        if hex.len() < 2 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return match reference.parse::<ImageRef>() {
                Err(error) if !reference.starts_with("sha256:") => Err(EngineError::said(Kind::Invalid, error.to_string())),
                _ => Err(missing()),
            };
        }
        let mut found = known.iter().filter(|known| known.row.id.hex().starts_with(hex));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.row.id.clone()),
            (Some(_), Some(_)) => Err(EngineError::said(Kind::Invalid, format!("several images have an id that begins with {reference}: give more digits"))),
            (None, _) => Err(missing()),
        }
    }

    pub(crate) async fn image_config(&self, id: &Digest) -> Result<ImageRuntimeConfig> {
        let (engine, id) = (self.clone(), id.clone());
        tokio::task::spawn_blocking(move || Ok(gantry_images::runtime_config(&engine.inner.images.image(&id)?))).await?
    }

    pub async fn list_images(&self, caller: &Caller) -> Result<Vec<ImageSummary>> {
        authorize(caller, Action::View)?;
        let used = self.image_uses();
        let known = self.known();
        let holders = holders(&known);
        Ok(known.iter().map(|known| summary(known, &used, &holders)).collect())
    }

    /// Containers by image.
    fn image_uses(&self) -> BTreeMap<Digest, usize> {
        let mut used = BTreeMap::new();
        for container in self.inner.containers.all() {
            *used.entry(container.image_id.clone()).or_insert(0) += 1;
        }
        used
    }

    /// `reference` is a name, an id or a unique prefix of one.
    pub async fn image(&self, caller: &Caller, reference: &str) -> Result<ImageDetail> {
        authorize(caller, Action::View)?;
        let id = self.image_id(reference)?;
        let used = self.image_uses();
        let (summary, shared) = {
            let known = self.known();
            let this = known.iter().find(|known| known.row.id == id).ok_or_else(|| EngineError::NoSuchImage(reference.to_owned()))?;
            let others = |layer: &Digest| known.iter().filter(|other| other.row.id != id && other.layers.iter().any(|(known, _)| known == layer)).count();
            (
                summary(this, &used, &holders(&known)),
                this.layers
                    .iter()
                    .map(|(layer, size)| LayerSummary { diff_id: layer.clone(), size_bytes: *size, shared_by: others(layer) })
                    .collect::<Vec<_>>(),
            )
        };
        let engine = self.clone();
        let image = tokio::task::spawn_blocking(move || engine.inner.images.image(&id)).await??;
        let mut layers = shared.iter();
        let history = image
            .config
            .history
            .iter()
            .map(|step| {
                let layer = if step.empty_layer { None } else { layers.next() };
                HistoryEntry {
                    created_at_ms: step.created.as_deref().map(|at| gantry_images::created_at_ms(Some(at))),
                    created_by: step.created_by.clone(),
                    comment: step.comment.clone(),
                    empty_layer: step.empty_layer,
                    size_bytes: layer.map_or(0, |layer| layer.size_bytes),
                    layer: layer.map(|layer| layer.diff_id.clone()),
                }
            })
            .collect();
        Ok(ImageDetail {
            summary,
            architecture: image.config.architecture.clone(),
            os: image.config.os.clone(),
            author: image.config.author.clone(),
            comment: image.config.comment.clone(),
            config: gantry_images::runtime_config(&image),
            history,
            layers: shared,
            config_json: image.config_json,
        })
    }

    pub async fn tag_image(&self, caller: &Caller, reference: &str, new: ImageRef) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let id = self.image_id(reference)?;
        if new.digest().is_some() {
            return Err(EngineError::said(Kind::Invalid, "refusing to create a tag with a digest reference"));
        }
        images::tag(&self.inner.db, &new, &id).await?;
        self.reload_images().await?;
        self.tell_image("tag", &id, &new.familiar());
        Ok(())
    }

    /// Docker's rules: a name is untagged; the image goes with its last name, or by id if it has one name at most; a container keeps it.
    pub async fn remove_image(&self, caller: &Caller, reference: &str, force: bool) -> Result<Removed> {
        authorize(caller, Action::Operate)?;
        let _sweep = self.inner.images_in_use.write().await;
        let id = self.image_id(reference)?;
        let known = self.known().iter().find(|known| known.row.id == id).cloned().ok_or_else(|| EngineError::NoSuchImage(reference.to_owned()))?;
        let (tags, all) = (known.row.tags.clone(), known.row.tags.iter().chain(&known.digests).cloned().collect::<Vec<_>>());
        let by_name = reference.parse::<ImageRef>().ok().filter(|name| known.has(name)).map(|name| known.names_with(&name));
        let named = by_name.clone();
        let going = match by_name {
            Some(names) if names.len() < all.len() => {
                for name in &names {
                    images::untag(&self.inner.db, name).await?;
                }
                self.reload_images().await?;
                names.iter().for_each(|_| self.tell_image("untag", &id, id.as_str()));
                return Ok(Removed { untagged: names.iter().map(ImageRef::familiar).collect(), deleted: Vec::new() });
            }
            Some(names) => names,
            None if tags.len() > 1 && !force => {
                return Err(EngineError::hinted(
                    Kind::Conflict,
                    format!("conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories", id.short()),
                    "remove by name, or with force",
                ));
            }
            None => all,
        };
        if let Some(user) = self.user_of(&id) {
            let live = user.state().is_live() || user.state() == gantry_model::State::Restarting;
            // A container needs its layers as long as it exists: force takes the name, and the image stays without one.
            return match named {
                Some(names) if force => {
                    for name in &names {
                        images::untag(&self.inner.db, name).await?;
                    }
                    self.reload_images().await?;
                    names.iter().for_each(|_| self.tell_image("untag", &id, id.as_str()));
                    Ok(Removed { untagged: names.iter().map(ImageRef::familiar).collect(), deleted: Vec::new() })
                }
                named => Err(in_use(reference, &id, &user, named.is_some(), live)),
            };
        }
        let layers = self.own_layers(&id);
        images::delete(&self.inner.db, &id).await?;
        self.reload_images().await?;
        self.sweep_images();
        for _ in &going {
            self.tell_image("untag", &id, id.as_str());
        }
        self.tell_image("delete", &id, id.as_str());
        Ok(Removed { untagged: going.iter().map(ImageRef::familiar).collect(), deleted: std::iter::once(id).chain(layers).collect() })
    }

    /// A container made from the image, rather one that runs.
    fn user_of(&self, id: &Digest) -> Option<std::sync::Arc<crate::registry::Container>> {
        let users = self.inner.containers.all().into_iter().filter(|container| container.image_id == *id);
        users.max_by_key(|container| container.state().is_live())
    }

    /// The layers that go with an image, highest first, by their chain ids. Source: OCI image-spec, config.md, "Layer ChainID".
    fn own_layers(&self, id: &Digest) -> Vec<Digest> {
        let known = self.known();
        let holders = holders(&known);
        let Some(image) = known.iter().find(|known| known.row.id == *id) else { return Vec::new() };
        let mut chain: Vec<Digest> = Vec::new();
        for (layer, _) in &image.layers {
            let next = match chain.last() {
                Some(below) => Digest::sha256(Sha256::digest(format!("{below} {layer}")).into()),
                None => layer.clone(),
            };
            chain.push(next);
        }
        let alone = image.layers.iter().rev().take_while(|(layer, _)| holders.get(layer) == Some(&1)).count();
        chain.into_iter().rev().take(alone).collect()
    }

    /// Removes content no image needs, in the background.
    pub(crate) fn sweep_images(&self) {
        let engine = self.clone();
        self.inner.handle.spawn(async move {
            let _alone = engine.inner.sweeping.write().await;
            match engine.sweep().await {
                Ok(removed) => tracing::debug!("{} layers and {} blobs removed, {} bytes", removed.layers, removed.blobs, removed.bytes),
                Err(error) => tracing::error!("remove unneeded image content: {}", error.chain()),
            }
        });
    }

    async fn sweep(&self) -> Result<gantry_images::Removed> {
        // The table, not the memory: an image that could not be read just now is no rubbish.
        let keep: Vec<Digest> = images::all(&self.inner.db).await?.into_iter().map(|row| row.id).collect();
        let engine = self.clone();
        Ok(tokio::task::spawn_blocking(move || engine.inner.images.remove_unreferenced(&keep)).await??)
    }

    /// Loads an archive as a job. The job ends with an error if the chunks stop early.
    pub async fn load_images(&self, caller: &Caller, archive: Upload) -> Result<JobWatch> {
        authorize(caller, Action::Operate)?;
        let title = format!("Load {}", archive.label);
        let engine = self.clone();
        self.run_job(caller, JobKind::Load, title, move |reporter| async move {
            let total = archive.total_bytes.unwrap_or(0);
            let (worker, listener) = (engine.clone(), Listener::new(reporter.clone(), total));
            let loaded = tokio::task::spawn_blocking(move || {
                let reader = UploadReader::new(archive.chunks, &listener.reporter);
                worker.inner.images.load(reader, &listener, &listener.reporter.cancel_flag(), &gantry_images::Limits::default())
            })
            .await??;
            let mut results = Vec::new();
            let _known = engine.inner.sweeping.read().await;
            for image in loaded {
                engine.put_image(&image, image.references.clone(), "load").await?;
                let names: Vec<String> = image.references.iter().map(ImageRef::familiar).collect();
                if names.is_empty() {
                    reporter.line(None, format!("Loaded image ID: {}", image.id), None);
                    results.push(image.id.to_string());
                }
                for name in names {
                    reporter.line(None, format!("Loaded image: {name}"), None);
                    results.push(name);
                }
            }
            Ok(results)
        })
        .await
    }

    pub async fn import_image(&self, caller: &Caller, rootfs: Upload, options: ImportOptions) -> Result<JobWatch> {
        authorize(caller, Action::Operate)?;
        let title = format!("Import {}", rootfs.label);
        let engine = self.clone();
        self.run_job(caller, JobKind::Import, title, move |reporter| async move {
            let total = rootfs.total_bytes.unwrap_or(0);
            let (worker, listener) = (engine.clone(), Listener::new(reporter.clone(), total));
            let settings = gantry_images::ImportOptions { message: options.message, changes: options.changes, platform: None };
            let image = tokio::task::spawn_blocking(move || {
                let reader = UploadReader::new(rootfs.chunks, &listener.reporter);
                worker.inner.images.import(reader, &settings, &listener, &listener.reporter.cancel_flag(), &gantry_images::Limits::default())
            })
            .await??;
            let _known = engine.inner.sweeping.read().await;
            engine.put_image(&image, options.reference.into_iter().collect(), "import").await?;
            reporter.line(None, image.id.to_string(), None);
            Ok(vec![image.id.to_string()])
        })
        .await
    }

    /// Writes an image down; its lease may go after that.
    pub(crate) async fn put_image(&self, image: &LoadedImage, tags: Vec<ImageRef>, action: &str) -> Result<()> {
        let name = tags.first().map(ImageRef::familiar).unwrap_or_default();
        let row = ImageRow { id: image.id.clone(), created_at_ms: image.created_at_ms, added_at_ms: now_ms(), size_bytes: image.size_bytes, tags };
        images::put(&self.inner.db, &row).await?;
        self.reload_images().await?;
        self.tell_image(action, &image.id, &name);
        Ok(())
    }

    pub(crate) fn tell_image(&self, action: &str, id: &Digest, name: &str) {
        self.inner.events.publish(EventKind::Image, action, id.as_str(), BTreeMap::from([("name".to_owned(), name.to_owned())]));
    }
}

/// Docker's words for an image that a container needs.
fn in_use(reference: &str, id: &Digest, user: &crate::registry::Container, named: bool, live: bool) -> EngineError {
    let (container, image) = (user.id.short(), id.short());
    let text = match (named, live) {
        (true, _) => format!(
            "conflict: unable to remove repository reference \"{reference}\" (must force) - container {container} is using its referenced image {image}"
        ),
        (false, true) => format!("conflict: unable to delete {image} (cannot be forced) - image is being used by running container {container}"),
        (false, false) => format!("conflict: unable to delete {image} (must be forced) - image is being used by stopped container {container}"),
    };
    EngineError::hinted(Kind::Conflict, text, format!("remove the container first: gantry rm {container}"))
}

/// How many images have each layer.
fn holders(known: &[KnownImage]) -> HashMap<Digest, usize> {
    let mut holders = HashMap::new();
    for image in known {
        let layers: BTreeSet<&Digest> = image.layers.iter().map(|(layer, _)| layer).collect();
        layers.into_iter().for_each(|layer| *holders.entry(layer.clone()).or_insert(0) += 1);
    }
    holders
}

fn summary(known: &KnownImage, used: &BTreeMap<Digest, usize>, holders: &HashMap<Digest, usize>) -> ImageSummary {
    let shared = known.layers.iter().filter(|(layer, _)| holders.get(layer).is_some_and(|count| *count > 1));
    ImageSummary {
        id: known.row.id.clone(),
        tags: known.row.tags.iter().map(ImageRef::familiar).collect(),
        repo_digests: known.digests.iter().map(ImageRef::familiar).collect(),
        created_at_ms: known.row.created_at_ms,
        size_bytes: known.row.size_bytes,
        shared_bytes: shared.map(|(_, size)| size).sum(),
        labels: known.labels.clone(),
        containers: used.get(&known.row.id).copied().unwrap_or(0),
        layers: known.layers.len(),
    }
}

/// Passes the store's progress on to the job, a few times a second.
struct Listener {
    reporter: Reporter,
    total: u64,
    told_at_ms: AtomicU64,
}

impl Listener {
    fn new(reporter: Reporter, total: u64) -> Self {
        Self { reporter, total, told_at_ms: AtomicU64::new(0) }
    }

    fn due(&self) -> bool {
        let now = now_ms() as u64;
        now.saturating_sub(self.told_at_ms.load(Ordering::Relaxed)) > 100 && {
            self.told_at_ms.store(now, Ordering::Relaxed);
            true
        }
    }
}

impl Progress for Listener {
    fn read(&self, bytes: u64) {
        self.reporter.progress(bytes, self.total);
    }

    fn layer(&self, layer: LayerProgress<'_>) {
        let (text, done) = match layer.state {
            LayerState::Unpacking => ("Loading layer", false),
            LayerState::Done => ("Loaded layer", true),
            LayerState::Exists => ("Layer already exists", true),
        };
        if done || self.due() {
            self.reporter.line(Some(layer.diff_id.short().to_owned()), text, Some((layer.done, layer.total)));
        }
    }
}
