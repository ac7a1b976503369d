//! Opening the engine, and what it knows about its host.

use crate::{Engine, EngineConfig, Result};
use gantry_model::Caller;

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
    /// Bytes below the data folder by use.
    pub images_bytes: u64,
    pub uptime_secs: u64,
    /// CPU percent of the last minutes, oldest first.
    pub cpu_history: Vec<f32>,
    pub memory_history: Vec<f32>,
}

impl Engine {
    /// Opens or makes the data folder, starts the spawner, and adopts what runs.
    pub async fn open(config: EngineConfig) -> Result<Self> {
        todo!()
    }
    /// Stops accepting work and lets running verbs end. Containers go on.
    pub async fn shut_down(&self) {
        todo!()
    }
    pub async fn host_info(&self, caller: &Caller) -> Result<HostInfo> {
        todo!()
    }
    pub async fn host_load(&self, caller: &Caller) -> Result<HostLoad> {
        todo!()
    }
}
