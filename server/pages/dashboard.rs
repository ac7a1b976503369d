//! `/`: the host and what runs on it.

use crate::answer::{self, Answer};
use crate::chart::{Chart, Floor, Series};
use crate::containers::list::all;
use crate::containers::rows::{self, Shown};
use crate::errors::PageError;
use crate::format;
use crate::frame::Frame;
use crate::live::{self, Piece, Teller, View};
use crate::visit::Visit;
use askama::Template;
use gantry_engine::{ContainerSummary, Finding, HostInfo, HostLoad};

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    frame: Frame,
    host: HostInfo,
    memory: String,
    uptime: String,
    tiles: Tiles,
    charts: [Chart; 2],
    busy: Vec<Shown>,
    troubled: Vec<Shown>,
    lacking: Vec<Finding>,
    has: Vec<Finding>,
}

/// Numbers that change.
#[derive(Template)]
#[template(path = "parts/dashboard-tiles.html")]
struct Tiles {
    running: usize,
    paused: usize,
    stopped: usize,
    images: usize,
    images_size: String,
    memory: String,
    memory_percent: u64,
    memory_tone: &'static str,
    disk: String,
    disk_percent: u64,
    disk_tone: &'static str,
    load: String,
}

impl askama::filters::HtmlSafe for Tiles {}

fn tiles(host: &HostInfo, load: &HostLoad) -> Tiles {
    let percent = |used: u64, total: u64| if total == 0 { 0 } else { used.saturating_mul(100) / total };
    let (memory_percent, disk_percent) = (percent(load.memory_used_bytes, host.memory_bytes), percent(load.disk_used_bytes, load.disk_total_bytes));
    Tiles {
        running: host.containers_running,
        paused: host.containers_paused,
        stopped: host.containers_stopped,
        images: host.images,
        images_size: format::bytes(load.images_bytes),
        memory: format!("{} of {}", format::memory(load.memory_used_bytes), format::memory(host.memory_bytes)),
        memory_percent,
        memory_tone: tone(memory_percent),
        disk: format!("{} of {}", format::bytes(load.disk_used_bytes), format::bytes(load.disk_total_bytes)),
        disk_percent,
        disk_tone: tone(disk_percent),
        load: format!("{:.2}", load.load1),
    }
}

fn tone(percent: u64) -> &'static str {
    match percent {
        0..80 => "good",
        80..92 => "warn",
        _ => "bad",
    }
}

fn charts(load: &HostLoad) -> [Chart; 2] {
    let chart = |id, title, values: &[f32]| {
        let seconds = values.len().saturating_sub(1) as f32 * 2.0;
        Chart::new(id, title, &[Series { label: "", values }], Floor::Tens(100.0), |value| format!("{value:.0} %"), seconds)
    };
    [chart("host-cpu", "CPU", &load.cpu_history), chart("host-memory", "Memory", &load.memory_history)]
}

/// The five that do most, and those that need attention.
fn outstanding(mut containers: Vec<ContainerSummary>) -> (Vec<Shown>, Vec<Shown>) {
    let troubled = containers.iter().map(rows::shown).filter(|shown| matches!(shown.row.state.tone, "bad" | "warn")).take(6).collect();
    containers.retain(|container| container.state.is_live());
    containers.sort_by(|a, b| b.cpu_percent.unwrap_or(0.0).total_cmp(&a.cpu_percent.unwrap_or(0.0)).then(b.memory_bytes.cmp(&a.memory_bytes)));
    (containers.iter().take(6).map(rows::shown).collect(), troubled)
}

pub async fn show(visit: Visit) -> Answer {
    let frame = visit.frame("dashboard", "Dashboard").await.command("gantry info").live("/live/dashboard");
    let host = visit.engine.host_info(visit.caller()).await?;
    let load = visit.engine.host_load(visit.caller()).await?;
    let (busy, troubled) = outstanding(all(&visit.engine, visit.caller()).await?);
    let (has, lacking) = host.findings.iter().cloned().partition(|finding| finding.ok);
    let page = Dashboard {
        memory: format::memory(host.memory_bytes),
        uptime: format::span(load.uptime_secs as i64),
        tiles: tiles(&host, &load),
        charts: charts(&load),
        frame,
        host,
        busy,
        troubled,
        lacking,
        has,
    };
    answer::html(&page)
}

struct HostView {
    visit: Visit,
}

#[derive(Template)]
#[template(path = "parts/busy.html")]
struct BusyPart<'a> {
    busy: &'a [Shown],
}

impl View for HostView {
    async fn pieces(&self) -> Result<Vec<Piece>, PageError> {
        let host = self.visit.engine.host_info(self.visit.caller()).await?;
        let load = self.visit.engine.host_load(self.visit.caller()).await?;
        let (busy, _) = outstanding(all(&self.visit.engine, self.visit.caller()).await?);
        let mut pieces = vec![Piece::swap("tiles", &tiles(&host, &load))?, Piece::swap("busy", &BusyPart { busy: &busy })?];
        for chart in charts(&load) {
            pieces.push(Piece::swap(&format!("chart-{}", chart.id), &chart)?);
        }
        Ok(pieces)
    }
}

/// `/live/dashboard`.
pub async fn live(visit: Visit) -> Answer {
    live::stream(visit.clone(), HostView { visit }, Teller::default(), true).await
}
