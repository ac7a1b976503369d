//! Answers that many handlers give.

use actix_web::HttpResponse;
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
