//! Images from registries. What is asked for is found out first, and an error then has its own status; then a job gets the layers.

use crate::authorize::authorize;
use crate::jobs::{JobKind, Reporter};
use crate::registries::refused;
use crate::{Engine, EngineError, JobWatch, Result};
use bytes::Bytes;
use futures_util::future::try_join_all;
use gantry_images::{Blob, CancelFlag, Documents, Limits, Pull, PullLayer, TakenLayer};
use gantry_model::{Action, Caller, ImageRef, Kind};
use gantry_registry::{Content, Credentials, Descriptor, Document, Platform, Registry};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Source: Docker Engine API, `POST /images/create`.
#[derive(Debug, Clone)]
pub struct PullWish {
    pub reference: ImageRef,
    /// Every tag of the repository.
    pub all_tags: bool,
    /// `linux/arm64`; this host's if there is none.
    pub platform: Option<String>,
    pub login: Option<Credentials>,
}

/// Indexes within indexes.
const DEPTH: usize = 3;
/// Pieces of a layer between the network and the disk.
const SLOTS: usize = 8;
/// Bytes of a download between two lines about it.
const STEP: u64 = 512 << 10;

/// What a name leads to.
struct Resolved {
    registry: Registry,
    reference: ImageRef,
    /// What the name is for: perhaps an index.
    top: Content,
    manifest: Content,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Engine {
    /// Gets an image as a job.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the registry has none of that name or does not show it to this caller.
    pub async fn pull_image(&self, caller: &Caller, wish: PullWish) -> Result<JobWatch> {
        authorize(caller, Action::Operate)?;
        let platform = match wish.platform.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => text.parse().map_err(|error: String| EngineError::said(Kind::Invalid, error))?,
            None => Platform::host(),
        };
        let (engine, name) = (self.clone(), wish.reference.clone());
        let (first, more) = self.on_engine(async move { engine.find(wish, &platform).await.map(|(first, more)| (first, (more, platform))) }).await?;
        let title = format!("Pull {}", name.familiar());
        let engine = self.clone();
        self.run_job(caller, JobKind::Pull, title, move |reporter| async move {
            let registry = first.registry.clone();
            let mut results = vec![engine.get_image(first, &reporter).await?];
            let (references, platform) = more;
            for reference in references {
                let resolved = resolve(&registry, &reference, &platform).await.map_err(|error| refused(&reference, error))?;
                results.push(engine.get_image(resolved, &reporter).await?);
            }
            Ok(results)
        })
        .await
    }

    /// The first image that a wish is for, and the names of the others.
    async fn find(&self, wish: PullWish, platform: &Platform) -> Result<(Resolved, Vec<ImageRef>)> {
        let reference = wish.reference;
        if !wish.all_tags {
            for mirror in Registry::open_mirrors(&self.inner.registries, reference.registry()).await {
                match resolve(&mirror, &reference, platform).await {
                    Ok(resolved) => return Ok((resolved, Vec::new())),
                    Err(error) => tracing::info!("the mirror {} does not give {}: {error}", mirror.address(), reference.familiar()),
                }
            }
        }
        let registry = self.open_registry(reference.registry(), wish.login).await?;
        if !wish.all_tags {
            let resolved = resolve(&registry, &reference, platform).await.map_err(|error| refused(&reference, error))?;
            return Ok((resolved, Vec::new()));
        }
        let tags = registry.tags(reference.repository()).await.map_err(|error| refused(&reference, error))?;
        let named = |tag: &String| format!("{}/{}:{tag}", reference.registry(), reference.repository()).parse::<ImageRef>().ok();
        let mut references = tags.iter().filter_map(named);
        let first = references.next().ok_or_else(|| EngineError::said(Kind::NotFound, format!("{} has no tags", reference.familiar_name())))?;
        let resolved = resolve(&registry, &first, platform).await.map_err(|error| refused(&first, error))?;
        Ok((resolved, references.collect()))
    }

