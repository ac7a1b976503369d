//! Everything a monitor needs to start a container: the OCI spec, the launch description, and where they lie.

use crate::filters::Ready;
use crate::network::{Place, bridges, name_server, way_out};
use crate::registry::Container;
use crate::{Engine, EngineError, Result, procfs};
use gantry_model::{ContainerId, ContainerSpec, IpcMode, Kind, MountKind, NetworkMode, PidMode, Propagation, Signal};
use gantry_plan::files::AskingFrom;
use gantry_plan::process::FinalProcess;
use gantry_plan::spec::{JoinedNamespaces, ResolvedMount, SpecInput, UserIds, runtime_spec};
use gantry_store::containers::ProcessRow;
use gantry_wire::monitor::{Bridge, HealthPlan, Launch, LogDriver, LogPlan, Network, Overlay, Share, files};
use oci_spec::runtime::Spec;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DEFAULT_STOP_SECS: u32 = 10;

/// One container's wish with all that the spec and the launch description are made of.
struct Wish<'a> {
    id: &'a ContainerId,
    name: &'a str,
    spec: &'a ContainerSpec,
    process: &'a ProcessRow,
    places: Vec<Place>,
    lowers: Vec<PathBuf>,
}

impl Engine {
    pub(crate) fn data_dir(&self, id: &ContainerId) -> PathBuf {
        self.inner.config.data_dir.join("containers").join(id.as_str())
    }

    pub(crate) fn run_dir(&self, id: &ContainerId) -> PathBuf {
        self.inner.config.run_dir.join("containers").join(id.as_str())
    }

    pub(crate) fn socket(&self, id: &ContainerId) -> PathBuf {
        self.run_dir(id).join(files::SOCKET)
    }

    /// The cgroup of a container that asks for `parent` above its own, or for none. A parent without `/` counts from the root as well:
    /// our own cgroup may be another one after a restart.
    fn cgroup_path(&self, id: &ContainerId, parent: Option<&str>) -> String {
        let parent = parent.filter(|parent| !parent.is_empty()).unwrap_or(&self.inner.config.cgroup_parent);
        format!("/{}/{id}", parent.trim_matches('/'))
    }

    pub(crate) fn cgroup_of(&self, container: &Container) -> String {
        let parent = container.lock().spec.cgroup_parent.clone();
        self.cgroup_path(&container.id, parent.as_deref())
    }

    /// The cgroup of a container that only its folders tell of.
    pub(crate) fn cgroup_of_stranger(&self, id: &ContainerId) -> String {
        let launch = std::fs::read(self.data_dir(id).join(files::LAUNCH)).ok().and_then(|text| Launch::parse(&text).ok());
        launch.map_or_else(|| self.cgroup_path(id, None), |launch| launch.cgroup_path)
    }

    /// Makes the spec without writing anything, so that a wish that can't be is refused when it is created. Returns warnings.
    pub(crate) fn try_spec(&self, id: &ContainerId, spec: &ContainerSpec, process: &FinalProcess) -> Result<Vec<String>> {
        let process = ProcessRow { args: process.args.clone(), env: process.env.clone(), cwd: process.cwd.clone(), user: process.user.clone() };
        self.oci_spec(
            &Wish { id, name: "", spec, process: &process, places: Vec::new(), lowers: Vec::new() },
            JoinedNamespaces::default(),
            self.filter(spec)?.as_deref(),
        )?;
        self.inner.hand.check_cgroup(&self.cgroup_path(id, spec.cgroup_parent.as_deref()))?;
        Ok(self.inner.hand.resources(&spec.limits)?.1)
    }

    /// Writes the container's bundle anew: folders, files under /etc, spec, launch description.
    pub(crate) async fn write_bundle(&self, container: &Container) -> Result<()> {
        let (name, spec, process, places) = {
            let live = container.lock();
            (live.name.to_string(), live.spec.clone(), live.process.clone(), self.places(&container.id, &live))
        };
        let health = self.health_plan(container)?;
        let image_id = container.image_id.clone();
        let (engine, id) = (self.clone(), container.id.clone());
        tokio::task::spawn_blocking(move || {
            let image = engine.inner.images.image(&image_id)?;
            let lowers = engine.inner.images.layer_paths_top_first(&image);
            let wish = Wish { id: &id, name: &name, spec: &spec, process: &process, places, lowers };
            engine.write_bundle_files(&wish, health)
        })
        .await?
    }

