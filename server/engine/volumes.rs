//! Named folders for containers.

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::containers::{PruneFilter, Pruned};
use crate::events::EventKind;
use crate::{Engine, EngineError, Result, random};
use gantry_model::{Action, Caller, ContainerSpec, Digest, Kind, Mount, MountKind};
use gantry_store::volumes;
use std::collections::BTreeMap;
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
                spec.mounts.push(Mount {
                    kind: MountKind::Volume { name: String::new(), no_copy: false },
                    target: target.to_owned(),
                    read_only: false,
                    ..Mount::default()
                });
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

    /// Makes a volume if it is not there; one that is new or empty takes the image's content of its place.
    pub(crate) async fn ensure_volume(&self, name: &str, anonymous: bool, image: &Digest, spec: &ContainerSpec) -> Result<()> {
        check_name(name)?;
        let folder = self.volume_dir(name);
        let fresh = !folder.exists();
        if fresh {
            std::fs::create_dir_all(&folder).map_err(EngineError::io(format!("make {}", folder.display())))?;
        }
        let mount = spec.mounts.iter().find(|mount| matches!(&mount.kind, MountKind::Volume { name: of, .. } if of == name));
        let place = mount.map(|mount| (mount.target.clone(), matches!(mount.kind, MountKind::Volume { no_copy: true, .. })));
        if let Some((target, no_copy)) = place
            && (fresh || (!no_copy && is_empty(&folder)))
        {
            let (engine, id) = (self.clone(), image.clone());
            tokio::task::spawn_blocking(move || engine.fill_volume(&id, &target, &folder, no_copy)).await??;
        }
        if volumes::ensure(&self.inner.db, name, anonymous, now_ms()).await?
            && let Some(labels) = mount.map(|mount| &mount.labels).filter(|labels| !labels.is_empty())
        {
            volumes::label(&self.inner.db, name, labels).await?;
        }
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

/// A volume as it stands.
#[derive(Debug, Clone)]
pub struct Volume {
    pub name: String,
    /// Made for one container, and gone with it.
    pub anonymous: bool,
    pub created_at_ms: i64,
    pub labels: BTreeMap<String, String>,
    /// Containers that mount it.
    pub containers: u32,
    /// Its folder on the host.
    pub folder: PathBuf,
}

impl Engine {
    /// By name.
    pub async fn volumes(&self, caller: &Caller) -> Result<Vec<Volume>> {
        authorize(caller, Action::View)?;
        let shown = |row: volumes::VolumeRow| Volume {
            folder: self.volume_dir(&row.name),
            name: row.name,
            anonymous: row.anonymous,
            created_at_ms: row.created_at_ms,
            labels: row.labels,
            containers: row.uses,
        };
        Ok(volumes::all(&self.inner.db).await?.into_iter().map(shown).collect())
    }

    pub async fn volume(&self, caller: &Caller, name: &str) -> Result<Volume> {
        let missing = || EngineError::said(Kind::NotFound, format!("get {}: no such volume", name.chars().take(200).collect::<String>()));
        self.volumes(caller).await?.into_iter().find(|volume| volume.name == name).ok_or_else(missing)
    }

    /// Makes a volume; finding it there is success, with the labels it had. An empty name asks for a random one.
    pub async fn create_volume(&self, caller: &Caller, name: &str, labels: &BTreeMap<String, String>) -> Result<Volume> {
        authorize(caller, Action::Operate)?;
        let name = if name.is_empty() { random::token() } else { name.to_owned() };
        check_name(&name)?;
        let folder = self.volume_dir(&name);
        std::fs::create_dir_all(&folder).map_err(EngineError::io(format!("make {}", folder.display())))?;
        // What the containers' users see: the folder above is closed to the host's.
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .map_err(EngineError::io(format!("open {}", folder.display())))?;
        if volumes::ensure(&self.inner.db, &name, false, now_ms()).await? {
            volumes::label(&self.inner.db, &name, labels).await?;
            self.tell_volume("create", &name);
        }
        self.volume(caller, &name).await
    }

    /// # Errors
    /// [`Kind::Conflict`] while a container mounts it.
    pub async fn remove_volume(&self, caller: &Caller, name: &str) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let volume = self.volume(caller, name).await?;
        self.drop_volume(name).await?;
        if volume.containers > 0 && self.volume(caller, name).await.is_ok() {
            return Err(EngineError::hinted(
                Kind::Conflict,
                format!("remove {name}: volume is in use - [{}]", self.mounting(name).join(", ")),
                "remove the containers first",
            ));
        }
        self.tell_volume("destroy", name);
        Ok(())
    }

    /// Ids of the containers that mount it.
    fn mounting(&self, name: &str) -> Vec<String> {
        let mounts = |container: &std::sync::Arc<crate::registry::Container>| {
            container.lock().spec.mounts.iter().any(|mount| matches!(&mount.kind, MountKind::Volume { name: own, .. } if own == name))
        };
        self.inner.containers.all().iter().filter(|container| mounts(container)).map(|container| container.id.to_string()).collect()
    }

    /// Removes volumes without a container: anonymous ones, or with `all` every one.
    pub async fn prune_volumes(&self, caller: &Caller, all: bool, filter: &PruneFilter) -> Result<Pruned> {
        authorize(caller, Action::Operate)?;
        let mut pruned = Pruned::default();
        for volume in self.volumes(caller).await? {
            if volume.containers > 0 || !(all || volume.anonymous) || !filter.takes(volume.created_at_ms, &volume.labels) {
                continue;
            }
            let bytes = self.volume_bytes(&volume).await;
            if self.remove_volume(caller, &volume.name).await.is_ok() {
                pruned.removed.push(volume.name);
                pruned.bytes += bytes;
            }
        }
        Ok(pruned)
    }

    /// Bytes in a volume; 0 if it can't be read.
    pub async fn volume_bytes(&self, volume: &Volume) -> u64 {
        let folder = volume.folder.clone();
        tokio::task::spawn_blocking(move || gantry_runtime::inside::used_bytes(&folder)).await.ok().and_then(std::result::Result::ok).unwrap_or(0)
    }

    fn tell_volume(&self, action: &str, name: &str) {
        self.inner.events.publish(EventKind::Volume, action, name, BTreeMap::from([("driver".to_owned(), "local".to_owned())]));
    }
}

fn is_empty(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// The words are docker's.
fn check_name(name: &str) -> Result<()> {
    let letters = name.bytes().enumerate().all(|(i, b)| b.is_ascii_alphanumeric() || (i > 0 && matches!(b, b'_' | b'.' | b'-')));
    let name: String = name.chars().take(256).collect();
    let why = match name.len() {
        0 | 1 => "volume name is too short, names should be at least two alphanumeric characters".to_owned(),
        256.. => "volume name is too long, names should have at most 255 characters".to_owned(),
        _ if letters => return Ok(()),
        _ => format!(
            "{name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
        ),
    };
    Err(EngineError::said(Kind::Invalid, format!("create {name}: {why}")))
}
