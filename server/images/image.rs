//! An image as the store knows it: its configuration, its layers, and what is known of the manifest it came with.

use crate::{ImageConfig, Lease};
use gantry_model::{Digest, HealthCheck, ImageRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An image that is wholly in the store.
#[derive(Debug, Clone)]
pub struct Image {
    /// The digest of the configuration.
    pub id: Digest,
    pub config: ImageConfig,
    /// The configuration byte for byte.
    pub config_json: String,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// The manifest it was loaded by, if it came with one.
    pub manifest: Option<Blob>,
    /// Unpacked size of all layers.
    pub size_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the uncompressed layer.
    pub diff_id: Digest,
    /// The layer as it came, if kept.
    pub blob: Option<Blob>,
    /// Unpacked size.
    pub size_bytes: u64,
    /// Files, folders, links and whiteouts.
    pub entries: u64,
}

/// A blob in the store: an OCI descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub digest: Digest,
    pub size_bytes: u64,
    pub media_type: String,
}

/// What a load or import gave. The lease keeps the content from being swept until the engine has written the image down.
#[derive(Debug, Clone)]
pub struct LoadedImage {
    pub id: Digest,
    /// Names the archive gives it; may be empty.
    pub references: Vec<ImageRef>,
    /// Digest of its manifest, if the archive has one.
    pub manifest: Option<Digest>,
    /// Unpacked size of all layers.
    pub size_bytes: u64,
    /// When the image was made, milliseconds since 1970; 0 if unknown.
    pub created_at_ms: i64,
    pub architecture: String,
    pub os: String,
    pub layers: usize,
    pub lease: Lease,
}

/// Defaults a container takes from its image, in our own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
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
    pub stop_timeout_secs: Option<u32>,
    pub shell: Option<Vec<String>>,
    pub healthcheck: Option<HealthCheck>,
}

/// Returns what a container takes from `image`.
pub fn runtime_config(image: &Image) -> RuntimeConfig {
    let from = &image.config.config;
    let ms = |ns: i64| u64::try_from(ns / 1_000_000).unwrap_or(0);
    let health = |h: &crate::HealthConfig| HealthCheck {
        test: h.test.clone(),
        interval_ms: ms(h.interval),
        timeout_ms: ms(h.timeout),
        start_period_ms: ms(h.start_period),
        start_interval_ms: ms(h.start_interval),
        retries: u32::try_from(h.retries).unwrap_or(0),
        ..HealthCheck::default()
    };
    RuntimeConfig {
        entrypoint: from.entrypoint.clone(),
        cmd: from.cmd.clone(),
        env: from.env.clone(),
        user: from.user.clone(),
        working_dir: from.working_dir.clone(),
        exposed_ports: from.exposed_ports.clone(),
        volumes: from.volumes.clone(),
        labels: from.labels.clone(),
        stop_signal: from.stop_signal.clone(),
        stop_timeout_secs: from.stop_timeout,
        shell: from.shell.clone(),
        healthcheck: from.healthcheck.as_ref().map(health),
    }
}

impl Image {
    /// When the image was made, milliseconds since 1970; 0 if it does not say.
    pub fn created_at_ms(&self) -> i64 {
        created_at_ms(self.config.created.as_deref())
    }
}

/// Reads an RFC 3339 time; 0 if absent or unreadable. Images built reproducibly often have 1970 or the year 1.
pub fn created_at_ms(text: Option<&str>) -> i64 {
    text.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_millisecond)
}
