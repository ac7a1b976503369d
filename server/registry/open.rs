//! A registry that has answered: where it is, how it is spoken to, and who asks.

use crate::auth::Auth;
use crate::settings::is_loopback;
use crate::{Credentials, RegistryError, Settings, tls};
use reqwest::{Client, Url};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One registry as one caller sees it. Clones share connections and tokens.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    /// As references have it: `docker.io`, `127.0.0.1:5000`.
    name: String,
    base: Url,
    client: Client,
    /// For hosts that it leads to.
    others: Mutex<HashMap<String, Client>>,
    auth: Auth,
    settings: Arc<Settings>,
}

const DOCKER_HUB: &str = "docker.io";
/// Where Docker Hub speaks the protocol. Source: moby `registry/config.go`.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

impl Registry {
    /// Finds out how the registry `name` is spoken to: https, or plain http where that is allowed.
    ///
    /// # Errors
    /// If nobody answers there, or not as a registry does.
    pub async fn open(settings: &Arc<Settings>, name: &str, credentials: Option<Credentials>) -> Result<Self, RegistryError> {
        let host = if name == DOCKER_HUB { DOCKER_HUB_HOST } else { name };
        // Who gives an authority for an address of this host wants it checked.
        let checked =
            !settings.is_insecure(host) || (is_loopback(host) && !settings.insecure.iter().any(|named| named == host) && tls::has_authority(settings, host));
        let secure = Self::at(settings, name, &format!("https://{host}"), !checked, credentials.clone())?;
        match secure.ping().await {
            Err(RegistryError::Unreachable { .. }) if !checked => {
                let plain = Self::at(settings, name, &format!("http://{host}"), false, credentials)?;
                plain.ping().await?;
                Ok(plain)
            }
            done => done.map(|()| secure),
        }
    }

    /// The places to pull from: mirrors of Docker Hub that answer, then the registry itself. Mirrors are not told who asks.
    pub async fn open_mirrors(settings: &Arc<Settings>, name: &str) -> Vec<Self> {
        let mut found = Vec::new();
        for mirror in settings.mirrors.iter().filter(|_| name == DOCKER_HUB) {
            let opened = match Self::at(settings, name, mirror.trim_end_matches('/'), false, None) {
                Ok(opened) => opened.ping().await.map(|()| opened),
                Err(error) => Err(error),
            };
            match opened {
                Ok(opened) => found.push(opened),
                Err(error) => tracing::warn!("the mirror {mirror} is left out: {error}"),
            }
        }
        found
    }

    fn at(settings: &Arc<Settings>, name: &str, address: &str, unchecked: bool, credentials: Option<Credentials>) -> Result<Self, RegistryError> {
        let base = Url::parse(&format!("{address}/")).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
        let base = base.ok_or_else(|| RegistryError::Settings { what: format!("registry {name}"), reason: format!("{address:?} is not an address") })?;
        let client = tls::client(settings, &host_of(&base), unchecked)?;
        let inner = Inner { name: name.to_owned(), base, client, others: Mutex::default(), auth: Auth::new(credentials), settings: settings.clone() };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Where it was found, `https://registry-1.docker.io/`.
    pub fn address(&self) -> &str {
        self.inner.base.as_str()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.inner.base.scheme() == "https"
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.inner.auth
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The address of a path below `/v2/`.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.inner.base.clone();
        url.set_path(&format!("{}v2/{path}", self.inner.base.path()));
        url
    }

    pub(crate) fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.inner.base.origin()
    }

    pub(crate) fn client(&self, url: &Url) -> Result<Client, RegistryError> {
        if self.is_ours(url) {
            return Ok(self.inner.client.clone());
        }
        let host = host_of(url);
        if let Some(known) = self.inner.others.lock().unwrap_or_else(PoisonError::into_inner).get(&host) {
            return Ok(known.clone());
        }
        let unchecked = self.settings().insecure.contains(&host);
        let client = tls::client(self.settings(), &host, unchecked)?;
        let mut others = self.inner.others.lock().unwrap_or_else(PoisonError::into_inner);
        // A registry that leads to another host each time gets no memory for it.
        if others.len() < 16 {
            others.insert(host, client.clone());
        }
        Ok(client)
    }
}

/// Host and port as registries are named; the port only if it is not the usual one.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
