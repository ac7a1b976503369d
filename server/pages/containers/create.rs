//! `/new-container`: the form with everything a container can be asked for.

use super::fields::{Field, GROUPS, Input};
use super::list::path_of;
use super::wish::{self, Asked, Values, Wrong};
use crate::answer::{self, Answer};
use crate::errors::{PageError, sentence};
use crate::frame::Frame;
use crate::visit::Visit;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Form, Query};
use askama::Template;
use gantry_engine::{ContainerDetail, EngineError};
use gantry_model::{ContainerSpec, Kind, MountKind};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A field with its value, ready to print.
struct Filled {
    field: &'static Field,
    value: String,
    wrong: String,
    rows: usize,
}

impl Filled {
    fn is_lines(&self) -> bool {
        self.field.input == Input::Lines
    }

    fn is_tick(&self) -> bool {
        self.field.input == Input::Tick
    }

    fn is_image(&self) -> bool {
        self.field.name == "image"
    }

    fn choices(&self) -> &'static [(&'static str, &'static str)] {
        match self.field.input {
            Input::Choice(choices) => choices,
            _ => &[],
        }
    }

    fn holds(&self, value: &str) -> bool {
        self.value == value
    }
}

struct FilledGroup {
    title: &'static str,
    lead: &'static str,
    open: bool,
    /// Fields of the group that are filled in.
    used: usize,
    fields: Vec<Filled>,
}

#[derive(Template)]
#[template(path = "containers/create.html")]
struct CreatePage {
    frame: Frame,
    groups: Vec<FilledGroup>,
    images: Vec<String>,
    error: String,
    hint: String,
    start: bool,
}

fn groups(values: &Values, wrong: &[Wrong]) -> Vec<FilledGroup> {
    let wrong: BTreeMap<&str, &str> = wrong.iter().rev().map(|(field, why)| (*field, why.as_str())).collect();
    GROUPS
        .iter()
        .map(|group| {
            let fill = |field: &'static Field| {
                let value = values.get(field.name).cloned().unwrap_or_default();
                Filled { field, rows: value.lines().count().clamp(2, 8), value, wrong: sentence(wrong.get(field.name).copied().unwrap_or_default()) }
            };
            let fields: Vec<Filled> = group.fields.iter().map(fill).collect();
            let used = fields.iter().filter(|filled| !filled.value.is_empty() && filled.field.name != "restart").count();
            let open = group.open || used > 0 || fields.iter().any(|filled| !filled.wrong.is_empty());
            FilledGroup { title: group.title, lead: group.lead, open, used, fields }
        })
        .collect()
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Start {
    /// Name of a container to make another like.
    like: String,
    image: String,
}

pub async fn show(visit: Visit, query: Query<Start>) -> Answer {
    let mut values = Values::new();
    if !query.like.is_empty() {
        let detail = visit.engine.container(visit.caller(), &query.like).await?;
        values = wish::write(&asked_for(&visit, detail).await?);
    } else if !query.image.is_empty() {
        values.insert("image".to_owned(), query.image.clone());
    }
    page(&visit, &values, &[], None, true, &query.like, StatusCode::OK).await
}

/// The wish without what the image and the engine added to it.
async fn asked_for(visit: &Visit, detail: ContainerDetail) -> Result<ContainerSpec, EngineError> {
    let mut spec = detail.spec;
    let image = match visit.engine.image(visit.caller(), detail.summary.image_id.as_str()).await {
        Ok(image) => image.config,
        Err(error) if error.kind() == Kind::NotFound => gantry_engine::ImageRuntimeConfig::default(),
        Err(error) => return Err(error),
    };
    let of_the_engine = |entry: &String| entry.starts_with("HOSTNAME=") || entry == "TERM=xterm" || entry.starts_with("PATH=/usr/local/sbin:/usr/local/bin:");
    spec.env.retain(|entry| !image.env.contains(entry) && !of_the_engine(entry));
    spec.labels.retain(|key, value| image.labels.get(key) != Some(value));
    if spec.user == image.user {
        spec.user.clear();
    }
    if spec.working_dir == image.working_dir || spec.working_dir == "/" {
        spec.working_dir.clear();
    }
    if spec.stop_signal.map(|signal| signal.to_string()) == image.stop_signal {
        spec.stop_signal = None;
    }
    // A volume made for one container alone is made anew for the other.
    for mount in &mut spec.mounts {
        if let MountKind::Volume { name, .. } = &mut mount.kind
            && name.len() == 64
        {
            name.clear();
        }
    }
    Ok(spec)
}

