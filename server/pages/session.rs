//! The cookies: the session, the token of forms before a login, the theme, and the note after a change.
//! Names carry the port, as browsers share cookies between the ports of a host and two servers must not log each other out.

use crate::origin::Origins;
use crate::urls;
use crate::visit::{Guest, Note, Theme};
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

/// The server ends a session; the browser just keeps the cookie.
const DAYS: i64 = 365;

fn name(what: &str, request: &HttpRequest) -> String {
    let port = request.app_data::<Data<Origins>>().map_or(0, |origins| origins.port);
    format!("gantry_{what}_{port}")
}

fn read(what: &str, request: &HttpRequest) -> Option<String> {
    request.cookie(&name(what, request)).map(|cookie| cookie.value().to_owned())
}

/// True if the browser speaks https, to us or to the proxy before us.
pub fn is_https(request: &HttpRequest) -> bool {
    let starts =
        |name: header::HeaderName, scheme: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).is_some_and(|text| text.starts_with(scheme));
    starts(header::ORIGIN, "https://") || starts(header::X_FORWARDED_PROTO, "https")
}

fn cookie(what: &str, request: &HttpRequest, value: String, keep: Duration) -> Cookie<'static> {
    Cookie::build(name(what, request), value).path("/").http_only(true).same_site(SameSite::Lax).secure(is_https(request)).max_age(keep).finish()
}

pub fn token(request: &HttpRequest) -> Option<String> {
    read("session", request)
}

pub fn session_cookie(request: &HttpRequest, token: &str) -> Cookie<'static> {
    cookie("session", request, token.to_owned(), Duration::days(DAYS))
}

pub fn end_cookie(request: &HttpRequest) -> Cookie<'static> {
    cookie("session", request, String::new(), Duration::ZERO)
}

/// The token of forms before a login, if the browser has one.
pub fn pass(request: &HttpRequest) -> Option<String> {
    read("form", request).filter(|token| token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A cookie for `pass`, if the browser needs one.
pub fn pass_cookie(request: &HttpRequest, guest: &Guest) -> Option<Cookie<'static>> {
    (guest.session.is_none() && pass(request).is_none()).then(|| cookie("form", request, guest.csrf.clone(), Duration::days(1)))
}

pub fn theme(request: &HttpRequest) -> Theme {
    Theme::parse(&read("theme", request).unwrap_or_default())
}

pub fn theme_cookie(request: &HttpRequest, theme: Theme) -> Cookie<'static> {
    cookie("theme", request, theme.as_str().to_owned(), Duration::days(DAYS))
}

/// Longest command in a note, bytes: browsers keep cookies of 4,096 bytes, and each may take three.
const COMMAND_BYTES: usize = 300;

/// What the next page says about the change before it: `ok:Stopped web:gantry stop web` in percent form. A command that is too long is
/// left out: half of one would be a wrong one.
pub fn note_cookie(request: &HttpRequest, note: &Note) -> Cookie<'static> {
    let text: String = note.text.chars().take(700).collect();
    let command = if note.command.len() <= COMMAND_BYTES { note.command.as_str() } else { "" };
    let word = if note.good { "ok" } else { "no" };
    cookie("note", request, format!("{word}:{}:{}", urls::encode(&text), urls::encode(command)), Duration::minutes(1))
}

pub fn note(request: &HttpRequest) -> Option<Note> {
    let text = read("note", request)?;
    let mut parts = text.splitn(3, ':');
    let (good, text, command) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    Some(Note { good: good == "ok", text: urls::decode(text), command: urls::decode(command) })
}

/// A page that showed the note takes it away; a page before the login leaves the token of its form.
pub fn settle<B>(request: &HttpRequest, response: &mut HttpResponse<B>, pass: Option<Cookie<'static>>) {
    let html = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !html {
        return;
    }
    if read("note", request).is_some() {
        // Fails only for a cookie that is no header value; ours are.
        let _ = response.add_cookie(&cookie("note", request, String::new(), Duration::ZERO));
    }
    if let Some(pass) = pass {
        let _ = response.add_cookie(&pass);
    }
}
