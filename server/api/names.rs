//! Ids of what has no row of its own yet: the predefined networks and a container's place on one. Same name, same id.

use gantry_model::ContainerId;

/// 64 hex digits.
pub fn network_id(name: &str) -> String {
    digest(&format!("network {name}"))
}

/// 64 hex digits.
pub fn endpoint_id(container: &ContainerId, network: &str) -> String {
    digest(&format!("endpoint {container} {network}"))
}

/// FNV-1a, four times over: names, no secrets.
fn digest(text: &str) -> String {
    let part = |salt: u64| text.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ salt, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:016x}{:016x}{:016x}{:016x}", part(1), part(2), part(3), part(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_keeps_its_id() {
        assert_eq!(network_id("bridge"), network_id("bridge"));
        assert_ne!(network_id("bridge"), network_id("host"));
        assert_eq!(network_id("none").len(), 64);
    }
}
