//! Makes an image of another one and the changes a container made on top: `docker commit`.

use crate::archive::Staged;
use crate::config::{History, ProcessConfig};
use crate::layer::{self, Bounds, Budget, Unpacked};
use crate::pack::{PackForm, pack};
use crate::scratch::{Partial, Scratch, Spooled};
use crate::store::{Record, RecordLayer};
use crate::{Blob, CancelFlag, ImageStore, ImagesError, Limits, LoadedImage, changes};
use gantry_model::Digest;
use std::io::PipeWriter;
use std::os::fd::BorrowedFd;

/// Source: Docker Engine API, `POST /commit`.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    pub author: String,
    pub comment: String,
    /// The container's command, for the history.
    pub created_by: String,
    /// What a container takes from the new image, before `changes`.
    pub config: ProcessConfig,
    /// Dockerfile instructions, one each.
    pub changes: Vec<String>,
}

impl ImageStore {
    /// Adds `upper`, the writable folder of an overlay on the image `base`, as a layer. Without changes the new image has no new layer.
    ///
    /// # Errors
    /// If `base` is not here, a change is no instruction, or reading or writing fails; nothing is left then.
    pub fn commit(
        &self,
        base: &Digest,
        upper: BorrowedFd<'_>,
        options: &CommitOptions,
        cancel: &CancelFlag,
        limits: &Limits,
    ) -> Result<LoadedImage, ImagesError> {
        let image = self.image(base)?;
        let record = self.record(base)?.ok_or_else(|| ImagesError::NoSuchImage(base.clone()))?;
        let known = record.layers.iter().flat_map(|layer| [Some(layer.diff_id.clone()), layer.blob.as_ref().map(|blob| blob.digest.clone())]).flatten();
        // The base may be removed while this runs.
        let base_lease = self.leases.hold(known);
        let mut config = image.config.clone();
        config.config = options.config.clone();
        options.changes.iter().try_for_each(|line| changes::apply(&mut config.config, line))?;

        let scratch = self.scratch(limits.keep_free_bytes)?;
        let (unpacked, file, partial) = self.seal(upper, &scratch, cancel, limits)?;
        let is_empty = unpacked.meta.entries == 0;
        let now = jiff::Timestamp::now().to_string();
        config.created = Some(now.clone());
        config.author.clone_from(&options.author);
        config.comment.clone_from(&options.comment);
        config.history.push(History {
            created: Some(now),
            created_by: options.created_by.clone(),
            author: options.author.clone(),
            comment: options.comment.clone(),
            empty_layer: is_empty,
            ..History::default()
        });
        let (mut layers, mut staged) = (record.layers, Staged::default());
        if !is_empty {
            config.rootfs.diff_ids.push(unpacked.diff_id.clone());
            let blob = Blob { digest: file.digest.clone(), size_bytes: file.size, media_type: unpacked.compression.layer_media_type().to_owned() };
            let meta = unpacked.meta;
            layers.push(RecordLayer { diff_id: unpacked.diff_id.clone(), blob: Some(blob), size_bytes: meta.size_bytes, entries: meta.entries });
            partial.describe(&meta)?;
            staged.layers.push((unpacked.diff_id.clone(), partial));
        }
        let text = serde_json::to_vec(&config).map_err(|e| ImagesError::io("write the configuration", e))?;
        let config_file = scratch.spool(&mut text.as_slice())?;
        let id = config_file.digest.clone();
        let lease = self.leases.hold(layers.iter().map(|layer| layer.diff_id.clone()).chain([id.clone(), file.digest.clone()]));
        let size_bytes = layers.iter().map(|layer| layer.size_bytes).sum();
        let count = layers.len();
        staged.records.push(Record { config: id.clone(), manifest: None, layers });
        staged.blobs.push(config_file);
        if !is_empty {
            staged.blobs.push(file);
        }
        cancel.check()?;
        self.install(staged)?;
        drop(base_lease);
        Ok(LoadedImage {
            id,
            references: Vec::new(),
            manifest: None,
            size_bytes,
            created_at_ms: crate::image::created_at_ms(config.created.as_deref()),
            architecture: config.architecture,
            os: config.os,
            layers: count,
            lease,
        })
    }

    /// Packs the folder and unpacks it as a layer in one pass, keeping the stream.
    fn seal(&self, upper: BorrowedFd<'_>, scratch: &Scratch, cancel: &CancelFlag, limits: &Limits) -> Result<(Unpacked, Spooled, Partial), ImagesError> {
        let budget = Budget::new(&self.layers, limits)?;
        let partial = self.partial_layer()?;
        let (reader, writer) = std::io::pipe().map_err(|e| ImagesError::io("make a pipe", e))?;
        let mut tee = scratch.tee(reader)?;
        let packing = |writer: PipeWriter| pack(upper, b"", PackForm::Layer, writer, cancel);
        std::thread::scope(|scope| {
            let packed = scope.spawn(|| packing(writer));
            let bounds = Bounds { limits, cancel, budget: &budget, wants_end: true };
            let unpacked = layer::unpack("the container's changes", &mut tee, &partial.files(), bounds);
            // Either way the reading end is closed here, so that the packer does not wait for ever.
            let done = unpacked.and_then(|unpacked| Ok((unpacked, tee.finish()?)));
            match packed.join() {
                Ok(Err(error)) if !matches!(&error, ImagesError::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe) => return Err(error),
                Ok(_) => {}
                Err(_) => return Err(ImagesError::io("pack the container's changes", std::io::Error::other("the packing thread failed"))),
            }
            let (unpacked, file) = done?;
            Ok((unpacked, file, partial))
        })
    }
}
