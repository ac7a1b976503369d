//! Who asks: credentials, and the tokens they are traded for. A token is for a scope, lasts for minutes, and is renewed before it ends.

use crate::challenge::Challenge;
use crate::error::shown;
use crate::{Registry, RegistryError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A login. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
    /// What an earlier login was answered with; stands for the password.
    pub identity_token: String,
    /// A token as the registry itself takes it.
    pub registry_token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Credentials {
    pub fn is_empty(&self) -> bool {
        (self.username.is_empty() || self.password.is_empty()) && self.identity_token.is_empty() && self.registry_token.is_empty()
    }

    fn basic(&self) -> HeaderValue {
        secret(&format!("Basic {}", STANDARD.encode(format!("{}:{}", self.username, self.password))))
    }
}

/// A header that logs don't show.
fn secret(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

/// What is known of how to log in at one registry.
#[derive(Default)]
pub(crate) struct Auth {
    pub credentials: Option<Credentials>,
    challenge: Mutex<Option<Challenge>>,
    tokens: Mutex<HashMap<String, Token>>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    until: Instant,
}

/// Source: Docker Registry v2, "Token Authentication Specification", "Token Response Fields".
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// What a token lasts if its service does not say. Source: the same.
const LASTS: Duration = Duration::from_mins(1);
/// Renewed so long before its end.
const EARLY: Duration = Duration::from_secs(10);
const TOKEN_BYTES: usize = 64 << 10;

impl Auth {
    pub fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials: credentials.filter(|known| !known.is_empty()), ..Self::default() }
    }

    /// Takes the best challenge that can be answered.
    pub fn challenged(&self, challenges: Vec<Challenge>) {
        *lock(&self.challenge) = challenges.into_iter().next();
    }

    pub fn has_challenge(&self) -> bool {
        lock(&self.challenge).is_some()
    }

    /// The token was refused.
    pub fn forget(&self, scope: &str) {
        lock(&self.tokens).remove(scope);
    }

    /// What to say in a request that needs `scope`; nothing if the registry does not ask.
    pub async fn header(&self, registry: &Registry, scope: &str) -> Result<Option<HeaderValue>, RegistryError> {
        let challenge = lock(&self.challenge).clone();
        let (realm, service) = match challenge {
            None => return Ok(None),
            Some(Challenge::Basic) => return Ok(self.credentials.as_ref().filter(|known| !known.username.is_empty()).map(Credentials::basic)),
            Some(Challenge::Bearer { realm, service }) => (realm, service),
        };
        if let Some(known) = self.credentials.as_ref().filter(|known| !known.registry_token.is_empty()) {
            return Ok(Some(secret(&format!("Bearer {}", known.registry_token))));
        }
        let known = lock(&self.tokens).get(scope).filter(|token| token.until > Instant::now()).cloned();
        if let Some(token) = known {
            return Ok(Some(token.header));
        }
        let token = self.fetch(registry, realm, &service, scope).await?;
        lock(&self.tokens).insert(scope.to_owned(), token.clone());
        Ok(Some(token.header))
    }

    async fn fetch(&self, registry: &Registry, mut realm: Url, service: &str, scope: &str) -> Result<Token, RegistryError> {
        let what = format!("ask {} for a token", realm.host_str().unwrap_or_default());
        // The registry chose this address, and the password goes there.
        if realm.scheme() == "http" && registry.is_https() {
            return Err(RegistryError::invalid(what, "the registry speaks https, and sends the login over plain http"));
        }
        let credentials = self.credentials.as_ref();
        let (method, body) = match credentials.filter(|known| !known.identity_token.is_empty()) {
            Some(known) => {
                let pairs = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", &known.identity_token),
                    ("service", service),
                    ("client_id", "gantry"),
                    ("scope", scope),
                ];
                let mut form = Url::parse("http://form/").expect("a constant");
                form.query_pairs_mut().extend_pairs(pairs);
                (Method::POST, form.query().unwrap_or_default().to_owned())
            }
            None => {
                let mut query = realm.query_pairs_mut();
                query.append_pair("service", service);
                for one in scope.split(' ').filter(|one| !one.is_empty()) {
                    query.append_pair("scope", one);
                }
                if let Some(known) = credentials {
                    query.append_pair("account", &known.username);
                }
                drop(query);
                (Method::GET, String::new())
            }
        };
        let header = credentials.filter(|known| method == Method::GET && !known.username.is_empty()).map(Credentials::basic);
        let client = registry.client(&realm)?;
        let send = || async {
            let mut request = client.request(method.clone(), realm.clone());
            if let Some(header) = &header {
                request = request.header(AUTHORIZATION, header.clone());
            }
            if !body.is_empty() {
                request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.clone());
            }
            registry.timed(&what, request.send(), None).await
        };
        let response = registry.tries(&what, registry.settings().patience.tries, send).await?;
        if !response.status().is_success() {
            return Err(registry.refusal(&what, response).await);
        }
        let text = registry.whole(&what, response, TOKEN_BYTES).await?;
        let answer: TokenAnswer = serde_json::from_slice(&text).map_err(|error| RegistryError::invalid(&what, shown(&error.to_string())))?;
        let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token).unwrap_or_default();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(RegistryError::invalid(what, "the answer has no token"));
        }
        let lasts = answer.expires_in.map_or(LASTS, Duration::from_secs).min(Duration::from_hours(1));
        let until = Instant::now() + lasts.saturating_sub(EARLY).max(lasts / 2);
        Ok(Token { header: secret(&format!("Bearer {token}")), until })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
