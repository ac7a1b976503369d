//! Verbs on images.

use crate::{Engine, JobWatch, Result};
use gantry_model::{Caller, Digest, ImageRef};
use std::collections::BTreeMap;

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
    pub layers: Vec<LayerSummary>,
    /// The configuration blob as stored.
    pub config_json: String,
}

/// Defaults a container takes from its image.
#[derive(Debug, Clone, Default)]
pub struct ImageRuntimeConfig {
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub env: Vec<String>,
    pub user: String,
    pub working_dir: String,
    /// `80/tcp`.
    pub exposed_ports: Vec<String>,
    pub volumes: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub stop_signal: Option<String>,
    pub shell: Option<Vec<String>>,
}

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

impl Engine {
    pub async fn list_images(&self, caller: &Caller) -> Result<Vec<ImageSummary>> {
        todo!()
    }
    /// `reference` is a name, an id or a unique prefix of one.
    pub async fn image(&self, caller: &Caller, reference: &str) -> Result<ImageDetail> {
        todo!()
    }
    pub async fn tag_image(&self, caller: &Caller, reference: &str, new: ImageRef) -> Result<()> {
        todo!()
    }
    pub async fn remove_image(&self, caller: &Caller, reference: &str, force: bool) -> Result<Removed> {
        todo!()
    }
    /// Loads an archive as a job. The job ends with an error if the chunks stop early.
    pub async fn load_images(&self, caller: &Caller, archive: Upload) -> Result<JobWatch> {
        todo!()
    }
    pub async fn import_image(&self, caller: &Caller, rootfs: Upload, options: ImportOptions) -> Result<JobWatch> {
        todo!()
    }
}

/// Bytes on their way in: chunks from a request body, consumed as they come, so that nothing is stored twice.
pub struct Upload {
    pub chunks: tokio::sync::mpsc::Receiver<std::io::Result<bytes::Bytes>>,
    pub total_bytes: Option<u64>,
    /// File name as the user gave it, for messages only.
    pub label: String,
}
