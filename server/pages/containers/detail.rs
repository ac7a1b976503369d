//! `/containers/{name}`: what it is and how it was made.

use super::head::{Head, open};
use super::rows::{self, Usage};
use crate::answer::{self, Answer};
use crate::format::{self, When};
use crate::frame::Frame;
use crate::visit::Visit;
use actix_web::web::Path;
use askama::Template;
use gantry_engine::{ContainerDetail, ContainerSummary};
use gantry_model::{ContainerSpec, Limits, Mount, MountKind, Role};

/// A line of a list of facts; `list` stands for several values.
pub struct Fact {
    pub what: &'static str,
    pub list: Vec<String>,
    pub mono: bool,
}

fn fact(what: &'static str, value: impl Into<String>) -> Fact {
    Fact { what, list: vec![value.into()], mono: false }
}

fn code(what: &'static str, list: impl IntoIterator<Item = String>) -> Fact {
    Fact { what, list: list.into_iter().collect(), mono: true }
}

#[derive(Template)]
#[template(path = "containers/overview.html")]
struct Overview {
    frame: Frame,
    head: Head,
    usage: Option<Usage>,
    started: Option<When>,
    finished: Option<When>,
    created: When,
    facts: Vec<Fact>,
    reach: Vec<Fact>,
    limits: Vec<Fact>,
    env: Vec<(String, String)>,
    env_hidden: bool,
    labels: Vec<(String, String)>,
}

pub async fn show(visit: Visit, name: Path<String>) -> Answer {
    let (frame, head, detail) = open(&visit, &name, "").await?;
    // Values of the environment are often secrets: whoever only looks sees the names.
    let sees_env = visit.may(Role::Operator);
    let command = if sees_env { detail.command_line.clone() } else { format!("gantry inspect {}", head.name) };
    let summary = &detail.summary;
    let spec = &detail.spec;
    let split = |text: &String| text.split_once('=').map_or_else(|| (text.clone(), String::new()), |(name, value)| (name.to_owned(), value.to_owned()));
    let page = Overview {
        frame: frame.command(command),
        usage: rows::usage(summary),
        started: summary.started_at_ms.map(When::at),
        finished: summary.finished_at_ms.filter(|_| !head.live).map(When::at),
        created: When::at(summary.created_at_ms),
        facts: process(&detail, spec),
        reach: reach(summary, spec),
        limits: limits(&spec.limits),
        env: spec.env.iter().map(split).map(|(name, value)| (name, if sees_env { value } else { String::new() })).collect(),
        env_hidden: !sees_env,
        labels: summary.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        head,
    };
    answer::html(&page)
}

fn process(detail: &ContainerDetail, spec: &ContainerSpec) -> Vec<Fact> {
    let words = std::iter::once(&detail.path)
        .chain(&detail.args)
        .map(|word| if word.contains([' ', '\n']) || word.is_empty() { format!("'{word}'") } else { word.clone() });
    let mut facts = vec![code("Command", [words.collect::<Vec<_>>().join(" ")]), code("Id", [detail.summary.id.to_string()])];
    let mut add = |what, text: &str| {
        if !text.is_empty() {
            facts.push(code(what, [text.to_owned()]));
        }
    };
    add("Folder", &spec.working_dir);
    add("User", &spec.user);
    add("Host name", &spec.hostname);
    if let Some(pid) = detail.summary.pid {
        facts.push(fact("Process", format!("number {pid} on the host")));
    }
    facts.push(fact("Restart", restart(spec, detail.restart_count)));
    let stop = spec.stop_signal.map_or_else(|| "SIGTERM".to_owned(), |signal| signal.to_string());
    facts.push(fact("Stop", format!("{stop}, killed after {} s", spec.stop_timeout_secs.unwrap_or(10))));
    facts.push(fact("Terminal", if spec.tty { "yes" } else { "no" }));
    facts
}

fn restart(spec: &ContainerSpec, count: u32) -> String {
    let policy = match spec.restart.to_string().as_str() {
        "no" => "never".to_owned(),
        other => other.to_owned(),
    };
    if count > 0 { format!("{policy}; {} so far", format::count(count as usize, "time")) } else { policy }
}

fn reach(summary: &ContainerSummary, spec: &ContainerSpec) -> Vec<Fact> {
    let mut facts = vec![fact("Network", summary.network.clone())];
    for place in &summary.endpoints {
        if let Some(ip) = place.ip {
            facts.push(code("Address", [format!("{ip}/{} on {}", place.prefix_len, place.network)]));
        }
        if let Some(gateway) = place.gateway {
            facts.push(code("Gateway", [gateway.to_string()]));
        }
    }
    if !spec.ports.is_empty() {
        facts.push(code("Ports", ports(summary, spec)));
    }
    if !spec.mounts.is_empty() {
        facts.push(code("Mounts", spec.mounts.iter().map(mount)));
    }
    if !spec.extra_hosts.is_empty() {
        facts.push(code("Hosts", spec.extra_hosts.iter().cloned()));
    }
    if !spec.dns.is_empty() {
        facts.push(code("DNS", spec.dns.iter().cloned()));
    }
    if !spec.devices.is_empty() {
        facts.push(code(
            "Devices",
            spec.devices.iter().map(|device| format!("{} as {} ({})", device.path_on_host, device.path_in_container, device.permissions)),
        ));
    }
    facts
}

/// As published while it runs, as wished otherwise.
fn ports(summary: &ContainerSummary, spec: &ContainerSpec) -> Vec<String> {
    let live = summary.ports.iter().filter_map(|port| port.host.map(|(ip, host)| format!("{ip}:{host} → {}/{}", port.container_port, port.protocol)));
    let live: Vec<String> = live.collect();
    if live.is_empty() { spec.ports.iter().map(ToString::to_string).collect() } else { live }
}

fn mount(mount: &Mount) -> String {
    let what = match &mount.kind {
        MountKind::Bind { source, .. } => source.clone(),
        MountKind::Volume { name, .. } => format!("volume {name}"),
        MountKind::Tmpfs { size_bytes: Some(size), .. } => format!("memory, {} at most", format::memory(*size)),
        MountKind::Tmpfs { .. } => "memory".to_owned(),
    };
    format!("{} ← {what}{}", mount.target, if mount.read_only { " (read only)" } else { "" })
}

fn limits(limits: &Limits) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |what, text: Option<String>| facts.extend(text.map(|text| fact(what, text)));
    add("Memory", limits.memory_bytes.map(format::memory));
    add("Memory and swap", limits.memory_swap_bytes.map(|bytes| u64::try_from(bytes).map_or_else(|_| "no limit".to_owned(), format::memory)));
    add("Memory, soft", limits.memory_reservation_bytes.map(format::memory));
    add("Processors", limits.nano_cpus.map(|nano| format!("{}", nano as f64 / 1e9)));
    add("CPU weight", limits.cpu_shares.map(|shares| shares.to_string()));
    add("CPU set", limits.cpuset_cpus.clone());
    add("Processes", limits.pids.filter(|pids| *pids > 0).map(|pids| pids.to_string()));
    facts
}
