//! What is asked of a registry besides blobs: manifests, tags, search, and whether a login holds.

use crate::error::shown;
use crate::http::Call;
use crate::manifest::ACCEPT;
use crate::{Content, Registry, RegistryError, challenge};
use gantry_model::Digest;
use reqwest::header::{ACCEPT as ACCEPT_HEADER, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LINK};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// A manifest is at most this large. Source: OCI distribution specification, "Pushing Manifests".
const MANIFEST_BYTES: usize = 4 << 20;
const LIST_BYTES: usize = 4 << 20;
const MOST_TAGS: usize = 10_000;

/// What a search finds. Source: Docker Registry HTTP API V1, "Search".
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Found {
    pub name: String,
    pub description: String,
    pub star_count: i64,
    pub is_official: bool,
    pub is_automated: bool,
}

pub(crate) fn pull_scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

impl Registry {
    /// Asks whether somebody speaks the protocol there, and learns how to log in.
    pub(crate) async fn ping(&self) -> Result<(), RegistryError> {
        let what = format!("get {}", self.url(""));
        // One try: where nobody listens, nobody will.
        let url = self.url("");
        let response = self.tries(&what, 1, || async { self.timed(&what, self.client(&url)?.get(url.clone()).send(), None).await }).await?;
        match response.status() {
            StatusCode::UNAUTHORIZED => {
                self.auth().challenged(challenge::read(response.headers()).map_err(|reason| RegistryError::invalid(what, reason))?);
                Ok(())
            }
            // Some answer 404 to the bare path, and speak the protocol below it.
            status if status.is_success() || status == StatusCode::NOT_FOUND || status.is_redirection() => Ok(()),
            // What a TLS server says to plain http, for example.
            _ => Err(self.refusal(&what, response).await),
        }
    }

    /// Proves that the credentials hold.
    ///
    /// # Errors
    /// [`gantry_model::Kind::Unauthenticated`] if they don't.
    pub async fn log_in(&self) -> Result<(), RegistryError> {
        let what = format!("login attempt to {}", self.url(""));
        let failed =
            |status: StatusCode| RegistryError::Refused { what: what.clone(), status: status.as_u16(), reason: format!("failed with status: {status}") };
        let header = match self.auth().header(self, "").await {
            Err(RegistryError::Refused { status: 401 | 403, .. }) => return Err(failed(StatusCode::UNAUTHORIZED)),
            header => header?,
        };
        let url = self.url("");
        let send = || async {
            let mut request = self.client(&url)?.get(url.clone());
            if let Some(header) = &header {
                request = request.header(AUTHORIZATION, header.clone());
            }
            self.timed(&what, request.send(), None).await
        };
        let status = self.tries(&what, self.settings().patience.tries, send).await?.status();
        if status.is_success() { Ok(()) } else { Err(failed(status)) }
    }

    /// The document under a tag or digest.
    ///
    /// # Errors
    /// [`gantry_model::Kind::NotFound`] if there is none; if it is too large, or not what its digest says.
    pub async fn manifest(&self, repository: &str, reference: &str) -> Result<Content, RegistryError> {
        let (what, scope) = (format!("manifest {reference} of {repository}"), pull_scope(repository));
        let mut call = Call::new(&what, Method::GET, self.url(&format!("{repository}/manifests/{reference}")), &scope);
        call.headers.insert(ACCEPT_HEADER, HeaderValue::from_static(ACCEPT));
        let response = self.call(&call).await?;
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let promised = text("docker-content-digest").parse::<Digest>().ok().filter(|digest| digest.algorithm() == "sha256");
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let bytes = self.whole(&what, response, MANIFEST_BYTES).await?;
        let content = Content { digest: Digest::sha256(Sha256::digest(&bytes).into()), bytes, media_type };
        let expected =
            if reference.contains(':') { Some(reference.parse::<Digest>().map_err(|e| RegistryError::invalid(&what, e.to_string()))?) } else { promised };
        match expected.filter(|expected| *expected != content.digest) {
            Some(expected) if expected.algorithm() != "sha256" => Err(RegistryError::Unsupported { what, reason: "content is read by sha256 only".to_owned() }),
            Some(expected) => Err(RegistryError::Digest { what, expected, found: content.digest }),
            None => Ok(content),
        }
    }

