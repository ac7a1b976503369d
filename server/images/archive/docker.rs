//! `docker save` archives: `manifest.json` lists images by the names of their files.

use super::files::{Files, check_digest, document};
use super::{Plan, oci};
use crate::error::shown;
use crate::{ImagesError, Limits};
use gantry_model::{Digest, ImageRef};
use serde::Deserialize;

/// Source: moby `image/tarexport`, `manifestItem`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

pub(super) fn plans(files: &Files, limits: &Limits) -> Result<Vec<Plan>, ImagesError> {
    let items: Vec<Item> = document("manifest.json", files.get("manifest.json")?, limits)?;
    // Newer archives are an OCI layout as well, which knows the manifests that these images are pushed by.
    let known = oci::manifests_by_config(files, limits);
    items.iter().map(|item| plan(files, item, &known, limits)).collect()
}

fn plan(files: &Files, item: &Item, known: &oci::ByConfig, limits: &Limits) -> Result<Plan, ImagesError> {
    let config = files.get(&item.config)?;
    if let Some(expected) = digest_in(&item.config) {
        check_digest(&format!("configuration {}", shown(item.config.as_bytes())), &expected, config)?;
    }
    let layers = item.layers.as_deref().unwrap_or_default();
    let manifest = known.get(&config.digest);
    let layers = layers.iter().enumerate().map(|(at, name)| {
        let file = files.get(name)?;
        let media_type = manifest.and_then(|m| m.layers.get(at)).filter(|l| l.digest == file.digest).map(|l| l.media_type.clone());
        Ok((file.clone(), media_type))
    });
    let layers = layers.collect::<Result<Vec<_>, ImagesError>>()?;
    let mut plan = Plan::new(config.clone(), layers, limits)?;
    plan.manifest = manifest.map(|m| (m.file.clone(), m.media_type.clone()));
    plan.references = references(item.repo_tags.as_deref().unwrap_or_default())?;
    Ok(plan)
}

fn references(tags: &[String]) -> Result<Vec<ImageRef>, ImagesError> {
    tags.iter().map(|tag| tag.parse().map_err(|e: gantry_model::ImageRefError| ImagesError::invalid("manifest.json", e.to_string()))).collect()
}

/// `<64 hex digits>.json` promises a digest.
fn digest_in(name: &str) -> Option<Digest> {
    format!("sha256:{}", name.strip_suffix(".json")?).parse().ok()
}
