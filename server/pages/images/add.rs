//! `/new-image`: archives and root file systems from the browser. The upload becomes a job with a page of its own.

use crate::answer::{self, Answer};
use crate::errors::{PageError, sentence};
use crate::frame::Frame;
use crate::upload::Form;
use crate::visit::Visit;
use actix_multipart::Multipart;
use askama::Template;
use gantry_engine::ImportOptions;
use gantry_model::ImageRef;

#[derive(Template)]
#[template(path = "images/add.html")]
struct AddPage {
    frame: Frame,
}

pub async fn show(visit: Visit) -> Answer {
    answer::html(&AddPage { frame: visit.frame("images", "Add an image").await.command("gantry load -i FILE") })
}

pub async fn load(visit: Visit, mut body: Multipart) -> Answer {
    let (upload, feed) = Form::open(&visit, &mut body).await?.split();
    let job = visit.engine.load_images(visit.caller(), upload).await?;
    feed.run().await;
    Ok(answer::see_other(&format!("/jobs/{}", job.id)))
}

pub async fn import(visit: Visit, mut body: Multipart) -> Answer {
    let form = Form::open(&visit, &mut body).await?;
    let name = form.text("name");
    let reference = if name.is_empty() { None } else { Some(name.parse::<ImageRef>().map_err(|error| PageError::Invalid(sentence(&error.to_string())))?) };
    let changes = form.text("changes").lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let options = ImportOptions { reference, message: form.text("message").to_owned(), changes };
    let (upload, feed) = form.split();
    let job = visit.engine.import_image(visit.caller(), upload, options).await?;
    feed.run().await;
    Ok(answer::see_other(&format!("/jobs/{}", job.id)))
}
