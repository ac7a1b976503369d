//! One request: sent with the right credentials, led on by redirects, tried again when that may help, bounded in time.

use crate::challenge;
use crate::error::shown;
use crate::{Registry, RegistryError};
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Body, Method, Response, StatusCode, Url};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Redirects and logins on the way to one answer.
const HOPS: usize = 8;
const REFUSAL_BYTES: usize = 64 << 10;

pub(crate) struct Call<'a> {
    /// What is attempted, for messages.
    pub what: &'a str,
    pub method: Method,
    pub url: Url,
    /// What a token must be for: `repository:NAME:pull`.
    pub scope: &'a str,
    pub headers: HeaderMap,
    pub body: Option<&'a Sending>,
}

/// A body that can be sent more than once, and how much of it went.
pub(crate) struct Sending {
    pub make: Box<dyn Fn() -> Body + Send + Sync>,
    pub sent: Arc<AtomicU64>,
}

impl<'a> Call<'a> {
    pub fn new(what: &'a str, method: Method, url: Url, scope: &'a str) -> Self {
        Self { what, method, url, scope, headers: HeaderMap::new(), body: None }
    }
}

impl Registry {
    /// Sends a request. Every status of 400 and more is an error.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Response, RegistryError> {
        let response = self.tries(call.what, self.settings().patience.tries, || self.attempt(call)).await?;
        if response.status().is_client_error() || response.status().is_server_error() {
            return Err(self.refusal(call.what, response).await);
        }
        Ok(response)
    }

    /// Sends a request that only makes sense once: where it broke off, more than it has to begin anew.
    pub(crate) async fn once(&self, call: &Call<'_>) -> Result<Response, RegistryError> {
        self.tries(call.what, 1, || self.attempt(call)).await
    }

    /// Tries until there is an answer that another try would not change.
    pub(crate) async fn tries<F>(&self, what: &str, tries: u32, send: impl Fn() -> F) -> Result<Response, RegistryError>
    where
        F: Future<Output = Result<Response, RegistryError>>,
    {
        let patience = &self.settings().patience;
        for tried in 1.. {
            let pause = patience.backoff * 2_u32.saturating_pow(tried - 1).min(64);
            match send().await {
                Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS => {
                    let asked = retry_after(&response);
                    let wait = asked.unwrap_or(pause);
                    if tried >= tries || wait > patience.longest_wait {
                        let reason = self.words(response).await.unwrap_or_else(|| "too many requests".to_owned());
                        return Err(RegistryError::RateLimited { what: what.to_owned(), retry_secs: asked.map(|wait| wait.as_secs()), reason });
                    }
                    sleep(wait).await;
                }
                Ok(response) if tried < tries && is_passing(response.status()) => {
                    sleep(retry_after(&response).unwrap_or(pause).min(patience.longest_wait)).await;
                }
                Err(RegistryError::Unreachable { reason, .. }) if tried < tries => {
                    tracing::debug!("{what}: {reason}; trying again");
                    sleep(pause).await;
                }
                done => return done,
            }
        }
        unreachable!("the last try returns")
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Response, RegistryError> {
        let mut url = call.url.clone();
        let mut renewed = false;
        for _ in 0..HOPS {
            let ours = self.is_ours(&url);
            let mut request = self.client(&url)?.request(call.method.clone(), url.clone()).headers(call.headers.clone());
            // Credentials are for the registry alone, wherever it leads.
            if ours && let Some(header) = self.auth().header(self, call.scope).await? {
                request = request.header(AUTHORIZATION, header);
            }
            if let Some(sending) = call.body {
                request = request.body((sending.make)());
            }
            let response = self.timed(call.what, request.send(), call.body.map(|sending| &*sending.sent)).await?;
            if response.status() == StatusCode::UNAUTHORIZED && ours && !renewed {
                renewed = true;
                let challenges = challenge::read(response.headers()).map_err(|reason| RegistryError::invalid(call.what, reason))?;
                self.auth().challenged(challenges);
                self.auth().forget(call.scope);
            } else if response.status().is_redirection() && matches!(call.method, Method::GET | Method::HEAD) {
                url = led_to(&url, &response).map_err(|reason| RegistryError::invalid(call.what, reason))?;
            } else {
                return Ok(response);
            }
        }
        Err(RegistryError::invalid(call.what, format!("it led from address to address {HOPS} times")))
    }

    /// Waits for an answer; with a body as long as that moves.
    pub(crate) async fn timed(
        &self,
        what: &str,
        answer: impl Future<Output = Result<Response, reqwest::Error>>,
        sent: Option<&AtomicU64>,
    ) -> Result<Response, RegistryError> {
        let limit = self.settings().patience.answer;
        let mut answer = std::pin::pin!(answer);
        let mut before = 0;
        loop {
            match timeout(limit, &mut answer).await {
                Ok(answer) => return answer.map_err(|error| RegistryError::unreachable(what, &error)),
                Err(_) => {
                    let now = sent.map_or(0, |sent| sent.load(Ordering::Relaxed));
                    if now == before {
                        return Err(RegistryError::Unreachable { what: what.to_owned(), reason: format!("no answer within {limit:?}") });
                    }
                    before = now;
                }
            }
        }
    }

    /// Reads a body that must be small, within the time of an answer.
    pub(crate) async fn whole(&self, what: &str, response: Response, most: usize) -> Result<Vec<u8>, RegistryError> {
        let limit = self.settings().patience.answer;
        match timeout(limit, bounded(response, most)).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => Err(RegistryError::TooLarge { what: what.to_owned(), reason: format!("the answer has more than {most} bytes") }),
            Ok(Err(error)) => Err(RegistryError::unreachable(what, &error)),
            Err(_) => Err(RegistryError::Unreachable { what: what.to_owned(), reason: format!("the answer was not whole within {limit:?}") }),
        }
    }

    /// The error that an answer tells.
    pub(crate) async fn refusal(&self, what: &str, response: Response) -> RegistryError {
        let status = response.status();
        let no_login = status == StatusCode::UNAUTHORIZED && self.auth().has_challenge() && self.auth().credentials.is_none();
        let words = self.words(response).await;
        let reason = if no_login { Some("no basic auth credentials".to_owned()) } else { words };
        let reason = reason.unwrap_or_else(|| format!("received unexpected HTTP status: {status}"));
        RegistryError::Refused { what: what.to_owned(), status: status.as_u16(), reason }
    }

    /// The registry's own words. Source: OCI distribution specification, "Error Codes".
    async fn words(&self, response: Response) -> Option<String> {
        #[derive(Deserialize)]
        struct Answer {
            errors: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let bytes = timeout(self.settings().patience.answer, bounded(response, REFUSAL_BYTES)).await.ok()?.ok()??;
        let answer: Answer = serde_json::from_slice(&bytes).ok()?;
        let first = answer.errors.into_iter().next()?;
        // `MANIFEST_UNKNOWN` is `manifest unknown` in docker's sentences.
        let code = first.code.to_ascii_lowercase().replace('_', " ");
        Some(shown(&if first.message.is_empty() { code } else { format!("{code}: {}", first.message) }))
    }
}

/// Reads at most so much; nothing if there is more.
async fn bounded(mut response: Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await? {
        if bytes.len() + part.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Some(bytes))
}

/// Troubles that often pass.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
}

/// Seconds only; a date is as good as nothing said.
fn retry_after(response: &Response) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn led_to(from: &Url, response: &Response) -> Result<Url, String> {
    let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).ok_or("it leads on without saying where to")?;
    let mut url = from.join(to).map_err(|_| format!("it leads to {:?}, which is no address", shown(to)))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("it leads to {:?}, which is not http", shown(to)));
    }
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err("it leads from https to plain http".to_owned());
    }
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    Ok(url)
}
