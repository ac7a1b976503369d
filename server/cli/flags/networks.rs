//! `--network` and what belongs to it. Source: docker/cli `opts/network.go`, `cli/command/container/opts.go`.

use super::container::NetworkFlags;
use super::mounts::csv;
use crate::failure::Failure;
use gantry_wire::docker::network::{EndpointIpam, EndpointSettings};
use std::collections::BTreeMap;

/// The network mode, and settings by network.
#[derive(Debug, Default, PartialEq)]
pub struct Networks {
    pub mode: String,
    pub endpoints: BTreeMap<String, EndpointSettings>,
}

/// Decides from all network flags.
pub fn networks(flags: &NetworkFlags) -> Result<Networks, Failure> {
    let mut networks = flags.network.iter().map(|flag| one(flag)).collect::<Result<Vec<_>, _>>()?;
    let asked = networks.len();
    if networks.is_empty() {
        networks.push(("default".to_owned(), EndpointSettings::default()));
    }
    let own = |name: &str| !matches!(name, "default" | "bridge" | "host" | "none") && !name.starts_with("container:");
    let (name, first) = &mut networks[0];
    apply(first, flags, own(name))?;
    if networks.iter().any(|(name, settings)| !own(name) && settings.aliases.is_some()) {
        return Err(Failure::usage("network-scoped aliases are only supported for user-defined networks"));
    }
    if networks.iter().any(|(name, _)| own(name)) && networks.iter().any(|(name, _)| !own(name)) {
        return Err(Failure::usage("conflicting options: cannot attach both user-defined and non-user-defined network-modes"));
    }
    let mut all = Networks { mode: networks[0].0.clone(), ..Networks::default() };
    for (name, settings) in networks {
        // One network without settings is told by the mode alone.
        if asked == 1 && settings == EndpointSettings::default() {
            continue;
        }
        if all.endpoints.insert(name.clone(), settings).is_some() {
            return Err(Failure::usage(format!("network \"{name}\" is specified multiple times")));
        }
    }
    Ok(all)
}

/// A name, or `name=N,alias=A,ip=ADDRESS,…`.
fn one(flag: &str) -> Result<(String, EndpointSettings), Failure> {
    let bad =
        |why: String| Failure::usage(format!("invalid argument {flag:?} for --network: {why}")).hint("write a name, or name=NETWORK,alias=NAME,ip=ADDRESS");
    let mut settings = EndpointSettings::default();
    if !flag.contains('=') {
        return if flag.is_empty() { Err(bad("the name is missing".to_owned())) } else { Ok((flag.to_owned(), settings)) };
    }
    let mut name = String::new();
    for field in csv(flag).map_err(bad)? {
        let (key, value) = field.split_once('=').ok_or_else(|| bad(format!("invalid field {field}")))?;
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().to_owned());
        let ipam = || EndpointIpam::default();
        match key.as_str() {
            "name" => name = value,
            "alias" => settings.aliases.get_or_insert_default().push(value),
            "ip" => settings.ipam_config.get_or_insert_with(ipam).ipv4_address = value,
            "ip6" => settings.ipam_config.get_or_insert_with(ipam).ipv6_address = value,
            "link-local-ip" => settings.ipam_config.get_or_insert_with(ipam).link_local_ips.get_or_insert_default().push(value),
            "mac-address" => settings.mac_address = value,
            "driver-opt" => {
                let (name, value) = value.split_once('=').ok_or_else(|| bad("invalid key value pair format in driver options".to_owned()))?;
                settings.driver_opts.get_or_insert_default().insert(name.to_owned(), value.to_owned());
            }
            "gw-priority" => settings.gw_priority = value.parse().map_err(|_| bad(format!("invalid gw-priority: {value}")))?,
            _ => return Err(bad(format!("invalid field key {key}"))),
        }
    }
    if name.is_empty() { Err(bad("network name is not specified".to_owned())) } else { Ok((name, settings)) }
}

/// Puts `--network-alias`, `--ip` and so on into the first network; `own` if the user made it.
fn apply(settings: &mut EndpointSettings, flags: &NetworkFlags, own: bool) -> Result<(), Failure> {
    let conflict =
        |what: &str| Failure::usage(format!("conflicting options: cannot specify both --{what} and per-network {}", what.trim_start_matches("network-")));
    let mut aliases = flags.network_alias.clone();
    if !aliases.is_empty() {
        if settings.aliases.is_some() {
            return Err(conflict("network-alias"));
        }
        settings.aliases.get_or_insert_default().append(&mut aliases);
    }
    if own && !flags.link.is_empty() {
        settings.links = Some(flags.link.clone());
    }
    if let Some(mac) = &flags.mac_address {
        if !settings.mac_address.is_empty() {
            return Err(conflict("mac-address"));
        }
        settings.mac_address.clone_from(mac);
    }
    if flags.ip.is_none() && flags.ip6.is_none() && flags.link_local_ip.is_empty() {
        return Ok(());
    }
    let ipam = settings.ipam_config.get_or_insert_with(EndpointIpam::default);
    if let Some(ip) = flags.ip {
        if !ipam.ipv4_address.is_empty() {
            return Err(conflict("ip"));
        }
        ipam.ipv4_address = ip.to_string();
    }
    if let Some(ip) = flags.ip6 {
        if !ipam.ipv6_address.is_empty() {
            return Err(conflict("ip6"));
        }
        ipam.ipv6_address = ip.to_string();
    }
    if !flags.link_local_ip.is_empty() {
        ipam.link_local_ips = Some(flags.link_local_ip.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], want: Result<&str, ()>) {
        let flags = NetworkFlags { network: names.iter().map(ToString::to_string).collect(), ..NetworkFlags::default() };
        let got = networks(&flags).map(|all| format!("{} {:?}", all.mode, all.endpoints.keys().collect::<Vec<_>>()));
        assert_eq!(got.as_deref().map_err(|_| ()), want, "{names:?}");
    }

    #[test]
    fn networks_are_named_shortly_or_in_full() {
        check(&[], Ok("default [\"default\"]"));
        check(&["none"], Ok("none []"));
        check(&["a", "b"], Ok("a [\"a\", \"b\"]"));
        check(&["name=a,alias=x,ip=10.0.0.2"], Ok("a [\"a\"]"));
        check(&["a", "host"], Err(()));
        check(&["a", "a"], Err(()));
        check(&["alias=x"], Err(()));
        check(&["name=a,bogus=x"], Err(()));
    }
}
