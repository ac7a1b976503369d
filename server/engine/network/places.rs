//! Places of one container on its networks: which address each has, which leads out, and what its monitor must know of them.

use super::{Network, ids, mac};
use crate::registry::{Container, Live};
use crate::{Engine, EngineError, Result};
use gantry_model::{ContainerId, EndpointId, EndpointSpec, Kind, NetworkMode, PortBinding};
use gantry_plan::network::{AddressError, Pool, address};
use gantry_store::endpoints::{self, EndpointRow};
use gantry_wire::monitor::{Bridge, Endpoint, Names, Outside};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// Names of links of containers begin so. IFNAMSIZ leaves 15 letters: these, 12 of an id, and one for the monitor to tell runs apart.
pub(super) const LINK_PREFIX: &str = "gv";

/// A container's place on a network that is there.
#[derive(Clone)]
pub(crate) struct Place {
    pub id: EndpointId,
    pub network: Arc<Network>,
    pub spec: EndpointSpec,
    pub ip: Option<Ipv4Addr>,
    /// The link's end on the host.
    pub link: String,
    /// Where the names of those on the network are.
    pub names: Option<PathBuf>,
}

impl Place {
    pub(crate) fn mac(&self) -> Option<String> {
        self.spec.mac.clone().or_else(|| self.ip.map(mac))
    }

    /// Whether the default route leads over this one rather than another.
    /// Source: moby `daemon/libnetwork/endpoint.go`, `Less`: not an internal network, then priority, then the name.
    fn rank(&self) -> (bool, i64, &str) {
        (self.network.spec.internal, -self.spec.gateway_priority, self.network.name())
    }
}

/// The place that the default route and the published ports belong to.
pub(crate) fn way_out(places: &[Place]) -> Option<&Place> {
    places.iter().filter(|place| place.ip.is_some()).min_by_key(|place| place.rank()).filter(|place| !place.network.spec.internal)
}

/// What a monitor must know, in the order of the interfaces.
pub(crate) fn bridges(places: &[Place], ports: &[PortBinding]) -> Vec<Bridge> {
    let out = way_out(places).map(|place| place.id.clone());
    let mut all: Vec<Bridge> = Vec::new();
    for place in places {
        let Some(ip) = place.ip else { continue };
        let interface = free_interface(&place.network.options.prefix, |name| all.iter().any(|bridge| bridge.endpoint.interface == name));
        all.push(bridge(place, ip, interface, ports, out.as_ref() == Some(&place.id)));
    }
    all
}