    /// Gets what is not here, and writes the image down. Returns its name.
    async fn get_image(&self, image: Resolved, reporter: &Reporter) -> Result<String> {
        let work = self.arrive(&image, reporter);
        tokio::select! {
            done = work => done,
            () = reporter.cancelled() => Err(EngineError::said(Kind::Cancelled, "the pull was cancelled")),
        }
    }

    async fn arrive(&self, image: &Resolved, reporter: &Reporter) -> Result<String> {
        let reference = &image.reference;
        let label = reference.digest().map(ToString::to_string).or_else(|| reference.tag().map(str::to_owned)).unwrap_or_default();
        let repository = if reference.registry() == "docker.io" { reference.repository().to_owned() } else { reference.familiar_name() };
        reporter.line(Some(label), format!("Pulling from {}", repository.strip_prefix(&format!("{}/", reference.registry())).unwrap_or(&repository)), None);
        let config = image.registry.document(reference.repository(), &image.config).await?;
        let blob = |layer: &Descriptor| Blob { digest: layer.digest.clone(), size_bytes: layer.size, media_type: layer.media_type.clone() };
        let documents = Documents {
            config: config.bytes,
            config_digest: config.digest,
            manifest: image.manifest.bytes.clone(),
            manifest_digest: image.manifest.digest.clone(),
            manifest_type: image.manifest.media_type.clone(),
            layers: image.layers.iter().map(blob).collect(),
        };
        let engine = self.clone();
        let pull = Arc::new(tokio::task::spawn_blocking(move || engine.inner.images.begin_pull(documents, &Limits::default())).await??);
        for layer in &pull.layers {
            let text = if layer.is_here { "Already exists" } else { "Pulling fs layer" };
            reporter.line(Some(layer.blob.digest.short().to_owned()), text, Some((0, 0)));
        }
        let mut seen = BTreeSet::new();
        let missing = pull.layers.iter().filter(|layer| !layer.is_here && seen.insert(layer.diff_id.clone()));
        let taken = try_join_all(missing.map(|layer| self.layer(image, &pull, layer, reporter))).await?;
        let (engine, installed, cancel) = (self.clone(), pull.clone(), reporter.cancel_flag());
        let loaded = tokio::task::spawn_blocking(move || engine.inner.images.finish_pull(&installed, &taken, &cancel)).await??;

        let by_digest: ImageRef = format!("{}/{}@{}", reference.registry(), reference.repository(), image.top.digest)
            .parse()
            .map_err(|error: gantry_model::ImageRefError| EngineError::said(Kind::Invalid, error.to_string()))?;
        // A name with both is known by its digest, as with docker.
        let tag = reference.digest().is_none().then(|| reference.clone());
        let known = tag.as_ref().unwrap_or(&by_digest);
        let was_here = self.known().iter().any(|image| image.row.id == loaded.id && (image.row.tags.contains(known) || image.digests.contains(known)));
        {
            let _known = self.inner.sweeping.read().await;
            self.put_image(&loaded, tag.into_iter().chain([by_digest]).collect(), "pull").await?;
        }
        reporter.line(None, format!("Digest: {}", image.top.digest), None);
        let status = if was_here { "Image is up to date" } else { "Downloaded newer image" };
        reporter.line(None, format!("Status: {status} for {}", reference.familiar()), None);
        Ok(reference.familiar())
    }

    /// One layer, fetched here or by another pull that wants it too.
    async fn layer(&self, image: &Resolved, pull: &Arc<Pull>, layer: &PullLayer, reporter: &Reporter) -> Result<Arc<TakenLayer>> {
        let id = layer.blob.digest.short().to_owned();
        let tell = |text: &str, progress| reporter.line(Some(id.clone()), text, Some(progress));
        let arrival = self.inner.arrivals.of(layer);
        let fetch = || async {
            if self.inner.arrivals.turns.available_permits() == 0 {
                tell("Waiting", (0, 0));
            }
            let _turn = self.inner.arrivals.turns.acquire().await.map_err(|_| EngineError::said(Kind::Cancelled, "the server is stopping"))?;
            self.transfer(image, pull, layer, &tell).await
        };
        let taken = arrival.get_or_try_init(fetch).await?.clone();
        tell("Pull complete", (0, 0));
        Ok(taken)
    }

