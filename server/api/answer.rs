//! Answers that many handlers give.

use actix_web::Error;
use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _};
use gantry_engine::Engine;
use serde::Serialize;

pub fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(value)
}

pub fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Empty lists are `[]`; what is optional and empty is `null`.
pub fn or_null<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}

/// A body that goes on until the server stops; its head goes out before the first byte is there.
pub fn streaming(engine: &Engine, content_type: &str, body: impl Stream<Item = Bytes> + 'static) -> HttpResponse {
    HttpResponse::Ok().content_type(content_type).streaming(Box::pin(body.map(Ok::<_, Error>).take_until(engine.stopping())))
}

/// One JSON value on a line of its own.
pub fn line(value: &impl Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).expect("our own types are JSON");
    line.push(b'\n');
    line.into()
}

/// Times as dockerd writes them: RFC 3339 with nanoseconds, UTC; year 1 for what has not happened.
pub fn time_ms(at_ms: Option<i64>) -> String {
    at_ms.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| time_ns(i128::from(at) * 1_000_000))
}

pub fn time_ns(at_ns: i128) -> String {
    jiff::Timestamp::from_nanosecond(at_ns).map(|at| at.to_string()).unwrap_or_default()
}
