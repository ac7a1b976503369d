//! Who asks. Whoever may open the unix socket is admin, as with docker's; the name is that of the peer's user.
//! Over TCP it is whoever a token or a certificate says, and nobody without one.

use crate::connection::{Connection, Origin, Remote};
use crate::error::ApiError;
use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, ResponseError as _};
use gantry_engine::Engine;
use gantry_model::{Caller, Door, Kind, Role};
use std::future::{Ready, ready};

/// The caller of a request.
pub struct Peer(pub Caller);

impl FromRequest for Peer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        ready(caller.map(Self).ok_or_else(|| ApiError::new(Kind::Unauthenticated, "nobody said who asks")))
    }
}

/// Finds out who asks, before anything else is looked at.
pub async fn authenticate(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let from = request.conn_data::<Connection>().map(|connection| connection.from.clone());
    let caller = match from {
        Some(Origin::Local(uid)) => Ok(Caller { user: uid.map_or_else(|| "root".to_owned(), user_name), role: Role::Admin, door: Door::Api }),
        Some(Origin::Remote(remote)) => of_remote(&request, &remote).await,
        None => Err(refused("nobody said who asks")),
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await
        }
        Err(error) => {
            let mut answer = error.error_response();
            if error.kind == Kind::Unauthenticated {
                answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"gantry\""));
            }
            Ok(request.into_response(answer))
        }
    }
}

fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(Kind::Unauthenticated, message)
}

/// A token decides if there is one; a wrong one is not made good by a certificate.
async fn of_remote(request: &ServiceRequest, remote: &Remote) -> Result<Caller, ApiError> {
    // A browser sends its user's certificate along, whatever page asks. No client of the API sends this header.
    if request.headers().get("sec-fetch-site").is_some_and(|site| site != "none") {
        return Err(ApiError::new(Kind::Forbidden, "pages in a browser may not ask the Docker API"));
    }
    let engine = request.app_data::<Data<Engine>>().ok_or_else(|| ApiError::new(Kind::Internal, "the server has no engine"))?;
    let found = match (bearer(request.headers())?, &remote.certificate) {
        (Some(token), _) => {
            engine.caller_of_token(token).await?.ok_or_else(|| refused("the token is unknown or has ended: make one with gantry token create on the server"))
        }
        (None, Some(name)) => engine.caller_of_certificate(name, remote.others).await?.ok_or_else(|| {
            refused(format!(
                "the certificate is of {name:?}, who may not come in: add the user, or serve with --tls-role to let in all certificates of your authority"
            ))
        }),
        (None, None) => Err(refused("a token is needed here: send Authorization: Bearer TOKEN, or set GANTRY_TOKEN for gantry")),
    };
    if let Err(error) = &found {
        tracing::warn!(from = %remote.address, "a client over TCP was refused: {error}");
    }
    found
}

/// The token of an `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    token.map(Some).ok_or_else(|| refused("the Authorization header must be: Bearer TOKEN"))
}

/// The name of a user of this host, or its number.
fn user_name(uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::user_name;

    #[test]
    fn users_are_named_and_strangers_are_numbers() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(u32::MAX - 7), "4294967288");
    }
}
