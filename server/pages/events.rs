//! `/events`: what happened lately, and what happens.

use crate::answer::{self, Answer};
use crate::errors::PageError;
use crate::format::When;
use crate::frame::Frame;
use crate::live::{self, event};
use crate::urls::encode;
use crate::visit::Visit;
use actix_web::web::Query;
use askama::Template;
use gantry_engine::{Event, EventFilter, EventKind};
use serde::Deserialize;

/// Rows of the page.
const SHOWN: usize = 300;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// `container`, `image`, `job`, `user`, or nothing for all.
    kind: String,
}

/// An event, ready to print.
pub struct Row {
    number: u64,
    when: When,
    kind: &'static str,
    action: String,
    who: String,
    path: String,
    more: String,
}

/// Rows for the page and for its live stream.
#[derive(Template)]
#[template(path = "parts/event-rows.html")]
struct RowsPart {
    rows: Vec<Row>,
}

impl askama::filters::HtmlSafe for RowsPart {}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    rows: RowsPart,
    chips: Vec<(&'static str, String, bool)>,
}

fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Container => "container",
        EventKind::Image => "image",
        EventKind::Network => "network",
        EventKind::Volume => "volume",
        EventKind::Job => "job",
        EventKind::User => "user",
        EventKind::Stats => "stats",
    }
}

fn row(event: &Event) -> Row {
    let named = event.attributes.get("name").or_else(|| event.attributes.get("title")).filter(|name| !name.is_empty());
    let short = |id: &str| id.trim_start_matches("sha256:").chars().take(12).collect::<String>();
    let (who, path) = match event.kind {
        EventKind::Container => (named.cloned().unwrap_or_else(|| short(&event.actor)), format!("/containers/{}", short(&event.actor))),
        EventKind::Image => (named.cloned().unwrap_or_else(|| short(&event.actor)), format!("/images/{}", short(&event.actor))),
        EventKind::Job => (named.cloned().unwrap_or_else(|| event.actor.clone()), format!("/jobs/{}", encode(&event.actor))),
        _ => (named.cloned().unwrap_or_else(|| event.actor.chars().take(64).collect()), String::new()),
    };
    let gone = matches!(event.action.as_str(), "destroy" | "delete");
    let said = ["image", "exitCode", "signal", "execID"].into_iter().filter_map(|key| Some((key, event.attributes.get(key)?)));
    Row {
        number: event.number,
        when: When::at((event.at_ns / 1_000_000) as i64),
        kind: word(event.kind),
        action: event.action.clone(),
        who,
        path: if gone { String::new() } else { path },
        more: said.map(|(key, value)| format!("{key} {}", value.chars().take(60).collect::<String>())).collect::<Vec<_>>().join(", "),
    }
}

fn shown(event: &Event, wanted: &str) -> bool {
    event.kind != EventKind::Stats && (wanted.is_empty() || word(event.kind) == wanted)
}

pub async fn show(visit: Visit, wanted: Query<Wanted>) -> Answer {
    let now = i128::from(crate::format::now_ms()) * 1_000_000;
    let filter = EventFilter { since_ns: Some(0), until_ns: Some(now), stats: false };
    let mut events = visit.engine.events(visit.caller(), filter).await?;
    let mut rows = Vec::new();
    while let Some(event) = events.next().await {
        if shown(&event, &wanted.kind) {
            rows.push(row(&event));
        }
    }
    rows.reverse();
    rows.truncate(SHOWN);
    let chip = |(kind, label): (&str, &'static str)| (label, format!("/events?kind={kind}"), wanted.kind == kind);
    let chips = [("", "All"), ("container", "Containers"), ("image", "Images"), ("job", "Jobs"), ("user", "Users")].into_iter().map(chip).collect();
    let frame = visit.frame("events", "Events").await.command("gantry events --since 1h").live(format!("/live/events?kind={}", encode(&wanted.kind)));
    answer::html(&EventsPage { frame, rows: RowsPart { rows }, chips })
}

/// `/live/events`: each as it comes.
pub async fn live(visit: Visit, wanted: Query<Wanted>) -> Result<actix_web::HttpResponse, PageError> {
    let mut events = visit.engine.events(visit.caller(), EventFilter::default()).await?;
    let (sender, answer) = live::open(&visit).await?;
    actix_web::rt::spawn(async move {
        while let Some(next) = events.next().await {
            if !shown(&next, &wanted.kind) {
                continue;
            }
            let Ok(html) = (RowsPart { rows: vec![row(&next)] }).render() else { return };
            if !sender.send(event("add", &format!("events first\n{html}"))).await {
                return;
            }
        }
    });
    Ok(answer)
}
