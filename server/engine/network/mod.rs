//! The default bridge: its subnet, the addresses on it, and what a monitor needs to join a container to it.

mod keep;

use crate::{EngineConfig, EngineError, Result};
use gantry_model::{ContainerId, Kind, PortBinding};
use gantry_wire::monitor::{Bridge, Endpoint};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// Subnets tried in this order when none is given.
const CANDIDATES: [[u8; 2]; 8] = [[172, 30], [172, 31], [172, 29], [172, 28], [10, 88], [10, 213], [10, 222], [192, 168]];

/// The default bridge of one engine.
pub(crate) struct BridgeNetwork {
    bridge: String,
    table: String,
    subnet: Subnet,
    /// `None` is the kernel's 1500.
    mtu: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Subnet {
    base: u32,
    bits: u8,
}

impl Subnet {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits) = (address.parse::<Ipv4Addr>().ok()?, bits.parse::<u8>().ok()?);
        (8..=29).contains(&bits).then(|| Self { base: u32::from(address) & mask(bits), bits })
    }

    fn address(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base + number)
    }

    fn overlaps(self, other: Self) -> bool {
        let bits = self.bits.min(other.bits);
        self.base & mask(bits) == other.base & mask(bits)
    }

    /// Hosts, without the network's and the broadcast address.
    fn hosts(self) -> u32 {
        !mask(self.bits) - 1
    }
}

fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

impl BridgeNetwork {
    /// `kept` is the subnet of earlier starts: it stays while it is there, so that addresses stay.
    pub(crate) fn new(config: &EngineConfig, kept: Option<&str>, routes: &str) -> Result<Self> {
        let asked = config.subnet.as_deref().or(kept);
        let subnet = match asked {
            Some(text) => Subnet::parse(text)
                .ok_or_else(|| EngineError::said(Kind::Invalid, format!("subnet {text:?}: use an IPv4 network such as 172.30.0.0/16, with 8 to 29 bits")))?,
            None => free(routes)
                .ok_or_else(|| EngineError::hinted(Kind::Conflict, "no free subnet was found for the default bridge", "choose one with --subnet"))?,
        };
        let mtu_of = |interface: &str| std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().parse().ok();
        Ok(Self { bridge: config.bridge.clone(), table: config.nft_table.clone(), subnet, mtu: keep::mtu_of_routes(routes, mtu_of) })
    }

    pub(crate) fn subnet(&self) -> String {
        format!("{}/{}", self.subnet.address(0), self.subnet.bits)
    }

    pub(crate) fn prefix_len(&self) -> u8 {
        self.subnet.bits
    }

    pub(crate) fn gateway(&self) -> IpAddr {
        IpAddr::V4(self.subnet.address(1))
    }

    /// `02:42` and the address: the same container has the same hardware address, as with docker.
    pub(crate) fn mac(&self, ip: IpAddr) -> String {
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets(),
            IpAddr::V6(ip) => ip.octets()[12..].first_chunk().copied().unwrap_or_default(),
        };
        format!("02:42:{:02x}:{:02x}:{:02x}:{:02x}", octets[0], octets[1], octets[2], octets[3])
    }

    /// The lowest address nobody has.
    pub(crate) fn take_address(&self, taken: &BTreeSet<IpAddr>) -> Result<IpAddr> {
        (2..=self.subnet.hosts()).map(|number| IpAddr::V4(self.subnet.address(number))).find(|ip| !taken.contains(ip)).ok_or_else(|| {
            EngineError::hinted(
                Kind::Conflict,
                format!("the default bridge has no free address in {}", self.subnet()),
                "remove containers, or start the server with a larger --subnet",
            )
        })
    }

    pub(crate) fn endpoint(&self, id: &ContainerId, ip: IpAddr, ports: &[PortBinding]) -> Result<Bridge> {
        Ok(Bridge {
            bridge: self.bridge.clone(),
            addresses: vec![(self.gateway(), self.subnet.bits)],
            mtu: self.mtu,
            masquerade: true,
            inter_container: true,
            table: self.table.clone(),
            endpoint: Endpoint {
                interface: "eth0".to_owned(),
                host_interface: keep::link_name(id),
                mac: self.mac(ip),
                addresses: vec![(ip, self.subnet.bits)],
                gateways: vec![self.gateway()],
            },
            publish: ports.to_vec(),
        })
    }
}

/// The first candidate that no route of the host touches. `routes` is `/proc/net/route`.
fn free(routes: &str) -> Option<Subnet> {
    let taken: Vec<Subnet> = routes.lines().skip(1).filter_map(route).filter(|subnet| subnet.bits > 0).collect();
    let third = |octets: [u8; 2]| {
        if octets[0] == 192 {
            Subnet { base: u32::from(Ipv4Addr::new(192, 168, 213, 0)), bits: 24 }
        } else {
            Subnet { base: u32::from(Ipv4Addr::new(octets[0], octets[1], 0, 0)), bits: 16 }
        }
    };
    CANDIDATES.into_iter().map(third).find(|candidate| !taken.iter().any(|route| route.overlaps(*candidate)))
}

/// Destination and mask are hexadecimal in the byte order of the machine.
fn route(line: &str) -> Option<Subnet> {
    let mut columns = line.split_ascii_whitespace();
    let destination = u32::from_str_radix(columns.nth(1)?, 16).ok()?;
    let mask = u32::from_str_radix(columns.nth(5)?, 16).ok()?;
    Some(Subnet { base: u32::from_be_bytes(destination.to_ne_bytes()), bits: mask.count_ones() as u8 })
}

impl crate::Engine {
    /// Subnet and gateway of the default bridge.
    pub fn default_bridge(&self) -> (String, IpAddr) {
        (self.inner.network.subnet(), self.inner.network.gateway())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(subnet: Option<&str>, routes: &str) -> Result<BridgeNetwork> {
        let config = EngineConfig {
            data_dir: "/d".into(),
            run_dir: "/r".into(),
            bridge: "b".into(),
            subnet: subnet.map(str::to_owned),
            nft_table: "t".into(),
            cgroup_parent: "/g".into(),
            program: "/p".into(),
        };
        BridgeNetwork::new(&config, None, routes)
    }

    #[test]
    fn a_subnet_in_use_is_passed_over() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\ndocker0\t00001EAC\t00000000\t0001\t0\t0\t0\t0000FFFF\n";
        assert_eq!(network(None, "header\n").expect("free").subnet(), "172.30.0.0/16");
        assert_eq!(network(None, routes).expect("free").subnet(), "172.31.0.0/16");
    }

    #[test]
    fn addresses_are_given_from_the_lowest_and_never_twice() {
        let small = network(Some("10.9.0.0/29"), "").expect("valid");
        let mut taken = BTreeSet::new();
        for last in 2..=6 {
            let ip = small.take_address(&taken).expect("one is left");
            assert_eq!(ip.to_string(), format!("10.9.0.{last}"));
            taken.insert(ip);
        }
        assert!(small.take_address(&taken).is_err());
        assert_eq!(small.mac("10.9.0.2".parse().expect("an address")), "02:42:0a:09:00:02");
    }

    #[test]
    fn a_bad_subnet_is_refused() {
        for bad in ["10.0.0.0", "10.0.0.0/30", "x/16", "10.0.0.0/4"] {
            assert!(network(Some(bad), "").is_err(), "{bad}");
        }
    }
}
