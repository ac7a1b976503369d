//! What sort of failure an error is; doors turn it into a status or an exit code.

use serde::{Deserialize, Serialize};

/// The sort of a failure. One function per door maps it: `api` and `pages` to HTTP statuses, `cli` to exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request is malformed or names an impossible value.
    Invalid,
    /// Nobody proved who asks.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// The object does not exist.
    NotFound,
    /// The object is in a state that does not allow the request, or a name is taken.
    Conflict,
    /// The wish is already fulfilled (starting what runs).
    NotModified,
    /// Too much of something: a body, an archive, a queue.
    TooLarge,
    /// Too many attempts; try later.
    RateLimited,
    /// This host, kernel or release can't do it.
    Unsupported,
    /// The caller gave up, or the server is stopping.
    Cancelled,
    /// The program in the container does not exist (docker's exit code 127).
    CommandNotFound,
    /// The program in the container may not be executed (docker's exit code 126).
    CommandNotExecutable,
    /// Everything else: a failed system call, a broken disk.
    Internal,
}

impl Kind {
    /// The HTTP status that all doors use for this kind.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Invalid | Self::CommandNotFound | Self::CommandNotExecutable => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::NotModified => 304,
            Self::TooLarge => 413,
            Self::RateLimited => 429,
            Self::Unsupported => 501,
            Self::Cancelled => 499,
            Self::Internal => 500,
        }
    }
}