/// The lowest number that is free makes the name of an interface.
pub(super) fn free_interface(prefix: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut number = 0;
    loop {
        let name = format!("{prefix}{number}");
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// The name server of a container on networks of users; others have none. `dns` are the servers that the user wants.
pub(crate) fn names(places: &[Place], dns: &[String]) -> Option<Names> {
    let files: Vec<PathBuf> = places.iter().filter_map(|place| place.names.clone()).collect();
    let link = |text: &String| text.split_once(':').map_or_else(|| (text.clone(), text.clone()), |(of, name)| (name.to_owned(), of.to_owned()));
    let outside = match dns {
        _ if places.iter().all(|place| place.network.spec.internal) => Outside::Nobody,
        [] => Outside::Host,
        servers => Outside::Servers(servers.iter().filter_map(|server| server.parse().ok()).collect()),
    };
    let links = places.iter().flat_map(|place| &place.spec.links).map(link).collect();
    (!files.is_empty()).then_some(Names { files, links, outside })
}

fn bridge(place: &Place, ip: Ipv4Addr, interface: String, ports: &[PortBinding], leads_out: bool) -> Bridge {
    let network = &place.network;
    let publish = |port: &PortBinding| PortBinding { host_ip: port.host_ip.or(network.options.host_ip.map(IpAddr::V4)), ..port.clone() };
    Bridge {
        bridge: network.bridge.clone(),
        addresses: vec![(IpAddr::V4(network.gateway), network.subnet.bits())],
        mtu: network.mtu,
        masquerade: network.options.masquerade,
        inter_container: network.options.inter_container,
        internal: network.spec.internal,
        table: network.table.clone(),
        endpoint: Endpoint {
            interface,
            host_interface: place.link.clone(),
            mac: place.spec.mac.clone().unwrap_or_else(|| mac(ip)),
            addresses: vec![(IpAddr::V4(ip), network.subnet.bits())],
            gateways: if leads_out { vec![IpAddr::V4(network.gateway)] } else { Vec::new() },
        },
        publish: if leads_out { ports.iter().map(publish).collect() } else { Vec::new() },
    }
}

pub(super) fn link_of_container(id: &ContainerId) -> String {
    format!("{LINK_PREFIX}{}", id.short())
}

impl Engine {
    /// The places of a container on networks that are there, in the order of their interfaces.
    pub(crate) fn places(&self, id: &ContainerId, live: &Live) -> Vec<Place> {
        let on_default = self.place_on_default(id, live);
        let (first, last) = if live.spec.network == NetworkMode::Bridge { (on_default, None) } else { (None, on_default) };
        let of_users = live.endpoints.iter().filter_map(|row| {
            let network = self.inner.networks.get(row.network.as_ref()?)?;
            let (link, names) = (format!("{LINK_PREFIX}{}", row.id.short()), Some(self.names_path(&network.id)));
            Some(Place { id: row.id.clone(), network, spec: row.spec.clone(), ip: row.ip, link, names })
        });
        first.into_iter().chain(of_users).chain(last).collect()
    }

    fn place_on_default(&self, id: &ContainerId, live: &Live) -> Option<Place> {
        let Some(IpAddr::V4(ip)) = live.ip else { return None };
        let spec = EndpointSpec { network: ids::BRIDGE.to_owned(), mac: live.spec.mac.clone(), ..EndpointSpec::default() };
        Some(Place { id: ids::endpoint_id(id, ids::BRIDGE), network: self.inner.network.clone(), spec, ip: Some(ip), link: link_of_container(id), names: None })
    }

    /// An address on the default bridge. The caller holds `naming`.
    pub(crate) fn default_address(&self) -> Result<IpAddr> {
        let network = &self.inner.network;
        let addresses = self.inner.containers.all().into_iter().filter_map(|container| container.lock().ip);
        let mut taken: BTreeSet<Ipv4Addr> = addresses.filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }).collect();
        taken.insert(network.gateway);
        address(&Pool { subnet: network.subnet, range: None }, None, &taken).map(IpAddr::V4).map_err(|_| {
            EngineError::hinted(
                Kind::Conflict,
                format!("the default bridge has no free address in {}", network.subnet),
                "remove containers, or start the server with a larger --subnet",
            )
        })
    }

    /// Gives the places of a container that is about to start what they lack: a network that was made or made anew since, and an address.
    pub(crate) async fn settle_places(&self, container: &Arc<Container>) -> Result<()> {
        let is_settled = |row: &EndpointRow| row.ip.is_some() && row.network.as_ref().is_some_and(|id| self.inner.networks.get(id).is_some());
        if container.lock().endpoints.iter().all(is_settled) {
            return Ok(());
        }
        let _turn = self.inner.naming.lock().await;
        let mut rows = container.lock().endpoints.clone();
        let mut freed = Vec::new();
        for row in rows.iter_mut().filter(|row| !is_settled(row)) {
            let network = self.user_network(&row.spec.network)?;
            row.network = Some(network.id.clone());
            network.name().clone_into(&mut row.spec.network);
            row.ip = Some(self.choose_address(&network, &row.spec, &mut freed)?);
        }
        self.write_places(container, rows, &freed).await
    }

    /// Writes places down, and takes the addresses of `freed` away from those who had them. The caller holds `naming`.
    pub(super) async fn write_places(&self, container: &Arc<Container>, rows: Vec<EndpointRow>, freed: &[(Arc<Container>, EndpointRow)]) -> Result<()> {
        let all: Vec<EndpointRow> = freed.iter().map(|(_, row)| EndpointRow { ip: None, ..row.clone() }).chain(rows.iter().cloned()).collect();
        endpoints::place(&self.inner.db, &all).await?;
        for (other, freed) in freed {
            other.lock().endpoints.iter_mut().filter(|row| row.id == freed.id).for_each(|row| row.ip = None);
        }
        container.lock().endpoints = rows;
        Ok(())
    }

    /// An address for a place. One that was given to a container that does not run, without being asked for, may go to another who needs
    /// it: that is added to `freed`.
    pub(super) fn choose_address(&self, network: &Network, spec: &EndpointSpec, freed: &mut Vec<(Arc<Container>, EndpointRow)>) -> Result<Ipv4Addr> {
        if spec.ip.is_some() && network.spec.subnet.is_none() {
            return Err(EngineError::said(
                Kind::Invalid,
                "user specified IP address is supported only when connecting to networks with user configured subnets",
            ));
        }
        let mut taken: BTreeSet<Ipv4Addr> = network.spec.reserved.values().copied().collect();
        taken.insert(network.gateway);
        let mut idle = Vec::new();
        for other in self.inner.containers.all() {
            let live = other.lock();
            let is_up = super::members::is_up(live.fact.state) || live.starting;
            for row in live.endpoints.iter().filter(|row| row.network.as_ref() == Some(&network.id)) {
                taken.extend(row.ip);
                if !is_up && row.spec.ip.is_none() && row.ip.is_some() {
                    idle.push((other.clone(), row.clone()));
                }
            }
        }
        let pool = Pool { subnet: network.subnet, range: network.spec.ip_range };
        let chosen = match (address(&pool, spec.ip, &taken), spec.ip) {
            (Err(AddressError::InUse), Some(ip)) => idle.into_iter().find(|(_, row)| row.ip == Some(ip)).map(|idle| (ip, idle)).ok_or(AddressError::InUse),
            // The oldest container is asked first.
            (Err(AddressError::Full), _) => idle.pop().and_then(|idle| Some((idle.1.ip?, idle))).ok_or(AddressError::Full),
            (other, _) => return other.map_err(refused),
        };
        let (ip, idle) = chosen.map_err(refused)?;
        freed.push(idle);
        Ok(ip)
    }
}

