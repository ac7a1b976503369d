//! A multipart form whose last field is a file: fields first, then the file as a stream of chunks. Nothing is kept in memory or on disk.

use crate::errors::PageError;
use crate::guard::{TOKEN_FIELD, TOKEN_HEADER, same};
use crate::visit::Visit;
use actix_multipart::{Field, Multipart};
use actix_web::web::Bytes;
use futures_util::StreamExt as _;
use gantry_engine::Upload;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

/// Fields before the file, all together.
const FIELD_BYTES: usize = 64 << 10;
/// Chunks on the way to the engine.
const CHUNKS: usize = 8;
/// A browser that still sends what nobody wants is listened to for so long, so that it reads the answer.
const DRAIN: Duration = Duration::from_secs(20);

/// The form up to its file.
pub struct Form {
    pub values: BTreeMap<String, String>,
    file: Field,
    label: String,
    total: Option<u64>,
}

impl Form {
    /// Reads the fields and checks the token before anything else happens.
    pub async fn open(visit: &Visit, body: &mut Multipart) -> Result<Self, PageError> {
        let wanted = visit.guest.csrf.as_bytes();
        let mut proved = visit.request.headers().get(TOKEN_HEADER).is_some_and(|given| same(given.as_bytes(), wanted));
        let (mut values, mut size) = (BTreeMap::new(), 0);
        while let Some(field) = body.next().await {
            let mut field = field.map_err(|error| PageError::Invalid(format!("the upload can't be read: {error}")))?;
            let name = field.name().unwrap_or_default().to_owned();
            let label = field.content_disposition().and_then(|disposition| disposition.get_filename()).map(str::to_owned);
            if let Some(label) = label {
                if !proved {
                    return Err(PageError::Token);
                }
                let total = visit.request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
                let label: String = label.rsplit(['/', '\\']).next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(120).collect();
                if label.is_empty() {
                    return Err(PageError::Invalid("choose a file".to_owned()));
                }
                return Ok(Self { values, file: field, label, total });
            }
            let mut value = Vec::new();
            while let Some(chunk) = field.next().await {
                let chunk = chunk.map_err(|error| PageError::Invalid(format!("the upload can't be read: {error}")))?;
                size += chunk.len();
                if size > FIELD_BYTES {
                    return Err(PageError::TooLarge { limit: FIELD_BYTES });
                }
                value.extend_from_slice(&chunk);
            }
            proved |= name == TOKEN_FIELD && same(&value, wanted);
            values.insert(name, String::from_utf8_lossy(&value).into_owned());
        }
        Err(if proved { PageError::Invalid("choose a file".to_owned()) } else { PageError::Token })
    }

    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |value| value.trim())
    }

    /// The file for the engine, and the work that feeds it.
    pub fn split(self) -> (Upload, Feed) {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        (Upload { chunks, total_bytes: self.total, label: self.label }, Feed { file: self.file, sender })
    }
}

/// Brings the file's bytes to the engine as they come.
pub struct Feed {
    file: Field,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Feed {
    /// Returns when the file has ended, or nobody wants more of it.
    pub async fn run(mut self) {
        while let Some(chunk) = self.file.next().await {
            let chunk = chunk.map_err(|error| io::Error::other(format!("the upload broke off: {error}")));
            let broken = chunk.is_err();
            if self.sender.send(chunk).await.is_err() {
                let _ = tokio::time::timeout(DRAIN, async { while let Some(Ok(_)) = self.file.next().await {} }).await;
                return;
            }
            if broken {
                return;
            }
        }
    }
}
