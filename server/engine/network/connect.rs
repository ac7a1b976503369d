//! Connect and disconnect containers, and how their places are shown.

use super::verbs::Found;
use super::{EndpointInfo, Network, ids};
use crate::authorize::authorize;
use crate::registry::{Container, Live};
use crate::{Engine, EngineError, Result, random};
use gantry_model::{Action, Caller, ContainerId, EndpointId, EndpointSpec, Kind, NetworkMode};
use gantry_store::endpoints::{self, EndpointRow};
use gantry_store::{StoreError, containers};
use std::collections::BTreeSet;
use std::sync::Arc;

fn forbidden(message: impl Into<String>) -> EngineError {
    EngineError::said(Kind::Forbidden, message)
}

impl Engine {
    /// Puts a container on a network; one that runs is on it at once. `spec.network` names it.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] if it is on it already, or shares another's network; [`Kind::NotFound`] if there is no such network.
    pub async fn connect_network(&self, caller: &Caller, reference: &str, spec: EndpointSpec) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        let live = super::members::is_up(container.state());
        let found = match self.find_network(&spec.network) {
            Ok(found) => found,
            // Before the start a network that will be there is as good.
            Err(error) if live || error.kind() != Kind::NotFound => return Err(error),
            Err(_) => return self.wish_place(&container, spec).await,
        };
        may_connect(&container.lock(), &found)?;
        match found {
            Found::Bridged(network) if network.is_default() => self.connect_default(&container, &spec, live).await,
            Found::Bridged(network) => self.connect_user(&container, &network, spec, live).await,
            Found::Plain(..) => Err(forbidden("container cannot be connected to multiple networks with one of the networks in private (none) mode")),
        }
    }

    async fn connect_default(&self, container: &Arc<Container>, spec: &EndpointSpec, live: bool) -> Result<()> {
        let network = self.inner.network.clone();
        if spec.ip.is_some() {
            return Err(EngineError::said(Kind::Invalid, "user specified IP address is supported on user defined networks only"));
        }
        if !spec.aliases.is_empty() {
            return Err(EngineError::said(Kind::Invalid, "network-scoped alias is supported only for containers in user defined networks"));
        }
        if container.lock().ip.is_some() {
            return if live { Err(already(container, &network)) } else { Ok(()) };
        }
        {
            let _turn = self.inner.naming.lock().await;
            let ip = self.default_address()?;
            containers::set_ip(&self.inner.db, &container.id, Some(ip)).await?;
            let mut live = container.lock();
            (live.ip, live.prepared) = (Some(ip), false);
        }
        if live && let Err(error) = self.rewire(container).await {
            containers::set_ip(&self.inner.db, &container.id, None).await?;
            container.lock().ip = None;
            self.take_back(container).await;
            return Err(error);
        }
        self.connected(container, &network, live).await;
        Ok(())
    }

    async fn connect_user(&self, container: &Arc<Container>, network: &Arc<Network>, spec: EndpointSpec, live: bool) -> Result<()> {
        let old = container.lock().endpoints.iter().find(|row| is_on(row, network)).cloned();
        if let Some(old) = old {
            if live {
                return Err(already(container, network));
            }
            self.drop_place(container, &old.id).await?;
        }
        let row = {
            let _turn = self.inner.naming.lock().await;
            // It may have gone since it was found.
            let network = self.user_network(network.id.as_str())?;
            let (mut freed, mut row) = (Vec::new(), new_row(container, EndpointSpec { network: network.name().to_owned(), ..spec }));
            row.network = Some(network.id.clone());
            if live {
                row.ip = Some(self.choose_address(&network, &row.spec, &mut freed)?);
            }
            let rows = container.lock().endpoints.clone();
            self.write_places(container, rows, &freed).await?;
            self.add_place(container, row).await?
        };
        if live && let Err(error) = self.rewire(container).await {
            self.drop_place(container, &row.id).await?;
            self.take_back(container).await;
            return Err(error);
        }
        self.connected(container, network, live).await;
        Ok(())
    }

    /// A place on a network that is not there yet, for a container that does not run.
    async fn wish_place(&self, container: &Arc<Container>, spec: EndpointSpec) -> Result<()> {
        let row = new_row(container, spec);
        self.add_place(container, row).await.map(drop)
    }

    async fn add_place(&self, container: &Arc<Container>, row: EndpointRow) -> Result<EndpointRow> {
        endpoints::insert(&self.inner.db, &container.id, &row).await.map_err(|error| match error {
            StoreError::Taken { .. } => forbidden("Address already in use"),
            other => other.into(),
        })?;
        let mut live = container.lock();
        live.prepared = false;
        live.endpoints.push(row.clone());
        Ok(row)
    }

    async fn drop_place(&self, container: &Arc<Container>, id: &EndpointId) -> Result<()> {
        endpoints::delete(&self.inner.db, id).await?;
        let mut live = container.lock();
        live.prepared = false;
        live.endpoints.retain(|row| row.id != *id);
        Ok(())
    }

    /// After a place that could not be: the others stay as they were.
    async fn take_back(&self, container: &Arc<Container>) {
        if let Err(error) = self.rewire(container).await {
            tracing::warn!(container.id = %container.id, "wire container {} as before: {}", container.id.short(), error.chain());
        }
    }

    async fn connected(&self, container: &Arc<Container>, network: &Arc<Network>, live: bool) {
        if live {
            self.write_names(network).await;
            self.tell_network("connect", &network.id, network.name(), &network.spec.driver, Some(&container.id));
        }
    }

    /// Takes a container off a network. `force` is for one whose monitor can't do it any more: the host's part is done here.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] if it is not on it.
    pub async fn disconnect_network(&self, caller: &Caller, network: &str, reference: &str, force: bool) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        let live = super::members::is_up(container.state());
        let not_on = |name: &str| forbidden(format!("container {} is not connected to network {name}", container.id));
        let found = match self.find_network(network) {
            Ok(found) => found,
            // A place on a network that is gone, or was never made.
            Err(error) => {
                let row = container.lock().endpoints.iter().find(|row| row.network.is_none() && row.spec.network == network).cloned();
                return self.drop_place(&container, &row.filter(|_| !live).ok_or(error)?.id).await;
            }
        };
        let network = match found {
            Found::Bridged(network) => network,
            Found::Plain("host", _) => return Err(forbidden("container cannot be disconnected from host network or connected to host network")),
            Found::Plain(name, _) if container.lock().spec.network != NetworkMode::None => return Err(not_on(name)),
            Found::Plain(name, driver) => {
                self.open_to_networks(&container).await?;
                if live {
                    self.tell_network("disconnect", &ids::network_id(name), name, driver, Some(&container.id));
                }
                return Ok(());
            }
        };
        let (place, row) = {
            let live = container.lock();
            let place = self.places(&container.id, &live).into_iter().find(|place| place.network.id == network.id);
            (place, live.endpoints.iter().find(|row| is_on(row, &network)).map(|row| row.id.clone()))
        };
        match row {
            Some(id) => self.drop_place(&container, &id).await?,
            None if place.is_none() => return Err(not_on(network.name())),
            None => {
                containers::set_ip(&self.inner.db, &container.id, None).await?;
                let mut live = container.lock();
                (live.ip, live.prepared) = (None, false);
            }
        }
        if live {
            match self.rewire(&container).await {
                Err(error) if !force => return Err(error),
                _ => {}
            }
            if let Some(place) = place.filter(|_| force) {
                let (id, network) = (container.id.clone(), network.clone());
                tokio::task::spawn_blocking(move || network.forget(&id, &place.link)).await??;
            }
            self.write_names(&network).await;
            self.tell_network("disconnect", &network.id, network.name(), &network.spec.driver, Some(&container.id));
        }
        Ok(())
    }

    /// A container that was to have no network may be put on some from now on: it is as one that was taken off the default bridge.
    async fn open_to_networks(&self, container: &Arc<Container>) -> Result<()> {
        let spec = gantry_model::ContainerSpec { network: NetworkMode::Bridge, ..container.lock().spec.clone() };
        containers::set_spec(&self.inner.db, &container.id, &spec).await?;
        let mut live = container.lock();
        (live.spec.network, live.prepared) = (NetworkMode::Bridge, false);
        Ok(())
    }

    /// Rows for a new container's wishes, in the order of its interfaces. A network that is not there yet may come before the start.
    /// The caller holds `naming`.
    pub(crate) fn new_places(&self, specs: Vec<EndpointSpec>) -> Vec<EndpointRow> {
        let row = |(mut spec, position): (EndpointSpec, u32)| {
            let network = self.user_network(&spec.network).ok();
            spec.network = network.as_ref().map_or(spec.network, |network| network.name().to_owned());
            EndpointRow { id: EndpointId::from_bytes(random::bytes()), network: network.map(|network| network.id.clone()), spec, ip: None, position }
        };
        let rows: Vec<EndpointRow> = specs.into_iter().zip(0..).map(row).collect();
        // A network may be meant twice, by its name and its id.
        let mut seen = BTreeSet::new();
        rows.into_iter().filter(|row| seen.insert(row.spec.network.clone())).collect()
    }

    /// Tells of every network that a container comes on or goes off with its start or end: `connect` or `disconnect`.
    pub(crate) fn tell_places(&self, container: &Container, action: &str) {
        for place in self.infos(&container.id, &container.lock()) {
            if let Some(id) = &place.network_id {
                let driver = ids::PREDEFINED.into_iter().find(|(name, _)| *name == place.network).map_or("bridge", |(_, driver)| driver);
                self.tell_network(action, id, &place.network, driver, Some(&container.id));
            }
        }
    }

    /// The container's places as they are shown, in the order of their interfaces.
    pub(crate) fn infos(&self, id: &ContainerId, live: &Live) -> Vec<EndpointInfo> {
        let plain = match live.spec.network {
            NetworkMode::Host => Some("host"),
            NetworkMode::None => Some("none"),
            _ => None,
        };
        let is_live = live.fact.state.is_live();
        let plain = plain.map(|name| EndpointInfo {
            id: ids::endpoint_id(id, name),
            network_id: Some(ids::network_id(name)),
            network: name.to_owned(),
            spec: EndpointSpec { network: name.to_owned(), ..EndpointSpec::default() },
            live: is_live,
            ip: None,
            prefix_len: 0,
            gateway: None,
            mac: None,
            names: Vec::new(),
        });
        let bridged = self.places(id, live).into_iter().map(|place| EndpointInfo {
            network_id: Some(place.network.id.clone()),
            network: place.network.name().to_owned(),
            live: is_live,
            ip: place.ip.filter(|_| is_live),
            prefix_len: if is_live { place.network.subnet.bits() } else { 0 },
            gateway: Some(place.network.gateway).filter(|_| is_live && !place.network.spec.internal),
            mac: place.mac().filter(|_| is_live),
            names: if place.network.is_default() { Vec::new() } else { names(id, live, &place.spec) },
            id: place.id,
            spec: place.spec,
        });
        let lost = live.endpoints.iter().filter(|row| row.network.as_ref().is_none_or(|id| self.inner.networks.get(id).is_none())).map(|row| EndpointInfo {
            id: row.id.clone(),
            network_id: None,
            network: row.spec.network.clone(),
            spec: row.spec.clone(),
            live: false,
            ip: None,
            prefix_len: 0,
            gateway: None,
            mac: None,
            names: names(id, live, &row.spec),
        });
        plain.into_iter().chain(bridged).chain(lost).collect()
    }
}

