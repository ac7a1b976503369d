//! Leads questions for names, inside a container's namespace, to where they are answered. The table goes with the namespace.

use super::encode::{self, APPEND_RULE, Family, message, name};
use super::{DELETE_RULE, NEW_CHAIN, NEW_RULE, NEW_TABLE, Result, failed, transaction};
use crate::netlink::{Batch, CREATE, NetworkError, Socket};
use gantry_model::Protocol;
use gantry_plan::network::{Chain, Hook};
use rustix::io::Errno;
use std::net::Ipv4Addr;

const TABLE: &str = "gantry-names";
/// Source: linux/netfilter_ipv4.h, `NF_IP_PRI_NAT_DST`.
const NAT_DESTINATION: i32 = -100;

/// The connection to the kernel's firewall: closing it waits for what was deleted lately anywhere.
#[derive(Debug)]
pub struct Redirect {
    _socket: Socket,
}

impl Redirect {
    /// Leads port 53 of `server`, for the caller's namespace, to `ports`: UDP's and TCP's.
    pub(crate) fn questions(server: Ipv4Addr, ports: (u16, u16)) -> Result<Self> {
        let socket = match Socket::netfilter() {
            Err(Errno::PROTONOSUPPORT) => {
                return Err(NetworkError::Unsupported("this kernel has no nf_tables: networks other than host and none need it".to_owned()));
            }
            other => other.map_err(|errno| failed("open a netlink socket for the container's firewall", errno))?,
        };
        let chain = Chain { name: "output", hook: Hook::NatOutput, priority: NAT_DESTINATION, rules: Vec::new() };
        let mut batch = Batch::default();
        transaction(&mut batch, |batch| {
            message(batch, NEW_TABLE, CREATE, Family::Ip, |m| {
                m.text(name::TABLE, TABLE);
            });
            message(batch, NEW_CHAIN, CREATE, Family::Ip, |m| encode::chain(m, TABLE, &chain));
            // Those of sockets that were here before.
            message(batch, DELETE_RULE, 0, Family::Ip, |m| {
                m.text(name::RULE_TABLE, TABLE).text(name::RULE_CHAIN, chain.name);
            });
            for (protocol, port) in [(Protocol::Udp, ports.0), (Protocol::Tcp, ports.1)] {
                message(batch, NEW_RULE, CREATE | APPEND_RULE, Family::Ip, |m| encode::questions(m, TABLE, chain.name, server, protocol, port));
            }
        });
        encode::commit(&socket, &batch).map_err(|errno| failed("lead questions for names to their server", errno))?;
        Ok(Self { _socket: socket })
    }
}
