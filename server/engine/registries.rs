//! Registries as verbs see them: opened for one caller, with errors in docker's words.

use crate::authorize::authorize;
use crate::{Engine, EngineError, Result};
use gantry_model::{Action, Caller, ImageRef, Kind};
use gantry_registry::{Credentials, Registry, RegistryError};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinHandle;

/// Layers that come at the same time, for whichever images. Source: dockerd, `max-concurrent-downloads`.
const AT_ONCE: usize = 3;

/// What comes from registries just now.
pub(crate) struct Arrivals {
    pub turns: Semaphore,
    layers: Mutex<Vec<(String, Weak<Arrival>)>>,
}

/// One layer on its way: the first who wants it fetches it; if that one gives up, the next does.
pub(crate) type Arrival = OnceCell<Arc<gantry_images::TakenLayer>>;

impl Default for Arrivals {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), layers: Mutex::default() }
    }
}

impl Arrivals {
    /// The layer's place, which all who want it share.
    pub(crate) fn of(&self, layer: &gantry_images::PullLayer) -> Arc<Arrival> {
        let key = format!("{} {}", layer.blob.digest, layer.diff_id);
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|(_, arrival)| arrival.strong_count() > 0);
        if let Some(known) = layers.iter().find(|(known, _)| *known == key).and_then(|(_, arrival)| arrival.upgrade()) {
            return known;
        }
        let arrival = Arc::new(Arrival::new());
        layers.push((key, Arc::downgrade(&arrival)));
        arrival
    }
}

impl Engine {
    pub(crate) async fn open_registry(&self, name: &str, login: Option<Credentials>) -> Result<Registry> {
        Ok(Registry::open(&self.inner.registries, name, login).await?)
    }

    /// Runs on the engine's own threads, and ends when the asking one does.
    pub(crate) async fn on_engine<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        struct Ends<T>(JoinHandle<T>);
        impl<T> Drop for Ends<T> {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let mut task = Ends(self.inner.handle.spawn(work));
        (&mut task.0).await?
    }

    /// Asks a registry whether a login holds.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] if it does not.
    pub async fn try_registry_login(&self, caller: &Caller, registry: &str, login: Credentials) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let (engine, name) = (self.clone(), registry_name(registry)?);
        self.on_engine(async move { Ok(engine.open_registry(&name, Some(login)).await?.log_in().await?) }).await
    }
}

/// `https://index.docker.io/v1/`, `reg.example:5000`, or nothing for Docker Hub.
fn registry_name(address: &str) -> Result<String> {
    let bare = address.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or_default();
    if matches!(host, "" | "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        return Ok("docker.io".to_owned());
    }
    // What can stand before a name can be a registry.
    let reference = format!("{host}/name").parse::<ImageRef>().ok().filter(|reference| reference.registry() == host);
    // A host without dot or port would be read as part of a name.
    let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if reference.is_some() || plain {
        return Ok(host.to_owned());
    }
    Err(EngineError::said(Kind::Invalid, format!("{address:?} is no registry: give its host name and, if need be, its port")))
}

/// In the words that docker's clients look for.
pub(crate) fn refused(reference: &ImageRef, error: RegistryError) -> EngineError {
    match error {
        RegistryError::Refused { status: 404, reason, .. } => {
            EngineError::said(Kind::NotFound, format!("manifest for {} not found: {reason}", reference.familiar()))
        }
        RegistryError::Refused { status: 401 | 403, reason, .. } => EngineError::hinted(
            Kind::NotFound,
            format!("pull access denied for {}, repository does not exist or may require 'docker login': {reason}", reference.familiar_name()),
            format!("log in with: gantry login {}", reference.registry()),
        ),
        error => error.into(),
    }
}

impl From<RegistryError> for EngineError {
    fn from(error: RegistryError) -> Self {
        Self::said(error.kind(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::registry_name;

    #[test]
    fn a_registry_is_named_by_its_host() {
        for (address, name) in
            [("", "docker.io"), ("https://index.docker.io/v1/", "docker.io"), ("reg.example:5000", "reg.example:5000"), ("http://reg/v2", "reg")]
        {
            assert_eq!(registry_name(address).ok().as_deref(), Some(name), "{address}");
        }
        for bad in ["a b", "x@y", "..", "-:1"] {
            assert!(registry_name(bad).is_err(), "{bad}");
        }
    }
}