    fn write_bundle_files(&self, wish: &Wish<'_>, health: Option<HealthPlan>) -> Result<()> {
        let folder = self.data_dir(wish.id);
        for name in ["upper", "work", "rootfs"] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(EngineError::io(format!("make {}", path.display())))?;
        }
        // The container's root is its upper folder's root: it must be passable for its users, whatever our umask is.
        set_mode(&folder.join("upper"), 0o755)?;
        let run = self.run_dir(wish.id);
        std::fs::create_dir_all(&run).map_err(EngineError::io(format!("make {}", run.display())))?;
        self.write_etc_files(wish, &folder)?;
        let joined = self.joined(wish.spec)?;
        let (network, more_bridges) = network_plan(wish, &joined);
        let filter = self.filter(wish.spec)?;
        let spec = self.oci_spec(wish, joined, filter.as_deref())?;
        write(&folder.join("config.json"), &spec)?;
        let program = filter.and_then(|filter| filter.program.clone());
        write(&folder.join(files::LAUNCH), &Launch { filter: program, health, more_bridges, ..self.launch(wish, &folder, network) })
    }

    fn launch(&self, wish: &Wish<'_>, folder: &Path, network: Network) -> Launch {
        let spec = wish.spec;
        // Refused at the creation.
        let keep = gantry_plan::logs::keep(&spec.log_driver, &spec.log_options).unwrap_or_default();
        Launch {
            id: wish.id.clone(),
            name: wish.name.to_owned(),
            config_path: folder.join("config.json"),
            rootfs: folder.join("rootfs"),
            overlay: Some(Overlay { lowers: wish.lowers.clone(), upper: folder.join("upper"), work: folder.join("work"), volatile: spec.auto_remove }),
            user: wish.process.user.clone(),
            groups: spec.group_add.clone(),
            tty: spec.tty,
            open_stdin: spec.open_stdin,
            stdin_once: spec.stdin_once,
            term_size: spec.term_size,
            cgroup_path: self.cgroup_path(wish.id, spec.cgroup_parent.as_deref()),
            log: LogPlan {
                driver: if spec.log_driver == "none" { LogDriver::None } else { LogDriver::Local },
                path: folder.join("log"),
                max_bytes: keep.max_bytes,
                max_files: keep.max_files,
                compress: keep.compress,
            },
            keep_bytes: Launch::default_keep_bytes(),
            restart: spec.restart,
            network,
            more_bridges: Vec::new(),
            shares: self.shares(spec),
            stop_signal: spec.stop_signal.unwrap_or(Signal::TERM),
            stop_timeout_ms: u64::from(spec.stop_timeout_secs.unwrap_or(DEFAULT_STOP_SECS)) * 1000,
            init: spec.init,
            auto_remove: spec.auto_remove,
            health: None,
            filter: None,
            names: name_server(&wish.places, &spec.dns),
        }
    }

    /// The system call filter, which depends on the capabilities.
    fn filter(&self, spec: &ContainerSpec) -> Result<Option<Arc<Ready>>> {
        let capabilities = gantry_plan::spec::capabilities(&spec.security, &self.inner.facts.bounding);
        self.inner.hand.filter(&spec.security, &capabilities.map_err(|error| EngineError::said(error.kind(), error.to_string()))?)
    }

    fn oci_spec(&self, wish: &Wish<'_>, joined: JoinedNamespaces, filter: Option<&Ready>) -> Result<Spec> {
        let invalid = |error: String| EngineError::said(Kind::Invalid, error);
        let spec = wish.spec;
        let process =
            FinalProcess { args: wish.process.args.clone(), env: wish.process.env.clone(), cwd: wish.process.cwd.clone(), user: wish.process.user.clone() };
        let input = SpecInput {
            id: wish.id,
            wish: spec,
            process: &process,
            // The monitor looks the user up in the container's own files.
            user: UserIds::default(),
            rootfs: self.data_dir(wish.id).join("rootfs"),
            cgroups_path: self.cgroup_path(wish.id, spec.cgroup_parent.as_deref()).into(),
            hostname: self.hostname(wish),
            mounts: self.resolved_mounts(wish),
            devices: self.inner.hand.devices(spec)?,
            resources: self.inner.hand.resources(&spec.limits)?.0,
            seccomp: filter.map(|filter| filter.oci.clone()),
            joined,
            id_map: spec.userns.then(|| self.id_range(wish.id)),
            facts: &self.inner.facts,
        };
        runtime_spec(input).map_err(|error| invalid(error.to_string()))
    }

    /// Binds and volumes with their folders, and the files under /etc that Gantry keeps.
    fn resolved_mounts(&self, wish: &Wish<'_>) -> Vec<ResolvedMount> {
        // Who shares a network has its names, too.
        let folder = self.data_dir(&self.network_of(wish.spec).map_or_else(|| wish.id.clone(), |other| other.id.clone()));
        let etc = [("resolv.conf", "/etc/resolv.conf"), ("hostname", "/etc/hostname"), ("hosts", "/etc/hosts")];
        let own = etc
            .iter()
            .filter(|(_, target)| !wish.spec.mounts.iter().any(|mount| mount.target == *target))
            .map(|(name, target)| ResolvedMount { mapped: true, ..resolved(folder.join(name), target, false, Propagation::Rprivate, true) });
        let wished = wish.spec.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Bind { source, propagation, recursive, .. } => {
                Some(resolved(PathBuf::from(source), &mount.target, mount.read_only, *propagation, *recursive))
            }
            MountKind::Volume { name, .. } => {
                Some(ResolvedMount { mapped: true, ..resolved(self.volume_dir(name), &mount.target, mount.read_only, Propagation::Rprivate, true) })
            }
            MountKind::Tmpfs { .. } => None,
        });
        own.chain(wished).collect()
    }

    /// The container whose network this one shares.
    fn network_of(&self, spec: &ContainerSpec) -> Option<Arc<Container>> {
        let NetworkMode::Container(other) = &spec.network else { return None };
        self.resolve(other).ok()
    }

    fn hostname(&self, wish: &Wish<'_>) -> String {
        let own = |id: &ContainerId, spec: &ContainerSpec| if spec.hostname.is_empty() { id.short().to_owned() } else { spec.hostname.clone() };
        match self.network_of(wish.spec) {
            Some(other) if wish.spec.hostname.is_empty() => own(&other.id, &other.lock().spec),
            _ => own(wish.id, wish.spec),
        }
    }

    /// The containers whose namespaces this one joins, with what tells them from later ones.
    fn shares(&self, spec: &ContainerSpec) -> Vec<Share> {
        let network = if let NetworkMode::Container(other) = &spec.network { Some(other) } else { None };
        let pid = if let PidMode::Container(other) = &spec.pid_mode { Some(other) } else { None };
        let ipc = if let IpcMode::Container(other) = &spec.ipc_mode { Some(other) } else { None };
        let share = |other: &String| {
            let container = self.resolve(other).ok()?;
            let live = container.lock();
            let pid = live.pid?;
            Some(Share { name: live.name.to_string(), pid, pid_started: procfs::start_time(pid) })
        };
        [network, pid, ipc].into_iter().flatten().filter_map(share).collect()
    }

    /// Paths of namespaces of other containers.
    fn joined(&self, spec: &ContainerSpec) -> Result<JoinedNamespaces> {
        let of = |reference: &str, kind: &str| {
            let container = self.resolve(reference)?;
            let pid = container
                .lock()
                .pid
                .ok_or_else(|| EngineError::said(Kind::Conflict, format!("cannot join the {kind} namespace of a non running container: {reference}")))?;
            Ok::<_, EngineError>(PathBuf::from(format!("/proc/{pid}/ns/{kind}")))
        };
        Ok(JoinedNamespaces {
            network: if let NetworkMode::Container(other) = &spec.network { Some(of(other, "net")?) } else { None },
            pid: if let PidMode::Container(other) = &spec.pid_mode { Some(of(other, "pid")?) } else { None },
            ipc: if let IpcMode::Container(other) = &spec.ipc_mode { Some(of(other, "ipc")?) } else { None },
        })
    }

    fn hosts(&self, wish: &Wish<'_>, hostname: &str) -> Result<String> {
        let spec = wish.spec;
        let ips: Vec<IpAddr> = wish.places.iter().filter_map(|place| place.ip.map(IpAddr::V4)).collect();
        // `host-gateway` is an address of the host; where none leads out, docker writes that of the default bridge all the same.
        let gateway = way_out(&wish.places).map_or(self.inner.network.gateway, |place| place.network.gateway);
        gantry_plan::files::hosts(hostname, &spec.domainname, &ips, Some(gateway.into()), &spec.extra_hosts)
            .map_err(|entry| EngineError::said(Kind::Invalid, format!("invalid extra host {entry:?}: use name:address")))
    }

    fn resolv_conf(wish: &Wish<'_>) -> Result<String> {
        let spec = wish.spec;
        let from = match spec.network {
            NetworkMode::Host => AskingFrom::Host,
            NetworkMode::None => AskingFrom::Nowhere,
            _ if name_server(&wish.places, &spec.dns).is_some() => AskingFrom::Networks,
            _ => AskingFrom::Bridge,
        };
        gantry_plan::files::resolv_conf(&host_resolv_conf(from), from, &spec.dns, &spec.dns_search, &spec.dns_options)
            .map_err(|server| EngineError::said(Kind::Invalid, format!("{server:?} is not an IP address of a DNS server")))
    }

    /// Tells a container that runs which addresses it has now, and where its name server is if that changed. The files are mounted, so
    /// that they are written in their places.
    pub(crate) async fn rewrite_etc_files(&self, container: &Container) -> Result<()> {
        let (spec, process, places) = {
            let live = container.lock();
            (live.spec.clone(), live.process.clone(), self.places(&container.id, &live))
        };
        let (engine, id) = (self.clone(), container.id.clone());
        tokio::task::spawn_blocking(move || {
            let wish = Wish { id: &id, name: "", spec: &spec, process: &process, places, lowers: Vec::new() };
            let folder = engine.data_dir(&id);
            put(&folder.join("hosts"), &engine.hosts(&wish, &engine.hostname(&wish))?)?;
            let (path, asks_monitor) = (folder.join("resolv.conf"), name_server(&wish.places, &spec.dns).is_some());
            let asked_monitor = std::fs::read_to_string(&path).is_ok_and(|text| text.contains("nameserver 127.0.0.11\n"));
            if asks_monitor == asked_monitor { Ok(()) } else { put(&path, &Self::resolv_conf(&wish)?) }
        })
        .await?
    }

    fn write_etc_files(&self, wish: &Wish<'_>, folder: &Path) -> Result<()> {
        let hostname = &self.hostname(wish);
        let hosts = self.hosts(wish, hostname)?;
        for (name, text) in [("hosts", hosts), ("resolv.conf", Self::resolv_conf(wish)?), ("hostname", format!("{hostname}\n"))] {
            let path = folder.join(name);
            put(&path, &text)?;
            set_mode(&path, 0o644)?;
        }
        Ok(())
    }
}

