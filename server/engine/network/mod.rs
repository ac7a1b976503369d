//! Networks with a bridge: the default one and those made by users. `verbs` makes and removes them, `places` puts containers on them,
//! `keep` makes the kernel agree.

mod connect;
mod ids;
mod keep;
mod members;
mod names;
mod places;
mod rewire;
mod types;
mod verbs;

pub(crate) use keep::forget_places;
pub(crate) use places::{Place, bridges, names as name_server, way_out};
pub use types::{EndpointInfo, NetworkDetail, NetworkFilter, NetworkMember};

use crate::{EngineConfig, EngineError, Result};
use gantry_model::{Kind, NetworkId, NetworkSpec, Subnet};
use gantry_plan::network::{BridgeOptions, bridge_options, routed};
use gantry_store::networks::NetworkRow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Subnets tried in this order for the default bridge when none is given.
const CANDIDATES: [[u8; 2]; 8] = [[172, 30], [172, 31], [172, 29], [172, 28], [10, 88], [10, 213], [10, 222], [192, 168]];

/// A network with a bridge.
pub(crate) struct Network {
    pub id: NetworkId,
    pub spec: NetworkSpec,
    /// Interface on the host.
    pub bridge: String,
    /// nftables table.
    pub table: String,
    pub subnet: Subnet,
    pub gateway: Ipv4Addr,
    pub options: BridgeOptions,
    /// `None` is the kernel's 1500.
    pub mtu: Option<u32>,
    pub created_at_ms: i64,
}

impl Network {
    /// The default bridge. `kept` is the subnet of earlier starts: it stays while it is there, so that addresses stay.
    pub(crate) fn default_bridge(config: &EngineConfig, kept: Option<&str>, routes: &str) -> Result<Self> {
        let subnet = match config.subnet.as_deref().or(kept) {
            Some(text) => asked(text)
                .ok_or_else(|| EngineError::said(Kind::Invalid, format!("subnet {text:?}: use an IPv4 network such as 172.30.0.0/16, with 8 to 29 bits")))?,
            None => free(routes)
                .ok_or_else(|| EngineError::hinted(Kind::Conflict, "no free subnet was found for the default bridge", "choose one with --subnet"))?,
        };
        let mtu_of = |interface: &str| std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().parse().ok();
        Ok(Self {
            id: ids::network_id(ids::BRIDGE),
            spec: NetworkSpec {
                name: ids::BRIDGE.to_owned(),
                driver: "bridge".to_owned(),
                options: BTreeMap::from([("com.docker.network.bridge.default_bridge".to_owned(), "true".to_owned())]),
                ..NetworkSpec::default()
            },
            bridge: config.bridge.clone(),
            table: config.nft_table.clone(),
            subnet,
            gateway: subnet.address(1),
            options: bridge_options(&BTreeMap::new()).expect("no options, nothing wrong with them"),
            mtu: keep::mtu_of_routes(routes, mtu_of),
            created_at_ms: 0,
        })
    }

    /// A network made by a user; `default` is the bridge that it shares the server's settings with.
    fn of_user(row: NetworkRow, default: &Self) -> Result<Self> {
        let options = bridge_options(&row.spec.options).map_err(|error| EngineError::said(Kind::Invalid, error.to_string()))?;
        Ok(Self {
            table: format!("{}-{}", default.table, row.id.short()),
            mtu: options.mtu.or(default.mtu),
            id: row.id,
            spec: row.spec,
            bridge: row.bridge,
            subnet: row.subnet,
            gateway: row.gateway,
            options,
            created_at_ms: row.created_at_ms,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// The one that is always there.
    pub(crate) fn is_default(&self) -> bool {
        self.spec.name == ids::BRIDGE
    }
}

/// Whether a reference means the network of this name that is always there.
pub(crate) fn is_predefined(name: &str, reference: &str) -> bool {
    reference == name || ids::network_id(name).as_str() == reference
}

/// `02:42` and the address: the same container has the same hardware address, as with docker.
pub(crate) fn mac(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// What `--subnet` of the server says; an address within the network means the network.
fn asked(text: &str) -> Option<Subnet> {
    let (address, bits) = text.split_once('/')?;
    let bits = bits.parse().ok().filter(|bits| (8..=29).contains(bits))?;
    Some(Subnet::around(address.parse().ok()?, bits))
}

/// The first candidate that no route of the host touches. `routes` is `/proc/net/route`.
fn free(routes: &str) -> Option<Subnet> {
    let taken = routed(routes);
    let candidate = |octets: [u8; 2]| {
        if octets[0] == 192 { Subnet::around(Ipv4Addr::new(192, 168, 213, 0), 24) } else { Subnet::around(Ipv4Addr::new(octets[0], octets[1], 0, 0), 16) }
    };
    CANDIDATES.into_iter().map(candidate).find(|candidate| !taken.iter().any(|route| route.overlaps(*candidate)))
}

/// The networks made by users, in memory. The database holds the same rows.
#[derive(Default)]
pub(crate) struct Networks {
    all: Mutex<BTreeMap<NetworkId, Arc<Network>>>,
}

impl Networks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NetworkId, Arc<Network>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, id: &NetworkId) -> Option<Arc<Network>> {
        self.lock().get(id).cloned()
    }

    fn add(&self, network: Arc<Network>) {
        self.lock().insert(network.id.clone(), network);
    }

    fn remove(&self, id: &NetworkId) {
        self.lock().remove(id);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Network>> {
        self.lock().values().cloned().collect()
    }
}

impl crate::Engine {
    /// Subnet and gateway of the default bridge.
    pub fn default_bridge(&self) -> (String, IpAddr) {
        (self.inner.network.subnet.to_string(), IpAddr::V4(self.inner.network.gateway))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(subnet: Option<&str>, routes: &str) -> Result<Network> {
        let config = EngineConfig {
            data_dir: "/d".into(),
            run_dir: "/r".into(),
            bridge: "b".into(),
            subnet: subnet.map(str::to_owned),
            nft_table: "t".into(),
            cgroup_parent: "/g".into(),
            registries: Default::default(),
            program: "/p".into(),
        };
        Network::default_bridge(&config, None, routes)
    }

    #[test]
    fn a_subnet_in_use_is_passed_over() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\ndocker0\t00001EAC\t00000000\t0001\t0\t0\t0\t0000FFFF\n";
        assert_eq!(network(None, "header\n").expect("free").subnet.to_string(), "172.30.0.0/16");
        assert_eq!(network(None, routes).expect("free").subnet.to_string(), "172.31.0.0/16");
    }

    #[test]
    fn an_address_has_its_hardware_address() {
        assert_eq!(mac("10.9.0.2".parse().expect("an address")), "02:42:0a:09:00:02");
    }

    #[test]
    fn a_bad_subnet_is_refused() {
        for bad in ["10.0.0.0", "10.0.0.0/30", "x/16", "10.0.0.0/4"] {
            assert!(network(Some(bad), "").is_err(), "{bad}");
        }
    }
}
