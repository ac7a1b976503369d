//! What containers take on disk.

use super::ContainerSize;
use crate::authorize::authorize;
use crate::{Engine, EngineError, Result};
use gantry_model::{Action, Caller};

impl Engine {
    /// Walks the writable layer: costs time with its number of files.
    pub async fn container_size(&self, caller: &Caller, reference: &str) -> Result<ContainerSize> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        let image = self.known().iter().find(|known| known.row.id == container.image_id).map_or(0, |known| known.row.size_bytes);
        let upper = self.data_dir(&container.id).join("upper");
        let path = upper.clone();
        let used = tokio::task::spawn_blocking(move || gantry_runtime::inside::used_bytes(&upper)).await?;
        let writable_bytes = match used {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            used => used.map_err(EngineError::io(format!("measure {}", path.display())))?,
        };
        Ok(ContainerSize { writable_bytes, total_bytes: image + writable_bytes })
    }
}
