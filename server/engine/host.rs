//! Opening the engine, and what it knows about its host.

use crate::adopt;
use crate::authorize::authorize;
use crate::hand::Hand;
use crate::monitor::Spawner;
use crate::network::{Network, Networks};
use crate::{Engine, EngineConfig, EngineError, Inner, Result, procfs, random, users};
use gantry_images::ImageStore;
use gantry_model::{Action, Caller, Kind, State};
use gantry_plan::spec::HostFacts;
use gantry_store::{Db, settings};
use std::collections::VecDeque;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

/// Something this host can or can't do, and what that costs.
#[derive(Debug, Clone)]
pub struct Finding {
    pub what: String,
    pub ok: bool,
    /// One sentence: what the user loses, and how to get it.
    pub costs: String,
}

#[derive(Debug, Clone, Default)]
pub struct HostInfo {
    pub name: String,
    pub kernel: String,
    pub os: String,
    pub architecture: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// `v1`, `hybrid`, `v2`.
    pub cgroup: String,
    pub containers_running: usize,
    pub containers_paused: usize,
    pub containers_stopped: usize,
    pub images: usize,
    pub data_dir: String,
    pub id: String,
    pub findings: Vec<Finding>,
}

/// The host's load, sampled now.
#[derive(Debug, Clone, Default)]
pub struct HostLoad {
    /// Percent of all processors, 0 to 100.
    pub cpu_percent: f64,
    pub load1: f64,
    pub memory_used_bytes: u64,
    pub disk_used_bytes: u64,
    pub disk_total_bytes: u64,
    /// Unpacked size of all images.
    pub images_bytes: u64,
    pub uptime_secs: u64,
    /// CPU percent of the last minutes, oldest first.
    pub cpu_history: Vec<f32>,
    /// Memory in use in percent, likewise.
    pub memory_history: Vec<f32>,
}

/// A server that ends waits so long for the removal of what containers left.
const CLEARING: std::time::Duration = std::time::Duration::from_secs(5);
/// Samples kept: one in two seconds, five minutes.
const KEPT: usize = 150;

/// The host's last minutes.
#[derive(Default)]
pub(crate) struct LoadHistory {
    state: Mutex<LoadState>,
}

#[derive(Default)]
struct LoadState {
    last_cpu_ns: (u64, u64),
    cpu: VecDeque<f32>,
    memory: VecDeque<f32>,
    disk: (u64, u64),
    memory_bytes: u64,
}

impl LoadHistory {
    pub(crate) fn sample(&self, data_dir: &Path) {
        let (total, busy) = procfs::host_cpu_ns();
        let memory = (procfs::meminfo("MemTotal"), procfs::meminfo("MemAvailable"));
        let disk = nix::sys::statvfs::statvfs(data_dir)
            .map_or((0, 0), |fs| ((fs.blocks() - fs.blocks_available()) * fs.fragment_size(), fs.blocks() * fs.fragment_size()));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (last_total, last_busy) = std::mem::replace(&mut state.last_cpu_ns, (total, busy));
        state.disk = disk;
        state.memory_bytes = memory.0;
        if last_total > 0 && total > last_total {
            push(&mut state.cpu, (busy.saturating_sub(last_busy) as f64 / (total - last_total) as f64 * 100.0) as f32);
        }
        push(&mut state.memory, (memory.0.saturating_sub(memory.1) as f64 / memory.0.max(1) as f64 * 100.0) as f32);
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).memory_bytes
    }
}

fn push(list: &mut VecDeque<f32>, value: f32) {
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(value);
}

impl Engine {
    /// Opens or makes the data folder and adopts what runs. The runtime it is called in must live as long as the engine.
    ///
    /// # Errors
    /// If another server has the folder, or the folder is of a later release.
    pub async fn open(config: EngineConfig) -> Result<Self> {
        for folder in [&config.data_dir, &config.run_dir] {
            private_folder(folder)?;
        }
        for folder in [config.data_dir.join("containers"), config.data_dir.join("volumes"), config.data_dir.join("trash"), config.run_dir.join("containers")] {
            private_folder(&folder)?;
        }
        let lock = lock_folder(&config.data_dir)?;
        let db = Db::open(&config.data_dir.join("gantry.db")).await?;
        let (images_dir, layers_dir) = (config.data_dir.join("images"), config.data_dir.join("layers"));
        let images = tokio::task::spawn_blocking(move || ImageStore::open(&images_dir, &layers_dir)).await??;
        let hand = Arc::new(Hand::new(&config)?);
        let network = {
            let kept = settings::get(&db, "bridge_subnet").await?;
            let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
            Network::default_bridge(&config, kept.as_deref(), &routes)?
        };
        settings::set(&db, "bridge_subnet", &network.subnet.to_string()).await?;
        if settings::get(&db, "host_id").await?.is_none() {
            settings::set(&db, "host_id", &random::token()).await?;
        }
        let probe = gantry_runtime::host::Paths { data_dir: config.data_dir.clone() };
        let findings = tokio::task::spawn_blocking(move || gantry_runtime::host::probe(&probe)).await?;
        let network_findings = network.findings();
        let needs_setup = gantry_store::users::count(&db).await? == 0;
        let inner = Inner {
            facts: facts(hand.is_cgroup_v2()),
            findings: findings
                .into_iter()
                .map(|finding| Finding { what: finding.what, ok: finding.ok, costs: finding.costs })
                .chain(network_findings)
                .collect(),
            spawner: Spawner::new(config.program.clone()),
            handle: tokio::runtime::Handle::current(),
            containers: crate::registry::Registry::default(),
            execs: Mutex::default(),
            terminals: crate::terminals::Terminals::default(),
            known_images: Mutex::default(),
            images_in_use: tokio::sync::RwLock::default(),
            sweeping: tokio::sync::RwLock::default(),
            clearing: Arc::default(),
            naming: tokio::sync::Mutex::default(),
            events: crate::events::EventBus::default(),
            jobs: crate::jobs::Jobs::default(),
            registries: Arc::new(config.registries.clone()),
            arrivals: crate::registries::Arrivals::default(),
            host_load: LoadHistory::default(),
            needs_setup: AtomicBool::new(needs_setup),
            hashing: tokio::sync::Semaphore::new(2),
            decoy_hash: users::hash_password(&random::token())?,
            _lock: lock,
            network: Arc::new(network),
            networks: Networks::default(),
            writing_names: tokio::sync::Mutex::default(),
            config,
            db,
            images,
            hand,
        };
        let engine = Self { inner: Arc::new(inner) };
        engine.inner.host_load.sample(&engine.inner.config.data_dir);
        engine.reload_images().await?;
        adopt::everything(&engine).await?;
        engine.sweep_images();
        engine.inner.handle.spawn(engine.clone().sample_forever());
        engine.inner.handle.spawn(engine.clone().guard_network());
        Ok(engine)
    }

