//! Writes images as one archive that is both: an OCI layout, and what `docker load` of every age reads.
//! Source: OCI image specification, "image-layout.md"; moby `image/tarexport`.
//!
//! Blobs go out byte for byte as they came in, so that digests stay what they were.

use crate::{Blob, CancelFlag, Image, ImageStore, ImagesError};
use gantry_model::{Digest, ImageRef};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use tar::{Builder, EntryType, Header};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image and the names it goes out under.
#[derive(Debug, Clone)]
pub struct SaveItem {
    pub image: Image,
    pub references: Vec<ImageRef>,
}

impl ImageStore {
    /// Writes the archive. What it writes is held against sweeps until it is done.
    ///
    /// # Errors
    /// If a blob is missing, the target takes no more, or `cancel` is set.
    pub fn save(&self, items: &[SaveItem], to: impl Write, cancel: &CancelFlag) -> Result<(), ImagesError> {
        let blobs = |item: &SaveItem| item.image.layers.iter().filter_map(|layer| layer.blob.clone()).chain(item.image.manifest.clone()).collect::<Vec<_>>();
        let _lease = self.leases.hold(items.iter().flat_map(|item| blobs(item).into_iter().map(|blob| blob.digest).chain([item.image.id.clone()])));
        let mut archive = Archive { tar: Builder::new(to), written: BTreeSet::new(), cancel };
        archive.folder("blobs/")?;
        archive.folder("blobs/sha256/")?;
        let (mut index, mut list) = (Vec::new(), Vec::new());
        for item in items {
            let layers = layer_blobs(&item.image)?;
            archive.bytes(&item.image.id, item.image.config_json.as_bytes())?;
            for layer in &layers {
                archive.file(layer, &self.blob_path(&layer.digest))?;
            }
            let manifest = self.manifest_of(&item.image, &layers, &mut archive)?;
            index.extend(descriptors(&manifest, &item.references));
            list.push(json!({
                "Config": blob_name(&item.image.id),
                "RepoTags": item.references.iter().map(ImageRef::familiar).collect::<Vec<_>>(),
                "Layers": layers.iter().map(|layer| blob_name(&layer.digest)).collect::<Vec<_>>(),
            }));
        }
        archive.document("index.json", &json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": index }))?;
        archive.document("manifest.json", &Value::Array(list))?;
        archive.document("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
        archive.tar.into_inner().and_then(|mut to| to.flush()).map_err(|e| ImagesError::io("write the archive", e))
    }

    /// The manifest the image came with, or one made for it; written either way.
    fn manifest_of(&self, image: &Image, layers: &[Blob], archive: &mut Archive<'_, impl Write>) -> Result<Blob, ImagesError> {
        if let Some(manifest) = &image.manifest {
            archive.file(manifest, &self.blob_path(&manifest.digest))?;
            return Ok(manifest.clone());
        }
        let text = manifest_text(image, layers);
        let digest = Digest::sha256(Sha256::digest(text.as_bytes()).into());
        archive.bytes(&digest, text.as_bytes())?;
        Ok(Blob { digest, size_bytes: text.len() as u64, media_type: MANIFEST.to_owned() })
    }
}

/// A manifest for an image that came without one. The same image gives the same text.
pub(crate) fn manifest_text(image: &Image, layers: &[Blob]) -> String {
    let descriptor = |digest: &Digest, size: u64, media_type: &str| json!({ "mediaType": media_type, "digest": digest.as_str(), "size": size });
    let document = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(&image.id, image.config_json.len() as u64, CONFIG),
        "layers": layers.iter().map(|layer| descriptor(&layer.digest, layer.size_bytes, &layer.media_type)).collect::<Vec<_>>(),
    });
    document.to_string()
}

pub(crate) fn layer_blobs(image: &Image) -> Result<Vec<Blob>, ImagesError> {
    image.layers.iter().map(|layer| layer.blob.clone().ok_or_else(|| ImagesError::NoSuchLayer(layer.diff_id.clone()))).collect()
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// One entry of the index for each name; one without a name if there is none.
fn descriptors(manifest: &Blob, references: &[ImageRef]) -> Vec<Value> {
    let plain = json!({ "mediaType": manifest.media_type, "digest": manifest.digest.as_str(), "size": manifest.size_bytes });
    let named = |reference: &ImageRef| {
        let mut entry = plain.clone();
        let tag = reference.tag().unwrap_or("latest");
        entry["annotations"] = json!({ "io.containerd.image.name": reference.to_string(), "org.opencontainers.image.ref.name": tag });
        entry
    };
    if references.is_empty() { vec![plain.clone()] } else { references.iter().map(named).collect() }
}

/// The archive being written; each blob once.
struct Archive<'a, W: Write> {
    tar: Builder<W>,
    written: BTreeSet<Digest>,
    cancel: &'a CancelFlag,
}

impl<W: Write> Archive<'_, W> {
    fn folder(&mut self, name: &str) -> Result<(), ImagesError> {
        self.entry(name, EntryType::Directory, 0o755, 0, io::empty())
    }

    fn document(&mut self, name: &str, value: &Value) -> Result<(), ImagesError> {
        let text = value.to_string();
        self.entry(name, EntryType::Regular, 0o644, text.len() as u64, text.as_bytes())
    }

    fn bytes(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), ImagesError> {
        if !self.written.insert(digest.clone()) {
            return Ok(());
        }
        self.entry(&blob_name(digest), EntryType::Regular, 0o644, bytes.len() as u64, bytes)
    }

    fn file(&mut self, blob: &Blob, path: &std::path::Path) -> Result<(), ImagesError> {
        if !self.written.insert(blob.digest.clone()) {
            return Ok(());
        }
        let file = File::open(path).map_err(|e| ImagesError::io(format!("open blob {}", blob.digest.short()), e))?;
        let source = Cancellable { source: file, cancel: self.cancel };
        self.entry(&blob_name(&blob.digest), EntryType::Regular, 0o644, blob.size_bytes, source)
    }

    fn entry(&mut self, name: &str, kind: EntryType, mode: u32, size: u64, content: impl Read) -> Result<(), ImagesError> {
        self.cancel.check()?;
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        self.tar.append_data(&mut header, name, content.take(size)).map_err(|e| match self.cancel.check() {
            Ok(()) => ImagesError::io(format!("write {name}"), e),
            Err(cancelled) => cancelled,
        })
    }
}

struct Cancellable<'a, R> {
    source: R,
    cancel: &'a CancelFlag,
}

impl<R: Read> Read for Cancellable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.source.read(buffer)
    }
}
