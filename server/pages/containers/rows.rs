//! The list of containers, ready to print: filtered, sorted, one page of it.

use crate::format::{self, When};
use crate::spark;
use crate::urls;
use gantry_engine::{ContainerSummary, PublishedPort};
use gantry_model::State;
use serde::Deserialize;
use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Rows of one page.
pub const PER_PAGE: usize = 100;

/// What the reader wants to see, as the address says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Words, each a part of name, image, id, label or state.
    pub q: String,
    /// `running`, `stopped`, `attention` or nothing.
    pub show: String,
    /// `name`, `state`, `cpu`, `memory`, `since`; nothing is the newest first.
    pub sort: String,
    pub page: usize,
}

impl Wanted {
    /// The address of the same list with another choice.
    pub fn path(&self, show: &str, sort: &str, page: usize) -> String {
        let pairs = [("q", self.q.as_str()), ("show", show), ("sort", sort)];
        let mut query: Vec<String> = pairs.iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| format!("{key}={}", urls::encode(value))).collect();
        if page > 0 {
            query.push(format!("page={page}"));
        }
        if query.is_empty() { "/containers".to_owned() } else { format!("/containers?{}", query.join("&")) }
    }
}

/// A state as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateView {
    pub word: String,
    /// `good`, `warn`, `bad`, `idle`, `hollow`.
    pub tone: &'static str,
}

impl StateView {
    pub fn of(container: &ContainerSummary) -> Self {
        let said = |word: &str, tone| Self { word: word.to_owned(), tone };
        match container.state {
            State::Running => said("running", "good"),
            State::Paused => said("paused", "hollow"),
            State::Restarting => said("restarting", "warn"),
            State::Removing => said("removing", "warn"),
            State::Dead => said("half removed", "bad"),
            State::Created => said("created", "hollow"),
            State::Exited if container.oom_killed => said("out of memory", "bad"),
            State::Exited => match container.exit_code {
                None | Some(0) => said("stopped", "idle"),
                Some(code @ (130 | 137 | 143)) => said(&format!("stopped ({code})"), "idle"),
                Some(code) => said(&format!("failed ({code})"), "bad"),
            },
        }
    }
}

/// One row. What changes every two seconds is in `Usage`.
#[derive(Debug, Clone, Hash)]
pub struct Row {
    pub id: String,
    pub name: String,
    pub image: String,
    pub state: StateView,
    pub status: String,
    pub ports: Vec<Port>,
    pub more_ports: usize,
    /// Of the start, the end or the making, whichever was last.
    pub since_ms: i64,
    pub since_word: &'static str,
    pub live: bool,
    pub paused: bool,
}

impl Row {
    pub fn since(&self) -> When {
        When::at(self.since_ms)
    }
}

/// `8080 → 80`, with a link where a browser may find something.
#[derive(Debug, Clone, Hash)]
pub struct Port {
    pub text: String,
    pub title: String,
}

#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Usage {
    pub cpu: String,
    pub memory: String,
    pub memory_title: String,
    /// Points of the spark line.
    pub spark: String,
}

/// A row with its usage; `None` for a container that does not run.
#[derive(Debug, Clone)]
pub struct Shown {
    pub row: Row,
    pub usage: Option<Usage>,
}

/// One page of the list.
pub struct Listed {
    pub rows: Vec<Shown>,
    pub chips: Vec<Chip>,
    pub found: usize,
    pub total: usize,
    pub first: usize,
    pub last: usize,
    pub previous: Option<String>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Hash)]
pub struct Chip {
    pub label: &'static str,
    pub count: usize,
    pub path: String,
    pub current: bool,
}

/// Filters, sorts and cuts `all` (newest first).
pub fn listed(all: Vec<ContainerSummary>, wanted: &Wanted) -> Listed {
    let total = all.len();
    let words: Vec<String> = wanted.q.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<ContainerSummary> = all.into_iter().filter(|container| matches(container, &words)).collect();
    let chips = chips(&found, wanted);
    found.retain(|container| belongs(container, &wanted.show));
    sort(&mut found, &wanted.sort);
    let pages = found.len().div_ceil(PER_PAGE).max(1);
    let page = wanted.page.min(pages - 1);
    let first = page * PER_PAGE;
    let go = |page: usize| wanted.path(&wanted.show, &wanted.sort, page);
    let rows: Vec<Shown> = found.iter().skip(first).take(PER_PAGE).map(shown).collect();
    Listed {
        first: first + usize::from(!rows.is_empty()),
        last: first + rows.len(),
        previous: (page > 0).then(|| go(page - 1)),
        next: (page + 1 < pages).then(|| go(page + 1)),
        found: found.len(),
        rows,
        chips,
        total,
    }
}