async fn page(visit: &Visit, values: &Values, wrong: &[Wrong], error: Option<&EngineError>, start: bool, like: &str, status: StatusCode) -> Answer {
    let images = visit.engine.list_images(visit.caller()).await?.into_iter().flat_map(|image| image.tags).collect();
    let title = if like.is_empty() { "New container".to_owned() } else { format!("Another {like}") };
    let frame = visit.frame("containers", &title).await.command(command_of(values, start));
    let first = match (error, wrong.len()) {
        (Some(error), _) => sentence(&error.chain()),
        (None, 0) => String::new(),
        (None, 1) => "One field needs another look.".to_owned(),
        (None, many) => format!("{many} fields need another look."),
    };
    let hint = error.and_then(EngineError::hint).map(sentence).unwrap_or_default();
    answer::html_with(status, &CreatePage { frame, groups: groups(values, wrong), images, error: first, hint, start })
}

/// The command of a form that reads as a wish, and the way to one otherwise.
fn command_of(values: &Values, start: bool) -> String {
    match wish::read(values) {
        Ok(asked) => command_line(&asked, start),
        Err(_) => "gantry run -d [flags] IMAGE [COMMAND]".to_owned(),
    }
}

fn command_line(asked: &Asked, start: bool) -> String {
    let write = if start { gantry_engine::command_line::run } else { gantry_engine::command_line::create };
    write(asked.name.as_ref(), &asked.spec)
}

/// Values with the line ends of this side, and whether to start at once.
fn filled_in(form: Form<Values>) -> (Values, bool) {
    let values: Values = form.into_inner().into_iter().map(|(key, value)| (key, value.replace("\r\n", "\n"))).collect();
    let start = values.get("start").is_some_and(|value| value == "on");
    (values, start)
}

/// The command that does what the form asks for, as text; nothing while a field is half typed.
pub async fn command(form: Form<Values>) -> Answer {
    let (values, start) = filled_in(form);
    Ok(match wish::read(&values) {
        Ok(asked) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(command_line(&asked, start)),
        Err(_) => HttpResponse::NoContent().finish(),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Wanted {
    /// `command`: nothing is made, the page comes again with the command.
    show: String,
}

pub async fn create(visit: Visit, form: Form<Values>, wanted: Query<Wanted>) -> Answer {
    let (values, start) = filled_in(form);
    if wanted.show == "command" {
        let wrong = wish::read(&values).err().unwrap_or_default();
        return page(&visit, &values, &wrong, None, start, "", StatusCode::OK).await;
    }
    let asked = match wish::read(&values) {
        Ok(asked) => asked,
        Err(wrong) => return page(&visit, &values, &wrong, None, start, "", StatusCode::UNPROCESSABLE_ENTITY).await,
    };
    let created = match visit.engine.create_container(visit.caller(), asked.name, asked.spec).await {
        Ok(created) => created,
        // What is wrong with the wish is told above the form, with all that was typed.
        Err(error) => {
            let status = actix_web::ResponseError::status_code(&PageError::Engine(EngineError::said(error.kind(), "")));
            return page(&visit, &values, &[], Some(&error), start, "", status).await;
        }
    };
    let path = path_of(created.name.as_str());
    let warnings: String = created.warnings.iter().map(|warning| format!(" {}", sentence(warning))).collect();
    if start && let Err(error) = visit.engine.start_container(visit.caller(), created.id.as_str()).await {
        return visit.failed(&path, format!("{} was made, but did not start: {}{warnings}", created.name, error.chain()));
    }
    visit.done(&path, format!("{} {}.{warnings}", created.name, if start { "runs" } else { "was made" }))
}
