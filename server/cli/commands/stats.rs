//! `stats`: what containers use, live or once.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::format::{Column, Listing, Value, binary_size, decimal_size, short_id};
use crate::parse::print;
use crate::stream::is_terminal;
use crate::tree::Verb;
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use gantry_wire::docker::list::Summary;
use gantry_wire::docker::stats::{Cpu, Stats as Sample};
use reqwest::{Method, Response};
use std::collections::BTreeMap;

#[derive(Args)]
pub struct Stats {
    /// Show all containers, not only those that run
    #[arg(short, long)]
    all: bool,
    /// table, json, a Go template, or "table TEMPLATE"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show them once
    #[arg(long)]
    no_stream: bool,
    /// Don't cut long texts
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

const FIELDS: &[Column] = &[
    Column { field: "Container", title: "CONTAINER" },
    Column { field: "ID", title: "CONTAINER ID" },
    Column { field: "Name", title: "NAME" },
    Column { field: "CPUPerc", title: "CPU %" },
    Column { field: "MemUsage", title: "MEM USAGE / LIMIT" },
    Column { field: "MemPerc", title: "MEM %" },
    Column { field: "NetIO", title: "NET I/O" },
    Column { field: "BlockIO", title: "BLOCK I/O" },
    Column { field: "PIDs", title: "PIDS" },
];
const TABLE: &str = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/// How often the picture is drawn anew.
const REFRESH: std::time::Duration = std::time::Duration::from_millis(500);

impl Verb for Stats {
    const USAGE: &'static str = "[OPTIONS] [CONTAINER...]";
    const ABOUT: &'static str = "Show what containers use of processor, memory and network";
    const EXAMPLE: &'static str = "stats --no-stream";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let names = if self.containers.is_empty() { self.listed(&client).await? } else { self.containers.clone() };
        if self.no_stream {
            let samples =
                names.iter().map(|name| async { client.get::<Sample>(&format!("/containers/{}/stats", segment(name)), &[("stream", "0".to_owned())]).await });
            let samples = futures_util::future::join_all(samples).await;
            let mut rows = Vec::new();
            for (name, sample) in names.iter().zip(samples) {
                rows.push(self.row(name, &sample?));
            }
            print(&self.listing(&rows)?)?;
            return Ok(0);
        }
        self.live(&client, names).await
    }
}

impl Stats {
    /// Those that run; with --all every one.
    async fn listed(&self, client: &Client) -> Result<Vec<String>, Failure> {
        let query: Vec<_> = self.all.then(|| ("all", "1".to_owned())).into_iter().collect();
        let containers: Vec<Summary> = client.get("/containers/json", &query).await?;
        Ok(containers.into_iter().map(|container| container.id).collect())
    }

    fn listing(&self, rows: &[Value]) -> Result<String, Failure> {
        Listing { fields: FIELDS, table: TABLE, quiet: "{{.ID}}" }.render(self.format.as_deref(), false, rows, &[])
    }

