//! Rules, chains, maps and elements as nf_tables' attributes.

use super::{Attributes, Batch, Socket};
use crate::netlink::{ACK, attribute, buffer, error_of, is_error};
use gantry_model::Protocol;
use gantry_plan::network::{Chain, Element, Hook, Map, Part, Rule};
use rustix::io::Errno;
use std::net::Ipv4Addr;

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// Rules are put in front unless asked otherwise.
pub(super) use crate::netlink::APPEND as APPEND_RULE;

/// Numbers of attributes.
pub(super) mod name {
    pub const TABLE: u16 = 1;
    pub const CHAIN_TABLE: u16 = 1;
    pub const CHAIN_NAME: u16 = 3;
    pub const CHAIN_HOOK: u16 = 4;
    pub const CHAIN_POLICY: u16 = 5;
    pub const CHAIN_TYPE: u16 = 7;
    pub const HOOK_NUMBER: u16 = 1;
    pub const HOOK_PRIORITY: u16 = 2;
    pub const RULE_TABLE: u16 = 1;
    pub const RULE_CHAIN: u16 = 2;
    pub const RULE_EXPRESSIONS: u16 = 4;
    pub const RULE_USERDATA: u16 = 7;
    pub const LIST_ELEMENT: u16 = 1;
    pub const EXPRESSION_NAME: u16 = 1;
    pub const EXPRESSION_DATA: u16 = 2;
    pub const DATA_VALUE: u16 = 1;
    pub const DATA_VERDICT: u16 = 2;
    pub const VERDICT_CODE: u16 = 1;
    pub const SET_TABLE: u16 = 1;
    pub const SET_NAME: u16 = 2;
    pub const SET_FLAGS: u16 = 3;
    pub const SET_KEY_TYPE: u16 = 4;
    pub const SET_KEY_LEN: u16 = 5;
    pub const SET_DATA_TYPE: u16 = 6;
    pub const SET_DATA_LEN: u16 = 7;
    pub const SET_ID: u16 = 10;
    pub const ELEMENTS_TABLE: u16 = 1;
    pub const ELEMENTS_SET: u16 = 2;
    pub const ELEMENTS: u16 = 3;
    pub const ELEMENT_KEY: u16 = 1;
    pub const ELEMENT_DATA: u16 = 2;
    pub const ELEMENT_USERDATA: u16 = 6;
}

/// Address family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Any = 0,
    Ip = 2,
}

/// `struct nfgenmsg`.
pub(super) fn header(family: Family, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family as u8, 0, high, low]
}

pub(super) fn kind(message: u16) -> u16 {
    SUBSYSTEM << 8 | message
}

pub(super) fn message(batch: &mut Batch, message: u16, flags: u16, family: Family, attributes: impl FnOnce(&mut Attributes<'_>)) {
    batch.message(kind(message), flags | ACK, &header(family, 0), attributes);
}

pub(super) fn begin(batch: &mut Batch) {
    batch.message(BATCH_BEGIN, 0, &header(Family::Any, SUBSYSTEM), |_| {});
}

pub(super) fn end(batch: &mut Batch) {
    batch.message(BATCH_END, 0, &header(Family::Any, SUBSYSTEM), |_| {});
}

/// Sends a transaction. The first message that failed says why it did not happen.
pub(super) fn commit(socket: &Socket, batch: &Batch) -> Result<(), Errno> {
    // Every message but the two marks is acknowledged; none is if the kernel stops before it looks at them.
    let wanted = batch.count.saturating_sub(2);
    socket.send(batch)?;
    let (mut seen, mut first, mut buffer) = (0, Ok(()), buffer());
    loop {
        let answers = socket.receive(&mut buffer)?;
        if answers.is_empty() {
            return if first.is_err() || seen == wanted { first } else { Err(Errno::PROTO) };
        }
        for answer in answers.iter().filter(|answer| is_error(answer)) {
            seen += 1;
            first = first.and(error_of(answer));
        }
    }
}

/// A comment as `nft` writes it: type 0, length, text with its final zero.
pub(super) fn comment(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(127)];
    let mut bytes = vec![0, text.len() as u8 + 1];
    bytes.extend_from_slice(text);
    bytes.push(0);
    bytes
}

