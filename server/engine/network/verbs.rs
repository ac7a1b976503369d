//! Create, list, inspect, remove and prune networks.

use super::{Network, NetworkDetail, NetworkFilter, NetworkMember, ids, members};
use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::containers::{PruneFilter, Pruned};
use crate::events::EventKind;
use crate::{Engine, EngineError, Result, random};
use gantry_model::{Action, Caller, Kind, NetworkId, NetworkMode, NetworkSpec, Subnet};
use gantry_plan::network::{AddressError, Addresses, addresses, bridge_options, routed};
use gantry_store::networks::{self, NetworkRow};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What a user means by the name of a network.
pub(super) enum Found {
    Bridged(Arc<Network>),
    /// `host` or `none`, and its driver.
    Plain(&'static str, &'static str),
}

impl Found {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Bridged(network) => network.name(),
            Self::Plain(name, _) => name,
        }
    }
}

fn missing(reference: &str) -> EngineError {
    EngineError::said(Kind::NotFound, format!("network {} not found", reference.chars().take(200).collect::<String>()))
}

impl Engine {
    /// The networks made by users, as the database has them. Removals that were begun go on.
    pub(crate) async fn load_networks(&self) -> Result<()> {
        for row in networks::all(&self.inner.db).await? {
            let (name, doomed) = (row.spec.name.clone(), row.doomed);
            let loaded = match Network::of_user(row, &self.inner.network) {
                Ok(network) => Arc::new(network),
                Err(error) => {
                    tracing::error!("load network {name}: {}", error.chain());
                    continue;
                }
            };
            if doomed {
                // What the kernel does not give now it may give at the next start.
                if let Err(error) = self.finish_removal(&loaded).await {
                    tracing::error!("remove network {name}: {}", error.chain());
                }
            } else {
                self.inner.networks.add(loaded);
            }
        }
        Ok(())
    }

    /// By full id, name, or a unique prefix of an id.
    pub(super) fn find_network(&self, reference: &str) -> Result<Found> {
        let users = self.inner.networks.all();
        let plain = ids::PREDEFINED.into_iter().find(|(name, _)| *name == reference);
        if let Some((name, driver)) = plain {
            return Ok(if name == ids::BRIDGE { Found::Bridged(self.inner.network.clone()) } else { Found::Plain(name, driver) });
        }
        if let Some(network) =
            users.iter().find(|network| network.id.as_str() == reference).or_else(|| users.iter().find(|network| network.name() == reference))
        {
            return Ok(Found::Bridged(network.clone()));
        }
        let is_prefix = |id: &NetworkId| !reference.is_empty() && id.as_str().starts_with(reference);
        let of_users = users.iter().filter(|network| is_prefix(&network.id)).map(|network| Found::Bridged(network.clone()));
        let predefined = ids::PREDEFINED.into_iter().filter(|(name, _)| is_prefix(&ids::network_id(name))).map(|(name, driver)| match name {
            ids::BRIDGE => Found::Bridged(self.inner.network.clone()),
            _ => Found::Plain(name, driver),
        });
        let mut matches = of_users.chain(predefined);
        match (matches.next(), matches.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => Err(missing(reference)),
            _ => Err(EngineError::said(Kind::Invalid, format!("network {reference} is ambiguous ({} matches found on ID prefix)", 2 + matches.count()))),
        }
    }

    /// A network that a container may have a place on by name: one made by a user.
    pub(super) fn user_network(&self, reference: &str) -> Result<Arc<Network>> {
        match self.find_network(reference)? {
            Found::Bridged(network) if !network.is_default() => Ok(network),
            _ => Err(missing(reference)),
        }
    }

    /// Makes a network. Its bridge is made when the first container needs it.
    pub async fn create_network(&self, caller: &Caller, mut spec: NetworkSpec) -> Result<NetworkId> {
        authorize(caller, Action::Operate)?;
        check_spec(&spec)?;
        let options = bridge_options(&spec.options).map_err(|error| EngineError::said(Kind::Invalid, error.to_string()))?;
        if spec.driver.is_empty() {
            "bridge".clone_into(&mut spec.driver);
        }
        // Names and addresses are given to one at a time.
        let _turn = self.inner.naming.lock().await;
        let others = self.inner.networks.all();
        if others.iter().any(|other| other.name() == spec.name) {
            return Err(EngineError::said(Kind::Conflict, format!("network with name {} already exists", spec.name)));
        }
        let id = NetworkId::from_bytes(random::bytes());
        let bridge = match options.bridge {
            Some(bridge) => self.free_bridge(&id, bridge, &others)?,
            None => format!("gt-{}", id.short()),
        };
        let Addresses { subnet, gateway } = self.free_addresses(caller, &spec, &others)?;
        let row = NetworkRow { id: id.clone(), spec, subnet, gateway, bridge, doomed: false, created_at_ms: now_ms() };
        let network = Network::of_user(row.clone(), &self.inner.network)?;
        networks::insert(&self.inner.db, &row).await?;
        self.inner.networks.add(Arc::new(network));
        self.tell_network("create", &id, &row.spec.name, &row.spec.driver, None);
        Ok(id)
    }

