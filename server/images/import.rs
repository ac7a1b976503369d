//! Makes an image of a plain root filesystem archive, as `docker import` does.

use crate::archive::{Staged, Telling, host_architecture};
use crate::config::{History, ImageConfig, ProcessConfig, RootFs};
use crate::layer::{self, Bounds, Budget};
use crate::store::{Record, RecordLayer};
use crate::{Blob, CancelFlag, ImageStore, ImagesError, LayerProgress, LayerState, Limits, LoadedImage, Progress, changes};
use std::io::Read;

/// Source: Docker Engine API, `POST /images/create` with `fromSrc`.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Becomes the comment of the image and of its one history entry.
    pub message: String,
    /// Dockerfile instructions, one each: `CMD ["sh"]`, `ENV A=b`.
    pub changes: Vec<String>,
    /// `linux/amd64`; the host's when absent.
    pub platform: Option<String>,
}

impl ImageStore {
    /// Imports a root filesystem archive, plain, gzip or zstd, as an image of one layer.
    pub fn import(
        &self,
        rootfs: impl Read + Send,
        options: &ImportOptions,
        progress: &dyn Progress,
        cancel: &CancelFlag,
        limits: &Limits,
    ) -> Result<LoadedImage, ImagesError> {
        let mut config = options.config()?;
        let scratch = self.scratch(limits.keep_free_bytes)?;
        let budget = Budget::new(&self.layers, limits)?;
        let partial = self.partial_layer()?;
        let source = Telling { source: rootfs, done: 0, told: 0, tell: &|done| progress.read(done), cancel };
        let mut tee = scratch.tee(source)?;
        let bounds = Bounds { limits, cancel, budget: &budget, wants_end: true };
        let unpacked = layer::unpack("root filesystem", &mut tee, &partial.files(), bounds)?;
        let file = tee.finish()?;
        if unpacked.meta.entries == 0 {
            return Err(ImagesError::invalid("root filesystem", "the archive is empty"));
        }
        partial.describe(&unpacked.meta)?;
        progress.layer(LayerProgress { diff_id: &unpacked.diff_id, done: file.size, total: file.size, state: LayerState::Done });

        config.rootfs.diff_ids.push(unpacked.diff_id.clone());
        let text = serde_json::to_vec(&config).map_err(|e| ImagesError::io("write the configuration", e))?;
        let config_file = scratch.spool(&mut text.as_slice())?;
        let id = config_file.digest.clone();
        let lease = self.leases.hold([id.clone(), unpacked.diff_id.clone(), file.digest.clone()]);
        let blob = Blob { digest: file.digest.clone(), size_bytes: file.size, media_type: unpacked.compression.layer_media_type().to_owned() };
        let meta = unpacked.meta;
        let layer = RecordLayer { diff_id: unpacked.diff_id.clone(), blob: Some(blob), size_bytes: meta.size_bytes, entries: meta.entries };
        let record = Record { config: id.clone(), manifest: None, layers: vec![layer] };
        cancel.check()?;
        self.install(Staged { layers: vec![(unpacked.diff_id, partial)], blobs: vec![file, config_file], records: vec![record] })?;
        Ok(LoadedImage {
            id,
            references: Vec::new(),
            manifest: None,
            size_bytes: meta.size_bytes,
            created_at_ms: crate::image::created_at_ms(config.created.as_deref()),
            architecture: config.architecture,
            os: config.os,
            layers: 1,
            lease,
        })
    }
}

impl ImportOptions {
    fn config(&self) -> Result<ImageConfig, ImagesError> {
        let platform = self.platform.clone().unwrap_or_else(|| format!("linux/{}", host_architecture()));
        let mut parts = platform.splitn(3, '/');
        let (os, architecture, variant) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(host_architecture()), parts.next().unwrap_or_default());
        if os != "linux" {
            return Err(ImagesError::Unsupported { place: format!("platform {platform:?}"), reason: "only linux images are made".to_owned() });
        }
        let mut config = ProcessConfig::default();
        self.changes.iter().try_for_each(|line| changes::apply(&mut config, line))?;
        let now = jiff::Timestamp::now().to_string();
        let comment = if self.message.is_empty() { "Imported from -".to_owned() } else { self.message.clone() };
        Ok(ImageConfig {
            created: Some(now.clone()),
            comment: comment.clone(),
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            variant: variant.to_owned(),
            config,
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() },
            history: vec![History { created: Some(now), comment, ..History::default() }],
            ..ImageConfig::default()
        })
    }
}
