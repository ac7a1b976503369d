//! The Docker Engine API in JSON: what our server answers and our command line asks, value for value as dockerd has it.
//!
//! Field names are Go's. `null` and a missing field both read as the default, as in Go. What dockerd writes as `null` is an `Option` here
//! and is written as `null`; what it leaves out when empty is left out. Source: Docker Engine API, `swagger.yaml` of 1.51.

/// Newest version spoken.
pub const VERSION: ApiVersion = ApiVersion::new(51);
/// Oldest version spoken.
pub const OLDEST: ApiVersion = ApiVersion::new(24);

/// Structs of the API: PascalCase names, every field may be missing or `null`.
macro_rules! docker {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        pub struct $name {
            $($(#[$field_meta])* #[serde(deserialize_with = "crate::docker::json::or_default")] pub $field: $type,)*
        }
    )*};
}

pub mod container;
pub mod event;
pub mod exec;
mod filters;
pub mod gantry;
pub mod host_config;
pub mod image;
pub mod inspect;
pub mod json;
pub mod list;
pub mod network;
pub mod progress;
pub mod registry;
pub mod stats;
mod stream;
pub mod system;
mod version;
pub mod volume;

pub use filters::{FilterError, Filters};
pub use json::{BadJson, parse};
pub use stream::{FrameDecoder, FrameError, HEADER, MULTIPLEXED, RAW, Stream, header};
pub use version::{ApiVersion, VersionError};

/// Every answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ErrorBody {
    pub message: String,
    /// What to do next, if we know: ours, docker's clients pass over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