    /// A link of somebody else is never taken for a bridge of ours.
    fn free_bridge(&self, id: &NetworkId, bridge: String, others: &[Arc<Network>]) -> Result<String> {
        if let Some(other) = others.iter().find(|other| other.bridge == bridge) {
            let message = format!("cannot create network {id} ({bridge}): conflicts with network {} ({bridge}): networks have same bridge name", other.id);
            return Err(EngineError::said(Kind::Forbidden, message));
        }
        if bridge == self.inner.network.bridge || std::fs::symlink_metadata(format!("/sys/class/net/{bridge}")).is_ok() {
            let message = format!("cannot create network {id} ({bridge}): this host has a link of that name");
            return Err(EngineError::hinted(Kind::Forbidden, message, "choose another com.docker.network.bridge.name"));
        }
        Ok(bridge)
    }

    fn free_addresses(&self, caller: &Caller, spec: &NetworkSpec, others: &[Arc<Network>]) -> Result<Addresses> {
        let taken: Vec<Subnet> = others.iter().map(|other| other.subnet).chain([self.inner.network.subnet]).collect();
        let routes = routed(&std::fs::read_to_string("/proc/net/route").unwrap_or_default());
        let chosen = addresses(spec, &taken, &routes).map_err(|error| {
            let kind = match error {
                AddressError::Overlap => Kind::Forbidden,
                AddressError::NoPool => Kind::Conflict,
                _ => Kind::Invalid,
            };
            EngineError::said(kind, error.to_string())
        })?;
        if spec.subnet.is_some_and(|subnet| leads_away(subnet, &routes)) {
            authorize(caller, Action::ReachHost)?;
        }
        Ok(chosen)
    }

    /// Those that fit, by name.
    pub async fn list_networks(&self, caller: &Caller, filter: &NetworkFilter) -> Result<Vec<NetworkDetail>> {
        authorize(caller, Action::View)?;
        let mut all: Vec<NetworkDetail> =
            ids::PREDEFINED.into_iter().filter(|(name, _)| *name != ids::BRIDGE).map(|(name, driver)| self.plain(name, driver)).collect();
        all.extend(std::iter::once(self.inner.network.clone()).chain(self.inner.networks.all()).map(|network| self.bridged(&network)));
        all.retain(|network| filter.takes(network));
        all.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
        Ok(all)
    }

    pub async fn network(&self, caller: &Caller, reference: &str) -> Result<NetworkDetail> {
        authorize(caller, Action::View)?;
        Ok(match self.find_network(reference)? {
            Found::Bridged(network) => self.bridged(&network),
            Found::Plain(name, driver) => self.plain(name, driver),
        })
    }

    fn bridged(&self, network: &Arc<Network>) -> NetworkDetail {
        let member = |container: Arc<crate::registry::Container>| {
            let live = container.lock();
            if !members::is_up(live.fact.state) {
                return None;
            }
            let place = self.places(&container.id, &live).into_iter().find(|place| place.network.id == network.id)?;
            Some(NetworkMember { container: container.id.clone(), name: live.name.to_string(), mac: place.mac(), endpoint: place.id, ip: place.ip })
        };
        NetworkDetail {
            id: network.id.clone(),
            spec: network.spec.clone(),
            subnet: Some(network.subnet),
            gateway: Some(network.gateway),
            bridge: Some(network.bridge.clone()),
            predefined: network.is_default(),
            created_at_ms: network.created_at_ms,
            members: self.inner.containers.all().into_iter().filter_map(member).collect(),
        }
    }

    fn plain(&self, name: &str, driver: &str) -> NetworkDetail {
        let mode = if name == "host" { NetworkMode::Host } else { NetworkMode::None };
        let member = |container: Arc<crate::registry::Container>| {
            let live = container.lock();
            let on_it = members::is_up(live.fact.state) && live.spec.network == mode;
            let endpoint = ids::endpoint_id(&container.id, name);
            on_it.then(|| NetworkMember { container: container.id.clone(), name: live.name.to_string(), endpoint, ip: None, mac: None })
        };
        NetworkDetail {
            id: ids::network_id(name),
            spec: NetworkSpec { name: name.to_owned(), driver: driver.to_owned(), ..NetworkSpec::default() },
            subnet: None,
            gateway: None,
            bridge: None,
            predefined: true,
            created_at_ms: 0,
            members: self.inner.containers.all().into_iter().filter_map(member).collect(),
        }
    }

