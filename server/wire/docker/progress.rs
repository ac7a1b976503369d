//! One line of a progress stream: load, import, pull, push, build. Lines end in CRLF; an error comes as a line, the status is 200 by then.
//! Source: moby `pkg/jsonmessage`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<Detail>,
    /// A bar in text, for clients that draw none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// A layer's short id or a tag: a later line with it replaces the one before.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<Value>,
    #[serde(rename = "errorDetail", skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Bytes, or what `units` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    #[serde(skip_serializing_if = "super::json::is_zero")]
    pub current: i64,
    #[serde(skip_serializing_if = "super::json::is_zero")]
    pub total: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub units: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    #[serde(skip_serializing_if = "super::json::is_zero")]
    pub code: i64,
    pub message: String,
}

impl Progress {
    /// A line of plain text, newline included.
    pub fn stream(text: impl Into<String>) -> Self {
        Self { stream: text.into(), ..Self::default() }
    }

    pub fn status(text: impl Into<String>) -> Self {
        Self { status: text.into(), ..Self::default() }
    }

    /// The last line of a stream that failed.
    pub fn failed(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { error_detail: Some(ErrorDetail { code: 0, message: message.clone() }), error: message, ..Self::default() }
    }

    /// The line with its end.
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("text and numbers are JSON");
        line.extend_from_slice(b"\r\n");
        line
    }
}