fn refused(error: AddressError) -> EngineError {
    let kind = match error {
        AddressError::InUse => Kind::Forbidden,
        _ => Kind::Invalid,
    };
    EngineError::said(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_model::{NetworkId, NetworkSpec, Subnet};
    use gantry_plan::network::bridge_options;

    fn place(number: u8, name: &str, internal: bool, priority: i64) -> Place {
        let subnet = Subnet::around(Ipv4Addr::new(10, number, 0, 0), 24);
        let network = Network {
            id: NetworkId::from_bytes([number; 32]),
            spec: NetworkSpec { name: name.to_owned(), internal, ..NetworkSpec::default() },
            bridge: format!("br{number}"),
            table: format!("t-{number}"),
            subnet,
            gateway: subnet.address(1),
            options: bridge_options(&Default::default()).expect("empty"),
            mtu: None,
            created_at_ms: 0,
        };
        let spec = EndpointSpec { gateway_priority: priority, ..EndpointSpec::default() };
        let id = EndpointId::from_bytes([number; 32]);
        Place { link: format!("gv{}", id.short()), id, network: Arc::new(network), spec, ip: Some(subnet.address(2)), names: None }
    }

    fn leads_out(places: &[Place]) -> Vec<String> {
        let ports = PortBinding::parse("8080:80").expect("a port");
        let all = bridges(places, &ports);
        assert!(all.iter().all(|bridge| bridge.publish.is_empty() == bridge.endpoint.gateways.is_empty()), "ports and route go together");
        all.iter().map(|bridge| format!("{} {}{}", bridge.endpoint.interface, bridge.bridge, if bridge.publish.is_empty() { "" } else { " out" })).collect()
    }

    #[test]
    fn the_default_route_leads_over_the_first_name_unless_a_priority_says_otherwise() {
        assert_eq!(leads_out(&[place(1, "zoo", false, 0), place(2, "bar", false, 0)]), ["eth0 br1", "eth1 br2 out"]);
        assert_eq!(leads_out(&[place(1, "zoo", false, 5), place(2, "bar", false, 0)]), ["eth0 br1 out", "eth1 br2"]);
        assert_eq!(leads_out(&[place(1, "bar", true, 9), place(2, "zoo", false, 0)]), ["eth0 br1", "eth1 br2 out"]);
        assert_eq!(leads_out(&[place(1, "bar", true, 0)]), ["eth0 br1"]);
    }
}
