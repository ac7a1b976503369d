//! Errors as docker's clients read them: a status and `{"message": …}`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use gantry_engine::EngineError;
use gantry_model::Kind;
use gantry_wire::docker::{BadJson, ErrorBody, FilterError, VersionError};
use std::fmt;

pub type ApiResult<T = HttpResponse> = Result<T, ApiError>;

/// Why a request failed.
#[derive(Debug)]
pub struct ApiError {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
}

impl ApiError {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// This release can't do it, and says so.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }
}

/// The one place where a kind becomes a status.
fn status(kind: Kind) -> StatusCode {
    match kind {
        // 499 is nobody's status: the server is stopping, or the client gave up.
        Kind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        other => StatusCode::from_u16(other.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status(self.kind)
    }

    fn error_response(&self) -> HttpResponse {
        if self.kind == Kind::Internal {
            tracing::error!("{}", self.message);
        }
        let mut answer = HttpResponse::build(self.status_code());
        if self.kind == Kind::NotModified { answer.finish() } else { answer.json(ErrorBody { message: self.message.clone(), hint: self.hint.clone() }) }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        Self { kind: error.kind(), message: error.chain(), hint: error.hint().map(str::to_owned) }
    }
}

impl From<BadJson> for ApiError {
    fn from(error: BadJson) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<VersionError> for ApiError {
    fn from(error: VersionError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_docker_s_statuses() {
        for (kind, code) in
            [(Kind::Invalid, 400), (Kind::NotFound, 404), (Kind::Conflict, 409), (Kind::NotModified, 304), (Kind::Cancelled, 503), (Kind::CommandNotFound, 400)]
        {
            assert_eq!(status(kind).as_u16(), code, "{kind:?}");
        }
    }
}