    /// Follows every container until it ends, and those that start meanwhile.
    async fn live(&self, client: &Client, names: Vec<String>) -> Result<i32, Failure> {
        let follow_new = self.containers.is_empty();
        let filters = r#"{"type":{"container":true},"event":{"start":true,"create":true}}"#.to_owned();
        let mut events = if follow_new { Some(Lines::new(client.send(Method::GET, "/events", &[("filters", filters)], None).await?)) } else { None };
        let mut rows: BTreeMap<usize, (String, Value)> = BTreeMap::new();
        let mut streams = FuturesUnordered::new();
        let mut count = 0;
        let mut wanted = names;
        let mut tick = tokio::time::interval(REFRESH);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            for name in wanted.drain(..) {
                if rows.values().any(|(known, _)| *known == name) {
                    continue;
                }
                let response = match client.send(Method::GET, &format!("/containers/{}/stats", segment(&name)), &[("stream", "1".to_owned())], None).await {
                    Err(failure) if follow_new && failure.status == Some(404) => continue,
                    response => response?,
                };
                rows.insert(count, (name, Value::Null));
                streams.push(next(count, Lines::new(response)));
                count += 1;
            }
            tokio::select! {
                Some((at, sample, lines)) = streams.next() => match sample {
                    Some(sample) => {
                        if let Some((name, row)) = rows.get_mut(&at) {
                            *row = self.row(name, &sample);
                        }
                        streams.push(next(at, lines));
                    }
                    // Named ones stay in the picture, as docker keeps them.
                    None if follow_new && !self.all => drop(rows.remove(&at)),
                    None => {}
                },
                Some(event) = async { match &mut events { Some(events) => events.next::<Value>().await, None => None } } => {
                    wanted.extend(event.get("Actor").map(|actor| actor.str("ID").to_owned()));
                }
                _ = tick.tick() => {
                    let ready: Vec<Value> = rows.values().map(|(_, row)| row).filter(|row| **row != Value::Null).cloned().collect();
                    let picture = self.listing(&ready)?;
                    // Home, then each line over the old one and cleared behind it, then all below.
                    if is_terminal(std::io::stdout()) {
                        print(&format!("\x1b[H{}\x1b[J", picture.replace('\n', "\x1b[K\n")))?;
                    } else {
                        print(&picture)?;
                    }
                    if streams.is_empty() && events.is_none() {
                        return Ok(0);
                    }
                }
            }
        }
    }

    fn row(&self, name: &str, sample: &Sample) -> Value {
        let memory = &sample.memory_stats;
        let usage = memory.usage.unwrap_or_default();
        // The page cache that can go at once does not count. v1 says total_inactive_file, v2 inactive_file.
        let cache =
            memory.stats.as_ref().and_then(|stats| stats.get("total_inactive_file").or_else(|| stats.get("inactive_file"))).copied().unwrap_or_default();
        let used = if cache < usage { usage - cache } else { usage };
        let limit = memory.limit.unwrap_or_default();
        let percent = if limit == 0 { 0.0 } else { used as f64 / limit as f64 * 100.0 };
        let networks = sample.networks.iter().flat_map(BTreeMap::values);
        let (received, sent) = networks.fold((0, 0), |(received, sent), network| (received + network.rx_bytes, sent + network.tx_bytes));
        let blocks = sample.blkio_stats.io_service_bytes_recursive.iter().flatten();
        let (read, written) = blocks.fold((0, 0), |(read, written), entry| match entry.op.as_bytes().first() {
            Some(b'r' | b'R') => (read + entry.value, written),
            Some(b'w' | b'W') => (read, written + entry.value),
            _ => (read, written),
        });
        let pair = |a: u64, b: u64| format!("{} / {}", decimal_size(a as f64), decimal_size(b as f64));
        let id = if self.no_trunc { sample.id.as_str() } else { short_id(&sample.id) };
        let fields = [
            ("Container", if self.containers.is_empty() { id.to_owned() } else { name.to_owned() }),
            ("ID", id.to_owned()),
            ("Name", sample.name.trim_start_matches('/').to_owned()),
            ("CPUPerc", format!("{:.2}%", processors(&sample.precpu_stats, &sample.cpu_stats))),
            ("MemUsage", format!("{} / {}", binary_size(used as f64), binary_size(limit as f64))),
            ("MemPerc", format!("{percent:.2}%")),
            ("NetIO", pair(received, sent)),
            ("BlockIO", pair(read, written)),
            ("PIDs", sample.pids_stats.current.unwrap_or_default().to_string()),
        ];
        Value::Map(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect())
    }
}

/// Percent of one processor between two samples.
fn processors(before: &Cpu, after: &Cpu) -> f64 {
    let used = after.cpu_usage.total_usage as f64 - before.cpu_usage.total_usage as f64;
    let host = after.system_cpu_usage.unwrap_or_default() as f64 - before.system_cpu_usage.unwrap_or_default() as f64;
    let online = after.online_cpus.filter(|count| *count > 0).map_or_else(|| after.cpu_usage.percpu_usage.as_ref().map_or(0, Vec::len) as f64, f64::from);
    if used > 0.0 && host > 0.0 { used / host * online * 100.0 } else { 0.0 }
}

async fn next(at: usize, mut lines: Lines) -> (usize, Option<Sample>, Lines) {
    let sample = lines.next().await;
    (at, sample, lines)
}

/// JSON objects of an endless answer, one to a line.
struct Lines {
    response: Response,
    held: Vec<u8>,
}

impl Lines {
    fn new(response: Response) -> Self {
        Self { response, held: Vec::new() }
    }

    /// `None` at the end, or when the server sends something else.
    async fn next<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return serde_json::from_slice(&line).ok();
            }
            let part = self.response.chunk().await.ok()??;
            self.held.extend_from_slice(&part);
            if self.held.len() > 16 << 20 {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_wire::docker::stats::CpuUsage;

    #[test]
    fn a_processor_in_full_use_is_a_hundred_percent() {
        let cpu = |total, system| Cpu {
            cpu_usage: CpuUsage { total_usage: total, ..CpuUsage::default() },
            system_cpu_usage: Some(system),
            online_cpus: Some(2),
            ..Cpu::default()
        };
        assert!((processors(&cpu(0, 0), &cpu(1_000, 2_000)) - 100.0).abs() < 1e-9);
        assert!(processors(&cpu(5, 10), &cpu(5, 10)).abs() < 1e-9);
    }
}
