//! A container's files, from outside: copied out and in, told as changes, exported, committed. Works whether it runs or not.

use crate::authorize::authorize;
use crate::registry::Container;
use crate::upload::{Upload, UploadReader};
use crate::{Download, Engine, EngineError, Result};
use gantry_images::{CancelFlag, Change, CommitOptions, PackForm, PathStat, ProcessConfig, PutOptions, Root};
use gantry_model::{Action, Caller, ContainerSpec, Digest, ImageRef, Kind, MountKind, State};
use gantry_plan::files::path_in_mount;
use gantry_wire::monitor::files;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// Source: Docker Engine API, `POST /commit`.
#[derive(Debug, Clone, Default)]
pub struct CommitWish {
    pub reference: Option<ImageRef>,
    pub author: String,
    pub comment: String,
    /// Dockerfile instructions, one each.
    pub changes: Vec<String>,
    /// Holds the container still meanwhile.
    pub pause: bool,
}

/// A root held open, and the path in it that a user means.
struct Held {
    root: OwnedFd,
    path: String,
    /// The last name as asked for, where the root found is a mount's and has no name of its own.
    name: Option<String>,
    read_only: bool,
    /// Nobody starts or removes a container whose layers we have stacked.
    verb: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Held {
    fn stat(&self) -> Result<PathStat> {
        let stat = Root(self.root.as_fd()).stat(&self.path)?;
        Ok(PathStat { name: self.name.clone().unwrap_or(stat.name), ..stat })
    }
}

impl Engine {
    /// Looks at a path; a link as its last name is not followed.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a container or path that is not there.
    pub async fn stat_path(&self, caller: &Caller, reference: &str, path: &str) -> Result<PathStat> {
        authorize(caller, Action::Exec)?;
        let container = self.resolve(reference)?;
        let held = self.hold(&container, path).await?;
        tokio::task::spawn_blocking(move || held.stat()).await?.map_err(|error| named(error, reference))
    }

    /// A tar of what lies at a path, and what it is.
    ///
    /// # Errors
    /// As [`Engine::stat_path`].
    pub async fn copy_out(&self, caller: &Caller, reference: &str, path: &str) -> Result<(PathStat, Download)> {
        authorize(caller, Action::Exec)?;
        let container = self.resolve(reference)?;
        let held = self.hold(&container, path).await?;
        let found = tokio::task::spawn_blocking(move || Ok::<_, EngineError>((held.stat()?, held))).await?;
        let (stat, held) = found.map_err(|error| named(error, reference))?;
        self.tell(&container, "archive-path", []);
        let download = self.download(move |to| {
            let cancel = to.cancel_flag();
            Root(held.root.as_fd()).copy_out(&held.path, held.name.as_deref(), to, &cancel)
        });
        Ok((stat, download))
    }

    /// Unpacks an archive into the folder at a path. `as_user` gives everything to the container's user instead of the archive's owners.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the folder is not there, [`Kind::Forbidden`] if it is read-only. What was unpacked before an error stays.
    pub async fn copy_in(&self, caller: &Caller, reference: &str, path: &str, archive: Upload, careful: bool, as_user: bool) -> Result<()> {
        authorize(caller, Action::Exec)?;
        let container = self.resolve(reference)?;
        // Into the folder, wherever a link of that name leads.
        let held = self.hold(&container, &format!("{path}/")).await?;
        if held.read_only {
            return Err(EngineError::said(Kind::Forbidden, "container rootfs is marked read-only"));
        }
        self.tell(&container, "extract-to-dir", []);
        let user = if as_user { container.lock().process.user.clone() } else { String::new() };
        tokio::task::spawn_blocking(move || {
            let owner = if user.is_empty() { None } else { Some(ids_of(&held.root, &user)?) };
            let (cancel, options) = (CancelFlag::default(), PutOptions { no_overwrite_dir_non_dir: careful, owner });
            let reader = UploadReader::plain(archive.chunks, cancel.clone());
            Ok(Root(held.root.as_fd()).copy_in(&held.path, reader, options, &cancel, &gantry_images::Limits::default())?)
        })
        .await?
        .map_err(|error| named(error, reference))
    }