pub(super) fn read_comment(userdata: &[u8]) -> Option<String> {
    let mut rest = userdata;
    while let [kind, len, tail @ ..] = rest {
        let value = tail.get(..usize::from(*len))?;
        if *kind == 0 {
            return Some(String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned());
        }
        rest = &tail[usize::from(*len)..];
    }
    None
}

pub(super) fn chain(m: &mut Attributes<'_>, table: &str, chain: &Chain) {
    // Source: linux/netfilter.h, `enum nf_inet_hooks`.
    let number = match chain.hook {
        Hook::Guard | Hook::NatPrerouting => 0,
        Hook::Forward => 2,
        Hook::NatOutput => 3,
        Hook::NatPostrouting => 4,
    };
    const ACCEPT: u32 = 1;
    m.text(name::CHAIN_TABLE, table).text(name::CHAIN_NAME, chain.name);
    m.nest(name::CHAIN_HOOK, |m| {
        m.be32(name::HOOK_NUMBER, number).be32(name::HOOK_PRIORITY, chain.priority as u32);
    });
    m.be32(name::CHAIN_POLICY, ACCEPT).text(name::CHAIN_TYPE, if chain.hook.is_nat() { "nat" } else { "filter" });
}

/// Types as `nft` numbers them, so that it prints them: a concatenation has six bits for each.
const TYPE_ADDRESS: u32 = 7;
const TYPE_PROTOCOL: u32 = 12;
const TYPE_PORT: u32 = 13;

pub(super) fn map(m: &mut Attributes<'_>, table: &str, map: Map) {
    const MAP: u32 = 8;
    let (types, len) = match map {
        Map::Anywhere => (TYPE_PROTOCOL << 6 | TYPE_PORT, 8),
        Map::At => (TYPE_PROTOCOL << 12 | TYPE_ADDRESS << 6 | TYPE_PORT, 12),
    };
    m.text(name::SET_TABLE, table).text(name::SET_NAME, map.name()).be32(name::SET_FLAGS, MAP);
    m.be32(name::SET_KEY_TYPE, types).be32(name::SET_KEY_LEN, len);
    m.be32(name::SET_DATA_TYPE, TYPE_ADDRESS << 6 | TYPE_PORT).be32(name::SET_DATA_LEN, 8);
    // Any number that differs within the transaction.
    m.be32(name::SET_ID, map as u32 + 1);
}

fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

/// Each part of a concatenation is filled up to four bytes.
fn key(element: &Element) -> Vec<u8> {
    let mut key = vec![protocol_number(element.protocol), 0, 0, 0];
    if let Some(host) = element.host {
        key.extend_from_slice(&host.octets());
    }
    key.extend_from_slice(&element.host_port.to_be_bytes());
    key.extend_from_slice(&[0, 0]);
    key
}

/// An element; only its key if it is to be deleted.
pub(super) fn element(m: &mut Attributes<'_>, element: &Element, whole: bool) {
    m.nest(name::LIST_ELEMENT, |m| {
        m.nest(name::ELEMENT_KEY, |m| {
            m.bytes(name::DATA_VALUE, &key(element));
        });
        if whole {
            let mut data = element.container.octets().to_vec();
            data.extend_from_slice(&element.container_port.to_be_bytes());
            data.extend_from_slice(&[0, 0]);
            m.nest(name::ELEMENT_DATA, |m| {
                m.bytes(name::DATA_VALUE, &data);
            });
            m.bytes(name::ELEMENT_USERDATA, &comment(&element.owner));
        }
    });
}

