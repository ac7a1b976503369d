//! The first visit: the one-time code that the server printed makes the first admin.

use crate::answer::{self, Answer};
use crate::errors::sentence;
use crate::frame::Frame;
use crate::login;
use crate::visit::Guest;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use askama::Template;
use gantry_engine::Engine;
use gantry_model::UserName;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: Frame,
    code: String,
    name: String,
    error: String,
}

#[derive(Deserialize)]
pub struct Code {
    #[serde(default)]
    code: String,
}

pub async fn show(guest: Guest, engine: Data<Engine>, query: Query<Code>) -> Answer {
    if !engine.needs_setup() {
        return Ok(answer::see_other("/"));
    }
    let frame = Frame::of(&guest, &engine, "Welcome").await;
    answer::html(&SetupPage { frame, code: query.code.clone(), name: "admin".to_owned(), error: String::new() })
}

#[derive(Deserialize)]
pub struct SetupForm {
    code: String,
    name: String,
    password: String,
    again: String,
}

pub async fn set_up(guest: Guest, engine: Data<Engine>, request: HttpRequest, form: Form<SetupForm>) -> Answer {
    let (error, status) = match (form.name.trim().parse::<UserName>(), form.password == form.again) {
        (Err(error), _) => (error, StatusCode::UNPROCESSABLE_ENTITY),
        (_, false) => ("the two passwords differ".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (Ok(name), true) => match engine.set_up(&form.code, name, &form.password, guest.address).await {
            Ok(new) => return Ok(login::enter(&request, &new.token, "/")),
            Err(error) => (error.to_string(), login::status_of(&error)),
        },
    };
    let frame = Frame::of(&guest, &engine, "Welcome").await;
    let page = SetupPage { frame, code: form.code.clone(), name: form.name.clone(), error: sentence(&error) };
    answer::html_with(status, &page)
}