    /// From the network through a short queue to a thread that hashes, keeps and unpacks.
    async fn transfer(&self, image: &Resolved, pull: &Arc<Pull>, layer: &PullLayer, tell: &(dyn Fn(&str, (u64, u64)) + Sync)) -> Result<Arc<TakenLayer>> {
        let (sender, pieces) = mpsc::channel(SLOTS);
        let (engine, pull, wanted) = (self.clone(), pull.clone(), layer.clone());
        let taking = tokio::task::spawn_blocking(move || {
            let source = Arriving { pieces, current: Bytes::new(), ended: false };
            engine.inner.images.take_layer(&pull, &wanted, source, &CancelFlag::default())
        });
        let from = image.layers.iter().find(|known| known.digest == layer.blob.digest).expect("the plan has the manifest's layers");
        let mut body = image.registry.blob(image.reference.repository(), from);
        let (total, mut told) = (layer.blob.size_bytes, 0);
        while let Some(piece) = body.next().await? {
            if sender.send(Some(piece)).await.is_err() {
                // It found something wrong, and says what.
                break;
            }
            if body.position() - told >= STEP {
                told = body.position();
                tell("Downloading", (told, total));
            }
        }
        // An end without this is one that nobody meant.
        let _ = sender.send(None).await;
        tell("Download complete", (0, 0));
        Ok(Arc::new(taking.await??))
    }
}

async fn resolve(registry: &Registry, reference: &ImageRef, platform: &Platform) -> std::result::Result<Resolved, gantry_registry::RegistryError> {
    let name = reference.digest().map(ToString::to_string).or_else(|| reference.tag().map(str::to_owned)).unwrap_or_default();
    let top = registry.manifest(reference.repository(), &name).await?;
    let mut manifest = top.clone();
    for _ in 0..DEPTH {
        match manifest.document()? {
            Document::Manifest { config, layers } => {
                return Ok(Resolved { registry: registry.clone(), reference: reference.clone(), top, manifest, config, layers });
            }
            Document::Index(list) => {
                let Some(chosen) = platform.choose(&list) else {
                    let what = reference.familiar();
                    let reason = format!("no matching manifest for {platform} in the manifest list entries");
                    return Err(gantry_registry::RegistryError::Refused { what, status: 404, reason });
                };
                manifest = registry.manifest(reference.repository(), chosen.digest.as_str()).await?;
            }
        }
    }
    Err(gantry_registry::RegistryError::Invalid {
        what: format!("manifest of {}", reference.familiar()),
        reason: "indexes within indexes, too deep".to_owned(),
    })
}

/// What a name is for, and the platforms of it.
pub(super) async fn look(registry: &Registry, reference: &ImageRef) -> std::result::Result<super::RemoteImage, gantry_registry::RegistryError> {
    let name = reference.digest().map(ToString::to_string).or_else(|| reference.tag().map(str::to_owned)).unwrap_or_default();
    let top = registry.manifest(reference.repository(), &name).await?;
    let platforms = match top.document()? {
        Document::Index(list) => list.into_iter().filter_map(|image| image.platform).collect(),
        Document::Manifest { config, .. } => {
            let config = registry.document(reference.repository(), &config).await?;
            serde_json::from_slice::<Platform>(&config.bytes).into_iter().collect::<Vec<_>>()
        }
    };
    let platforms = platforms.into_iter().map(|platform| (platform.os, platform.architecture, platform.variant)).collect();
    Ok(super::RemoteImage { media_type: top.media_type, digest: top.digest, size_bytes: top.bytes.len() as u64, platforms })
}

/// Reads the pieces of a layer as one stream.
struct Arriving {
    pieces: mpsc::Receiver<Option<Bytes>>,
    current: Bytes,
    ended: bool,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Some(piece)) => self.current = piece,
                Some(None) => self.ended = true,
                None => return Err(gantry_images::abandoned()),
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}