/// Reads what [`element`] wrote.
pub(super) fn read_element(map: Map, attributes: &[u8]) -> Option<Element> {
    let value = |kind| attribute(attributes, kind).and_then(|nest| attribute(nest, name::DATA_VALUE));
    let (key, data) = (value(name::ELEMENT_KEY)?, value(name::ELEMENT_DATA)?);
    let protocol = match key.first()? {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        _ => return None,
    };
    let (host, port) = match map {
        Map::Anywhere => (None, key.get(4..6)?),
        Map::At => (Some(Ipv4Addr::from(*key.get(4..)?.first_chunk::<4>()?)), key.get(8..10)?),
    };
    Some(Element {
        protocol,
        host,
        host_port: u16::from_be_bytes([port[0], port[1]]),
        container: Ipv4Addr::from(*data.first_chunk::<4>()?),
        container_port: u16::from_be_bytes([*data.get(4)?, *data.get(5)?]),
        owner: attribute(attributes, name::ELEMENT_USERDATA).and_then(read_comment).unwrap_or_default(),
    })
}

pub(super) fn rule(m: &mut Attributes<'_>, table: &str, chain: &str, rule: &Rule, tag: &str) {
    m.text(name::RULE_TABLE, table).text(name::RULE_CHAIN, chain);
    m.nest(name::RULE_EXPRESSIONS, |m| rule.parts.iter().for_each(|one| part(m, one)));
    m.bytes(name::RULE_USERDATA, &comment(tag));
}

/// Leads what goes to port 53 of `server` to another of its ports.
pub(super) fn questions(m: &mut Attributes<'_>, table: &str, chain: &str, server: Ipv4Addr, protocol: Protocol, port: u16) {
    const L4PROTO: u32 = 16;
    const DESTINATION: u32 = 1;
    m.text(name::RULE_TABLE, table).text(name::RULE_CHAIN, chain);
    m.nest(name::RULE_EXPRESSIONS, |m| {
        part(m, &Part::Destination(server, 32));
        meta(m, L4PROTO, REGISTER);
        compare(m, EQUAL, &[protocol_number(protocol)]);
        payload(m, true, 2, 2, REGISTER);
        compare(m, EQUAL, &53_u16.to_be_bytes());
        expression(m, "immediate", |m| {
            m.be32(1, REGISTER).nest(2, |m| {
                m.bytes(name::DATA_VALUE, &port.to_be_bytes());
            });
        });
        expression(m, "nat", |m| {
            m.be32(1, DESTINATION).be32(2, Family::Ip as u32).be32(5, REGISTER);
        });
    });
}

/// The register that most values go through, and the four-byte ones of a concatenation.
const REGISTER: u32 = 1;
const WORDS: u32 = 8;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

fn expression(m: &mut Attributes<'_>, kind: &str, data: impl FnOnce(&mut Attributes<'_>)) {
    m.nest(name::LIST_ELEMENT, |m| {
        m.text(name::EXPRESSION_NAME, kind).nest(name::EXPRESSION_DATA, data);
    });
}

fn part(m: &mut Attributes<'_>, part: &Part) {
    const IIFNAME: u32 = 6;
    const OIFNAME: u32 = 7;
    const SOURCE: u32 = 12;
    const DESTINATION: u32 = 16;
    match part {
        Part::From(interface) => interface_name(m, IIFNAME, EQUAL, interface),
        Part::To(interface) => interface_name(m, OIFNAME, EQUAL, interface),
        Part::NotFrom(interface) => interface_name(m, IIFNAME, NOT_EQUAL, interface),
        Part::NotTo(interface) => interface_name(m, OIFNAME, NOT_EQUAL, interface),
        Part::Source(ip, bits) => address(m, SOURCE, *ip, *bits),
        Part::Destination(ip, bits) => address(m, DESTINATION, *ip, *bits),
        Part::ToThisHost => to_this_host(m),
        // Source: linux/netfilter/nf_conntrack_common.h: bit 1 is established, bit 2 related.
        Part::Known => connection(m, 0, 0b110),
        // IPS_DST_NAT.
        Part::Published => connection(m, 2, 1 << 5),
        Part::Redirect(map) => redirect(m, *map),
        Part::Masquerade => expression(m, "masq", |_| {}),
        Part::Accept => verdict(m, 1),
        Part::Drop => verdict(m, 0),
        Part::Return => verdict(m, -5),
    }
}

