//! Registries: logins, search, and what a registry says of an image.

use super::json::or_default;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A login: the body of `POST /auth`, and base64 of it in the header `X-Registry-Auth`. Never printed.
/// Source: Docker Engine API, `AuthConfig`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub username: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// Base64 of `user:password`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub auth: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub serveraddress: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub identitytoken: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub registrytoken: String,
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthConfig for {:?}", self.serveraddress)
    }
}

docker! {
    /// The answer to `POST /auth`.
    pub struct LoggedIn {
        pub status: String,
        pub identity_token: String,
    }
}

/// A row of `GET /images/search`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    pub star_count: i64,
    pub is_official: bool,
    pub name: String,
    pub is_automated: bool,
    pub description: String,
}
