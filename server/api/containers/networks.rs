//! The networks of a container: what a request asks for in our words, and its places as docker shows them.

use crate::error::{ApiError, ApiResult};
use crate::version::Spoken;
use gantry_engine::{ContainerSummary, EndpointInfo};
use gantry_model::{ContainerId, EndpointSpec, NetworkMode};
use gantry_wire::docker::container::Create;
use gantry_wire::docker::network::{EndpointIpam, EndpointSettings};
use std::collections::BTreeMap;

/// What a new container joins.
pub struct Joined {
    pub network: NetworkMode,
    pub endpoints: Vec<EndpointSpec>,
    /// On the default bridge.
    pub mac: Option<String>,
}

/// From the two places that name networks: the mode, and what is asked of each place.
pub fn joined(create: &Create, spoken: Spoken) -> ApiResult<Joined> {
    let named: NetworkMode = create.host_config.network_mode.parse().unwrap_or_else(|never| match never {});
    let mut network = if create.config.network_disabled { NetworkMode::None } else { named };
    let asked: BTreeMap<&str, &EndpointSettings> =
        create.networking_config.endpoints_config.iter().flatten().map(|(name, settings)| (name.as_str(), settings)).collect();
    if asked.len() > 1 && !spoken.from(44) {
        let names: Vec<&str> = asked.keys().copied().collect();
        return Err(ApiError::invalid(format!("Container cannot be connected to network endpoints: {}", names.join(", "))));
    }
    let of_user = |name: &&str| matches!(name.parse(), Ok(NetworkMode::Named(_)));
    let first = asked.keys().copied().find(of_user);
    if let (NetworkMode::Bridge, Some(first)) = (&network, first)
        && asked.keys().all(of_user)
    {
        // Who names networks only by their settings means those, and not the default bridge.
        network = NetworkMode::Named(first.to_owned());
    }
    let mut endpoints = Vec::new();
    for (name, settings) in &asked {
        if of_user(name) {
            endpoints.push(endpoint_spec(name, settings)?);
        } else if *name == "default" || name.parse() == Ok(network.clone()) {
            endpoint_is_plain(settings)?;
        } else {
            return Err(ApiError::invalid(format!("conflicting options: cannot attach a container of the network mode {network} to the network {name}")));
        }
    }
    let mut mac = asked.iter().find(|(name, _)| !of_user(name)).and_then(|(_, settings)| mac(&settings.mac_address).transpose()).transpose()?;
    let of_old_clients = self::mac(&create.config.mac_address)?;
    match &network {
        NetworkMode::Named(mode) if of_old_clients.is_some() => match endpoints.iter_mut().find(|endpoint| endpoint.network == *mode) {
            Some(first) => first.mac = first.mac.take().or(of_old_clients),
            None => endpoints.push(EndpointSpec { network: mode.clone(), mac: of_old_clients, ..EndpointSpec::default() }),
        },
        NetworkMode::Named(_) => {}
        NetworkMode::Bridge => mac = mac.or(of_old_clients),
        other if of_old_clients.is_some() => return Err(ApiError::invalid(format!("conflicting options: mac-address and the network mode {other}"))),
        other if !endpoints.is_empty() => {
            return Err(ApiError::invalid(format!("conflicting options: a container of the network mode {other} can't be on other networks")));
        }
        _ => {}
    }
    if let NetworkMode::Named(mode) = &network {
        // What old clients ask of the container is asked of its network.
        let links = create.host_config.links.clone().unwrap_or_default();
        match endpoints.iter_mut().find(|endpoint| endpoint.network == *mode) {
            Some(first) => first.links.extend(links),
            None if links.is_empty() => {}
            None => endpoints.push(EndpointSpec { network: mode.clone(), links, ..EndpointSpec::default() }),
        }
    }
    Ok(Joined { network, endpoints, mac })
}

/// What is asked of a place on a network made by a user.
pub fn endpoint_spec(network: &str, settings: &EndpointSettings) -> ApiResult<EndpointSpec> {
    let ipam = settings.ipam_config.clone().unwrap_or_default();
    if !ipam.ipv6_address.is_empty() {
        return Err(ApiError::unsupported("networks have no IPv6 addresses in this release: leave --ip6 out"));
    }
    if ipam.link_local_ips.iter().flatten().next().is_some() {
        return Err(ApiError::unsupported("link-local addresses can't be given by this release: leave --link-local-ip out"));
    }
    let ip = match ipam.ipv4_address.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| ApiError::invalid(format!("invalid IPv4 address: {text}")))?),
    };
    Ok(EndpointSpec {
        network: network.to_owned(),
        ip,
        aliases: settings.aliases.clone().unwrap_or_default(),
        links: settings.links.clone().unwrap_or_default(),
        mac: mac(&settings.mac_address)?,
        gateway_priority: settings.gw_priority,
        driver_options: settings.driver_opts.clone().unwrap_or_default(),
    })
}

