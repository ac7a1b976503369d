//! A blob on its way here. A connection that breaks is made again where it broke; one that drips is taken as broken.

use crate::http::Call;
use crate::{Descriptor, Registry, RegistryError};
use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// What came after a break for it to be forgotten.
const PROGRESS: u64 = 1 << 20;

/// The bytes of a blob: exactly as many as its descriptor says. Whether they are the right ones is for the reader to prove.
pub struct BlobBody {
    registry: Registry,
    what: String,
    path: String,
    scope: String,
    size: u64,
    at: u64,
    response: Option<Response>,
    /// Bytes to pass over, of a registry that begins anew.
    skip: u64,
    breaks: u32,
    broke_at: u64,
    waited: Duration,
    got: u64,
}

impl Registry {
    /// A blob of a repository. Nothing is sent before the first piece is asked for.
    pub fn blob(&self, repository: &str, blob: &Descriptor) -> BlobBody {
        BlobBody {
            registry: self.clone(),
            what: format!("layer {} of {repository}", blob.digest.short()),
            path: format!("{repository}/blobs/{}", blob.digest),
            scope: crate::queries::pull_scope(repository),
            size: blob.size,
            at: 0,
            response: None,
            skip: 0,
            breaks: 0,
            broke_at: 0,
            waited: Duration::ZERO,
            got: 0,
        }
    }
}

impl BlobBody {
    /// Bytes given out so far.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next piece; nothing after the last.
    ///
    /// # Errors
    /// If the registry refuses, sends more than it promised, or breaks off too often.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        while self.at < self.size {
            if self.response.is_none() {
                self.response = Some(self.open().await?);
            }
            match self.piece().await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(Some(piece)) => return self.take(piece).map(Some),
                Ok(None) => self.broke("it ended early").await?,
                Err(reason) => self.broke(&reason).await?,
            }
        }
        // To its end, so that the connection can be used again; but what else it sends is not waited for.
        if let Some(mut response) = self.response.take()
            && let Ok(Ok(Some(more))) = timeout(Duration::from_secs(1), response.chunk()).await
            && !more.is_empty()
        {
            return Err(self.too_long());
        }
        Ok(None)
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes, RegistryError> {
        if piece.len() as u64 > self.size - self.at {
            return Err(self.too_long());
        }
        self.at += piece.len() as u64;
        if self.at - self.broke_at > PROGRESS {
            self.breaks = 0;
        }
        Ok(piece)
    }

    fn too_long(&self) -> RegistryError {
        RegistryError::TooLarge { what: self.what.clone(), reason: format!("the registry sends more than the {} bytes that the manifest says", self.size) }
    }

    /// What comes next on the connection, or why nothing does.
    async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        let patience = self.registry.settings().patience.clone();
        let Some(response) = self.response.as_mut() else { return Ok(None) };
        let began = Instant::now();
        let Ok(piece) = timeout(patience.stall, response.chunk()).await else { return Err(format!("nothing came within {:?}", patience.stall)) };
        let Some(mut piece) = piece.map_err(|error| error.to_string())? else { return Ok(None) };
        self.waited += began.elapsed();
        self.got += piece.len() as u64;
        if self.waited >= patience.stall {
            if self.got < patience.least_bytes {
                return Err(format!("only {} bytes came within {:?}", self.got, self.waited));
            }
            (self.waited, self.got) = (Duration::ZERO, 0);
        }
        let skipped = self.skip.min(piece.len() as u64);
        self.skip -= skipped;
        Ok(Some(piece.split_off(skipped as usize)))
    }

    async fn broke(&mut self, reason: &str) -> Result<(), RegistryError> {
        let patience = &self.registry.settings().patience;
        self.response = None;
        self.breaks += 1;
        (self.broke_at, self.waited, self.got) = (self.at, Duration::ZERO, 0);
        if self.breaks >= patience.tries {
            let reason = format!("the download broke off {} times at byte {} of {}: {reason}", self.breaks, self.at, self.size);
            return Err(RegistryError::Unreachable { what: self.what.clone(), reason });
        }
        tracing::debug!("{}: {reason}; going on at byte {}", self.what, self.at);
        tokio::time::sleep(patience.backoff * 2_u32.saturating_pow(self.breaks - 1)).await;
        Ok(())
    }

    async fn open(&mut self) -> Result<Response, RegistryError> {
        let mut call = Call::new(&self.what, Method::GET, self.registry.url(&self.path), &self.scope);
        if self.at > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.at)).expect("digits");
            call.headers.insert(RANGE, range);
        }
        let response = self.registry.call(&call).await?;
        let starts_at = match response.status() {
            StatusCode::PARTIAL_CONTENT => range_start(&response).filter(|start| *start == self.at),
            StatusCode::OK => Some(0),
            _ => None,
        };
        let Some(start) = starts_at else {
            return Err(RegistryError::invalid(&self.what, format!("asked for bytes from {} on, the registry answered {}", self.at, response.status())));
        };
        if let Some(length) = response.content_length().filter(|length| *length != self.size - start) {
            let reason = format!("the registry has {} bytes of it, the manifest says {}", start.saturating_add(length), self.size);
            return Err(RegistryError::invalid(&self.what, reason));
        }
        self.skip = self.at - start;
        Ok(response)
    }
}

/// `bytes 100-199/200`.
fn range_start(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