    /// # Errors
    /// [`Kind::Forbidden`] while a container that runs is on it, and for a network that is always there.
    pub async fn remove_network(&self, caller: &Caller, reference: &str) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let _turn = self.inner.naming.lock().await;
        let found = self.find_network(reference)?;
        let network = match &found {
            Found::Bridged(network) if !network.is_default() => network,
            other => return Err(EngineError::said(Kind::Forbidden, format!("{} is a pre-defined network and cannot be removed", other.name()))),
        };
        // First of all it is gone for those who start: each of two at once sees the other.
        self.inner.networks.remove(&network.id);
        let active = self.active_on(network);
        if !active.is_empty() {
            self.inner.networks.add(network.clone());
            let who: Vec<String> = active.iter().map(|(name, id)| format!("name:{name:?} id:{:?}", &id[..12])).collect();
            let message = format!("error while removing network: network {} has active endpoints ({})", network.name(), who.join(", "));
            return Err(EngineError::hinted(Kind::Forbidden, message, "stop or disconnect the containers first"));
        }
        if let Err(error) = networks::doom(&self.inner.db, &network.id).await {
            self.inner.networks.add(network.clone());
            return Err(error.into());
        }
        self.finish_removal(network).await?;
        self.tell_network("destroy", &network.id, network.name(), &network.spec.driver, None);
        Ok(())
    }

    /// Names of those that run on it or are about to, and the ids of their places.
    fn active_on(&self, network: &Network) -> Vec<(String, String)> {
        let active = |container: Arc<crate::registry::Container>| {
            let live = container.lock();
            let row = live.endpoints.iter().find(|row| row.network.as_ref() == Some(&network.id))?;
            (members::is_up(live.fact.state) || live.starting).then(|| (live.name.to_string(), row.id.to_string()))
        };
        self.inner.containers.all().into_iter().filter_map(active).collect()
    }

    /// The kernel's part goes before the row: what is left by a server that dies here is found again.
    async fn finish_removal(&self, network: &Arc<Network>) -> Result<()> {
        let of_kernel = network.clone();
        tokio::task::spawn_blocking(move || of_kernel.remove()).await??;
        self.forget_names(&network.id);
        networks::delete(&self.inner.db, &network.id).await?;
        for container in self.inner.containers.all() {
            for row in container.lock().endpoints.iter_mut().filter(|row| row.network.as_ref() == Some(&network.id)) {
                (row.network, row.ip) = (None, None);
            }
        }
        Ok(())
    }

    /// Removes the networks made by users that no container that runs is on.
    pub async fn prune_networks(&self, caller: &Caller, filter: &PruneFilter) -> Result<Pruned> {
        authorize(caller, Action::Operate)?;
        let mut pruned = Pruned::default();
        for network in self.inner.networks.all() {
            let idle = self.active_on(&network).is_empty() && filter.takes(network.created_at_ms, &network.spec.labels);
            if idle && self.remove_network(caller, network.id.as_str()).await.is_ok() {
                pruned.removed.push(network.name().to_owned());
            }
        }
        self.inner.events.publish(EventKind::Network, "prune", "", BTreeMap::from([("reclaimed".to_owned(), "0".to_owned())]));
        Ok(pruned)
    }

    pub(super) fn tell_network(&self, action: &str, id: &NetworkId, name: &str, driver: &str, container: Option<&gantry_model::ContainerId>) {
        let mut attributes = BTreeMap::from([("name".to_owned(), name.to_owned()), ("type".to_owned(), driver.to_owned())]);
        attributes.extend(container.map(|id| ("container".to_owned(), id.to_string())));
        self.inner.events.publish(EventKind::Network, action, id.as_str(), attributes);
    }
}