/// What is asked of a place on the default bridge, or on none, where little can be asked for.
fn endpoint_is_plain(endpoint: &EndpointSettings) -> ApiResult<()> {
    let no = |what: &str| Err(ApiError::invalid(format!("{what} supported for user-defined networks only")));
    let ipam = endpoint.ipam_config.clone().unwrap_or_default();
    match () {
        () if !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty() => no("invalid config for network bridge: user specified IP address is"),
        () if endpoint.aliases.iter().flatten().next().is_some() => no("network-scoped aliases are"),
        () if endpoint.links.iter().flatten().next().is_some() => no("links are"),
        () if endpoint.driver_opts.iter().flatten().next().is_some() => no("driver options are"),
        () => Ok(()),
    }
}

/// Six bytes in hexadecimal digits; not one for many receivers.
fn mac(text: &str) -> ApiResult<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let bad = || ApiError::invalid(format!("invalid MAC address: {text}: use six bytes such as 02:42:0a:00:00:02"));
    let bytes: Option<Vec<u8>> = text.split([':', '-']).map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)).collect();
    let bytes = bytes.filter(|bytes| bytes.len() == 6 && bytes[0] & 1 == 0).ok_or_else(bad)?;
    Ok(Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")))
}

/// The places of a container, by network.
pub fn shown(container: &ContainerSummary, spoken: Spoken) -> BTreeMap<String, EndpointSettings> {
    container.endpoints.iter().map(|place| (place.network.clone(), settings(&container.id, place, spoken))).collect()
}

fn settings(id: &ContainerId, place: &EndpointInfo, spoken: Spoken) -> EndpointSettings {
    let some = |list: &[String]| Some(list.to_vec()).filter(|list| !list.is_empty());
    let of_user = !place.names.is_empty();
    let mut aliases = place.spec.aliases.clone();
    // Until the names had a field of their own, the short id was told as an alias.
    if of_user && !spoken.from(45) {
        aliases.push(id.short().to_owned());
    }
    EndpointSettings {
        ipam_config: place.spec.ip.map(|ip| EndpointIpam { ipv4_address: ip.to_string(), ..EndpointIpam::default() }),
        links: some(&place.spec.links),
        aliases: some(&aliases),
        mac_address: place.mac.clone().unwrap_or_default(),
        driver_opts: Some(place.spec.driver_options.clone()).filter(|options| !options.is_empty()),
        gw_priority: place.spec.gateway_priority,
        network_id: place.network_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        endpoint_id: if place.live { place.id.to_string() } else { String::new() },
        gateway: place.gateway.map(|ip| ip.to_string()).unwrap_or_default(),
        ip_address: place.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        ip_prefix_len: place.prefix_len,
        dns_names: some(&place.names).filter(|_| spoken.from(44)),
        ..EndpointSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::read;

    fn check(body: &str, want: Result<&str, &str>) {
        let create: Create = read(body.as_bytes()).expect("well formed");
        let got = joined(&create, Spoken(gantry_wire::docker::VERSION)).map(|joined| {
            let places: Vec<String> =
                joined.endpoints.iter().map(|place| format!("{}{}", place.network, place.ip.map(|ip| format!("@{ip}")).unwrap_or_default())).collect();
            format!("{} [{}] {}", joined.network, places.join(" "), joined.mac.unwrap_or_default())
        });
        assert_eq!(got.map_err(|error| error.message), want.map(str::to_owned).map_err(str::to_owned), "{body}");
    }

    #[test]
    fn the_mode_and_the_settings_name_the_networks() {
        check(r#"{"Image":"x"}"#, Ok("bridge [] "));
        check(
            r#"{"HostConfig":{"NetworkMode":"default"},"NetworkingConfig":{"EndpointsConfig":{"default":{"MacAddress":"02:42:AC:00:00:09"}}}}"#,
            Ok("bridge [] 02:42:ac:00:00:09"),
        );
        check(r#"{"HostConfig":{"NetworkMode":"shop"}}"#, Ok("shop [] "));
        check(
            r#"{"HostConfig":{"NetworkMode":"shop"},"NetworkingConfig":{"EndpointsConfig":{"back":{},"shop":{"IPAMConfig":{"IPv4Address":"10.0.0.9"}}}}}"#,
            Ok("shop [back shop@10.0.0.9] "),
        );
        check(r#"{"NetworkingConfig":{"EndpointsConfig":{"shop":{}}}}"#, Ok("shop [shop] "));
        check(r#"{"HostConfig":{"NetworkMode":"bridge"},"NetworkingConfig":{"EndpointsConfig":{"bridge":{},"shop":{}}}}"#, Ok("bridge [shop] "));
        check(
            r#"{"HostConfig":{"NetworkMode":"none"},"NetworkingConfig":{"EndpointsConfig":{"shop":{}}}}"#,
            Err("conflicting options: a container of the network mode none can't be on other networks"),
        );
        check(
            r#"{"HostConfig":{"NetworkMode":"shop"},"NetworkingConfig":{"EndpointsConfig":{"shop":{"IPAMConfig":{"IPv4Address":"1.2.3"}}}}}"#,
            Err("invalid IPv4 address: 1.2.3"),
        );
    }

    #[test]
    fn a_wrong_hardware_address_is_refused() {
        for bad in ["02:42", "zz:42:0a:09:00:02", "01:00:5e:00:00:01", "2:42:0a:09:00:02"] {
            assert!(mac(bad).is_err(), "{bad}");
        }
    }
}
