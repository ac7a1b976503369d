//! Create: a wish becomes a row. Nothing runs yet, and nothing of it is half there when it fails.

use super::Created;
use crate::authorize::{authorize, creating};
use crate::clock::now_ms;
use crate::registry::Container;
use crate::{Engine, EngineError, Result, names, random};
use gantry_model::{Caller, ContainerName, ContainerSpec, EndpointSpec, Kind, MountKind, NetworkMode, RestartPolicy};
use gantry_plan::process::{ImageDefaults, merge};
use gantry_store::containers::{self, ContainerRow, Desired, Fact, ProcessRow};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

impl Engine {
    pub async fn create_container(&self, caller: &Caller, name: Option<ContainerName>, mut spec: ContainerSpec) -> Result<Created> {
        authorize(caller, creating(&spec))?;
        self.inherit_volumes(caller, &mut spec)?;
        join_the_modes_network(&mut spec);
        // The image stays until the container is known to use it.
        let _image = self.inner.images_in_use.read().await;
        let image_id = self.image_id(&spec.image)?;
        let image = self.image_config(&image_id).await?;
        let mut warnings = check(&spec)?;
        self.check_neighbours(caller, &spec)?;
        let id = random::container_id();
        let hostname = if spec.hostname.is_empty() { id.short().to_owned() } else { spec.hostname.clone() };
        let defaults = ImageDefaults {
            entrypoint: image.entrypoint.clone().unwrap_or_default(),
            cmd: image.cmd.clone().unwrap_or_default(),
            env: image.env.clone(),
            working_dir: image.working_dir.clone(),
            user: image.user.clone(),
        };
        let process = merge(&spec, &defaults, &hostname).map_err(|error| EngineError::said(Kind::Invalid, error.to_string()))?;
        for (key, value) in &image.labels {
            spec.labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
        if spec.stop_signal.is_none() {
            spec.stop_signal = image.stop_signal.as_deref().and_then(|signal| signal.parse().ok());
        }
        spec.health = crate::health::merged(spec.health.take(), image.healthcheck.clone(), image.shell.as_deref());
        let volumes = self.plan_volumes(&mut spec, &image.volumes);
        for port in &image.exposed_ports {
            if !spec.exposed_ports.contains(port) {
                spec.exposed_ports.push(port.clone());
            }
        }
        if spec.publish_all {
            publish_exposed(&mut spec);
        }
        // Checks what only the spec knows (capabilities, sysctls, ulimits, limits) before a row is written.
        warnings.extend(self.try_spec(&id, &spec, &process)?);
        make_bind_sources(&spec)?;
        for (volume, anonymous) in &volumes {
            self.ensure_volume(volume, *anonymous, &image_id, &spec).await?;
        }
        // Names and addresses are given to one container at a time.
        let _turn = self.inner.naming.lock().await;
        let name = self.free_name(name)?;
        let places = self.new_places(std::mem::take(&mut spec.endpoints));
        let ip = if spec.network == NetworkMode::Bridge { Some(self.default_address()?) } else { None };
        let row = ContainerRow {
            id: id.clone(),
            name: name.clone(),
            image_id,
            spec,
            process: ProcessRow { args: process.args, env: process.env, cwd: process.cwd, user: process.user },
            desired: Desired::Stopped,
            ip,
            endpoints: places,
            fact: Fact::default(),
            created_at_ms: now_ms(),
        };
        let volume_names: Vec<String> = volumes.into_iter().map(|(name, _)| name).collect();
        containers::insert(&self.inner.db, &row, &volume_names).await.map_err(|error| match error.kind() {
            Kind::Conflict => name_taken(&name, None),
            _ => error.into(),
        })?;
        let container = Container::from_row(row);
        self.inner.containers.add(container.clone());
        self.tell(&container, "create", []);
        Ok(Created { id, name, warnings })
    }

    /// `--volumes-from`: the mounts of other containers, where this one has none of its own.
    fn inherit_volumes(&self, caller: &Caller, spec: &mut ContainerSpec) -> Result<()> {
        for text in spec.volumes_from.clone() {
            let (of, read_only) = match text.rsplit_once(':') {
                Some((of, "ro")) => (of, true),
                Some((of, "rw")) => (of, false),
                _ => (text.as_str(), false),
            };
            let other = self.resolve(of).map_err(|_| EngineError::said(Kind::Conflict, format!("No such container: {of}")))?;
            let theirs = other.lock().spec.clone();
            authorize(caller, creating(&theirs))?;
            for mut mount in theirs.mounts {
                if !spec.mounts.iter().any(|own| own.target == mount.target) {
                    mount.read_only |= read_only;
                    spec.mounts.push(mount);
                }
            }
        }
        Ok(())
    }

    /// The name asked for if it is free, or a free random one.
    fn free_name(&self, wanted: Option<ContainerName>) -> Result<ContainerName> {
        if let Some(name) = wanted {
            return match self.inner.containers.has_name(&name) {
                Some(owner) => Err(name_taken(&name, Some(owner.as_str()))),
                None => Ok(name),
            };
        }
        for attempt in 0..1000 {
            let name: ContainerName = names::random(random::below, attempt / 8).parse().expect("made of letters, an underscore and digits");
            if self.inner.containers.has_name(&name).is_none() {
                return Ok(name);
            }
        }
        Err(EngineError::said(Kind::Conflict, "no free name was found: give one with --name"))
    }
}

pub(super) fn name_taken(name: &ContainerName, owner: Option<&str>) -> EngineError {
    let by = owner.map(|id| format!(" by container \"{id}\"")).unwrap_or_default();
    EngineError::hinted(
        Kind::Conflict,
        format!("Conflict. The container name \"/{name}\" is already in use{by}. You have to remove (or rename) that container to be able to reuse that name."),
        "choose another name, or remove the other container",
    )
}

/// The network of the mode is joined also if nothing is asked of the place there, and it is the first.
fn join_the_modes_network(spec: &mut ContainerSpec) {
    let NetworkMode::Named(name) = &spec.network else { return };
    match spec.endpoints.iter().position(|endpoint| endpoint.network == *name) {
        Some(position) => spec.endpoints[..=position].rotate_right(1),
        None => spec.endpoints.insert(0, EndpointSpec { network: name.clone(), ..EndpointSpec::default() }),
    }
}

/// Wishes that contradict themselves are refused; returns warnings for those that change nothing here.
fn check(spec: &ContainerSpec) -> Result<Vec<String>> {
    let no = |message: &str| Err(EngineError::said(Kind::Invalid, message.to_owned()));
    if spec.auto_remove && spec.restart != RestartPolicy::No {
        return no("Conflicting options: a container that is removed when it ends can't have a restart policy");
    }
    if !matches!(spec.log_driver.as_str(), "" | "local" | "json-file" | "none") {
        return Err(EngineError::hinted(Kind::Invalid, format!("logger: no log driver named '{}' is registered", spec.log_driver), "use local or none"));
    }
    gantry_plan::logs::keep(&spec.log_driver, &spec.log_options).map_err(|error| EngineError::said(Kind::Invalid, error.to_string()))?;
    super::userns::check(spec)?;
    let mut targets = BTreeSet::new();
    for mount in &spec.mounts {
        let target = mount.target.trim_end_matches('/');
        if !target.starts_with('/') || target.split('/').any(|part| part == "..") {
            return Err(EngineError::said(Kind::Invalid, format!("invalid mount path: '{}' mount path must be absolute", mount.target)));
        }
        if !targets.insert(target.to_owned()) {
            return Err(EngineError::said(Kind::Invalid, format!("Duplicate mount point: {target}")));
        }
        if let MountKind::Bind { source, create_source, .. } = &mount.kind {
            if !source.starts_with('/') {
                return Err(EngineError::said(Kind::Invalid, format!("invalid mount config for type \"bind\": {source:?} must be an absolute path")));
            }
            if !create_source && std::fs::symlink_metadata(source).is_err() {
                return Err(EngineError::said(Kind::Invalid, format!("invalid mount config for type \"bind\": bind source path does not exist: {source}")));
            }
        }
    }
    if !spec.hostname.is_empty() && (spec.hostname.len() > 63 || !spec.hostname.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))) {
        return Err(EngineError::said(Kind::Invalid, format!("invalid hostname {:?}: use at most 63 letters, digits, '-', '.' or '_'", spec.hostname)));
    }
    if !spec.ports.is_empty() && !matches!(spec.network, NetworkMode::Bridge | NetworkMode::Named(_)) {
        if spec.network == NetworkMode::Host {
            return Ok(vec!["Published ports are discarded when using host network mode".to_owned()]);
        }
        return Err(EngineError::said(Kind::Invalid, format!("conflicting options: port publishing and the network mode {}", spec.network)));
    }
    Ok(Vec::new())
}

/// What `-v` names and the host does not have becomes a folder.
fn make_bind_sources(spec: &ContainerSpec) -> Result<()> {
    for mount in &spec.mounts {
        if let MountKind::Bind { source, create_source: true, .. } = &mount.kind
            && std::fs::symlink_metadata(source).is_err()
        {
            std::fs::create_dir_all(source)
                .and_then(|()| std::fs::set_permissions(source, std::fs::Permissions::from_mode(0o755)))
                .map_err(EngineError::io(format!("make the folder {source} for a bind mount")))?;
        }
    }
    Ok(())
}

/// `-P`: every exposed port gets a free port of the host.
fn publish_exposed(spec: &mut ContainerSpec) {
    for text in &spec.exposed_ports {
        let Ok(ports) = gantry_model::PortBinding::parse(text) else { continue };
        for port in ports {
            if !spec.ports.iter().any(|known| known.container_port == port.container_port && known.protocol == port.protocol) {
                spec.ports.push(port);
            }
        }
    }
}