fn chips(found: &[ContainerSummary], wanted: &Wanted) -> Vec<Chip> {
    [("", "All"), ("running", "Running"), ("stopped", "Stopped"), ("attention", "Needs attention")]
        .into_iter()
        .map(|(show, label)| Chip {
            label,
            count: found.iter().filter(|container| belongs(container, show)).count(),
            path: wanted.path(show, &wanted.sort, 0),
            current: wanted.show == show,
        })
        .collect()
}

fn belongs(container: &ContainerSummary, show: &str) -> bool {
    match show {
        "running" => container.state.is_live(),
        "stopped" => !container.state.is_live(),
        "attention" => matches!(StateView::of(container).tone, "bad" | "warn"),
        _ => true,
    }
}

fn matches(container: &ContainerSummary, words: &[String]) -> bool {
    let has = |text: &str, word: &str| text.to_lowercase().contains(word);
    words.iter().all(|word| {
        has(container.name.as_str(), word)
            || has(&container.image, word)
            || container.id.as_str().starts_with(word.as_str())
            || has(container.state.as_str(), word)
            || container.labels.iter().any(|(key, value)| has(&format!("{key}={value}"), word))
    })
}

fn sort(found: &mut [ContainerSummary], by: &str) {
    let most = |a: f64, b: f64| b.partial_cmp(&a).unwrap_or(Ordering::Equal);
    match by {
        "name" => found.sort_by(|a, b| a.name.cmp(&b.name)),
        "state" => found.sort_by_key(|container| (!container.state.is_live(), StateView::of(container).word)),
        "cpu" => found.sort_by(|a, b| most(a.cpu_percent.unwrap_or(-1.0), b.cpu_percent.unwrap_or(-1.0))),
        "memory" => found.sort_by_key(|container| std::cmp::Reverse(container.memory_bytes)),
        "since" => found.sort_by_key(|container| std::cmp::Reverse(since(container).0)),
        _ => {}
    }
}

fn since(container: &ContainerSummary) -> (i64, &'static str) {
    match (container.state.is_live(), container.started_at_ms, container.finished_at_ms) {
        (true, Some(started), _) => (started, "running for"),
        (false, _, Some(finished)) => (finished, "stopped"),
        _ => (container.created_at_ms, "created"),
    }
}

pub fn shown(container: &ContainerSummary) -> Shown {
    let (since_ms, since_word) = since(container);
    let mut ports: Vec<Port> = container.ports.iter().filter_map(port).collect();
    // 0.0.0.0 and :: say the same.
    ports.dedup_by(|a, b| a.text == b.text);
    let more_ports = ports.len().saturating_sub(3);
    ports.truncate(3);
    let row = Row {
        id: container.id.short().to_owned(),
        name: container.name.to_string(),
        image: image(&container.image),
        state: StateView::of(container),
        status: container.status.clone(),
        ports,
        more_ports,
        since_ms,
        since_word,
        live: container.state.is_live(),
        paused: container.state == State::Paused,
    };
    Shown { row, usage: usage(container) }
}

/// An id as image name is cut to what people read.
pub fn image(text: &str) -> String {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) { hex[..12].to_owned() } else { text.to_owned() }
}

fn port(port: &PublishedPort) -> Option<Port> {
    let (address, host) = port.host?;
    let protocol = if port.protocol == gantry_model::Protocol::Udp { "/udp" } else { "" };
    let at = if address.is_unspecified() { String::new() } else { format!("{address}:") };
    Some(Port {
        text: format!("{at}{host} → {}{protocol}", port.container_port),
        title: format!("Port {host} of the host ({address}) goes to port {} of the container", port.container_port),
    })
}

pub fn usage(container: &ContainerSummary) -> Option<Usage> {
    let memory = container.memory_bytes?;
    Some(Usage {
        cpu: format::percent(container.cpu_percent.unwrap_or(0.0)),
        memory: format::memory(memory),
        memory_title: container.memory_limit_bytes.map(|limit| format!("{} of {}", format::memory(memory), format::memory(limit))).unwrap_or_default(),
        spark: spark::points(&container.cpu_history, 64.0, 18.0),
    })
}

/// Tells whether two readers see the same rows, without their usage.
pub fn fingerprint(rows: &[Shown]) -> u64 {
    let mut hasher = DefaultHasher::new();
    rows.iter().for_each(|shown| shown.row.hash(&mut hasher));
    hasher.finish()
}
