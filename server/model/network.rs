//! Network modes.

use serde::{Deserialize, Serialize};
use std::fmt;
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
    /// A network made by a user. Comes with the networks issue; refused until then.
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
