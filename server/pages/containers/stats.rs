//! `/containers/{name}/stats`: the last minutes as charts.

use super::head::{Head, open};
use crate::answer::{self, Answer};
use crate::chart::{Chart, Floor, Series};
use crate::format;
use crate::frame::Frame;
use crate::visit::Visit;
use actix_web::web::Path;
use askama::Template;
use gantry_engine::StatsSample;

#[derive(Template)]
#[template(path = "containers/stats.html")]
struct StatsPage {
    frame: Frame,
    head: Head,
    charts: Vec<Chart>,
    facts: Vec<Tile>,
    any: bool,
}

/// A number with its name.
pub struct Tile {
    pub what: &'static str,
    pub value: String,
    pub more: String,
}

/// The numbers beside the charts.
#[derive(Template)]
#[template(path = "containers/stats-tiles.html")]
pub struct TilesPart<'a> {
    pub facts: &'a [Tile],
}

pub async fn show(visit: Visit, name: Path<String>) -> Answer {
    let (frame, head, _) = open(&visit, &name, "stats").await?;
    let samples = visit.engine.stats_history(visit.caller(), &name).await?;
    let frame = frame.command(format!("gantry stats {}", head.name)).live(format!("/live/stats/{}", head.id));
    let any = head.live || !samples.is_empty();
    answer::html(&StatsPage { frame, charts: charts(&samples), facts: tiles(&samples), head, any })
}

/// CPU, memory, network and disk over the samples (one in two seconds).
pub fn charts(samples: &[StatsSample]) -> Vec<Chart> {
    let seconds = samples.first().zip(samples.last()).map_or(0.0, |(first, last)| (last.at_ms - first.at_ms) as f32 / 1000.0);
    let of = |value: &dyn Fn(&StatsSample) -> f64| samples.iter().map(|sample| value(sample) as f32).collect::<Vec<f32>>();
    let rate = |total: &dyn Fn(&StatsSample) -> u64| {
        let per_second =
            |pair: &[StatsSample]| total(&pair[1]).saturating_sub(total(&pair[0])) as f32 / ((pair[1].at_ms - pair[0].at_ms).max(1) as f32 / 1000.0);
        samples.windows(2).map(per_second).collect::<Vec<f32>>()
    };
    let (cpu, memory) = (of(&|sample| sample.cpu_percent), of(&|sample| sample.memory.working_set_bytes as f64));
    let (received, sent) =
        (rate(&|sample| sample.net.values().map(|net| net.rx_bytes).sum()), rate(&|sample| sample.net.values().map(|net| net.tx_bytes).sum()));
    let (read, written) = (rate(&|sample| sample.blkio.read_bytes), rate(&|sample| sample.blkio.write_bytes));
    let one = |label, values| Series { label, values };
    let bytes = |value: f32| format::memory(value as u64);
    let speed = |value: f32| format!("{}/s", format::bytes(value as u64));
    vec![
        Chart::new("cpu", "CPU", &[one("", &cpu)], Floor::Tens(10.0), |value| format!("{} %", (f64::from(value) * 10.0).round() / 10.0), seconds),
        Chart::new("memory", "Memory", &[one("", &memory)], Floor::Twos(1_048_576.0), bytes, seconds),
        Chart::new("network", "Network", &[one("received", &received), one("sent", &sent)], Floor::Tens(1000.0), speed, seconds),
        Chart::new("disk", "Disk", &[one("read", &read), one("written", &written)], Floor::Tens(1000.0), speed, seconds),
    ]
}

pub fn tiles(samples: &[StatsSample]) -> Vec<Tile> {
    let Some(last) = samples.last() else { return Vec::new() };
    let sum = |value: &dyn Fn(&gantry_engine::NetStats) -> u64| format::bytes(last.net.values().map(value).sum());
    let tile = |what, value: String, more: String| Tile { what, value, more };
    let limit = last.pids_limit.map_or_else(String::new, |limit| format!("of {limit}"));
    let throttled =
        if last.cpu.throttled_periods > 0 { format!("held back for {}", format::span((last.cpu.throttled_ns / 1_000_000_000) as i64)) } else { String::new() };
    vec![
        tile("CPU time", format::span((last.cpu.total_ns / 1_000_000_000) as i64), throttled),
        tile("Memory limit", format::memory(last.memory.limit_bytes), format!("{} with page cache", format::memory(last.memory.usage_bytes))),
        tile("Processes", last.pids.to_string(), limit),
        tile("Received, sent", format!("{}, {}", sum(&|net| net.rx_bytes), sum(&|net| net.tx_bytes)), "since its start".to_owned()),
        tile("Out of memory", last.memory.oom_kills.to_string(), "processes killed".to_owned()),
    ]
}
