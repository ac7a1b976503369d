//! Asks every request: under which name, from which page, by whom? And turns errors into pages.

use crate::errors::{self, PageError};
use crate::origin::{Claims, Origins};
use crate::session;
use crate::visit::Guest;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};
use gantry_engine::Engine;

/// The outermost layer of the router.
pub async fn gate(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let checked = check(request.request()).await;
    let guest = match checked {
        Ok(guest) => guest,
        Err(error) => {
            let answer = errors::page(request.request(), None, &error).await;
            return Ok(request.into_response(answer).map_into_right_body());
        }
    };
    let pass = session::pass_cookie(request.request(), &guest);
    request.extensions_mut().insert(guest.clone());
    let mut response = next.call(request).await?;
    if let Some(error) = response.response().error() {
        let answer = errors::page_of(response.request(), &guest, error, response.status()).await;
        let mut response = response.into_response(answer);
        let asked = response.request().clone();
        session::settle(&asked, response.response_mut(), pass);
        return Ok(response.map_into_right_body());
    }
    let asked = response.request().clone();
    session::settle(&asked, response.response_mut(), pass);
    Ok(response.map_into_left_body())
}

async fn check(request: &HttpRequest) -> Result<Guest, PageError> {
    let origins = request.app_data::<Data<Origins>>().ok_or(PageError::Login)?;
    let engine = request.app_data::<Data<Engine>>().ok_or(PageError::Login)?;
    let text = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let claims = Claims {
        host: text(header::HOST).unwrap_or_default(),
        origin: text(header::ORIGIN),
        fetch_site: text(header::HeaderName::from_static("sec-fetch-site")),
    };
    origins.check_host(claims.host).map_err(PageError::Host)?;
    let upgrade = request.headers().contains_key(header::UPGRADE);
    if upgrade || !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        origins.check_source(claims, upgrade).map_err(PageError::Origin)?;
    }
    Ok(Guest::of(request, engine, origins).await?)
}

/// For paths that are no route: whoever is logged in learns that, others are asked to log in.
pub async fn nowhere(guest: Guest) -> Result<HttpResponse, PageError> {
    Err(if guest.session.is_some() { PageError::NoPage } else { PageError::Login })
}

/// A known path with another method.
pub async fn wrong_method(guest: Guest) -> Result<HttpResponse, PageError> {
    Err(if guest.session.is_some() { PageError::Method } else { PageError::Login })
}
