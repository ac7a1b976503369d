//! What the verbs on networks take and give.

use gantry_model::{ContainerId, EndpointId, EndpointSpec, NetworkId, NetworkSpec, Subnet};
use std::net::Ipv4Addr;

/// A network and who is on it.
#[derive(Debug, Clone)]
pub struct NetworkDetail {
    pub id: NetworkId,
    /// Name, driver, options, labels: as asked.
    pub spec: NetworkSpec,
    /// None of `host` and `none`.
    pub subnet: Option<Subnet>,
    pub gateway: Option<Ipv4Addr>,
    /// Interface on the host.
    pub bridge: Option<String>,
    /// Always there: `bridge`, `host` or `none`.
    pub predefined: bool,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Containers that run.
    pub members: Vec<NetworkMember>,
}

/// A container that runs, on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkMember {
    pub container: ContainerId,
    pub name: String,
    pub endpoint: EndpointId,
    pub ip: Option<Ipv4Addr>,
    pub mac: Option<String>,
}

/// A container's place on a network, as it stands.
#[derive(Debug, Clone)]
pub struct EndpointInfo {
    pub id: EndpointId,
    /// None before the first start, and when the network is gone.
    pub network_id: Option<NetworkId>,
    /// Name of the network.
    pub network: String,
    pub spec: EndpointSpec,
    /// The container runs; else the rest is empty.
    pub live: bool,
    pub ip: Option<Ipv4Addr>,
    /// Bits of the subnet.
    pub prefix_len: u8,
    /// The network's, also when the default route leads elsewhere.
    pub gateway: Option<Ipv4Addr>,
    pub mac: Option<String>,
    /// What the other containers of the network call it.
    pub names: Vec<String>,
}

/// Which networks a list shows. Values of one key are OR-ed, keys and labels AND-ed.
#[derive(Debug, Clone, Default)]
pub struct NetworkFilter {
    pub id: Vec<String>,
    /// A part of the name.
    pub name: Vec<String>,
    pub driver: Vec<String>,
    pub scope: Vec<String>,
    /// `key` or `key=value`.
    pub label: Vec<String>,
    /// Made by users (`Some(true)`), or always there.
    pub custom: Option<bool>,
    /// Made by users, and no container that runs is on it; or the others.
    pub dangling: Option<bool>,
}
