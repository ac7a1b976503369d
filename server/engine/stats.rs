//! What a container uses.

use crate::{Engine, Result};
use gantry_model::Caller;
use std::collections::BTreeMap;

/// One sample. Counters run from the container's start.
#[derive(Debug, Clone, Default)]
pub struct StatsSample {
    pub at_ms: i64,
    /// Percent of one processor since the sample before (two busy processors are 200).
    pub cpu_percent: f64,
    pub cpu: CpuStats,
    pub memory: MemoryStats,
    pub pids: u64,
    pub pids_limit: Option<u64>,
    /// By interface.
    pub net: BTreeMap<String, NetStats>,
    pub blkio: BlkioStats,
}

#[derive(Debug, Clone, Default)]
pub struct CpuStats {
    pub total_ns: u64,
    pub user_ns: u64,
    pub system_ns: u64,
    pub percpu_ns: Vec<u64>,
    /// All processors of the host together.
    pub host_total_ns: u64,
    pub online: u32,
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_ns: u64,
}

#[derive(Debug, Clone, Default)]
pub struct MemoryStats {
    /// All that is charged, page cache included.
    pub usage_bytes: u64,
    /// Without the page cache that can go at once: what docker stats shows.
    pub working_set_bytes: u64,
    pub max_usage_bytes: u64,
    pub limit_bytes: u64,
    pub oom_kills: u64,
    /// memory.stat of the kernel.
    pub detail: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Default)]
pub struct NetStats {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

#[derive(Debug, Clone, Default)]
pub struct BlkioStats {
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_ops: u64,
    pub write_ops: u64,
}

impl Engine {
    /// One sample now; zeros for a container that does not run.
    pub async fn stats(&self, caller: &Caller, reference: &str) -> Result<StatsSample> {
        todo!()
    }
    /// The samples kept of the last minutes (one in two seconds), oldest first.
    pub async fn stats_history(&self, caller: &Caller, reference: &str) -> Result<Vec<StatsSample>> {
        todo!()
    }
}
