//! What a container uses.

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::events::EventKind;
use crate::registry::Container;
use crate::{Engine, Result};
use gantry_model::{Action, Caller};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// One sample in two seconds, for five minutes.
const EVERY: Duration = Duration::from_secs(2);
const KEPT: usize = 150;

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

/// The last minutes of one container.
#[derive(Default)]
pub(crate) struct History {
    samples: VecDeque<StatsSample>,
}

impl History {
    fn push(&mut self, sample: StatsSample) {
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    pub(crate) fn last(&self) -> Option<&StatsSample> {
        self.samples.back()
    }

    /// For a spark line: a minute.
    pub(crate) fn cpu(&self) -> Vec<f32> {
        self.samples.iter().rev().take(30).rev().map(|sample| sample.cpu_percent as f32).collect()
    }
}

impl Engine {
    /// One sample now; zeros for a container that does not run.
    pub async fn stats(&self, caller: &Caller, reference: &str) -> Result<StatsSample> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        if !container.state().is_live() {
            return Ok(StatsSample { at_ms: now_ms(), ..StatsSample::default() });
        }
        let before = container.lock().history.last().cloned();
        let engine = self.clone();
        tokio::task::spawn_blocking(move || engine.sample(&container, before.as_ref())).await?
    }

    /// The samples kept of the last minutes (one in two seconds), oldest first.
    pub async fn stats_history(&self, caller: &Caller, reference: &str) -> Result<Vec<StatsSample>> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        let live = container.lock();
        Ok(live.history.samples.iter().cloned().collect())
    }

    /// Samples running containers while the server runs; tells listeners that new numbers are there.
    pub(crate) async fn sample_forever(self) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tick.tick().await;
            let running: Vec<Arc<Container>> = self.inner.containers.all().into_iter().filter(|container| container.state().is_live()).collect();
            let engine = self.clone();
            let sampled = tokio::task::spawn_blocking(move || {
                for container in &running {
                    let before = container.lock().history.last().cloned();
                    if let Ok(sample) = engine.sample(container, before.as_ref()) {
                        container.lock().history.push(sample);
                    }
                }
                engine.inner.host_load.sample(&engine.inner.config.data_dir);
            })
            .await;
            if sampled.is_ok() && self.inner.events.wants_stats() {
                self.inner.events.publish(EventKind::Stats, "stats", "", BTreeMap::new());
            }
        }
    }

    fn sample(&self, container: &Container, before: Option<&StatsSample>) -> Result<StatsSample> {
        let raw = self.inner.hand.stats(&self.cgroup_of(container))?;
        let pid = container.lock().pid;
        let host_memory = self.inner.host_load.memory_bytes();
        let mut sample = StatsSample {
            at_ms: now_ms(),
            cpu_percent: 0.0,
            cpu: CpuStats {
                total_ns: raw.cpu_total_ns,
                user_ns: raw.cpu_user_ns,
                system_ns: raw.cpu_system_ns,
                percpu_ns: raw.cpu_percpu_ns,
                host_total_ns: crate::procfs::host_cpu_ns().0,
                online: self.inner.facts.cpus,
                periods: raw.cpu_periods,
                throttled_periods: raw.cpu_throttled_periods,
                throttled_ns: raw.cpu_throttled_ns,
            },
            memory: MemoryStats {
                usage_bytes: raw.memory_usage,
                working_set_bytes: raw.memory_usage.saturating_sub(raw.memory_inactive_file),
                max_usage_bytes: raw.memory_max_usage,
                limit_bytes: raw.memory_limit.unwrap_or(host_memory).min(host_memory),
                oom_kills: raw.oom_kills,
                detail: raw.memory_stat,
            },
            pids: raw.pids,
            pids_limit: raw.pids_limit,
            net: pid.map(crate::procfs::net_dev).unwrap_or_default(),
            blkio: BlkioStats {
                read_bytes: raw.blkio_read_bytes,
                write_bytes: raw.blkio_write_bytes,
                read_ops: raw.blkio_read_ops,
                write_ops: raw.blkio_write_ops,
            },
        };
        if let Some(before) = before.filter(|before| before.at_ms < sample.at_ms) {
            let used = sample.cpu.total_ns.saturating_sub(before.cpu.total_ns) as f64;
            sample.cpu_percent = used / ((sample.at_ms - before.at_ms) as f64 * 1e6) * 100.0;
        }
        Ok(sample)
    }
}