/// What the monitor joins: the first bridge where releases know it, and the others.
fn network_plan(wish: &Wish<'_>, joined: &JoinedNamespaces) -> (Network, Vec<Bridge>) {
    match (&wish.spec.network, &joined.network) {
        (NetworkMode::Host, _) => (Network::Host, Vec::new()),
        (NetworkMode::Container(_), Some(path)) => (Network::Path(path.clone()), Vec::new()),
        _ => {
            let mut bridges = bridges(&wish.places, &wish.spec.ports).into_iter();
            (bridges.next().map_or(Network::None, |first| Network::Bridge(Box::new(first))), bridges.collect())
        }
    }
}

/// The host's resolv.conf; for others than the host, the servers behind systemd-resolved.
fn host_resolv_conf(from: AskingFrom) -> String {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if from == AskingFrom::Host || !gantry_plan::files::is_stub(&text) {
        return text;
    }
    std::fs::read_to_string("/run/systemd/resolve/resolv.conf").unwrap_or(text)
}

fn resolved(source: PathBuf, target: &str, read_only: bool, propagation: Propagation, recursive: bool) -> ResolvedMount {
    ResolvedMount { source, target: PathBuf::from(target), read_only, propagation, recursive, mapped: false }
}

fn put(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(EngineError::io(format!("write {}", path.display())))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(EngineError::io(format!("set the mode of {}", path.display())))
}

fn write<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let json = serde_json::to_vec(value).map_err(|source| EngineError::caused(Kind::Internal, format!("write {}", path.display()), source))?;
    std::fs::write(path, json).map_err(EngineError::io(format!("write {}", path.display())))
}

impl Engine {
    /// The OCI runtime spec the container runs with, as JSON.
    pub async fn runtime_spec_json(&self, caller: &gantry_model::Caller, reference: &str) -> Result<String> {
        crate::authorize::authorize(caller, gantry_model::Action::View)?;
        let container = self.resolve(reference)?;
        let path = self.data_dir(&container.id).join("config.json");
        let Ok(bytes) = tokio::fs::read(&path).await else {
            return Err(EngineError::said(Kind::NotFound, "the container has no runtime spec before its first start"));
        };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|source| EngineError::caused(Kind::Internal, format!("read {}", path.display()), source))?;
        Ok(format!("{value:#}"))
    }
}
