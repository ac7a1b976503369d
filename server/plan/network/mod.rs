//! A container's place on a bridge: links, addresses, kernel settings and firewall rules, as values.
//! In: what the bridge and the endpoint shall be. Out: lists that `runtime::netlink` and `runtime::nft` carry out.

mod addresses;
mod options;
mod rules;
#[cfg(test)]
mod tests;

pub use addresses::{AddressError, Addresses, Pool, address, addresses, routed};
pub use options::{BRIDGE_NAME, BridgeOptions, OptionError, bridge_options};
pub use rules::{Chain, Element, Hook, Map, Part, Rule, Ruleset, published};

use gantry_model::PortBinding;
use std::net::{IpAddr, Ipv4Addr};

/// A bridge and one container on it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Interface on the host.
    pub bridge: &'a str,
    /// The bridge's own addresses with prefix lengths; containers use them as gateways.
    pub addresses: &'a [(IpAddr, u8)],
    /// Bytes; the kernel's 1500 if not given.
    pub mtu: Option<u32>,
    /// Hides the containers behind the host's address on their way out.
    pub masquerade: bool,
    /// Containers on this bridge may talk to each other.
    pub inter_container: bool,
    /// Nothing leads from it to other networks, and from them to it.
    pub internal: bool,
    /// nftables table of this server.
    pub table: &'a str,
    /// Name inside the container.
    pub interface: &'a str,
    /// Name of the other end, on the host.
    pub host_interface: &'a str,
    pub mac: &'a str,
    pub container_addresses: &'a [(IpAddr, u8)],
    pub gateways: &'a [IpAddr],
    /// Ports of the host lead to it.
    pub publishes: bool,
}

/// Everything for one container, in the order in which it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub bridge: BridgeLink,
    pub rules: Ruleset,
    /// Settings of the host, after the rules: one of them opens what the rules guard.
    pub host_sysctls: Vec<Sysctl>,
    /// Settings of the container's namespace, before the link is born there.
    pub container_sysctls: Vec<Sysctl>,
    pub veth: Veth,
}

/// A bridge as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeLink {
    pub name: String,
    /// Given, because a bridge without one takes the lowest of its ports' and changes it as containers come and go.
    pub mac: [u8; 6],
    pub mtu: Option<u32>,
    pub addresses: Vec<(IpAddr, u8)>,
}

/// The two ends of a container's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Veth {
    /// On the host, a port of the bridge.
    pub host: String,
    /// In the container.
    pub interface: String,
    pub mac: [u8; 6],
    pub mtu: Option<u32>,
    /// The bridge passes nothing between isolated ports.
    pub isolated: bool,
    /// The bridge sends frames back where they came from: with br_netfilter, which comes with Docker, that is the way of a container
    /// to its own published ports.
    pub hairpin: bool,
    pub addresses: Vec<(IpAddr, u8)>,
    /// Of the default routes.
    pub gateways: Vec<IpAddr>,
}

/// A file below `/proc/sys/net` and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    pub path: String,
    pub value: &'static str,
    /// Somebody else's setting too: changing it is told.
    pub shared: bool,
    /// The file may be missing: a kernel without IPv6 has none of its settings.
    pub optional: bool,
}

/// Why a wish can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("{0:?} is not a hardware address: use six bytes such as 02:42:0a:00:00:02")]
    Mac(String),
    #[error("the bridge {0} has no IPv4 address")]
    NoAddress(String),
}

/// What has to be so that the container is on its bridge.
///
/// # Errors
/// [`PlanError`] for a hardware address that is none, and a bridge without an IPv4 address.
pub fn plan(wish: &Wish<'_>) -> Result<Plan, PlanError> {
    let (gateway, bits) = ipv4(wish.addresses).ok_or_else(|| PlanError::NoAddress(wish.bridge.to_owned()))?;
    Ok(Plan {
        bridge: BridgeLink { name: wish.bridge.to_owned(), mac: mac_of(gateway), mtu: wish.mtu, addresses: wish.addresses.to_vec() },
        rules: rules::ruleset(wish, gateway, bits),
        host_sysctls: host_sysctls(wish),
        container_sysctls: container_sysctls(wish),
        veth: Veth {
            host: wish.host_interface.to_owned(),
            interface: wish.interface.to_owned(),
            mac: parse_mac(wish.mac).ok_or_else(|| PlanError::Mac(wish.mac.to_owned()))?,
            mtu: wish.mtu,
            isolated: !wish.inter_container,
            hairpin: wish.publishes,
            addresses: wish.container_addresses.to_vec(),
            gateways: wish.gateways.to_vec(),
        },
    })
}

fn ipv4(addresses: &[(IpAddr, u8)]) -> Option<(Ipv4Addr, u8)> {
    addresses.iter().find_map(|(ip, bits)| match ip {
        IpAddr::V4(ip) => Some((*ip, *bits)),
        IpAddr::V6(_) => None,
    })
}

/// `02:42` and the address, as docker does it: the same address has the same hardware address.
pub fn mac_of(ip: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = ip.octets();
    [0x02, 0x42, a, b, c, d]
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

fn host_sysctls(wish: &Wish<'_>) -> Vec<Sysctl> {
    let own = |path: String, value, optional| Sysctl { path, value, shared: false, optional };
    let bridge = wish.bridge;
    vec![
        Sysctl { path: "ipv4/ip_forward".to_owned(), value: "1", shared: true, optional: false },
        // So that published ports answer at 127.0.0.1; the chain `guard` lets no packet of a container get there.
        own(format!("ipv4/conf/{bridge}/route_localnet"), "1", false),
        // A container must not be the host's router (CVE-2020-13401).
        own(format!("ipv6/conf/{bridge}/accept_ra"), "0", true),
        own(format!("ipv6/conf/{bridge}/disable_ipv6"), if has_ipv6(wish.addresses) { "0" } else { "1" }, true),
    ]
}

fn container_sysctls(wish: &Wish<'_>) -> Vec<Sysctl> {
    let default = |name: &str, value| Sysctl { path: format!("ipv6/conf/default/{name}"), value, shared: false, optional: true };
    // Without an address of ours no other may come by itself: not from a neighbour that says it is a router.
    if has_ipv6(wish.container_addresses) { vec![default("accept_ra", "0")] } else { vec![default("disable_ipv6", "1")] }
}

fn has_ipv6(addresses: &[(IpAddr, u8)]) -> bool {
    addresses.iter().any(|(ip, _)| ip.is_ipv6())
}

/// Whether two bindings ask for the same port of the host.
pub fn collide(one: &PortBinding, other: &PortBinding) -> bool {
    let any = |port: &PortBinding| port.host_ip.is_none_or(|ip| ip.is_unspecified());
    one.host_port != 0 && one.host_port == other.host_port && one.protocol == other.protocol && (any(one) || any(other) || one.host_ip == other.host_ip)
}
