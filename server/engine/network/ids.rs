//! Ids of what has no row of its own: the predefined networks, and a container's place on one. Same name, same id.

use gantry_model::{ContainerId, EndpointId, NetworkId};

pub(super) const BRIDGE: &str = "bridge";

/// Name and driver of the networks that are always there.
pub(super) const PREDEFINED: [(&str, &str); 3] = [(BRIDGE, "bridge"), ("host", "host"), ("none", "null")];

pub(super) fn network_id(name: &str) -> NetworkId {
    NetworkId::from_bytes(digest(&format!("network {name}")))
}

pub(super) fn endpoint_id(container: &ContainerId, network: &str) -> EndpointId {
    EndpointId::from_bytes(digest(&format!("endpoint {container} {network}")))
}

/// FNV-1a, four times over: names, no secrets.
fn digest(text: &str) -> [u8; 32] {
    let part = |salt: u64| text.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ salt, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut bytes = [0; 32];
    for (chunk, salt) in bytes.chunks_exact_mut(8).zip(1..) {
        chunk.copy_from_slice(&part(salt).to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_keeps_its_id() {
        assert_eq!(network_id("bridge"), network_id("bridge"));
        assert_ne!(network_id("bridge"), network_id("host"));
    }
}
