//! `/containers/{name}/rename`.

use super::head::{Head, open};
use super::list::path_of;
use crate::answer::{self, Answer};
use crate::errors::sentence;
use crate::frame::Frame;
use crate::visit::Visit;
use actix_web::http::StatusCode;
use actix_web::web::{Form, Path};
use askama::Template;
use gantry_model::ContainerName;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "containers/rename.html")]
struct RenamePage {
    frame: Frame,
    head: Head,
    new: String,
    error: String,
}

pub async fn show(visit: Visit, name: Path<String>) -> Answer {
    page(&visit, &name, None, String::new(), StatusCode::OK).await
}

async fn page(visit: &Visit, name: &str, new: Option<&str>, error: String, status: StatusCode) -> Answer {
    let (frame, head, _) = open(visit, name, "").await?;
    let new = new.unwrap_or(&head.name).to_owned();
    let frame = frame.command(format!("gantry rename {} NEW-NAME", head.name)).live("");
    answer::html_with(status, &RenamePage { frame, head, new, error })
}

#[derive(Deserialize)]
pub struct RenameForm {
    new: String,
}

pub async fn rename(visit: Visit, name: Path<String>, form: Form<RenameForm>) -> Answer {
    let error = match form.new.trim().parse::<ContainerName>() {
        Err(error) => error.to_string(),
        Ok(new) => match visit.engine.rename_container(visit.caller(), &name, new.clone()).await {
            Ok(()) => return visit.done_as(&path_of(new.as_str()), format!("{name} is {new} now."), format!("gantry rename {name} {new}")),
            Err(error) => error.chain(),
        },
    };
    page(&visit, &name, Some(&form.new), sentence(&error), StatusCode::UNPROCESSABLE_ENTITY).await
}
