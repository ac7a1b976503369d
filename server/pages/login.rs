//! Logging in and out, and the theme.

use crate::answer::{self, Answer};
use crate::errors::{PageError, sentence};
use crate::frame::Frame;
use crate::session;
use crate::urls::safe_next;
use crate::visit::{Guest, Theme, Visit};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use gantry_engine::{Engine, LoginError};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    frame: Frame,
    next: String,
    name: String,
    error: String,
    why: &'static str,
}

const GO_ON: &str = "Log in and you go on where you were.";

#[derive(Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

pub async fn show(guest: Guest, engine: Data<Engine>, query: Query<Next>) -> Answer {
    if engine.needs_setup() {
        return Ok(answer::see_other("/setup"));
    }
    if guest.session.is_some() {
        return Ok(answer::see_other(&query.next));
    }
    let frame = Frame::of(&guest, &engine, "Log in").await;
    answer::html(&LoginPage {
        frame,
        next: safe_next(&query.next).to_owned(),
        name: String::new(),
        error: String::new(),
        why: if query.next.is_empty() { "" } else { GO_ON },
    })
}

#[derive(Deserialize)]
pub struct LoginForm {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub async fn log_in(guest: Guest, engine: Data<Engine>, request: HttpRequest, form: Form<LoginForm>) -> Answer {
    match engine.log_in(&form.name, &form.password, guest.address, &guest.user_agent).await {
        Ok(new) => {
            // A session that was open in this browser ends with the new one.
            if let Some(old) = session::token(&request) {
                engine.log_out(&old).await?;
            }
            Ok(enter(&request, &new.token, &form.next))
        }
        Err(error) => {
            let frame = Frame::of(&guest, &engine, "Log in").await;
            let page = LoginPage {
                frame,
                next: safe_next(&form.next).to_owned(),
                name: form.name.chars().take(64).collect(),
                error: sentence(&error.to_string()),
                why: "",
            };
            answer::html_with(status_of(&error), &page)
        }
    }
}

/// For a form that came after its session had ended.
pub fn again(frame: Frame, next: &str) -> Answer {
    let page = LoginPage {
        frame,
        next: safe_next(next).to_owned(),
        name: String::new(),
        error: String::new(),
        why: "Your session has ended. Log in, and send the form again.",
    };
    answer::html_with(StatusCode::UNAUTHORIZED, &page)
}

pub fn status_of(error: &LoginError) -> StatusCode {
    match error {
        LoginError::Wrong => StatusCode::UNAUTHORIZED,
        LoginError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        LoginError::Failed(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// The browser gets its session and goes on.
pub fn enter(request: &HttpRequest, token: &str, next: &str) -> HttpResponse {
    let mut response = answer::see_other(next);
    // Fails only for a cookie that is no header value; a token is hex.
    let _ = response.add_cookie(&session::session_cookie(request, token));
    response
}

pub async fn log_out(visit: Visit) -> Answer {
    if let Some(token) = session::token(&visit.request) {
        visit.engine.log_out(&token).await?;
    }
    let mut response = answer::see_other("/login");
    let _ = response.add_cookie(&session::end_cookie(&visit.request));
    Ok(response)
}

#[derive(Deserialize)]
pub struct ThemeForm {
    theme: String,
    #[serde(default)]
    next: String,
}

pub async fn set_theme(request: HttpRequest, form: Form<ThemeForm>) -> Result<HttpResponse, PageError> {
    let mut response = answer::see_other(&form.next);
    let _ = response.add_cookie(&session::theme_cookie(&request, Theme::parse(&form.theme)));
    Ok(response)
}
