//! The hand on registries: the HTTP protocol of image distribution, asynchronous, with nothing known of the store.
//! Source: OCI distribution specification 1.1; Docker Registry HTTP API V2, "Token Authentication".
//!
//! Goes in: a registry's name, credentials, repository names and digests. Comes out: documents and streams, bounded in size and time.
//! A blob's digest is proven by whoever reads it to its end; documents are proven here.

mod auth;
mod challenge;
mod download;
mod error;
mod http;
mod manifest;
mod open;
mod queries;
mod settings;
mod tls;
mod upload;

pub use auth::Credentials;
pub use download::BlobBody;
pub use error::RegistryError;
pub use manifest::{Content, Descriptor, Document, Platform};
pub use open::Registry;
pub use queries::Found;
pub use settings::{Patience, Settings};
pub use upload::{Attempted, UploadProgress};
