//! Errors as pages: one sentence, and what to do about it.

use crate::answer;
use crate::frame::Frame;
use crate::login;
use crate::origin::Refusal;
use crate::urls;
use crate::visit::Guest;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use gantry_engine::{Engine, EngineError};
use gantry_model::{Kind, Role};

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error("log in first")]
    Login,
    #[error("this needs the role {needed}; you are logged in as {role}")]
    Forbidden { role: Role, needed: Role },
    #[error("{}", .0.message)]
    Host(Refusal),
    #[error("{}", .0.message)]
    Origin(Refusal),
    #[error("the form is out of date")]
    Token,
    #[error("the form is too large: at most {} KB are taken", limit >> 10)]
    TooLarge { limit: usize },
    #[error("there is no such page")]
    NoPage,
    #[error("this address takes another method")]
    Method,
    /// What was sent can't be understood.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("write the page: {0}")]
    Render(askama::Error),
    /// Of actix, while it read the request.
    #[error("{text}")]
    Request { status: StatusCode, text: String },
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Login => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::Origin(_) | Self::Token => StatusCode::FORBIDDEN,
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoPage => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Engine(error) => status_of(error.kind()),
            Self::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Request { status, .. } => *status,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Forbidden { .. } => "Ask an admin to give you the role, or to do it.".to_owned(),
            Self::Host(refusal) | Self::Origin(refusal) => refusal.hint.clone(),
            Self::Token => "Go back, reload the page and send it again; you may have logged in anew in another tab.".to_owned(),
            Self::NoPage => "It may have been removed. The menu has everything there is.".to_owned(),
            Self::Engine(error) => error.hint().map(str::to_owned).unwrap_or_default(),
            _ => String::new(),
        }
    }

    fn message(&self) -> String {
        let text = match self {
            Self::Engine(error) => error.chain(),
            other => other.to_string(),
        };
        sentence(&text)
    }
}

/// One status for each kind, as all doors have it, but for those that mean nothing to a browser.
fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotModified => StatusCode::CONFLICT,
        Kind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        other => StatusCode::from_u16(other.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Begins with a capital and ends with a full stop; what others wrote in it can't move the reader's terminal or hide.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars().map(|letter| if letter.is_control() && letter != '\n' { '\u{fffd}' } else { letter });
    let Some(first) = letters.next() else { return String::new() };
    let mut out: String = first.to_uppercase().chain(letters).collect();
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

/// `gate` makes the page, as only it knows who asks.
impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    message: String,
    hint: String,
    status: u16,
}

/// The same before anybody is logged in: without the menu.
#[derive(Template)]
#[template(path = "error-gate.html")]
struct GateError {
    frame: Frame,
    message: String,
    hint: String,
}

/// The page of an error that a handler or actix itself returned.
pub async fn page_of(request: &HttpRequest, guest: &Guest, error: &actix_web::Error, status: StatusCode) -> HttpResponse {
    match error.as_error::<PageError>() {
        Some(error) => page(request, Some(guest), error).await,
        None => {
            // The address or the form holds what no page of ours sends.
            let text = if status == StatusCode::BAD_REQUEST { format!("this request can't be understood: {error}") } else { error.to_string() };
            page(request, Some(guest), &PageError::Request { status, text }).await
        }
    }
}

/// The page of an error; scripts and tools get its sentence as text.
pub async fn page(request: &HttpRequest, guest: Option<&Guest>, error: &PageError) -> HttpResponse {
    let status = error.status();
    if status.is_server_error() {
        tracing::error!("{} {}: {}", request.method(), request.path(), error.message());
    }
    let wants_html =
        request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_none_or(|accept| accept.contains("text/html") || accept == "*/*");
    if !wants_html || request.headers().contains_key(header::UPGRADE) {
        return HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(format!("{} {}\n", error.message(), error.hint()));
    }
    let engine = request.app_data::<Data<Engine>>().map(Data::get_ref);
    if matches!(error, PageError::Login) && *request.method() == Method::GET {
        return to_login(request, engine);
    }
    let frame = match (guest, engine) {
        (Some(guest), Some(engine)) => Frame::of(guest, engine, "Error").await,
        _ => Frame::bare("Error"),
    };
    let (message, hint) = (error.message(), error.hint());
    let page = match (error, guest) {
        // A form was sent after the session ended: log in here, and go on at its page.
        (PageError::Login, Some(guest)) => login::again(frame, guest.referer.as_deref().unwrap_or("/")),
        _ if frame.user.is_none() => answer::html_with(status, &GateError { frame, message, hint }),
        _ => answer::html_with(status, &ErrorPage { frame, message, hint, status: status.as_u16() }),
    };
    page.unwrap_or_else(|_| HttpResponse::build(status).body(error.message()))
}

fn to_login(request: &HttpRequest, engine: Option<&Engine>) -> HttpResponse {
    if engine.is_some_and(Engine::needs_setup) {
        return answer::see_other("/setup");
    }
    match request.uri().path_and_query().map(ToString::to_string).as_deref() {
        None | Some("/") => answer::see_other("/login"),
        Some(here) => answer::see_other(&format!("/login?next={}", urls::encode(here))),
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn errors_are_sentences() {
        assert_eq!(sentence("no such job: x"), "No such job: x.");
        assert_eq!(sentence("Done!"), "Done!");
        assert_eq!(sentence("no such job: a\0b"), "No such job: a\u{fffd}b.");
        assert_eq!(sentence(""), "");
    }
}
