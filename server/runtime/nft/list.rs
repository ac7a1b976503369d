//! What is in the kernel's tables: our own, and what of others stands in our way.

use super::encode::{Family, header, kind, name, read_comment, read_element};
use super::{Batch, GET_CHAIN, GET_ELEMENT, GET_RULE, Result, Socket};
use crate::netlink::{DUMP, Message, attribute, attributes, text};
use gantry_plan::network::{Element, Map};
use rustix::io::Errno;

fn request(message: u16, family: Family, fill: impl FnOnce(&mut crate::netlink::Attributes<'_>)) -> Batch {
    let mut batch = Batch::default();
    batch.message(kind(message), DUMP, &header(family, 0), fill);
    batch
}

fn list(socket: &Socket, request: &Batch) -> std::result::Result<Vec<Message>, Errno> {
    match socket.list(request) {
        Err(Errno::NOENT) => Ok(Vec::new()),
        other => other,
    }
}

/// Attributes of a message, after `struct nfgenmsg`.
fn body(message: &Message) -> &[u8] {
    message.payload.get(4..).unwrap_or_default()
}

/// The comment of each rule of a table; empty where there is none.
pub(super) fn rule_comments(socket: &Socket, table: &str) -> std::result::Result<Vec<String>, Errno> {
    let request = request(GET_RULE, Family::Ip, |m| {
        m.text(name::RULE_TABLE, table);
    });
    let of_table = |message: &&Message| attribute(body(message), name::RULE_TABLE).map(text).as_deref() == Some(table);
    let comment = |message: &Message| attribute(body(message), name::RULE_USERDATA).and_then(read_comment).unwrap_or_default();
    Ok(list(socket, &request)?.iter().filter(of_table).map(comment).collect())
}

/// The elements of both maps.
pub(super) fn elements(socket: &Socket, table: &str) -> std::result::Result<Vec<Element>, Errno> {
    let mut all = Vec::new();
    for map in Map::ALL {
        let request = request(GET_ELEMENT, Family::Ip, |m| {
            m.text(name::ELEMENTS_TABLE, table).text(name::ELEMENTS_SET, map.name());
        });
        for message in list(socket, &request)? {
            let nest = attribute(body(&message), name::ELEMENTS).unwrap_or_default();
            all.extend(attributes(nest).filter_map(|(_, value)| read_element(map, value)));
        }
    }
    Ok(all)
}

/// A chain of somebody else's that drops what it does not know, at the hook that our packets pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// `ip filter FORWARD`
    pub chain: String,
    /// Docker keeps a chain for the rules of others.
    pub has_docker_user: bool,
}

/// Chains at the forward hook, other than `table`'s, whose policy is to drop. No rule of ours can overrule them.
///
/// # Errors
/// If the kernel does not list its chains.
pub fn obstacles(table: &str) -> Result<Vec<Obstacle>> {
    const FORWARD: u32 = 2;
    const DROP: u32 = 0;
    let failed = |errno| super::failed("list the firewall's chains", errno);
    let socket = Socket::netfilter().map_err(failed)?;
    let chains = list(&socket, &request(GET_CHAIN, Family::Any, |_| {})).map_err(failed)?;
    let big = |value: &[u8]| value.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
    let text_of = |message: &Message, kind| attribute(body(message), kind).map(text).unwrap_or_default();
    let is_docker_user = |message: &Message| text_of(message, name::CHAIN_NAME) == "DOCKER-USER";
    let has_docker_user = chains.iter().any(is_docker_user);
    let drops = |message: &&Message| {
        let hook = attribute(body(message), name::CHAIN_HOOK).and_then(|hook| attribute(hook, name::HOOK_NUMBER)).and_then(big);
        hook == Some(FORWARD) && attribute(body(message), name::CHAIN_POLICY).and_then(big) == Some(DROP) && text_of(message, name::CHAIN_TABLE) != table
    };
    let family = |message: &Message| match message.payload.first() {
        Some(1) => Some("inet"),
        Some(2) => Some("ip"),
        // Other families do not see our packets.
        _ => None,
    };
    let obstacle = |message: &Message| {
        let chain = format!("{} {} {}", family(message)?, text_of(message, name::CHAIN_TABLE), text_of(message, name::CHAIN_NAME));
        Some(Obstacle { chain, has_docker_user })
    };
    Ok(chains.iter().filter(drops).filter_map(obstacle).collect())
}
