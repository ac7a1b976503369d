//! Images to registries. What the registry has is left alone, and an image that came from a registry goes out byte for byte as it came.

use crate::authorize::authorize;
use crate::jobs::{JobKind, Reporter};
use crate::{Engine, EngineError, JobWatch, Result};
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gantry_images::{Limits, Outgoing};
use gantry_model::{Action, Caller, Digest, ImageRef, Kind};
use gantry_registry::{Attempted, Credentials, Descriptor, Registry, RegistryError};
use gantry_store::images;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Source: Docker Engine API, `POST /images/{name}/push`.
#[derive(Debug, Clone)]
pub struct PushWish {
    pub reference: ImageRef,
    /// Every tag of the repository that is here.
    pub all_tags: bool,
    pub login: Option<Credentials>,
}

/// What a registry says of an image.
#[derive(Debug, Clone)]
pub struct RemoteImage {
    pub media_type: String,
    pub digest: Digest,
    pub size_bytes: u64,
    /// Operating system, architecture, variant.
    pub platforms: Vec<(String, String, String)>,
}

/// Begins the line that tells what a push made, as JSON for programs.
pub const PUSHED: &str = "pushed ";
/// Source: dockerd, `max-concurrent-uploads`.
const AT_ONCE: usize = 5;
/// Bytes of an upload between two lines about it.
const STEP: u64 = 512 << 10;

impl Engine {
    /// Sends images as a job.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if no image has that name; if the registry can't be reached.
    pub async fn push_image(&self, caller: &Caller, wish: PushWish) -> Result<JobWatch> {
        authorize(caller, Action::Operate)?;
        let reference = wish.reference;
        let same = |tag: &&ImageRef| (tag.registry(), tag.repository()) == (reference.registry(), reference.repository());
        let all: Vec<(ImageRef, Digest)> =
            self.known().iter().flat_map(|known| known.row.tags.iter().filter(same).map(|tag| (tag.clone(), known.row.id.clone()))).collect();
        let wanted: Vec<_> = all.into_iter().filter(|(tag, _)| wish.all_tags || *tag == reference).collect();
        if wanted.is_empty() {
            let message = if wish.all_tags {
                format!("An image does not exist locally with the tag: {}", reference.familiar_name())
            } else {
                format!("tag does not exist: {}", reference.familiar())
            };
            return Err(EngineError::said(Kind::NotFound, message));
        }
        let (engine, name, login) = (self.clone(), reference.registry().to_owned(), wish.login);
        let registry = self.on_engine(async move { engine.open_registry(&name, login).await }).await?;
        let engine = self.clone();
        self.run_job(caller, JobKind::Push, format!("Push {}", reference.familiar()), move |reporter| async move {
            reporter.line(None, format!("The push refers to repository [{}/{}]", reference.registry(), reference.repository()), None);
            let mut results = Vec::new();
            for (tag, id) in &wanted {
                tokio::select! {
                    done = engine.send_image(&registry, tag, id, &reporter) => done?,
                    () = reporter.cancelled() => return Err(EngineError::said(Kind::Cancelled, "the push was cancelled")),
                }
                results.push(tag.familiar());
            }
            Ok(results)
        })
        .await
    }

    async fn send_image(&self, registry: &Registry, tag: &ImageRef, id: &Digest, reporter: &Reporter) -> Result<()> {
        let (engine, image, cancel) = (self.clone(), id.clone(), reporter.cancel_flag());
        // Held against sweeps until the last byte has gone.
        let outgoing = tokio::task::spawn_blocking(move || engine.inner.images.outgoing(&image, &cancel, &Limits::default())).await??;
        let elsewhere = self.repositories_of(registry.name(), id, tag.repository());
        let mut seen = BTreeSet::new();
        let layers: Vec<_> = outgoing.layers.iter().filter(|layer| seen.insert(layer.digest.clone())).collect();
        for layer in &layers {
            reporter.line(Some(layer.digest.short().to_owned()), "Preparing", Some((0, 0)));
        }
        let sending: Vec<_> = layers.into_iter().map(|layer| self.send_layer(registry, tag.repository(), layer, &elsewhere, reporter).boxed()).collect();
        stream::iter(sending).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map_err(|error| denied(tag, error))?;
        let config = descriptor(&outgoing.config);
        let sent = registry.push_blob(tag.repository(), &config, &outgoing.path(&outgoing.config), &elsewhere, Arc::new(|_| ())).await;
        sent.map_err(|error| denied(tag, error))?;
        let label = tag.tag().unwrap_or("latest");
        let Outgoing { manifest, manifest_digest: digest, manifest_type, .. } = &outgoing;
        registry.push_manifest(tag.repository(), label, manifest_type, manifest.clone(), digest).await.map_err(|error| denied(tag, error))?;

        let by_digest = format!("{}/{}@{digest}", tag.registry(), tag.repository()).parse::<ImageRef>();
        let by_digest = by_digest.map_err(|error| EngineError::said(Kind::Invalid, error.to_string()))?;
        images::tag(&self.inner.db, &by_digest, id).await?;
        self.reload_images().await?;
        self.tell_image("push", id, &tag.familiar());
        reporter.line(None, format!("{label}: digest: {digest} size: {}", manifest.len()), None);
        reporter.line(None, format!("{PUSHED}{}", serde_json::json!({ "Tag": label, "Digest": digest.as_str(), "Size": manifest.len() })), None);
        Ok(())
    }