    /// The whole root filesystem as a tar, without what is mounted into it.
    pub async fn export_container(&self, caller: &Caller, reference: &str) -> Result<Download> {
        authorize(caller, Action::Exec)?;
        let container = self.resolve(reference)?;
        let held = self.hold_root(&container).await?;
        self.tell(&container, "export", []);
        Ok(self.download(move |to| {
            let cancel = to.cancel_flag();
            gantry_images::pack(held.root.as_fd(), b"", PackForm::Tree { into_mounts: false }, to, &cancel)
        }))
    }

    /// What the container changed of its image.
    pub async fn container_changes(&self, caller: &Caller, reference: &str) -> Result<Vec<Change>> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        let (engine, image, upper) = (self.clone(), container.image_id.clone(), self.data_dir(&container.id).join("upper"));
        tokio::task::spawn_blocking(move || {
            let upper = match std::fs::File::open(&upper) {
                // It never ran.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                other => other.map_err(EngineError::io(format!("open {}", upper.display())))?,
            };
            let lowers = engine.inner.images.layer_paths_top_first(&engine.inner.images.image(&image)?);
            Ok(gantry_images::changes(upper.as_fd(), &lowers)?)
        })
        .await?
    }

    /// Makes an image of the container's image and changes.
    pub async fn commit_container(&self, caller: &Caller, reference: &str, wish: CommitWish) -> Result<Digest> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _base = self.inner.images_in_use.read().await;
        let _verb = container.verbs.lock().await;
        if wish.reference.as_ref().is_some_and(|reference| reference.digest().is_some()) {
            return Err(EngineError::said(Kind::Invalid, "refusing to create a tag with a digest reference"));
        }
        let pauses = wish.pause && container.state() == State::Running;
        if pauses {
            self.pause(&container).await?;
        }
        let committed = self.commit(&container, wish).await;
        if pauses && container.state() == State::Paused {
            self.unpause(&container).await?;
        }
        committed
    }

    async fn commit(&self, container: &Arc<Container>, wish: CommitWish) -> Result<Digest> {
        let base = self.image_config(&container.image_id).await?;
        let (spec, args) = {
            let live = container.lock();
            (live.spec.clone(), live.process.args.clone())
        };
        let (engine, image) = (self.clone(), container.image_id.clone());
        let upper = self.data_dir(&container.id).join("upper");
        let reference = wish.reference.clone();
        let made = tokio::task::spawn_blocking(move || {
            let mut config = engine.inner.images.image(&image)?.config.config;
            take_wish(&mut config, &spec, &base.env);
            let options = CommitOptions { author: wish.author, comment: wish.comment, created_by: args.join(" "), config, changes: wish.changes };
            std::fs::create_dir_all(&upper).map_err(EngineError::io(format!("make {}", upper.display())))?;
            let upper = std::fs::File::open(&upper).map_err(EngineError::io(format!("open {}", upper.display())))?;
            Ok::<_, EngineError>(engine.inner.images.commit(&image, upper.as_fd(), &options, &CancelFlag::default(), &gantry_images::Limits::default())?)
        })
        .await??;
        let _known = self.inner.sweeping.read().await;
        self.put_image(&made, reference.clone().into_iter().collect(), "tag").await?;
        let named = reference.map(|name| ("imageRef", name.familiar()));
        self.tell(container, "commit", named.into_iter().chain([("imageID", made.id.to_string())]));
        Ok(made.id)
    }

    /// The root that a path is looked up in: the container's own, or, while it does not run, that of the mount the path lies in.
    async fn hold(&self, container: &Arc<Container>, path: &str) -> Result<Held> {
        let held = self.hold_root(container).await?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if held.verb.is_none() {
            return Ok(Held { path, ..held });
        }
        let (mounts, read_only) = {
            let live = container.lock();
            (live.spec.mounts.clone(), live.spec.security.read_only_rootfs)
        };
        let Some((mount, rest)) = path_in_mount(&mounts, &path) else { return Ok(Held { path, read_only, ..held }) };
        let source = match &mount.kind {
            MountKind::Bind { source, .. } => PathBuf::from(source),
            MountKind::Volume { name, .. } => self.volume_dir(name),
            MountKind::Tmpfs { .. } => return Ok(Held { path, read_only, ..held }),
        };
        let root = std::fs::File::open(&source).map_err(EngineError::io(format!("open {}", source.display())))?;
        let name = (rest == "/" && !path.ends_with("/.")).then(|| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned());
        Ok(Held { root: root.into(), path: rest, name, read_only: mount.read_only, ..held })
    }

    async fn hold_root(&self, container: &Arc<Container>) -> Result<Held> {
        let running = |root| Held { root, path: "/".to_owned(), name: None, read_only: false, verb: None };
        if let Some(root) = root_of_running(container) {
            return Ok(running(root));
        }
        let verb = container.verbs.clone().lock_owned().await;
        // It may have been started while we waited for our turn.
        if let Some(root) = root_of_running(container) {
            return Ok(running(root));
        }
        if self.inner.containers.get(&container.id).is_none() {
            return Err(EngineError::NoSuchContainer(container.id.to_string()));
        }
        let folder = self.data_dir(&container.id);
        if !folder.join(files::LAUNCH).exists() {
            self.write_bundle(container).await?;
        }
        let engine = self.clone();
        let root = tokio::task::spawn_blocking(move || engine.inner.spawner.root(&folder)).await??;
        Ok(Held { root, path: "/".to_owned(), name: None, read_only: false, verb: Some(verb) })
    }
}

