//! `/images`: the list.

use crate::answer::{self, Answer};
use crate::format::{self, When};
use crate::frame::Frame;
use crate::urls::encode;
use crate::visit::Visit;
use actix_web::web::Query;
use askama::Template;
use gantry_engine::ImageSummary;
use serde::Deserialize;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Words, each a part of a name, a label or the id.
    pub q: String,
    /// `used`, `unused`, `untagged` or nothing.
    pub show: String,
}

/// An image, ready to print.
pub struct Row {
    pub id: String,
    pub name: String,
    pub more_names: Vec<String>,
    pub size: String,
    pub containers: usize,
    pub layers: usize,
    pub created: When,
}

pub struct Chip {
    label: &'static str,
    count: usize,
    path: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "images/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    chips: Vec<Chip>,
    wanted: Wanted,
    total: usize,
    size: String,
    may_operate: bool,
}

pub async fn show(visit: Visit, wanted: Query<Wanted>) -> Answer {
    let all = visit.engine.list_images(visit.caller()).await?;
    let words: Vec<String> = wanted.q.split_whitespace().map(str::to_lowercase).collect();
    let found: Vec<&ImageSummary> = all.iter().filter(|image| words.iter().all(|word| has(image, word))).collect();
    let chip = |(show, label): (&str, &'static str)| Chip {
        label,
        count: found.iter().filter(|image| belongs(image, show)).count(),
        path: format!("/images?q={}&show={show}", encode(&wanted.q)),
        current: wanted.show == show,
    };
    let chips = [("", "All"), ("used", "Used"), ("unused", "Unused"), ("untagged", "Without a name")].into_iter().map(chip).collect();
    let rows = found.iter().filter(|image| belongs(image, &wanted.show)).map(|image| row(image)).collect();
    let frame = visit.frame("images", "Images").await.command("gantry images");
    let size = format::bytes(all.iter().map(|image| image.size_bytes).sum());
    answer::html(&ListPage { may_operate: frame.may_operate(), frame, rows, chips, wanted: wanted.into_inner(), total: all.len(), size })
}

fn belongs(image: &ImageSummary, show: &str) -> bool {
    match show {
        "used" => image.containers > 0,
        "unused" => image.containers == 0,
        "untagged" => image.tags.is_empty(),
        _ => true,
    }
}

fn has(image: &ImageSummary, word: &str) -> bool {
    image.tags.iter().any(|tag| tag.to_lowercase().contains(word))
        || image.id.hex().starts_with(word)
        || image.labels.iter().any(|(key, value)| format!("{key}={value}").to_lowercase().contains(word))
}

pub fn row(image: &ImageSummary) -> Row {
    let mut names = image.tags.iter().cloned();
    Row {
        id: image.id.short().to_owned(),
        name: names.next().unwrap_or_default(),
        more_names: names.collect(),
        size: format::bytes(image.size_bytes),
        containers: image.containers,
        layers: image.layers,
        created: When::at(image.created_at_ms),
    }
}