    /// Writes everything back. Containers go on; if none runs, bridge and firewall table go.
    pub async fn shut_down(&self) {
        self.inner.events.close();
        if let Err(error) = self.leave_network().await {
            tracing::warn!("remove the network that no container is on: {}", error.chain());
        }
        self.inner.db.close().await;
        if tokio::time::timeout(CLEARING, self.inner.clearing.write()).await.is_err() {
            tracing::warn!("what is left of removed containers is cleared at the next start");
        }
        let hand = self.inner.hand.clone();
        let _ = tokio::task::spawn_blocking(move || hand.remove_empty_parent()).await;
    }

    pub async fn host_info(&self, caller: &Caller) -> Result<HostInfo> {
        authorize(caller, Action::View)?;
        let states: Vec<State> = self.inner.containers.all().iter().map(|container| container.state()).collect();
        let count = |wanted: State| states.iter().filter(|state| **state == wanted).count();
        let (running, paused) = (count(State::Running), count(State::Paused));
        // A lock taken among the fields below would be held over the question to the database.
        let images = self.inner.known_images.lock().unwrap_or_else(PoisonError::into_inner).len();
        let uname = nix::sys::utsname::uname().ok();
        let text = |value: Option<&std::ffi::OsStr>| value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(HostInfo {
            name: text(uname.as_ref().map(nix::sys::utsname::UtsName::nodename)),
            kernel: text(uname.as_ref().map(nix::sys::utsname::UtsName::release)),
            architecture: text(uname.as_ref().map(nix::sys::utsname::UtsName::machine)),
            os: os_name(),
            cpus: self.inner.facts.cpus,
            memory_bytes: procfs::meminfo("MemTotal"),
            cgroup: self.inner.hand.cgroup_name().to_owned(),
            containers_running: running,
            containers_paused: paused,
            containers_stopped: states.len() - running - paused,
            images,
            data_dir: self.inner.config.data_dir.display().to_string(),
            id: settings::get(&self.inner.db, "host_id").await?.unwrap_or_default(),
            findings: self.inner.findings.clone(),
        })
    }

    pub async fn host_load(&self, caller: &Caller) -> Result<HostLoad> {
        authorize(caller, Action::View)?;
        let images_bytes = self.list_images(caller).await?.iter().map(|image| image.size_bytes).sum();
        let state = self.inner.host_load.state.lock().unwrap_or_else(PoisonError::into_inner);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(HostLoad {
            cpu_percent: state.cpu.back().copied().map_or(0.0, f64::from),
            load1: load.split_ascii_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0),
            memory_used_bytes: state.memory_bytes.saturating_sub(procfs::meminfo("MemAvailable")),
            disk_used_bytes: state.disk.0,
            disk_total_bytes: state.disk.1,
            images_bytes,
            uptime_secs: procfs::uptime_secs() as u64,
            cpu_history: state.cpu.iter().copied().collect(),
            memory_history: state.memory.iter().copied().collect(),
        })
    }
}

fn private_folder(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)))
        .map_err(EngineError::io(format!("make the folder {}", path.display())))
}

/// One server per data folder: two would undo each other's work.
fn lock_folder(data_dir: &Path) -> Result<std::fs::File> {
    let path = data_dir.join("lock");
    let file = std::fs::File::options().create(true).write(true).truncate(false).open(&path).map_err(EngineError::io(format!("open {}", path.display())))?;
    file.try_lock().map_err(|_| {
        EngineError::hinted(Kind::Conflict, format!("another server uses {}", data_dir.display()), "stop it, or give this one a --data-dir of its own")
    })?;
    Ok(file)
}

fn facts(cgroup_v2: bool) -> HostFacts {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let configured = std::fs::read_dir("/sys/devices/system/cpu").map_or(cpus, |dir| dir.flatten().filter(|entry| is_cpu(&entry.file_name())).count() as u32);
    HostFacts {
        cgroup_v2,
        time_namespaces: Path::new("/proc/self/ns/time_for_children").exists(),
        cpus: configured.max(cpus),
        bounding: gantry_runtime::host::bounding_capabilities(),
    }
}

fn is_cpu(name: &std::ffi::OsStr) -> bool {
    name.to_str().and_then(|name| name.strip_prefix("cpu")).is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn os_name() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}
