//! What goes back: a page, or the way to the next one.

use crate::errors::PageError;
use crate::session;
use crate::urls::safe_next;
use crate::visit::Note;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

pub type Answer = Result<HttpResponse, PageError>;

/// A rendered page.
pub fn html(page: &impl Template) -> Answer {
    html_with(StatusCode::OK, page)
}

/// A rendered page with another status than 200.
pub fn html_with(status: StatusCode, page: &impl Template) -> Answer {
    let text = page.render().map_err(PageError::Render)?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(text))
}

/// After a change: the browser gets the next page with a GET.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, safe_next(path).to_owned())).finish()
}

/// The same, with a word about what was done.
pub fn with_note(request: &HttpRequest, path: &str, note: &Note) -> HttpResponse {
    let mut response = see_other(path);
    // Fails only for a cookie that is no header value; a percent form is one.
    let _ = response.add_cookie(&session::note_cookie(request, note));
    response
}
