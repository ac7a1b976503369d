//! Options of a bridge network, as docker names them. Source: moby `daemon/libnetwork/drivers/bridge/labels.go`, `netlabel/labels.go`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const INTER_CONTAINER: &str = "com.docker.network.bridge.enable_icc";
const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
const GATEWAY_MODE: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.container_iface_prefix";

/// IFNAMSIZ without its final zero.
const LONGEST_NAME: usize = 15;

/// What the options of a network say. Options that nobody knows are kept and mean nothing, as with docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeOptions {
    /// Interface on the host.
    pub bridge: Option<String>,
    pub masquerade: bool,
    pub inter_container: bool,
    /// Bytes.
    pub mtu: Option<u32>,
    /// The host's address of ports that are published on none in particular.
    pub host_ip: Option<Ipv4Addr>,
    /// Names of interfaces in containers begin so.
    pub prefix: String,
}

/// Why an option can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    #[error("failed to parse {option} value: {value}: use {use_instead}")]
    Value { option: &'static str, value: String, use_instead: &'static str },
    #[error("{GATEWAY_MODE}={0} is not supported: leave it out, or use nat")]
    GatewayMode(String),
}

/// Reads the options of a network.
///
/// # Errors
/// [`OptionError`] for a value that can't be.
pub fn bridge_options(options: &BTreeMap<String, String>) -> Result<BridgeOptions, OptionError> {
    let get = |name: &'static str| options.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let bad = |option, value: &str, use_instead| OptionError::Value { option, value: value.to_owned(), use_instead };
    let flag = |name| match get(name) {
        None => Ok(true),
        // As Go's strconv.ParseBool.
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(value) => Err(bad(name, value, "true or false")),
    };
    if let Some(mode) = get(GATEWAY_MODE).filter(|mode| *mode != "nat") {
        return Err(OptionError::GatewayMode(mode.to_owned()));
    }
    let mtu = get(MTU).map(|value| value.parse().ok().filter(|mtu| (68..=65535).contains(mtu)).ok_or_else(|| bad(MTU, value, "bytes, 68 to 65535")));
    let host_ip = get(HOST_BINDING).map(|value| value.parse::<Ipv4Addr>().map_err(|_| bad(HOST_BINDING, value, "an IPv4 address of this host")));
    let name = |option, longest: usize, hint| {
        get(option).map(|value| if is_link_name(value, longest) { Ok(value.to_owned()) } else { Err(bad(option, value, hint)) }).transpose()
    };
    Ok(BridgeOptions {
        bridge: name(BRIDGE_NAME, LONGEST_NAME, "at most 15 letters, digits, '-', '_' and '.'")?,
        masquerade: flag(MASQUERADE)?,
        inter_container: flag(INTER_CONTAINER)?,
        mtu: mtu.transpose()?.filter(|_| get(MTU) != Some("0")),
        host_ip: host_ip.transpose()?.filter(|ip| !ip.is_unspecified()),
        // Room for a number.
        prefix: name(PREFIX, LONGEST_NAME - 3, "at most 12 letters, digits, '-', '_' and '.'")?.unwrap_or_else(|| "eth".to_owned()),
    })
}

fn is_link_name(name: &str, longest: usize) -> bool {
    name.len() <= longest
        && !matches!(name, "." | ".." | "lo" | "all" | "default")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<BridgeOptions, OptionError> {
        bridge_options(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn docker_s_options_are_understood_and_others_mean_nothing() {
        let plain = read(&[("of.another", "x")]).expect("kept");
        assert_eq!((plain.masquerade, plain.inter_container, plain.mtu, plain.prefix.as_str()), (true, true, None, "eth"));
        let all = read(&[(BRIDGE_NAME, "br-shop"), (MASQUERADE, "false"), (INTER_CONTAINER, "0"), (MTU, "1400"), (HOST_BINDING, "127.0.0.1"), (PREFIX, "net")]);
        let want = BridgeOptions {
            bridge: Some("br-shop".to_owned()),
            masquerade: false,
            inter_container: false,
            mtu: Some(1400),
            host_ip: Some(Ipv4Addr::LOCALHOST),
            prefix: "net".to_owned(),
        };
        assert_eq!(all, Ok(want));
    }

    #[test]
    fn a_value_that_can_t_be_is_refused() {
        for (option, value) in [
            (BRIDGE_NAME, "averyveryverylongname"),
            (BRIDGE_NAME, "../x"),
            (BRIDGE_NAME, "all"),
            (MASQUERADE, "maybe"),
            (MTU, "x"),
            (MTU, "10"),
            (HOST_BINDING, "::1"),
            (GATEWAY_MODE, "routed"),
        ] {
            assert!(read(&[(option, value)]).is_err(), "{option}={value}");
        }
    }
}
