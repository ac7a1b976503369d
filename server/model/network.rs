//! Networks, and how a container joins them.

use crate::Subnet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Which network a container joins. Source: Docker Engine API, `HostConfig.NetworkMode`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// The default bridge: an address of its own, NAT, published ports.
    #[default]
    Bridge,
    /// The host's own network namespace.
    Host,
    /// A namespace with nothing but loopback.
    None,
    /// Another container's namespace, by id or name.
    Container(String),
    /// A network made by a user, by name or id.
    Named(String),
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge => f.write_str("bridge"),
            Self::Host => f.write_str("host"),
            Self::None => f.write_str("none"),
            Self::Container(of) => write!(f, "container:{of}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl FromStr for NetworkMode {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "" | "default" | "bridge" => Self::Bridge,
            "host" => Self::Host,
            "none" => Self::None,
            _ => text.strip_prefix("container:").map_or_else(|| Self::Named(text.to_owned()), |of| Self::Container(of.to_owned())),
        })
    }
}

/// What a user asks of a network. Source: Docker Engine API, `POST /networks/create`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSpec {
    pub name: String,
    /// `bridge`, also when empty.
    pub driver: String,
    /// Any free one if absent.
    pub subnet: Option<Subnet>,
    /// The first address if absent.
    pub gateway: Option<Ipv4Addr>,
    /// Where containers get their addresses from, within the subnet.
    pub ip_range: Option<Subnet>,
    /// Addresses that no container gets, by what has them.
    pub reserved: BTreeMap<String, Ipv4Addr>,
    /// Leads nowhere else.
    pub internal: bool,
    /// Kept for its owner; on one host every network can be joined.
    pub attachable: bool,
    /// `com.docker.network.…`
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// What a user asks of a container's place on a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointSpec {
    /// Name or id, as the user wrote it.
    pub network: String,
    /// Any free one if absent.
    pub ip: Option<Ipv4Addr>,
    /// Further names for the other containers of the network.
    pub aliases: Vec<String>,
    /// `container[:alias]`.
    pub links: Vec<String>,
    /// `02:42:…`, made from the address if absent.
    pub mac: Option<String>,
    /// The default route leads over the network with the highest.
    pub gateway_priority: i64,
    pub driver_options: BTreeMap<String, String>,
}