fn check_spec(spec: &NetworkSpec) -> Result<()> {
    let name = &spec.name;
    if ids::PREDEFINED.iter().any(|(predefined, _)| name == predefined) || name == "default" {
        return Err(EngineError::said(Kind::Forbidden, format!("operation is not permitted on predefined {name} network")));
    }
    let good = |(index, byte): (usize, u8)| byte.is_ascii_alphanumeric() || (index > 0 && matches!(byte, b'_' | b'.' | b'-'));
    if name.is_empty() || name.len() > 255 || !name.bytes().enumerate().all(good) || name.starts_with("container:") {
        let message = format!("invalid network name {name:?}: use letters, digits, '_', '.' and '-', beginning with a letter or digit");
        return Err(EngineError::said(Kind::Invalid, message));
    }
    match spec.driver.as_str() {
        "" | "bridge" => {}
        "host" | "null" => return Err(EngineError::said(Kind::Forbidden, format!("only one instance of \"{}\" network is allowed", spec.driver))),
        "macvlan" | "ipvlan" => {
            let message = format!("networks of the driver {} are not supported by this release", spec.driver);
            return Err(EngineError::hinted(Kind::Unsupported, message, "use the driver bridge, and publish ports"));
        }
        "overlay" => {
            let message = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
            return Err(EngineError::hinted(Kind::Forbidden, message, "on one host, use the driver bridge"));
        }
        other => return Err(EngineError::said(Kind::NotFound, format!("plugin {other:?} not found"))),
    }
    let special = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"].map(|text| text.parse::<Subnet>().expect("a subnet"));
    match spec.subnet {
        Some(subnet) if special.iter().any(|range| range.overlaps(subnet)) => {
            Err(EngineError::said(Kind::Invalid, format!("invalid subnet {subnet}: its addresses belong to no host")))
        }
        _ => Ok(()),
    }
}

/// Whether a network of these addresses takes traffic of the host that goes elsewhere: only who owns the host may do that.
fn leads_away(subnet: Subnet, routes: &[Subnet]) -> bool {
    let private =
        [(Ipv4Addr::new(10, 0, 0, 0), 8), (Ipv4Addr::new(172, 16, 0, 0), 12), (Ipv4Addr::new(192, 168, 0, 0), 16), (Ipv4Addr::new(100, 64, 0, 0), 10)];
    !private.iter().any(|(ip, bits)| Subnet::around(*ip, *bits).covers(subnet)) || routes.iter().any(|route| route.overlaps(subnet))
}

impl NetworkFilter {
    fn takes(&self, network: &NetworkDetail) -> bool {
        let any = |values: &[String], hit: &dyn Fn(&str) -> bool| values.is_empty() || values.iter().any(|value| hit(value));
        any(&self.id, &|id| network.id.as_str().starts_with(id))
            && any(&self.name, &|name| network.spec.name.contains(name))
            && any(&self.driver, &|driver| network.spec.driver == driver)
            && any(&self.scope, &|scope| scope == "local")
            && self.label.iter().all(|label| match label.split_once('=') {
                Some((key, value)) => network.spec.labels.get(key).is_some_and(|known| known == value),
                None => network.spec.labels.contains_key(label.as_str()),
            })
            && self.custom.is_none_or(|custom| custom != network.predefined)
            && self.dangling.is_none_or(|dangling| dangling == (!network.predefined && network.members.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_can_t_be_is_refused() {
        let named = |name: &str| NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() };
        assert!(check_spec(&named("shop_default")).is_ok());
        for bad in ["", "a/b", "-x", "a b", "../x"] {
            assert_eq!(check_spec(&named(bad)).expect_err(bad).kind(), Kind::Invalid, "{bad}");
        }
        for taken in ["host", "bridge", "none", "default"] {
            assert_eq!(check_spec(&named(taken)).expect_err(taken).kind(), Kind::Forbidden, "{taken}");
        }
        let of = |driver: &str| check_spec(&NetworkSpec { driver: driver.to_owned(), ..named("x") }).map_err(|error| error.kind());
        assert_eq!((of("bridge"), of("foo"), of("macvlan"), of("host")), (Ok(()), Err(Kind::NotFound), Err(Kind::Unsupported), Err(Kind::Forbidden)));
        let on = |subnet: &str| check_spec(&NetworkSpec { subnet: Some(subnet.parse().expect("a subnet")), ..named("x") });
        assert!(on("10.0.0.0/24").is_ok() && on("127.1.0.0/16").is_err() && on("224.0.0.0/8").is_err() && on("0.0.0.0/0").is_err());
    }

    #[test]
    fn only_who_owns_the_host_takes_its_traffic() {
        let subnet = |text: &str| text.parse::<Subnet>().expect("a subnet");
        assert!(!leads_away(subnet("10.9.0.0/24"), &[subnet("10.8.0.0/16")]));
        assert!(leads_away(subnet("8.8.8.0/24"), &[]));
        assert!(leads_away(subnet("10.8.3.0/24"), &[subnet("10.8.0.0/16")]));
    }
}
