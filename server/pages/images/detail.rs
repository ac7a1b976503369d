//! `/images/{reference}`: how it was made, of which layers, and what containers get from it.

use super::list::{self, Row};
use crate::answer::{self, Answer};
use crate::containers::list::all;
use crate::containers::rows::{self, Shown};
use crate::format::{self, When};
use crate::frame::Frame;
use crate::visit::Visit;
use crate::words;
use actix_web::web::Path;
use askama::Template;
use gantry_engine::{HistoryEntry, ImageDetail};

struct Step {
    by: String,
    comment: String,
    size: String,
    empty: bool,
    when: Option<When>,
}

struct Layer {
    id: String,
    size: String,
    shared: String,
}

#[derive(Template)]
#[template(path = "images/detail.html")]
struct DetailPage {
    frame: Frame,
    row: Row,
    title: String,
    full_id: String,
    platform: String,
    facts: Vec<(&'static str, String)>,
    env: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    steps: Vec<Step>,
    layers: Vec<Layer>,
    containers: Vec<Shown>,
    config_json: String,
    may_operate: bool,
}

pub async fn show(visit: Visit, reference: Path<String>) -> Answer {
    let image = visit.engine.image(visit.caller(), &reference).await?;
    let row = list::row(&image.summary);
    let title = if row.name.is_empty() { row.id.clone() } else { row.name.clone() };
    let users = all(&visit.engine, visit.caller()).await?;
    let containers = users.iter().filter(|container| container.image_id == image.summary.id).map(rows::shown).collect();
    let frame = visit.frame("images", &title).await.command(format!("gantry history {title}"));
    let pair = |text: &String| text.split_once('=').map_or_else(|| (text.clone(), String::new()), |(name, value)| (name.to_owned(), value.to_owned()));
    let page = DetailPage {
        may_operate: frame.may_operate(),
        frame,
        title,
        full_id: image.summary.id.to_string(),
        platform: format!("{}/{}", image.os, image.architecture),
        facts: facts(&image),
        env: image.config.env.iter().map(pair).collect(),
        labels: image.config.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        steps: image.history.iter().rev().map(step).collect(),
        layers: image
            .layers
            .iter()
            .map(|layer| Layer { id: layer.diff_id.to_string(), size: format::bytes(layer.size_bytes), shared: shared(layer.shared_by) })
            .collect(),
        containers,
        config_json: pretty(&image.config_json),
        row,
    };
    answer::html(&page)
}

fn pretty(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json).map_or_else(|_| json.to_owned(), |value| format!("{value:#}"))
}

fn shared(by: usize) -> String {
    if by == 0 { "this image alone".to_owned() } else { format!("shared with {}", format::count(by, "other image")) }
}

fn step(entry: &HistoryEntry) -> Step {
    // The classic builder writes shell form; the noise before the instruction tells nothing.
    let by = entry.created_by.trim_start_matches("/bin/sh -c #(nop)").trim().to_owned();
    Step {
        by: if by.is_empty() { "–".to_owned() } else { by },
        comment: entry.comment.clone(),
        size: format::bytes(entry.size_bytes),
        empty: entry.empty_layer,
        when: entry.created_at_ms.filter(|at| *at > 0).map(When::at),
    }
}

fn facts(image: &ImageDetail) -> Vec<(&'static str, String)> {
    let config = &image.config;
    let command = |list: &Option<Vec<String>>| list.as_ref().map(|list| words::join(list)).unwrap_or_default();
    let all = [
        ("Entrypoint", command(&config.entrypoint)),
        ("Command", command(&config.cmd)),
        ("User", config.user.clone()),
        ("Folder", config.working_dir.clone()),
        ("Ports", config.exposed_ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("Volumes", config.volumes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("Stop signal", config.stop_signal.clone().unwrap_or_default()),
        ("Author", image.author.clone()),
        ("Comment", image.comment.clone()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}
