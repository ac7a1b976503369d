//! The firewall rules of a bridge, in nftables' terms: one table, whose rules are the same however many containers there are, and two
//! maps that hold the published ports.

use super::Wish;
use gantry_model::{PortBinding, Protocol};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// A table of family `ip` with all that is in it but the elements of its maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset {
    pub table: String,
    pub chains: Vec<Chain>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub name: &'static str,
    pub hook: Hook,
    /// Order among the chains of all tables at this hook: lower is earlier.
    pub priority: i32,
    pub rules: Vec<Rule>,
}

/// Where packets meet a chain. Those for changing addresses are of type `nat`, the others of type `filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Guard,
    Forward,
    NatPrerouting,
    NatOutput,
    NatPostrouting,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub parts: Vec<Part>,
}

/// Conditions, then what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    From(String),
    To(String),
    NotFrom(String),
    NotTo(String),
    Source(Ipv4Addr, u8),
    Destination(Ipv4Addr, u8),
    /// The destination is an address of this host.
    ToThisHost,
    /// Part of, or about, a connection that was let through.
    Known,
    /// The destination was changed: it came through a published port.
    Published,
    /// Changes the destination to what the map says; a packet that the map does not know goes on.
    Redirect(Map),
    Masquerade,
    Accept,
    Drop,
    Return,
}

/// The two maps of published ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Map {
    /// On every address of the host: protocol and port to address and port.
    Anywhere,
    /// On one address: protocol, address and port to address and port.
    At,
}

impl Map {
    pub const ALL: [Self; 2] = [Self::Anywhere, Self::At];

    pub fn name(self) -> &'static str {
        match self {
            Self::Anywhere => "published",
            Self::At => "published-at",
        }
    }
}

/// A published port in a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Element {
    pub protocol: Protocol,
    /// `None`: in [`Map::Anywhere`].
    pub host: Option<Ipv4Addr>,
    pub host_port: u16,
    pub container: Ipv4Addr,
    pub container_port: u16,
    /// Whose it is; kept beside the element as its comment.
    pub owner: String,
}

impl Element {
    pub fn map(&self) -> Map {
        if self.host.is_some() { Map::At } else { Map::Anywhere }
    }

    /// Whether both stand for the same port of the host.
    pub fn same_key(&self, other: &Self) -> bool {
        (self.protocol, self.host, self.host_port) == (other.protocol, other.host, other.host_port)
    }
}

/// The elements for ports in use. Those on an IPv6 address of the host have none: the kernel can't translate between the two.
pub fn published(owner: &str, container: Ipv4Addr, ports: &[PortBinding]) -> Vec<Element> {
    let element = |port: &PortBinding| {
        let host = match port.host_ip {
            None => None,
            Some(IpAddr::V4(ip)) => Some(ip).filter(|ip| !ip.is_unspecified()),
            Some(IpAddr::V6(_)) => return None,
        };
        let (protocol, host_port, container_port) = (port.protocol, port.host_port, port.container_port);
        Some(Element { protocol, host, host_port, container, container_port, owner: owner.to_owned() })
    };
    ports.iter().filter_map(element).collect()
}

const LOOPBACK: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 0, 0, 0), 8);
/// Source: linux/netfilter_ipv4.h, `NF_IP_PRI_RAW`, `_NAT_DST`, `_FILTER`, `_NAT_SRC`.
const RAW: i32 = -300;
const NAT_DESTINATION: i32 = -100;
const FILTER: i32 = 0;
const NAT_SOURCE: i32 = 100;

