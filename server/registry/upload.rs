//! Content on its way to a registry. Source: OCI distribution specification, "Pushing blobs", "Mounting a blob from another repository".

use crate::error::shown;
use crate::http::{Call, Sending};
use crate::{Descriptor, Registry, RegistryError};
use bytes::Bytes;
use gantry_model::Digest;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Body, Method, Response, StatusCode, Url};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::AsyncReadExt as _;

/// Told how many bytes went; begins anew when a try failed.
pub type UploadProgress = Arc<dyn Fn(u64) + Send + Sync>;

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// It was there.
    Exists,
    /// The registry took it from another repository of its own.
    Mounted,
    Uploaded,
}

const PART: usize = 256 << 10;

fn push_scope(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

impl Registry {
    pub async fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool, RegistryError> {
        let (what, scope) = (format!("look for layer {} in {repository}", digest.short()), push_scope(repository));
        match self.call(&Call::new(&what, Method::HEAD, self.url(&format!("{repository}/blobs/{digest}")), &scope)).await {
            Ok(response) => Ok(response.status().is_success()),
            Err(RegistryError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sees to it that a repository has a blob: leaves it if it is there, mounts it from `elsewhere` if that is known, uploads it otherwise.
    ///
    /// # Errors
    /// If the registry refuses, breaks off too often, or does not take the content for what it is.
    pub async fn push_blob(
        &self,
        repository: &str,
        blob: &Descriptor,
        file: &Path,
        elsewhere: &[String],
        progress: UploadProgress,
    ) -> Result<Attempted, RegistryError> {
        if self.has_blob(repository, &blob.digest).await? {
            return Ok(Attempted::Exists);
        }
        let what = format!("upload layer {} to {repository}", blob.digest.short());
        for from in elsewhere {
            let scope = format!("{} repository:{from}:pull", push_scope(repository));
            let mut url = self.url(&format!("{repository}/blobs/uploads/"));
            url.query_pairs_mut().append_pair("mount", blob.digest.as_str()).append_pair("from", from);
            // What can't be mounted is uploaded: it is no failure.
            if let Ok(response) = self.start(&what, url, &scope).await
                && response.status() == StatusCode::CREATED
            {
                return Ok(Attempted::Mounted);
            }
        }
        let tries = self.settings().patience.tries.min(3);
        for tried in 1.. {
            match self.upload(&what, repository, blob, file, &progress).await {
                Err(RegistryError::Unreachable { reason, .. }) if tried < tries => {
                    tracing::debug!("{what}: {reason}; beginning anew");
                    tokio::time::sleep(self.settings().patience.backoff * tried).await;
                }
                done => return done.map(|()| Attempted::Uploaded),
            }
        }
        unreachable!("the last try returns")
    }

    async fn start(&self, what: &str, url: Url, scope: &str) -> Result<Response, RegistryError> {
        let mut call = Call::new(what, Method::POST, url, scope);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        self.call(&call).await
    }

    async fn upload(&self, what: &str, repository: &str, blob: &Descriptor, file: &Path, progress: &UploadProgress) -> Result<(), RegistryError> {
        let (start, scope) = (self.url(&format!("{repository}/blobs/uploads/")), push_scope(repository));
        let response = self.start(what, start.clone(), &scope).await?;
        let place = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        let mut url = start.join(place).map_err(|_| RegistryError::invalid(what, format!("it is to go to {:?}, which is no address", shown(place))))?;
        if place.is_empty() || !matches!(url.scheme(), "http" | "https") || (self.is_https() && url.scheme() == "http") {
            return Err(RegistryError::invalid(what, format!("it is to go to {:?}", shown(place))));
        }
        url.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let sent = Arc::new(AtomicU64::new(0));
        let (path, counter, tell) = (file.to_owned(), sent.clone(), progress.clone());
        let make = move || {
            counter.store(0, Ordering::Relaxed);
            Body::wrap_stream(parts(path.clone(), counter.clone(), tell.clone()))
        };
        let sending = Sending { make: Box::new(make), sent };
        let mut call = Call::new(what, Method::PUT, url, &scope);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from_str(&blob.size.to_string()).expect("digits"));
        call.body = Some(&sending);
        let response = self.once(&call).await?;
        if response.status() == StatusCode::CREATED { Ok(()) } else { Err(self.refusal(what, response).await) }
    }

    /// Gives a manifest its name, which is a tag or its digest.
    ///
    /// # Errors
    /// If the registry refuses it, or calls it by another digest.
    pub async fn push_manifest(&self, repository: &str, reference: &str, media_type: &str, bytes: Vec<u8>, digest: &Digest) -> Result<(), RegistryError> {
        let (what, scope) = (format!("push manifest {reference} to {repository}"), push_scope(repository));
        let bytes = Bytes::from(bytes);
        let sending = Sending { make: Box::new(move || Body::from(bytes.clone())), sent: Arc::default() };
        let mut call = Call::new(&what, Method::PUT, self.url(&format!("{repository}/manifests/{reference}")), &scope);
        let media_type = HeaderValue::from_str(media_type).map_err(|_| RegistryError::invalid(&what, "its media type is no text"))?;
        call.headers.insert(CONTENT_TYPE, media_type);
        call.body = Some(&sending);
        let response = self.call(&call).await?;
        let named = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<Digest>().ok());
        match named.filter(|named| named != digest && named.algorithm() == "sha256") {
            Some(found) => Err(RegistryError::Digest { what, expected: digest.clone(), found }),
            None => Ok(()),
        }
    }
}

/// A file in pieces, each read when the one before is on its way.
fn parts(path: std::path::PathBuf, sent: Arc<AtomicU64>, tell: UploadProgress) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold(None, move |file: Option<tokio::fs::File>| {
        let (path, sent, tell) = (path.clone(), sent.clone(), tell.clone());
        async move {
            let mut file = match file {
                Some(file) => file,
                None => tokio::fs::File::open(&path).await?,
            };
            let mut part = bytes::BytesMut::with_capacity(PART);
            if file.read_buf(&mut part).await? == 0 {
                return Ok(None);
            }
            tell(sent.fetch_add(part.len() as u64, Ordering::Relaxed) + part.len() as u64);
            Ok(Some((part.freeze(), Some(file))))
        }
    })
}
