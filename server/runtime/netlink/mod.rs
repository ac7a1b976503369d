//! Links, addresses and routes by netlink. In: `plan::network`'s values and a network namespace. Out: a container on its bridge.
//! Blocking and small: the process beside each container uses it.

mod error;
#[cfg(test)]
pub(crate) mod lab;
mod links;
mod message;
mod namespace;
mod socket;
#[cfg(test)]
mod tests;

pub use error::NetworkError;
pub use links::{BridgePort, bridge_ports, delete_link, delete_link_named, ensure_bridge, join, remove_bridge, route_default, settle};
pub(crate) use message::{ACK, APPEND, Attributes, Batch, CREATE, DUMP, EXCLUSIVE, Message, attribute, attributes, text};
pub use namespace::{Namespace, apply_host_sysctls};
pub(crate) use socket::{Socket, buffer, error_of, is_error};