    /// A small blob, such as an image's configuration, proven.
    ///
    /// # Errors
    /// If it is too large, or not what its digest says.
    pub async fn document(&self, repository: &str, blob: &crate::Descriptor) -> Result<Content, RegistryError> {
        let what = format!("configuration {}", blob.digest.short());
        if blob.size > MANIFEST_BYTES as u64 {
            return Err(RegistryError::TooLarge { what, reason: format!("a document of {} bytes; {MANIFEST_BYTES} is the limit", blob.size) });
        }
        let mut body = self.blob(repository, blob);
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await? {
            bytes.extend_from_slice(&piece);
        }
        let found = Digest::sha256(Sha256::digest(&bytes).into());
        if found != blob.digest {
            return Err(RegistryError::Digest { what, expected: blob.digest.clone(), found });
        }
        Ok(Content { bytes, digest: found, media_type: blob.media_type.clone() })
    }

    /// All tags of a repository, as the registry lists them.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            tags: Option<Vec<String>>,
        }
        let (what, scope) = (format!("tags of {repository}"), pull_scope(repository));
        let mut url = self.url(&format!("{repository}/tags/list"));
        let mut tags = Vec::new();
        loop {
            let response = self.call(&Call::new(&what, Method::GET, url.clone(), &scope)).await?;
            let link = response.headers().get(LINK).and_then(|link| link.to_str().ok()).map(str::to_owned);
            let answer: Answer = read(&what, &self.whole(&what, response, LIST_BYTES).await?)?;
            let before = tags.len();
            tags.extend(answer.tags.unwrap_or_default());
            if tags.len() > MOST_TAGS {
                return Err(RegistryError::TooLarge { what, reason: format!("more than {MOST_TAGS} tags: pull them by name") });
            }
            // `</v2/x/tags/list?last=b&n=100>; rel="next"`; a page with nothing on it is the last.
            let next = link.as_deref().and_then(|link| link.strip_prefix('<')?.split_once('>')).and_then(|(next, _)| url.join(next).ok());
            match next.filter(|next| self.is_ours(next) && tags.len() > before) {
                Some(next) => url = next,
                None => return Ok(tags),
            }
        }
    }

    /// Looks for images by a word. Few registries can: Docker Hub, and those with its first protocol.
    pub async fn search(&self, term: &str, most: usize) -> Result<Vec<Found>, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            results: Vec<Found>,
        }
        let what = format!("search {}", self.name());
        let mut url = self.url("");
        if self.name() == "docker.io" {
            let _ = url.set_host(Some("index.docker.io"));
        }
        url.set_path("/v1/search");
        url.query_pairs_mut().append_pair("q", term).append_pair("n", &most.to_string());
        let response = match self.call(&Call::new(&what, Method::GET, url, "")).await {
            Err(RegistryError::Refused { status: 404 | 405, .. }) => {
                return Err(RegistryError::Unsupported { what, reason: "this registry has no search: name the image to pull it".to_owned() });
            }
            response => response?,
        };
        let answer: Answer = read(&what, &self.whole(&what, response, LIST_BYTES).await?)?;
        let mut results = answer.results;
        results.truncate(most);
        results.iter_mut().for_each(|found| (found.name, found.description) = (shown(&found.name), shown(&found.description)));
        Ok(results)
    }
}

fn read<T: serde::de::DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, RegistryError> {
    serde_json::from_slice(bytes).map_err(|error| RegistryError::invalid(what, format!("the answer is not what it should be: {error}")))
}
