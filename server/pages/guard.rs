//! Stands before every single route: the role it needs, and the token of the form that is posted to it.

use crate::errors::PageError;
use crate::route::{Access, Body};
use crate::visit::Guest;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, HttpMessage as _, Route};
use futures_util::{Stream, StreamExt as _};
use std::pin::Pin;

pub const TOKEN_HEADER: &str = "x-csrf-token";
pub const TOKEN_FIELD: &str = "csrf";

/// Puts the guard before `route`.
pub fn behind(route: Route, access: Access, body: Body) -> Route {
    route.wrap(from_fn(move |request: ServiceRequest, next: Next<_>| pass(access, body, request, next)))
}

async fn pass<B: MessageBody + 'static>(
    access: Access,
    body: Body,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match check(access, body, &mut request).await {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        // As an answer and not as an error, so that the gate still knows the request and makes a page of it.
        Err(error) => Ok(request.error_response(error).map_into_right_body()),
    }
}

async fn check(access: Access, body: Body, request: &mut ServiceRequest) -> Result<(), Error> {
    let (csrf, role) = {
        let extensions = request.extensions();
        // The gate puts it there; without the gate nobody comes in.
        let guest = extensions.get::<Guest>().ok_or(PageError::Login)?;
        (guest.csrf.clone(), guest.session.as_ref().map(|session| session.caller.role))
    };
    if let Access::Role(needed) = access {
        let role = role.ok_or(PageError::Login)?;
        if role < needed {
            return Err(PageError::Forbidden { role, needed }.into());
        }
    }
    match body {
        Body::Form(limit) => check_form(request, limit, &csrf).await,
        Body::Nothing if !matches!(*request.method(), Method::GET | Method::HEAD) => Err(PageError::Token.into()),
        Body::Nothing | Body::Upload | Body::Socket => Ok(()),
    }
}

/// Reads the form, compares its token, and gives the body back to the handler.
async fn check_form(request: &mut ServiceRequest, limit: usize, csrf: &str) -> Result<(), Error> {
    if !request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(PageError::Token.into());
    }
    let body = read(request.take_payload(), limit).await?;
    let by_header = request.headers().get(TOKEN_HEADER).is_some_and(|given| same(given.as_bytes(), csrf.as_bytes()));
    if !by_header && !token_of(&body).is_some_and(|given| same(given, csrf.as_bytes())) {
        return Err(PageError::Token.into());
    }
    let again: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(futures_util::stream::once(async { Ok(body) }));
    request.set_payload(Payload::from(again));
    Ok(())
}

async fn read(mut payload: Payload, limit: usize) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > limit {
            return Err(PageError::TooLarge { limit }.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The token is hex, so it is never percent-encoded.
fn token_of(body: &[u8]) -> Option<&[u8]> {
    body.split(|b| *b == b'&').find_map(|pair| pair.strip_prefix(TOKEN_FIELD.as_bytes())?.strip_prefix(b"="))
}

/// In equal time, and never for an empty token.
pub fn same(given: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && bool::from(subtle::ConstantTimeEq::ct_eq(given, wanted))
}

#[cfg(test)]
mod tests {
    use super::{same, token_of};

    #[test]
    fn the_token_is_found_among_the_fields() {
        assert_eq!(token_of(b"name=a&csrf=0af&x=1"), Some(&b"0af"[..]));
        assert_eq!(token_of(b"xcsrf=1&csrf2=2"), None);
        assert!(same(b"0af", b"0af"));
        assert!(!same(b"0af", b"0ae"));
        assert!(!same(b"", b""), "no token is no proof");
    }
}
