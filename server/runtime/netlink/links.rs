//! Bridges and the links of containers.
//! Source: rtnetlink(7), Linux `include/uapi/linux/{rtnetlink,if_link,if_addr}.h`.

use super::error::{Attempt, NetworkError, Result};
use super::message::{ACK, Attributes, Batch, CREATE, DUMP, EXCLUSIVE, attribute, attributes, number, text};
use super::namespace::Namespace;
use super::socket::Socket;
use gantry_plan::network::{BridgeLink, Plan, Veth};
use rustix::io::Errno;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const PORT_HAIRPIN: u16 = 4;
const PORT_ISOLATED: u16 = 33;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;

const AF_INET: u8 = 2;
const AF_BRIDGE: u8 = 7;
const AF_INET6: u8 = 10;
const UP: u32 = 1;

/// `struct ifinfomsg`.
fn link_header(family: u8, index: u32, flags: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[0] = family;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    // Which flags are meant.
    header[12..].copy_from_slice(&flags.to_ne_bytes());
    header
}

/// `struct ifaddrmsg`.
fn address_header(ip: Option<IpAddr>, bits: u8, index: u32) -> [u8; 8] {
    let mut header = [0; 8];
    header[0] = match ip {
        None => 0,
        Some(IpAddr::V4(_)) => AF_INET,
        Some(IpAddr::V6(_)) => AF_INET6,
    };
    header[1] = bits;
    if ip.is_some_and(|ip| ip.is_ipv6()) {
        // IFA_F_NODAD: addresses are given by the engine, nobody else has one.
        header[2] = 2;
    }
    header[4..].copy_from_slice(&index.to_ne_bytes());
    header
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// What is known of a link.
struct Link {
    index: u32,
    up: bool,
    kind: String,
    mac: Vec<u8>,
    mtu: u32,
}

fn find(socket: &Socket, name: &str) -> std::result::Result<Option<Link>, Errno> {
    let mut question = Batch::default();
    question.message(GET_LINK, 0, &link_header(0, 0, 0), |m| {
        m.text(IFLA_IFNAME, name);
    });
    match socket.one(&question) {
        Ok(answer) => parse_link(&answer.payload).map(|(link, _)| Some(link)).ok_or(Errno::PROTO),
        Err(Errno::NODEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The link and its name.
fn parse_link(payload: &[u8]) -> Option<(Link, String)> {
    let (header, rest) = payload.split_first_chunk::<16>()?;
    let (index, flags) = (number(&header[4..])?, number(&header[8..])?);
    let mut link = Link { index, up: flags & UP != 0, kind: String::new(), mac: Vec::new(), mtu: 0 };
    let mut name = String::new();
    for (kind, value) in attributes(rest) {
        match kind {
            IFLA_ADDRESS => link.mac = value.to_vec(),
            IFLA_IFNAME => name = text(value),
            IFLA_MTU => link.mtu = number(value)?,
            IFLA_LINKINFO => link.kind = attribute(value, INFO_KIND).map(text).unwrap_or_default(),
            _ => {}
        }
    }
    Some((link, name))
}

/// Makes the bridge, or what is wrong with it right. Returns its number.
///
/// # Errors
/// [`NetworkError::NoBridge`] if the name is another kind of link's.
pub fn ensure_bridge(plan: &BridgeLink) -> Result<u32> {
    let socket = Socket::route().attempting(|| "open a netlink socket".to_owned())?;
    ensure(&socket, plan)
}

fn ensure(socket: &Socket, plan: &BridgeLink) -> Result<u32> {
    let name = &plan.name;
    let look = || find(socket, name).attempting(|| format!("look for the bridge {name}"));
    let link = match look()? {
        Some(link) => link,
        None => {
            // Another container's monitor may be faster.
            match make_bridge(socket, plan) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).attempting(|| format!("make the bridge {name}")),
            }
            look()?.ok_or(Errno::NODEV).attempting(|| format!("make the bridge {name}"))?
        }
    };
    if link.kind != "bridge" {
        return Err(NetworkError::NoBridge(name.clone()));
    }
    let wrong_mtu = plan.mtu.filter(|mtu| *mtu != link.mtu);
    if !link.up || link.mac != plan.mac || wrong_mtu.is_some() {
        let mut batch = Batch::default();
        batch.message(NEW_LINK, ACK, &link_header(0, link.index, UP), |m| {
            m.bytes(IFLA_ADDRESS, &plan.mac);
            if let Some(mtu) = wrong_mtu {
                m.u32(IFLA_MTU, mtu);
            }
        });
        socket.all(&batch).attempting(|| format!("set up the bridge {name}"))?;
    }
    ensure_addresses(socket, link.index, &plan.addresses).attempting(|| format!("give the bridge {name} its addresses"))?;
    Ok(link.index)
}

fn make_bridge(socket: &Socket, plan: &BridgeLink) -> std::result::Result<(), Errno> {
    let mut batch = Batch::default();
    batch.message(NEW_LINK, ACK | CREATE | EXCLUSIVE, &link_header(0, 0, UP), |m| {
        m.text(IFLA_IFNAME, &plan.name).bytes(IFLA_ADDRESS, &plan.mac);
        if let Some(mtu) = plan.mtu {
            m.u32(IFLA_MTU, mtu);
        }
        m.nest(IFLA_LINKINFO, |m| {
            m.text(INFO_KIND, "bridge");
        });
    });
    socket.all(&batch)
}

/// Adds those that are missing, and removes IPv4 addresses of another subnet: containers would take them for their gateway's.
fn ensure_addresses(socket: &Socket, index: u32, wanted: &[(IpAddr, u8)]) -> std::result::Result<(), Errno> {
    let mut question = Batch::default();
    question.message(GET_ADDRESS, DUMP, &address_header(None, 0, index), |_| {});
    let present: Vec<(IpAddr, u8)> = socket.list(&question)?.iter().filter_map(|message| parse_address(&message.payload, index)).collect();
    let mut batch = Batch::default();
    for (ip, bits) in present.iter().filter(|address| address.0.is_ipv4() && !wanted.contains(address)) {
        batch.message(DELETE_ADDRESS, ACK, &address_header(Some(*ip), *bits, index), |m| {
            m.bytes(IFA_LOCAL, &octets(*ip));
        });
    }
    for (ip, bits) in wanted.iter().filter(|address| !present.contains(address)) {
        add_address(&mut batch, index, *ip, *bits);
    }
    for result in socket.each(&batch)? {
        match result {
            Ok(()) | Err(Errno::EXIST | Errno::ADDRNOTAVAIL) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn parse_address(payload: &[u8], wanted: u32) -> Option<(IpAddr, u8)> {
    let (header, rest) = payload.split_first_chunk::<8>()?;
    if number(&header[4..])? != wanted {
        return None;
    }
    let value = attribute(rest, IFA_LOCAL).or_else(|| attribute(rest, IFA_ADDRESS))?;
    let ip = match header[0] {
        AF_INET => IpAddr::V4(Ipv4Addr::from(*value.first_chunk::<4>()?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(*value.first_chunk::<16>()?)),
        _ => return None,
    };
    Some((ip, header[1]))
}

fn add_address(batch: &mut Batch, index: u32, ip: IpAddr, bits: u8) {
    batch.message(NEW_ADDRESS, ACK | CREATE | EXCLUSIVE, &address_header(Some(ip), bits, index), |m| {
        m.bytes(IFA_LOCAL, &octets(ip)).bytes(IFA_ADDRESS, &octets(ip));
        if let IpAddr::V4(ip) = ip {
            let broadcast = u32::from(ip) | u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
            m.bytes(IFA_BROADCAST, &broadcast.to_be_bytes());
        }
    });
}

/// `struct rtmsg`: a default route of the main table, set by hand.
fn default_route_header(family: u8) -> [u8; 12] {
    const MAIN: u8 = 254;
    const STATIC: u8 = 4;
    const UNICAST: u8 = 1;
    [family, 0, 0, 0, MAIN, STATIC, 0, UNICAST, 0, 0, 0, 0]
}

fn add_default_route(batch: &mut Batch, index: u32, gateway: IpAddr) {
    let family = if gateway.is_ipv4() { AF_INET } else { AF_INET6 };
    batch.message(NEW_ROUTE, ACK | CREATE, &default_route_header(family), |m| {
        m.bytes(RTA_GATEWAY, &octets(gateway)).u32(RTA_OIF, index);
    });
}

/// Lets the default route of a running container lead to a gateway behind one of its interfaces, or nowhere.
///
/// # Errors
/// If the kernel refuses, or there is no such interface.
pub fn route_default(container: &Namespace, to: Option<(&str, IpAddr)>) -> Result<()> {
    let what = || "set the container's default route".to_owned();
    let socket = container.prepare(&[])?;
    let mut batch = Batch::default();
    // More than one may be there for a moment, and none is no error.
    batch.message(DELETE_ROUTE, ACK, &default_route_header(AF_INET), |_| {});
    while let Some(Ok(())) = socket.each(&batch).attempting(what)?.first() {}
    let Some((interface, gateway)) = to else { return Ok(()) };
    let index = find(&socket, interface).and_then(|link| link.ok_or(Errno::NODEV)).attempting(what)?.index;
    let mut batch = Batch::default();
    add_default_route(&mut batch, index, gateway);
    socket.all(&batch).attempting(what)
}

/// Puts a container on its bridge, which [`ensure_bridge`] gave the number of. Its first process has not begun yet.
///
/// Returns the name of the link's end on the host.
///
/// # Errors
/// Nothing is left but what goes with the namespace.
pub fn join(plan: &Plan, bridge: u32, container: &Namespace) -> Result<String> {
    let inner = container.prepare(&plan.container_sysctls)?;
    let outer = Socket::route().attempting(|| "open a netlink socket".to_owned())?;
    let veth = &plan.veth;
    let (index, name) = make_veth(&outer, &inner, veth, bridge, container).attempting(|| format!("make the link {} of the container", veth.host))?;
    let mut batch = Batch::default();
    // An end can't be up before it has the other.
    batch.message(SET_LINK, ACK, &link_header(0, index, UP), |_| {});
    veth.addresses.iter().for_each(|(ip, bits)| add_address(&mut batch, index, *ip, *bits));
    veth.gateways.iter().for_each(|gateway| add_default_route(&mut batch, index, *gateway));
    inner.all(&batch).attempting(|| format!("give the container's {} its address and route", veth.interface))?;
    Ok(name)
}

/// Both ends, one born in the container and one on the bridge and up, in one message. Returns the number of the container's and the host's name.
fn make_veth(outer: &Socket, inner: &Socket, veth: &Veth, bridge: u32, container: &Namespace) -> std::result::Result<(u32, String), Errno> {
    let attempt = |name: &str| {
        let mut batch = Batch::default();
        batch.message(NEW_LINK, ACK | CREATE | EXCLUSIVE, &link_header(0, 0, UP), |m| {
            m.text(IFLA_IFNAME, name).u32(IFLA_MASTER, bridge);
            mtu(m, veth);
            m.nest(IFLA_LINKINFO, |m| {
                m.text(INFO_KIND, "veth").nest(INFO_DATA, |m| {
                    m.nest(VETH_PEER, |m| {
                        m.raw(&link_header(0, 0, 0)).text(IFLA_IFNAME, &veth.interface).bytes(IFLA_ADDRESS, &veth.mac);
                        mtu(m, veth);
                        m.u32(IFLA_NET_NS_FD, container.fd().as_raw_fd() as u32);
                    });
                });
            });
        });
        outer.all(&batch)
    };
    let (mut name, mut spare) = (veth.host.clone(), SPARE);
    loop {
        match attempt(&name) {
            Ok(()) => break,
            // A link of an earlier run goes with its namespace, which may take its time or have others in it.
            Err(Errno::EXIST) => name = spare.next().map(|digit| spare_name(&veth.host, digit)).ok_or(Errno::EXIST)?,
            Err(errno) => return Err(errno),
        }
    }
    // Tunnels of loaded modules are in every namespace: it need not be the second.
    let index = find(inner, &veth.interface)?.ok_or(Errno::NODEV)?.index;
    if veth.isolated {
        set_port(outer, &name, PORT_ISOLATED)?;
    }
    Ok((index, name))
}

/// Turns a property of a bridge's port on.
fn set_port(socket: &Socket, name: &str, property: u16) -> std::result::Result<(), Errno> {
    let index = find(socket, name)?.ok_or(Errno::NODEV)?.index;
    let mut batch = Batch::default();
    batch.message(SET_LINK, ACK, &link_header(AF_BRIDGE, index, 0), |m| {
        m.nest(IFLA_PROTINFO, |m| {
            m.u8(property, 1);
        });
    });
    socket.all(&batch)
}

fn mtu(m: &mut Attributes<'_>, veth: &Veth) {
    if let Some(mtu) = veth.mtu {
        m.u32(IFLA_MTU, mtu);
    }
}

/// What need not be before the program begins: `current` leads back to itself if it has to, and links of earlier runs, which somebody
/// else's share in their namespaces keeps alive, are deleted.
///
/// # Errors
/// If the kernel refuses.
pub fn settle(veth: &Veth, current: &str) -> Result<()> {
    let socket = Socket::route().attempting(|| "open a netlink socket".to_owned())?;
    if veth.hairpin {
        match set_port(&socket, current, PORT_HAIRPIN) {
            // It ended meanwhile.
            Err(Errno::NODEV) => {}
            other => other.attempting(|| format!("let the link {current} lead back to itself"))?,
        }
    }
    let names = std::iter::once(veth.host.clone()).chain(SPARE.map(|digit| spare_name(&veth.host, digit)));
    for name in names.filter(|name| name != current) {
        if let Some(link) = find(&socket, &name).attempting(|| format!("look for the link {name}"))? {
            delete_link(link.index)?;
        }
    }
    Ok(())
}

/// Last letters of the names of a container's link when the usual one is taken.
const SPARE: std::ops::Range<u32> = 0..10;

/// IFNAMSIZ leaves 15 letters.
fn spare_name(name: &str, digit: u32) -> String {
    let mut spare: String = name.chars().take(14).collect();
    spare.push(char::from_digit(digit, 10).unwrap_or('0'));
    spare
}

/// A link that is a port of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgePort {
    pub index: u32,
    pub name: String,
}

/// The ports of a bridge; none if there is no such bridge.
///
/// # Errors
/// If the kernel does not list them.
pub fn bridge_ports(bridge: &str) -> Result<Vec<BridgePort>> {
    let what = || format!("list the ports of the bridge {bridge}");
    let socket = Socket::route().attempting(what)?;
    let Some(master) = find(&socket, bridge).attempting(what)? else { return Ok(Vec::new()) };
    let mut question = Batch::default();
    question.message(GET_LINK, DUMP, &link_header(0, 0, 0), |m| {
        m.u32(IFLA_MASTER, master.index);
    });
    let list = socket.list(&question).attempting(what)?;
    let of_bridge = |payload: &[u8]| attribute(payload.get(16..).unwrap_or_default(), IFLA_MASTER).and_then(number) == Some(master.index);
    let port = |payload: &[u8]| parse_link(payload).map(|(link, name)| BridgePort { index: link.index, name });
    Ok(list.iter().filter(|message| of_bridge(&message.payload)).filter_map(|message| port(&message.payload)).collect())
}

/// Deletes a link by its number; one that is gone is success. Takes about 10 ms.
///
/// # Errors
/// If the kernel refuses.
pub fn delete_link(index: u32) -> Result<()> {
    let what = || format!("delete the link number {index}");
    let socket = Socket::route().attempting(what)?;
    let mut batch = Batch::default();
    batch.message(DELETE_LINK, ACK, &link_header(0, index, 0), |_| {});
    match socket.all(&batch) {
        Err(Errno::NODEV) => Ok(()),
        other => other.attempting(what),
    }
}

/// Deletes a link by its name; one that is gone is success.
///
/// # Errors
/// If the kernel refuses.
pub fn delete_link_named(name: &str) -> Result<()> {
    let socket = Socket::route().attempting(|| "open a netlink socket".to_owned())?;
    find(&socket, name).attempting(|| format!("look for the link {name}"))?.map_or(Ok(()), |link| delete_link(link.index))
}

/// Deletes a bridge; one that is gone is success, another kind of link with its name stays.
///
/// # Errors
/// If the kernel refuses.
pub fn remove_bridge(name: &str) -> Result<()> {
    let socket = Socket::route().attempting(|| "open a netlink socket".to_owned())?;
    match find(&socket, name).attempting(|| format!("look for the bridge {name}"))? {
        Some(link) if link.kind == "bridge" => delete_link(link.index),
        _ => Ok(()),
    }
}
