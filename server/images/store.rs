//! The store on disk: where things lie, and how an image is read back.
//!
//! - `images/blobs/sha256/<hex>`: manifests, configurations and layers, byte for byte as they came
//! - `images/records/<hex>.json`: one per image, named by its id; an image exists when its record does
//! - `images/ingest/`: work of running loads, cleared when the store is opened
//! - `layers/<hex of diff id>/fs`: a layer unpacked in overlay form, with `layer.json` beside it

use crate::lease::Leases;
use crate::{Blob, Image, ImageConfig, ImagesError, Layer};
use gantry_model::Digest;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// Content by digest. One per data folder and process.
#[derive(Debug)]
pub struct ImageStore {
    pub(crate) root: PathBuf,
    pub(crate) layers: PathBuf,
    pub(crate) leases: Leases,
    pub(crate) next_scratch: AtomicU64,
    /// Held while pulled layers get their names.
    pub(crate) installing: Mutex<()>,
}

/// What makes an image exist.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub config: Digest,
    pub manifest: Option<Blob>,
    pub layers: Vec<RecordLayer>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RecordLayer {
    pub diff_id: Digest,
    pub blob: Option<Blob>,
    pub size_bytes: u64,
    pub entries: u64,
}

/// What is known of an unpacked layer, kept beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerMeta {
    pub size_bytes: u64,
    pub entries: u64,
}

/// Marks folders that a load has not finished or a sweep has begun to remove.
pub(crate) const PARTIAL: &str = ".partial-";

impl ImageStore {
    /// Opens the store, making its folders, and clears what an earlier process left half done.
    pub fn open(root: &Path, layers: &Path) -> Result<Self, ImagesError> {
        for folder in [&root.join("blobs/sha256"), &root.join("records"), &root.join("ingest"), layers] {
            private_folder(folder).map_err(|e| ImagesError::io(format!("make {}", folder.display()), e))?;
        }
        let store =
            Self { root: root.to_owned(), layers: layers.to_owned(), leases: Leases::default(), next_scratch: AtomicU64::new(0), installing: Mutex::default() };
        store.clear_leftovers()?;
        Ok(store)
    }

    fn clear_leftovers(&self) -> Result<(), ImagesError> {
        for path in entries(&self.root.join("ingest"))? {
            remove_any(&path)?;
        }
        for path in entries(&self.layers)?.into_iter().chain(entries(&self.root.join("records"))?) {
            if path.file_name().is_some_and(|name| name.to_string_lossy().contains(PARTIAL)) {
                remove_any(&path)?;
            }
        }
        Ok(())
    }

    /// Reads an image by its id.
    pub fn image(&self, id: &Digest) -> Result<Image, ImagesError> {
        let record = self.record(id)?.ok_or_else(|| ImagesError::NoSuchImage(id.clone()))?;
        let path = self.blob_path(id);
        let config_json = fs::read_to_string(&path).map_err(|e| ImagesError::io(format!("read the configuration of image {}", id.short()), e))?;
        let config: ImageConfig =
            serde_json::from_str(&config_json).map_err(|e| ImagesError::invalid(format!("configuration of image {}", id.short()), e.to_string()))?;
        let layer = |l: RecordLayer| Layer { diff_id: l.diff_id, blob: l.blob, size_bytes: l.size_bytes, entries: l.entries };
        let size_bytes = record.layers.iter().map(|l| l.size_bytes).sum();
        let layers = record.layers.into_iter().map(layer).collect();
        Ok(Image { id: id.clone(), config, config_json, layers, manifest: record.manifest, size_bytes })
    }

    /// Ids of all images in the store, in no order.
    pub fn images(&self) -> Result<Vec<Digest>, ImagesError> {
        let names = entries(&self.root.join("records"))?;
        Ok(names.iter().filter_map(|path| format!("sha256:{}", path.file_stem()?.to_str()?).parse().ok()).collect())
    }

    /// Where a layer's files lie: one lower folder for overlayfs.
    pub fn layer_dir(&self, diff_id: &Digest) -> PathBuf {
        self.layer_folder(diff_id).join("fs")
    }

    /// The layers of an image as overlayfs wants them: topmost first. A layer that occurs twice is named once, where it is topmost.
    pub fn layer_paths_top_first(&self, image: &Image) -> Vec<PathBuf> {
        let mut seen = std::collections::HashSet::new();
        image.layers.iter().rev().filter(|layer| seen.insert(&layer.diff_id)).map(|layer| self.layer_dir(&layer.diff_id)).collect()
    }

    /// Where a blob lies. It is there if a record names it.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    pub(crate) fn layer_folder(&self, diff_id: &Digest) -> PathBuf {
        self.layers.join(diff_id.hex())
    }

    pub(crate) fn record_path(&self, id: &Digest) -> PathBuf {
        self.root.join("records").join(format!("{}.json", id.hex()))
    }

    pub(crate) fn record(&self, id: &Digest) -> Result<Option<Record>, ImagesError> {
        read_json(&self.record_path(id))
    }

    pub(crate) fn layer_meta(&self, diff_id: &Digest) -> Result<Option<LayerMeta>, ImagesError> {
        read_json(&self.layer_folder(diff_id).join("layer.json"))
    }
}

/// Reads a document of our own; `None` if there is none.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, ImagesError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(ImagesError::io(format!("read {}", path.display()), e)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|e| ImagesError::io(format!("read {}", path.display()), e))
}

/// Full paths of what is in a folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, ImagesError> {
    let list = || fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>();
    list().map_err(|e| ImagesError::io(format!("list {}", folder.display()), e))
}

/// Removes a file or a whole folder; gone already is success.
pub(crate) fn remove_any(path: &Path) -> Result<(), ImagesError> {
    let result = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match result {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ImagesError::io(format!("remove {}", path.display()), e)),
        _ => Ok(()),
    }
}

/// Layers hold setuid files of other people's making: nobody but root may reach them.
fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
