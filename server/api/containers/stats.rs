//! `GET /containers/{id}/stats` and `/top`.

use crate::answer::{json, line, streaming, time_ms};
use crate::caller::Peer;
use crate::error::ApiResult;
use crate::query::Params;
use actix_web::web::{Data, Path};
use gantry_engine::{Engine, StatsSample};
use gantry_model::{Caller, ContainerId};
use gantry_wire::docker::container::Top;
use gantry_wire::docker::stats::{Blkio, BlkioEntry, Cpu, CpuUsage, Memory, Network, Pids, Stats, Throttling};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);
/// A sample older than this is too old to compare with.
const RECENT_MS: i64 = 5000;

pub async fn top(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    let table = engine.top(&caller, &id, params.text("ps_args")).await?;
    Ok(json(&Top { titles: table.titles, processes: table.rows }))
}

pub async fn stats(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    let summary = engine.container(&caller, &id).await?.summary;
    let (id, name) = (summary.id, format!("/{}", summary.name));
    if !params.flag_or("stream", true) {
        let before = if params.flag("one-shot") { None } else { Some(sample_before(&engine, &caller, &id).await?) };
        let now = engine.stats(&caller, id.as_str()).await?;
        return Ok(json(&show(&id, &name, &now, before.as_ref())));
    }
    let (first, engine2) = (recent(&engine, &caller, &id).await?, engine.clone());
    let lines = futures_util::stream::unfold((first, false), move |(before, started)| {
        let (engine, caller, id, name) = (engine2.clone(), caller.clone(), id.clone(), name.clone());
        async move {
            if started {
                actix_rt::time::sleep(EVERY).await;
            }
            // A container that is gone has no numbers: the stream ends.
            let now = engine.stats(&caller, id.as_str()).await.ok()?;
            Some((line(&show(&id, &name, &now, before.as_ref())), (Some(now), true)))
        }
    });
    Ok(streaming(&engine, "application/json", lines))
}

/// The newest sample that is there already, if it is of use.
async fn recent(engine: &Engine, caller: &Caller, id: &ContainerId) -> ApiResult<Option<StatsSample>> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    Ok(engine.stats_history(caller, id.as_str()).await?.into_iter().rfind(|sample| (200..RECENT_MS).contains(&(now_ms - sample.at_ms))))
}

/// A sample to compare with: one kept, or one made now and a second waited.
async fn sample_before(engine: &Engine, caller: &Caller, id: &ContainerId) -> ApiResult<StatsSample> {
    if let Some(sample) = recent(engine, caller, id).await? {
        return Ok(sample);
    }
    let sample = engine.stats(caller, id.as_str()).await?;
    if sample.cpu.online > 0 {
        actix_rt::time::sleep(EVERY).await;
    }
    Ok(sample)
}

fn show(id: &ContainerId, name: &str, now: &StatsSample, before: Option<&StatsSample>) -> Stats {
    Stats {
        id: id.to_string(),
        name: name.to_owned(),
        read: time_ms(Some(now.at_ms)),
        preread: time_ms(before.map(|before| before.at_ms)),
        pids_stats: Pids { current: Some(now.pids).filter(|pids| *pids > 0), limit: now.pids_limit },
        blkio_stats: blkio(now),
        cpu_stats: cpu(now),
        precpu_stats: before.map(cpu).unwrap_or_default(),
        memory_stats: memory(now),
        networks: Some(now.net.iter().map(|(name, net)| (name.clone(), network(net))).collect()).filter(|_| !now.net.is_empty()),
        ..Stats::default()
    }
}

fn cpu(sample: &StatsSample) -> Cpu {
    let cpu = &sample.cpu;
    Cpu {
        cpu_usage: CpuUsage {
            total_usage: cpu.total_ns,
            percpu_usage: Some(cpu.percpu_ns.clone()).filter(|list| !list.is_empty()),
            usage_in_kernelmode: cpu.system_ns,
            usage_in_usermode: cpu.user_ns,
        },
        system_cpu_usage: Some(cpu.host_total_ns).filter(|ns| *ns > 0),
        online_cpus: Some(cpu.online).filter(|online| *online > 0),
        throttling_data: Throttling { periods: cpu.periods, throttled_periods: cpu.throttled_periods, throttled_time: cpu.throttled_ns },
    }
}

fn memory(sample: &StatsSample) -> Memory {
    let memory = &sample.memory;
    if memory.limit_bytes == 0 {
        return Memory::default();
    }
    Memory {
        usage: Some(memory.usage_bytes),
        max_usage: Some(memory.max_usage_bytes).filter(|bytes| *bytes > 0),
        stats: Some(memory.detail.clone()),
        failcnt: None,
        limit: Some(memory.limit_bytes),
    }
}

fn blkio(sample: &StatsSample) -> Blkio {
    let entries = |read: u64, write: u64| {
        let entry = |op: &str, value| BlkioEntry { major: 0, minor: 0, op: op.to_owned(), value };
        Some(vec![entry("read", read), entry("write", write)]).filter(|_| read + write > 0)
    };
    let io = &sample.blkio;
    Blkio { io_service_bytes_recursive: entries(io.read_bytes, io.write_bytes), io_serviced_recursive: entries(io.read_ops, io.write_ops), ..Blkio::default() }
}

fn network(net: &gantry_engine::NetStats) -> Network {
    Network {
        rx_bytes: net.rx_bytes,
        rx_packets: net.rx_packets,
        rx_errors: net.rx_errors,
        rx_dropped: net.rx_dropped,
        tx_bytes: net.tx_bytes,
        tx_packets: net.tx_packets,
        tx_errors: net.tx_errors,
        tx_dropped: net.tx_dropped,
    }
}