/// A path that is not there is missing in a container that has a name.
fn named(error: EngineError, container: &str) -> EngineError {
    let text = error.to_string();
    match text.strip_suffix(" in container").filter(|_| error.kind() == Kind::NotFound) {
        Some(path) => EngineError::said(Kind::NotFound, format!("{} in container {container}", path.trim_end_matches('/'))),
        None => error,
    }
}

/// The number may be another process's by the time it is opened, so it is looked at again.
fn root_of_running(container: &Container) -> Option<OwnedFd> {
    let pid = container.lock().pid?;
    let root = gantry_runtime::inside::root(pid).ok()?;
    let live = container.lock();
    (live.fact.state.is_live() && live.pid == Some(pid)).then_some(root)
}

fn ids_of(root: &OwnedFd, user: &str) -> Result<(u32, u32)> {
    let wish = gantry_runtime::user::UserWish { user, groups: &[] };
    let found = gantry_runtime::user::lookup(root.as_fd(), wish).map_err(|error| EngineError::said(Kind::Invalid, error.to_string()))?;
    Ok((found.uid, found.gid))
}

/// What a container of the new image takes from it: the old image's defaults and what this container was asked for.
fn take_wish(config: &mut ProcessConfig, spec: &ContainerSpec, image_env: &[String]) {
    config.env = gantry_plan::process::configured(&spec.env, image_env);
    if let Some(entrypoint) = &spec.entrypoint {
        config.entrypoint = Some(entrypoint.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>()).filter(|words| !words.is_empty());
        config.cmd = None;
    }
    if let Some(cmd) = spec.cmd.as_ref().filter(|cmd| !cmd.is_empty()) {
        config.cmd = Some(cmd.clone());
    }
    for (given, kept) in [(&spec.user, &mut config.user), (&spec.working_dir, &mut config.working_dir)] {
        if !given.is_empty() {
            kept.clone_from(given);
        }
    }
    config.labels.clone_from(&spec.labels);
    if let Some(signal) = spec.stop_signal {
        config.stop_signal = Some(signal.to_string());
    }
}
