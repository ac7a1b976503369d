//! OCI layouts: `index.json` names manifests, manifests name blobs, all by digest.

use super::Plan;
use super::files::{Files, document};
use crate::scratch::Spooled;
use crate::{ImagesError, Limits};
use gantry_model::{Digest, ImageRef};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Source: OCI image specification, "descriptor.md".
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

/// An index or a manifest: which one it is shows in what it has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    media_type: String,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

/// A manifest as it lies in the archive.
#[derive(Debug)]
pub(super) struct Manifest {
    pub file: Spooled,
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

pub(super) type ByConfig = BTreeMap<Digest, Manifest>;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";

/// Indexes within indexes.
const DEPTH: usize = 4;

pub(super) fn plans(files: &Files, limits: &Limits) -> Result<Vec<Plan>, ImagesError> {
    if !files.has("oci-layout") {
        return Err(ImagesError::invalid("archive", "index.json without the file oci-layout"));
    }
    let mut found: BTreeMap<Digest, Plan> = BTreeMap::new();
    let mut order = Vec::new();
    for (descriptor, names) in top(files, limits)? {
        for manifest in manifests(files, &descriptor, DEPTH, limits)? {
            let references = names.iter().cloned();
            let id = manifest.config.digest.clone();
            if let Some(plan) = found.get_mut(&id) {
                plan.references.extend(references);
                continue;
            }
            let mut plan = manifest.plan(files, limits)?;
            plan.references = references.collect();
            order.push(id.clone());
            found.insert(id, plan);
        }
    }
    Ok(order.iter().filter_map(|id| found.remove(id)).collect())
}

/// Manifests by their configuration, as far as they can be read: an extra that a docker archive may have.
pub(super) fn manifests_by_config(files: &Files, limits: &Limits) -> ByConfig {
    let Ok(list) = (if files.has("index.json") { top(files, limits) } else { Ok(Vec::new()) }) else { return ByConfig::new() };
    let found = list.iter().filter_map(|(descriptor, _)| manifests(files, descriptor, DEPTH, limits).ok()).flatten();
    found.map(|manifest| (manifest.config.digest.clone(), manifest)).collect()
}

/// The descriptors of `index.json` to load, with their names. Those of one name are one image for several platforms.
fn top(files: &Files, limits: &Limits) -> Result<Vec<(Descriptor, Vec<ImageRef>)>, ImagesError> {
    let index: Document = document("index.json", files.get("index.json")?, limits)?;
    let list = index.manifests.ok_or_else(|| ImagesError::invalid("index.json", "it has no list of manifests"))?;
    let names: BTreeSet<Option<String>> = list.iter().map(Descriptor::name).collect();
    let mut chosen = Vec::new();
    for name in names {
        let same: Vec<Descriptor> = list.iter().filter(|d| d.name() == name).cloned().collect();
        let reference = match &name {
            Some(name) => Some(name.parse().map_err(|e: gantry_model::ImageRefError| ImagesError::invalid("index.json", e.to_string()))?),
            None => None,
        };
        chosen.extend(for_this_host(same).into_iter().map(|d| (d, reference.iter().cloned().collect())));
    }
    Ok(chosen)
}

/// Drops what is for other platforms, if some of it is for this one; and what is no image at all.
fn for_this_host(list: Vec<Descriptor>) -> Vec<Descriptor> {
    let list: Vec<Descriptor> = list.into_iter().filter(|d| !d.is_attestation()).collect();
    let ours: Vec<Descriptor> = list.iter().filter(|d| d.platform.as_ref().is_some_and(Platform::is_ours)).cloned().collect();
    if ours.is_empty() { list } else { ours }
}

/// The manifests a descriptor leads to: itself, or of an index the first that fits this host.
fn manifests(files: &Files, descriptor: &Descriptor, depth: usize, limits: &Limits) -> Result<Vec<Manifest>, ImagesError> {
    let place = format!("manifest {}", descriptor.digest.short());
    let file = descriptor.file(files)?;
    let document: Document = document(&place, file, limits)?;
    match (document.config, document.manifests) {
        (Some(_), Some(_)) => Err(ImagesError::invalid(place, "it is a manifest and an index at once")),
        (None, None) => Err(ImagesError::invalid(place, "it is neither a manifest nor an index")),
        (Some(config), None) => {
            let media_type = [document.media_type, descriptor.media_type.clone(), MANIFEST.to_owned()].into_iter().find(|t| !t.is_empty()).unwrap_or_default();
            Ok(vec![Manifest { file: file.clone(), media_type, config, layers: document.layers.unwrap_or_default() }])
        }
        (None, Some(_)) if depth == 0 => Err(ImagesError::invalid(place, "indexes within indexes, too deep")),
        (None, Some(list)) => {
            let chosen = for_this_host(list);
            let Some(first) = chosen.first() else { return Ok(Vec::new()) };
            manifests(files, first, depth - 1, limits)
        }
    }
}

impl Manifest {
    fn plan(&self, files: &Files, limits: &Limits) -> Result<Plan, ImagesError> {
        let config = self.config.file(files)?;
        let layer = |d: &Descriptor| {
            if d.media_type.ends_with("+encrypted") {
                return Err(ImagesError::Unsupported { place: format!("layer {}", d.digest.short()), reason: "it is encrypted".to_owned() });
            }
            Ok((d.file(files)?.clone(), Some(d.media_type.clone()).filter(|t| !t.is_empty())))
        };
        let layers = self.layers.iter().map(layer).collect::<Result<Vec<_>, _>>()?;
        let mut plan = Plan::new(config.clone(), layers, limits)?;
        plan.manifest = Some((self.file.clone(), self.media_type.clone()));
        Ok(plan)
    }
}

impl Descriptor {
    fn file<'a>(&self, files: &'a Files) -> Result<&'a Spooled, ImagesError> {
        let file = files.blob(&self.digest)?;
        if file.size == self.size {
            return Ok(file);
        }
        Err(ImagesError::invalid(format!("blob {}", self.digest.short()), format!("it has {} bytes, its descriptor says {}", file.size, self.size)))
    }

    /// The image name the annotations give. A bare `latest` or version is a tag without a name: no name.
    fn name(&self) -> Option<String> {
        if let Some(full) = self.annotations.get(FULL_NAME) {
            return Some(full.clone());
        }
        let name = self.annotations.get(REF_NAME)?;
        let version = name.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
        let bare = !name.contains(['/', ':']) && (name == "latest" || version);
        (!bare).then(|| name.clone())
    }

    /// Build attestations travel in indexes as manifests of an unknown platform.
    fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type") || self.platform.as_ref().is_some_and(|p| p.os == "unknown")
    }
}

impl Platform {
    fn is_ours(&self) -> bool {
        self.os == "linux" && self.architecture == host_architecture()
    }
}

/// This host's architecture in Go's words, which images use.
pub(crate) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}