/// What the other containers of a user's network call this one: its name, its aliases, its short id, its host name.
pub(super) fn names(id: &ContainerId, live: &Live, spec: &EndpointSpec) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let own = [live.name.to_string()].into_iter().chain(spec.aliases.iter().cloned()).chain([id.short().to_owned(), live.spec.hostname.clone()]);
    own.filter(|name| !name.is_empty() && seen.insert(name.clone())).collect()
}

fn is_on(row: &EndpointRow, network: &Network) -> bool {
    row.network.as_ref() == Some(&network.id) || (row.network.is_none() && row.spec.network == network.name())
}

fn new_row(container: &Container, spec: EndpointSpec) -> EndpointRow {
    let position = container.lock().endpoints.iter().map(|row| row.position + 1).max().unwrap_or(0);
    EndpointRow { id: EndpointId::from_bytes(random::bytes()), network: None, spec, ip: None, position }
}

fn already(container: &Container, network: &Network) -> EngineError {
    forbidden(format!("endpoint with name {} already exists in network {}", container.lock().name, network.name()))
}

fn may_connect(live: &Live, found: &Found) -> Result<()> {
    match (&live.spec.network, found) {
        (_, Found::Plain("host", _)) => Err(forbidden("container cannot be disconnected from host network or connected to host network")),
        (NetworkMode::Host | NetworkMode::Container(_), _) => {
            Err(forbidden("container sharing network namespace with another container or host cannot be connected to any other network"))
        }
        (NetworkMode::None, _) | (_, Found::Plain(..)) => {
            Err(forbidden("container cannot be connected to multiple networks with one of the networks in private (none) mode"))
        }
        _ => Ok(()),
    }
}