    async fn send_layer(
        &self,
        registry: &Registry,
        repository: &str,
        layer: &gantry_images::Blob,
        elsewhere: &[String],
        reporter: &Reporter,
    ) -> std::result::Result<(), RegistryError> {
        let (id, total, told) = (layer.digest.short().to_owned(), layer.size_bytes, AtomicU64::new(0));
        let teller = reporter.clone();
        let tell = move |sent: u64| {
            let before = told.load(Ordering::Relaxed);
            if sent < before || sent - before >= STEP || sent == total {
                told.store(sent, Ordering::Relaxed);
                teller.line(Some(id.clone()), "Pushing", Some((sent, total)));
            }
        };
        let path = self.inner.images.blob_path(&layer.digest);
        let done = registry.push_blob(repository, &descriptor(layer), &path, elsewhere, Arc::new(tell)).await?;
        let text = match done {
            Attempted::Exists => "Layer already exists".to_owned(),
            Attempted::Mounted => format!("Mounted from {}", elsewhere.first().map_or("another repository", String::as_str)),
            Attempted::Uploaded => "Pushed".to_owned(),
        };
        reporter.line(Some(layer.digest.short().to_owned()), text, Some((0, 0)));
        Ok(())
    }

    /// Other repositories of a registry that should have content of this image: it, or one that shares a layer, was pulled from or pushed to them.
    fn repositories_of(&self, registry: &str, id: &Digest, but: &str) -> Vec<String> {
        let known = self.known();
        let layers: BTreeSet<&Digest> =
            known.iter().filter(|image| image.row.id == *id).flat_map(|image| image.layers.iter().map(|(layer, _)| layer)).collect();
        let shares = known.iter().filter(|image| image.layers.iter().any(|(layer, _)| layers.contains(layer)));
        let mut names: Vec<String> = shares
            .flat_map(|image| &image.digests)
            .filter(|name| name.registry() == registry && name.repository() != but)
            .map(|name| name.repository().to_owned())
            .collect();
        names.sort();
        names.dedup();
        names.truncate(4);
        names
    }

    /// What a registry has under a name, without getting it.
    pub async fn remote_image(&self, caller: &Caller, reference: ImageRef, login: Option<Credentials>) -> Result<RemoteImage> {
        authorize(caller, Action::Operate)?;
        let engine = self.clone();
        self.on_engine(async move {
            let registry = engine.open_registry(reference.registry(), login).await?;
            super::pull::look(&registry, &reference).await.map_err(|error| crate::registries::refused(&reference, error))
        })
        .await
    }

    /// Looks for images by a word; `registry.example/word` looks there.
    pub async fn search_images(&self, caller: &Caller, term: &str, most: usize, login: Option<Credentials>) -> Result<Vec<gantry_registry::Found>> {
        authorize(caller, Action::Operate)?;
        if !(1..=100).contains(&most) {
            return Err(EngineError::said(Kind::Invalid, format!("limit {most} is outside the range of [1, 100]")));
        }
        let (registry, word) = match term.split_once('/') {
            Some((host, word)) if host.contains(['.', ':']) || host == "localhost" => (host.to_owned(), word.to_owned()),
            _ => ("docker.io".to_owned(), term.to_owned()),
        };
        let engine = self.clone();
        self.on_engine(async move { Ok(engine.open_registry(&registry, login).await?.search(&word, most).await?) }).await
    }
}

fn descriptor(blob: &gantry_images::Blob) -> Descriptor {
    Descriptor::new(blob.digest.clone(), blob.size_bytes, &blob.media_type)
}

/// In docker's words.
fn denied(tag: &ImageRef, error: RegistryError) -> EngineError {
    match error {
        RegistryError::Refused { status: 401, reason, .. } => {
            EngineError::hinted(Kind::Unauthenticated, reason, format!("log in with: gantry login {}", tag.registry()))
        }
        RegistryError::Refused { status: 403, reason, .. } => EngineError::said(Kind::Forbidden, reason),
        error => error.into(),
    }
}
