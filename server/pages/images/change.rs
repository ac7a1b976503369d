//! Names given and taken, images removed after a question.

use super::list::{Row, row};
use crate::answer::{self, Answer};
use crate::errors::{PageError, sentence};
use crate::format;
use crate::frame::Frame;
use crate::urls::encode;
use crate::visit::Visit;
use actix_web::web::{Form, Path, Query};
use askama::Template;
use gantry_model::ImageRef;
use serde::Deserialize;

type Pairs = Vec<(String, String)>;

#[derive(Deserialize)]
pub struct TagForm {
    name: String,
}

pub async fn tag(visit: Visit, reference: Path<String>, form: Form<TagForm>) -> Answer {
    let path = format!("/images/{}", encode(&reference));
    let name = match form.name.trim().parse::<ImageRef>() {
        Ok(name) => name,
        Err(error) => return visit.failed(&path, sentence(&error.to_string())),
    };
    match visit.engine.tag_image(visit.caller(), &reference, name.clone()).await {
        Ok(()) => visit.done_as(&path, format!("It is {} too.", name.familiar()), format!("gantry tag {reference} {}", name.familiar())),
        Err(error) => visit.failed(&path, sentence(&error.chain())),
    }
}

#[derive(Template)]
#[template(path = "images/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    question: String,
    rows: Vec<Going>,
    used: usize,
    next: String,
}

/// What goes: an image, or one of its names.
struct Going {
    reference: String,
    row: Row,
    only_name: bool,
    containers: Vec<String>,
}

fn chosen(pairs: &Pairs) -> Vec<String> {
    match pairs.iter().find(|(key, _)| key == "one") {
        Some((_, one)) => vec![one.clone()],
        None => pairs.iter().filter(|(key, _)| key == "id").map(|(_, id)| id.clone()).collect(),
    }
}

/// Lists what goes, and asks.
pub async fn confirm(visit: Visit, query: Query<Pairs>) -> Answer {
    let containers = crate::containers::list::all(&visit.engine, visit.caller()).await?;
    let mut rows = Vec::new();
    for reference in chosen(&query) {
        let Ok(image) = visit.engine.image(visit.caller(), &reference).await else { continue };
        let only_name = image.summary.tags.len() > 1 && image.summary.tags.contains(&reference);
        let of = containers.iter().filter(|container| container.image_id == image.summary.id).map(|container| container.name.to_string()).collect();
        rows.push(Going { reference, row: row(&image.summary), only_name, containers: of });
    }
    let question = match rows.as_slice() {
        [] => return visit.done("/images", "They are gone already."),
        [one] if one.only_name => format!("Take the name {} away?", one.reference),
        [one] => format!("Remove {}?", if one.row.name.is_empty() { &one.row.id } else { &one.row.name }),
        many => format!("Remove {}?", format::count(many.len(), "image")),
    };
    let used = rows.iter().filter(|going| !going.only_name && !going.containers.is_empty()).count();
    let names: Vec<&str> = rows.iter().map(|going| going.reference.as_str()).collect();
    let frame = visit.frame("images", &question).await.command(format!("gantry rmi {}", names.join(" ")));
    let next = if rows.len() == 1 && rows[0].only_name { format!("/images/{}", rows[0].row.id) } else { "/images".to_owned() };
    answer::html(&ConfirmPage { frame, question, rows, used, next })
}

pub async fn remove(visit: Visit, form: Form<Pairs>) -> Result<actix_web::HttpResponse, PageError> {
    let references = chosen(&form);
    if references.is_empty() {
        return visit.failed("/images", "Tick the images first.");
    }
    if !form.iter().any(|(key, value)| key == "sure" && value == "yes") {
        let ids: Vec<String> = references.iter().map(|id| format!("id={}", encode(id))).collect();
        return Ok(answer::see_other(&format!("/confirm/images?{}", ids.join("&"))));
    }
    let (mut removed, mut failures) = (0, Vec::new());
    for reference in &references {
        match visit.engine.remove_image(visit.caller(), reference, false).await {
            Ok(_) => removed += 1,
            // By its id with several names: all of them were listed.
            Err(error) if error.kind() == gantry_model::Kind::Conflict => match visit.engine.remove_image(visit.caller(), reference, true).await {
                Ok(_) => removed += 1,
                Err(error) => failures.push(format!("{reference}: {}", sentence(&error.chain()))),
            },
            Err(error) => failures.push(format!("{reference}: {}", sentence(&error.chain()))),
        }
    }
    if failures.is_empty() {
        visit.done_as("/images", format!("Removed {}.", format::count(removed, "image")), format!("gantry rmi {}", references.join(" ")))
    } else {
        visit.failed("/images", failures.join(" "))
    }
}