pub(super) fn ruleset(wish: &Wish<'_>, gateway: Ipv4Addr, bits: u8) -> Ruleset {
    use Part::{Accept, Destination, Drop, Known, Masquerade, NotFrom, NotTo, Published, Redirect, Return, Source, ToThisHost};
    let from = || Part::From(wish.bridge.to_owned());
    let to = || Part::To(wish.bridge.to_owned());
    let subnet = || Source(network(gateway, bits), bits);
    let rule = |parts: Vec<Part>| Rule { parts };
    // Before addresses of answers are changed back: what comes to or from 127.0.0.0/8 here is forged (CVE-2020-8558).
    let guard = vec![rule(vec![from(), Source(LOOPBACK.0, LOOPBACK.1), Drop]), rule(vec![from(), Destination(LOOPBACK.0, LOOPBACK.1), Drop])];
    let mut forward = if wish.internal {
        vec![rule(vec![from(), NotTo(wish.bridge.to_owned()), Drop])]
    } else {
        vec![rule(vec![to(), Known, Accept]), rule(vec![to(), Published, Accept])]
    };
    if !wish.inter_container {
        // Isolated ports keep frames apart; this is for packets by way of the host.
        forward.push(rule(vec![from(), to(), Drop]));
    }
    // What is not published stays closed, also for neighbours that have a route here.
    forward.push(rule(vec![NotFrom(wish.bridge.to_owned()), to(), Drop]));
    let redirect = || [rule(vec![Redirect(Map::At)]), rule(vec![ToThisHost, Redirect(Map::Anywhere)])];
    // 127.0.0.0/8 is for this host's own packets; a neighbour that sends there gets no answer (moby#45610).
    let prerouting = [rule(vec![Destination(LOOPBACK.0, LOOPBACK.1), Return])].into_iter().chain(redirect()).collect();
    let mut postrouting = Vec::new();
    if wish.masquerade && !wish.internal {
        postrouting.push(rule(vec![subnet(), NotTo(wish.bridge.to_owned()), Masquerade]));
    }
    // A container that reaches another, or itself, by a published port: the answer must come back through here.
    postrouting.push(rule(vec![to(), subnet(), Published, Masquerade]));
    // This host by 127.0.0.1.
    postrouting.push(rule(vec![to(), Source(LOOPBACK.0, LOOPBACK.1), Masquerade]));
    let chain = |name, hook, priority, rules| Chain { name, hook, priority, rules };
    Ruleset {
        table: wish.table.to_owned(),
        chains: vec![
            chain("guard", Hook::Guard, RAW, guard),
            chain("forward", Hook::Forward, FILTER, forward),
            chain("prerouting", Hook::NatPrerouting, NAT_DESTINATION, prerouting),
            chain("output", Hook::NatOutput, NAT_DESTINATION, redirect().into()),
            chain("postrouting", Hook::NatPostrouting, NAT_SOURCE, postrouting),
        ],
    }
}

fn network(ip: Ipv4Addr, bits: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(ip) & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0))
}

impl Ruleset {
    pub fn rule_count(&self) -> usize {
        self.chains.iter().map(|chain| chain.rules.len()).sum()
    }

    /// Tells this ruleset from another: kept as the comment of each rule, so that a changed or incomplete table is seen.
    pub fn tag(&self) -> String {
        // FNV-1a: stable between releases, and nobody gains by a collision.
        let hash = self.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("gantry {hash:016x}")
    }
}

impl Hook {
    pub fn is_nat(self) -> bool {
        !matches!(self, Self::Guard | Self::Forward)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Guard | Self::NatPrerouting => "prerouting",
            Self::Forward => "forward",
            Self::NatOutput => "output",
            Self::NatPostrouting => "postrouting",
        }
    }
}

/// As `nft` would print it, but for its indenting.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chain in &self.chains {
            let kind = if chain.hook.is_nat() { "nat" } else { "filter" };
            writeln!(f, "{}: type {kind} hook {} priority {}", chain.name, chain.hook.name(), chain.priority)?;
            for rule in &chain.rules {
                writeln!(f, "  {rule}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{part}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(name) => write!(f, "iifname \"{name}\""),
            Self::To(name) => write!(f, "oifname \"{name}\""),
            Self::NotFrom(name) => write!(f, "iifname != \"{name}\""),
            Self::NotTo(name) => write!(f, "oifname != \"{name}\""),
            Self::Source(ip, bits) => write!(f, "ip saddr {ip}/{bits}"),
            Self::Destination(ip, bits) => write!(f, "ip daddr {ip}/{bits}"),
            Self::ToThisHost => f.write_str("fib daddr type local"),
            Self::Known => f.write_str("ct state established,related"),
            Self::Published => f.write_str("ct status dnat"),
            Self::Redirect(Map::Anywhere) => f.write_str("dnat ip to meta l4proto . th dport map @published"),
            Self::Redirect(Map::At) => f.write_str("dnat ip to meta l4proto . ip daddr . th dport map @published-at"),
            Self::Masquerade => f.write_str("masquerade"),
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
        }
    }
}
