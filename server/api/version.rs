//! Versions: `/v1.41/info` is `/info` as of 1.41; without a version it is the newest. Every answer says what is spoken here.

use crate::error::ApiError;
use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::header::{HeaderName, HeaderValue, SERVER};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, ResponseError as _};
use gantry_wire::docker::{ApiVersion, VERSION};
use std::convert::Infallible;
use std::future::{Ready, ready};

/// The version a request is of.
#[derive(Debug, Clone, Copy)]
pub struct Spoken(pub ApiVersion);

impl Spoken {
    /// True from `1.minor` on.
    pub fn from(self, minor: u16) -> bool {
        self.0 >= ApiVersion::new(minor)
    }
}

impl FromRequest for Spoken {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Self>().copied().unwrap_or(Self(VERSION))))
    }
}

/// Takes the version off the path, and carries the request out on a task of its own: a verb that has begun ends, whoever waits for it.
pub async fn negotiate(mut request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut answer = match take_version(&mut request) {
        Err(error) => request.into_response(error.error_response()),
        Ok(()) => {
            let call = actix_rt::spawn(next.call(request));
            call.await.map_err(actix_web::error::ErrorInternalServerError)??
        }
    };
    let headers = answer.headers_mut();
    for (name, value) in [("api-version", VERSION.to_string()), ("docker-experimental", "false".to_owned()), ("ostype", "linux".to_owned())] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).expect("digits and letters"));
    }
    headers.insert(SERVER, HeaderValue::from_static(concat!("Docker/", env!("CARGO_PKG_VERSION"), " (linux) Gantry")));
    Ok(answer)
}

fn take_version(request: &mut ServiceRequest) -> Result<(), ApiError> {
    let uri = request.uri().clone();
    let path = match split(uri.path()) {
        Some((version, path)) => {
            request.extensions_mut().insert(Spoken(version.spoken()?));
            path
        }
        None if uri.path().contains("//") => uri.path(),
        None => return Ok(()),
    };
    // Clients put `/name`, as lists have it, behind `/containers/`.
    let path = path.replace("//", "/");
    let target = uri.query().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let uri: Uri = target.parse().map_err(|_| ApiError::invalid("this is not a path"))?;
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    Ok(())
}

/// `/v1.41/info` in its two parts.
fn split(path: &str) -> Option<(ApiVersion, &str)> {
    let rest = path.strip_prefix("/v")?;
    let end = rest.find('/')?;
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_taken_off_the_path() {
        assert_eq!(split("/v1.41/containers/json"), Some((ApiVersion::new(41), "/containers/json")));
        for path in ["/containers/json", "/v1.41", "/v2/catalog", "/volumes/x", "/vx/y"] {
            assert_eq!(split(path), None, "{path}");
        }
    }
}