fn meta(m: &mut Attributes<'_>, key: u32, register: u32) {
    expression(m, "meta", |m| {
        m.be32(2, key).be32(1, register);
    });
}

fn payload(m: &mut Attributes<'_>, transport: bool, offset: u32, len: u32, register: u32) {
    expression(m, "payload", |m| {
        m.be32(1, register).be32(2, if transport { 2 } else { 1 }).be32(3, offset).be32(4, len);
    });
}

fn compare(m: &mut Attributes<'_>, operator: u32, value: &[u8]) {
    expression(m, "cmp", |m| {
        m.be32(1, REGISTER).be32(2, operator).nest(3, |m| {
            m.bytes(name::DATA_VALUE, value);
        });
    });
}

fn mask(m: &mut Attributes<'_>, mask: [u8; 4]) {
    expression(m, "bitwise", |m| {
        m.be32(1, REGISTER).be32(2, REGISTER).be32(3, 4);
        for (kind, value) in [(4, mask), (5, [0; 4])] {
            m.nest(kind, |m| {
                m.bytes(name::DATA_VALUE, &value);
            });
        }
    });
}

/// Names are compared as a whole, 16 bytes.
fn interface_name(m: &mut Attributes<'_>, key: u32, operator: u32, interface: &str) {
    let mut value = interface.as_bytes().to_vec();
    value.resize(16, 0);
    meta(m, key, REGISTER);
    compare(m, operator, &value);
}

fn address(m: &mut Attributes<'_>, offset: u32, ip: Ipv4Addr, bits: u8) {
    payload(m, false, offset, 4, REGISTER);
    if bits < 32 {
        mask(m, u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0).to_be_bytes());
    }
    compare(m, EQUAL, &ip.octets());
}

/// Looks the destination up in the routes.
fn to_this_host(m: &mut Attributes<'_>) {
    const ADDRESS_TYPE: u32 = 3;
    const OF_DESTINATION: u32 = 2;
    const LOCAL: u32 = 2;
    expression(m, "fib", |m| {
        m.be32(1, REGISTER).be32(2, ADDRESS_TYPE).be32(3, OF_DESTINATION);
    });
    compare(m, EQUAL, &LOCAL.to_ne_bytes());
}

/// Any of `bits` in a property of the connection.
fn connection(m: &mut Attributes<'_>, key: u32, bits: u32) {
    expression(m, "ct", |m| {
        m.be32(2, key).be32(1, REGISTER);
    });
    mask(m, bits.to_ne_bytes());
    compare(m, NOT_EQUAL, &[0; 4]);
}

fn redirect(m: &mut Attributes<'_>, map: Map) {
    const L4PROTO: u32 = 16;
    meta(m, L4PROTO, WORDS);
    let port = match map {
        Map::Anywhere => WORDS + 1,
        Map::At => {
            payload(m, false, 16, 4, WORDS + 1);
            WORDS + 2
        }
    };
    payload(m, true, 2, 2, port);
    expression(m, "lookup", |m| {
        m.text(1, map.name()).be32(2, WORDS).be32(3, WORDS);
    });
    expression(m, "nat", |m| {
        const DESTINATION: u32 = 1;
        m.be32(1, DESTINATION).be32(2, Family::Ip as u32).be32(3, WORDS).be32(5, WORDS + 1);
    });
}

/// Codes below zero are nf_tables' own.
fn verdict(m: &mut Attributes<'_>, code: i32) {
    expression(m, "immediate", |m| {
        m.be32(1, 0).nest(2, |m| {
            m.nest(name::DATA_VERDICT, |m| {
                m.be32(name::VERDICT_CODE, code as u32);
            });
        });
    });
}
