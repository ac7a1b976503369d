//! The names files: who runs on a network, for the monitors that answer questions about names.

use super::Network;
use super::connect::names;
use crate::registry::Container;
use crate::{Engine, EngineError, Result};
use gantry_model::NetworkId;
use gantry_wire::names::{FILE, Neighbour, encode};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

impl Engine {
    fn networks_dir(&self) -> PathBuf {
        self.inner.config.run_dir.join("networks")
    }

    /// Where a network's names are.
    pub(super) fn names_path(&self, id: &NetworkId) -> PathBuf {
        self.networks_dir().join(id.as_str()).join(FILE)
    }

    /// Writes the names of all networks of a container anew. Failures are told here: containers go on without news.
    pub(crate) async fn write_names_of(&self, container: &Arc<Container>) {
        let networks: Vec<NetworkId> = container.lock().endpoints.iter().filter_map(|row| row.network.clone()).collect();
        for network in networks.iter().filter_map(|id| self.inner.networks.get(id)) {
            self.write_names(&network).await;
        }
    }

    /// Writes the names of one network anew.
    pub(crate) async fn write_names(&self, network: &Arc<Network>) {
        if network.is_default() {
            return;
        }
        // The last write is of the newest.
        let _turn = self.inner.writing_names.lock().await;
        let (text, path) = (encode(network.name(), &self.neighbours(network)), self.names_path(&network.id));
        let written = tokio::task::spawn_blocking(move || replace(path, &text)).await;
        if let Err(error) = written.map_err(EngineError::from).flatten() {
            tracing::error!("write the names of network {}: {}", network.name(), error.chain());
        }
    }

    /// At the start: every network's names as they are now, and none of networks that are gone.
    pub(crate) async fn restore_names(&self) {
        let networks = self.inner.networks.all();
        let known: HashSet<String> = networks.iter().map(|network| network.id.to_string()).collect();
        for entry in std::fs::read_dir(self.networks_dir()).into_iter().flatten().flatten() {
            if !entry.file_name().to_str().is_some_and(|name| known.contains(name)) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        for network in &networks {
            self.write_names(network).await;
        }
    }

    pub(super) fn forget_names(&self, id: &NetworkId) {
        let _ = std::fs::remove_dir_all(self.networks_dir().join(id.as_str()));
    }

    /// Those that run or are about to: a program may ask for itself with its first breath.
    fn neighbours(&self, network: &Network) -> Vec<Neighbour> {
        let neighbour = |container: &Arc<Container>| {
            let live = container.lock();
            let row = live.endpoints.iter().find(|row| row.network.as_ref() == Some(&network.id))?;
            let is_there = live.fact.state.is_live() || live.starting;
            is_there.then(|| Neighbour { ipv4: row.ip, ipv6: None, names: names(&container.id, &live, &row.spec) })
        };
        // The oldest first: the order does not change as others come.
        self.inner.containers.all().iter().rev().filter_map(neighbour).collect()
    }
}

fn replace(path: PathBuf, text: &str) -> Result<()> {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let new = folder.join("names.new");
    let write = || {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &path)
    };
    write().map_err(EngineError::io(format!("write {}", path.display())))
}
