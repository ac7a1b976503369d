//! Named folders for containers.

use crate::clock::now_ms;
use crate::{Engine, EngineError, Result, random};
use gantry_model::{ContainerSpec, Digest, Kind, Mount, MountKind};
use gantry_store::volumes;
use std::path::PathBuf;

impl Engine {
    /// The folder of all volumes.
    pub fn volumes_dir(&self) -> String {
        self.inner.config.data_dir.join("volumes").display().to_string()
    }

    pub(crate) fn volume_dir(&self, name: &str) -> PathBuf {
        self.inner.config.data_dir.join("volumes").join(name).join("_data")
    }

    /// Names the anonymous volumes of a wish, adds those the image declares, and makes the folders that `-v` makes.
    /// Returns each volume's name and whether it is anonymous.
    pub(crate) fn plan_volumes(&self, spec: &mut ContainerSpec, of_image: &[String]) -> Vec<(String, bool)> {
        for target in of_image {
            let target = target.trim_end_matches('/');
            let known = spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == target);
            // An image may not reach out of its own root (containerd CVE-2022-23648).
            if !known && target.starts_with('/') && !target.split('/').any(|part| part == "..") {
                spec.mounts.push(Mount { kind: MountKind::Volume { name: String::new(), no_copy: false }, target: target.to_owned(), read_only: false });
            }
        }
        let mut list = Vec::new();
        for mount in &mut spec.mounts {
            if let MountKind::Volume { name, .. } = &mut mount.kind {
                let anonymous = name.is_empty();
                if anonymous {
                    *name = random::token();
                }
                list.push((name.clone(), anonymous));
            }
        }
        list
    }

    /// Makes a volume if it is not there; a new one takes the image's content of its place.
    pub(crate) async fn ensure_volume(&self, name: &str, anonymous: bool, image: &Digest, spec: &ContainerSpec) -> Result<()> {
        let good = name.len() <= 255
            && name.len() >= 2
            && name.bytes().enumerate().all(|(i, b)| b.is_ascii_alphanumeric() || (i > 0 && matches!(b, b'_' | b'.' | b'-')));
        if !good {
            return Err(EngineError::said(
                Kind::Invalid,
                format!("create {name:?}: a volume name has letters, digits, '_', '.' and '-', two at least, and begins with a letter or digit"),
            ));
        }
        let folder = self.volume_dir(name);
        let fresh = !folder.exists();
        if fresh {
            std::fs::create_dir_all(&folder).map_err(EngineError::io(format!("make {}", folder.display())))?;
            let mount = spec.mounts.iter().find(|mount| matches!(&mount.kind, MountKind::Volume { name: of, .. } if of == name));
            let no_copy = mount.is_some_and(|mount| matches!(mount.kind, MountKind::Volume { no_copy: true, .. }));
            if let Some(mount) = mount {
                let (engine, id, target) = (self.clone(), image.clone(), mount.target.clone());
                tokio::task::spawn_blocking(move || engine.fill_volume(&id, &target, &folder, no_copy)).await??;
            }
        }
        volumes::ensure(&self.inner.db, name, anonymous, now_ms()).await?;
        Ok(())
    }

    /// Copies what the image has at `target` into a new volume, or only its owner and mode.
    fn fill_volume(&self, image: &Digest, target: &str, folder: &std::path::Path, no_copy: bool) -> Result<()> {
        let image = self.inner.images.image(image)?;
        let layers = self.inner.images.layer_paths_top_first(&image);
        gantry_runtime::inside::copy_out(&layers, target, folder, !no_copy).map_err(EngineError::io(format!("copy {target} of the image into its new volume")))
    }

    /// Removes an anonymous volume nobody uses.
    pub(crate) async fn drop_volume(&self, name: &str) -> Result<()> {
        if volumes::delete(&self.inner.db, name).await? {
            let folder = self.inner.config.data_dir.join("volumes").join(name);
            let gone = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(&folder).map_err(|error| (folder, error))).await?;
            if let Err((folder, error)) = gone
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(EngineError::io(format!("remove {}", folder.display()))(error));
            }
        }
        Ok(())
    }
}
