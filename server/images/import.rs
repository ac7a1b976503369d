//! Makes an image of a plain root filesystem archive, as `docker import` does.

use crate::{CancelFlag, ImageStore, ImagesError, Limits, LoadedImage, Progress};
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
        let _ = (rootfs, options, progress, cancel, limits);
        Err(ImagesError::Unsupported { place: "import".to_owned(), reason: "comes with the next commit".to_owned() })
    }
}
