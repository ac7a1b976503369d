//! Who gets which subnet and address. In: the wish and what is taken. Out: the choice, or why there is none, in dockerd's words.

use gantry_model::{NetworkSpec, Subnet};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Why a network or a container can't have the addresses asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("Pool overlaps with other one on this address space")]
    Overlap,
    #[error("could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network")]
    NoPool,
    #[error("invalid network config: subnet {0} is too small: use 30 bits at most")]
    Small(Subnet),
    #[error("no matching subnet for {what} {address}")]
    Outside { what: &'static str, address: String },
    #[error("every ip-range or gateway must have a corresponding subnet")]
    NoSubnet,
    #[error("Address already in use")]
    InUse,
    #[error("Invalid address {0}: It does not belong to any of this network's subnets")]
    NotHere(Ipv4Addr),
    #[error("no available IPv4 addresses on this network's address pools")]
    Full,
}

/// A network's addresses, all decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub subnet: Subnet,
    pub gateway: Ipv4Addr,
}

/// The pools that docker takes subnets from, in the opposite order: networks of a docker on this host, whose bridge may be made later, are
/// at the other end. Source: moby `daemon/libnetwork/ipamutils`, `localScopeDefaultNetworks`.
fn pools() -> impl Iterator<Item = Subnet> {
    let wide = (17..=31).rev().map(|second| Subnet::around(Ipv4Addr::new(172, second, 0, 0), 16));
    let narrow = (0..16).rev().map(|part| Subnet::around(Ipv4Addr::new(192, 168, part * 16, 0), 20));
    wide.chain(narrow)
}

/// Decides a network's subnet and gateway. `networks` are the subnets of others, `routes` those that the host's routes lead to.
///
/// # Errors
/// [`AddressError`] if the wish contradicts itself or others, or nothing is free.
pub fn addresses(spec: &NetworkSpec, networks: &[Subnet], routes: &[Subnet]) -> Result<Addresses, AddressError> {
    let is_free = |subnet: &Subnet, taken: &[Subnet]| !taken.iter().any(|other| other.overlaps(*subnet));
    let subnet = match spec.subnet {
        Some(subnet) if subnet.bits() > 30 => return Err(AddressError::Small(subnet)),
        // Where the user says so, the host's routes may lead there too.
        Some(subnet) if !is_free(&subnet, networks) => return Err(AddressError::Overlap),
        Some(subnet) => subnet,
        None if spec.gateway.is_some() || spec.ip_range.is_some() || !spec.reserved.is_empty() => return Err(AddressError::NoSubnet),
        None => pools().find(|subnet| is_free(subnet, networks) && is_free(subnet, routes)).ok_or(AddressError::NoPool)?,
    };
    let inside = |what, ip: Ipv4Addr| {
        let usable = subnet.contains(ip) && ip != subnet.address(0) && ip != subnet.broadcast();
        if usable { Ok(()) } else { Err(AddressError::Outside { what, address: ip.to_string() }) }
    };
    if let Some(range) = spec.ip_range.filter(|range| !subnet.covers(*range)) {
        return Err(AddressError::Outside { what: "range", address: range.to_string() });
    }
    for ip in spec.reserved.values() {
        inside("aux-address", *ip)?;
    }
    let gateway = match spec.gateway {
        Some(gateway) => gateway,
        None => {
            let reserved: BTreeSet<Ipv4Addr> = spec.reserved.values().copied().collect();
            free(&Pool { subnet, range: spec.ip_range }, &reserved).ok_or(AddressError::Full)?
        }
    };
    inside("gateway", gateway)?;
    Ok(Addresses { subnet, gateway })
}

/// Where containers of a network get their addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    pub subnet: Subnet,
    pub range: Option<Subnet>,
}

/// The address asked for, or the lowest that nobody has. The gateway and reserved addresses belong to `taken`.
///
/// # Errors
/// [`AddressError`] if it is taken or of another network, or nothing is left.
pub fn address(pool: &Pool, asked: Option<Ipv4Addr>, taken: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr, AddressError> {
    match asked {
        None => free(pool, taken).ok_or(AddressError::Full),
        Some(ip) if !pool.subnet.contains(ip) => Err(AddressError::NotHere(ip)),
        Some(ip) if ip == pool.subnet.address(0) || ip == pool.subnet.broadcast() || taken.contains(&ip) => Err(AddressError::InUse),
        Some(ip) => Ok(ip),
    }
}

/// Never the first and last address of the subnet, which are the network's own.
fn free(pool: &Pool, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let range = pool.range.unwrap_or(pool.subnet);
    let own = [pool.subnet.address(0), pool.subnet.broadcast()];
    (0..=range.last()).map(|number| range.address(number)).find(|ip| !own.contains(ip) && !taken.contains(ip))
}

/// The subnets that lines of `/proc/net/route` lead to, but for default routes.
pub fn routed(table: &str) -> Vec<Subnet> {
    // Destination and mask are hexadecimal in the byte order of the machine.
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |column: usize| u32::from_str_radix(columns.get(column)?, 16).ok();
        Some(Subnet::around(Ipv4Addr::from(number(1)?.to_ne_bytes()), number(7)?.count_ones() as u8))
    };
    table.lines().skip(1).filter_map(route).filter(|subnet| subnet.bits() > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().expect("a subnet")
    }

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().expect("an address")
    }

    fn check(spec: &NetworkSpec, want: Result<(&str, &str), &str>) {
        let got = addresses(spec, &[subnet("172.31.0.0/16"), subnet("10.1.0.0/16")], &[subnet("172.30.5.0/24")]);
        let got = got.map(|got| (got.subnet.to_string(), got.gateway.to_string())).map_err(|error| error.to_string());
        assert_eq!(got, want.map(|(subnet, gateway)| (subnet.to_owned(), gateway.to_owned())).map_err(str::to_owned), "{spec:?}");
    }

    #[test]
    fn a_network_gets_the_subnet_and_the_gateway_asked_for_or_free_ones() {
        let plain = NetworkSpec::default();
        check(&plain, Ok(("172.29.0.0/16", "172.29.0.1")));
        let asked = NetworkSpec { subnet: Some(subnet("10.2.0.0/24")), ..plain.clone() };
        check(&asked, Ok(("10.2.0.0/24", "10.2.0.1")));
        check(&NetworkSpec { gateway: Some(ip("10.2.0.254")), ..asked.clone() }, Ok(("10.2.0.0/24", "10.2.0.254")));
        check(&NetworkSpec { reserved: [("router".to_owned(), ip("10.2.0.1"))].into(), ..asked.clone() }, Ok(("10.2.0.0/24", "10.2.0.2")));
        check(&NetworkSpec { ip_range: Some(subnet("10.2.0.128/25")), ..asked.clone() }, Ok(("10.2.0.0/24", "10.2.0.128")));
        // The user may know better than the host's routes, but not than our own networks.
        check(&NetworkSpec { subnet: Some(subnet("172.30.5.0/24")), ..plain.clone() }, Ok(("172.30.5.0/24", "172.30.5.1")));
        check(&NetworkSpec { subnet: Some(subnet("10.1.2.0/24")), ..plain.clone() }, Err("Pool overlaps with other one on this address space"));
        check(&NetworkSpec { gateway: Some(ip("10.3.0.1")), ..asked.clone() }, Err("no matching subnet for gateway 10.3.0.1"));
        check(&NetworkSpec { ip_range: Some(subnet("10.3.0.0/24")), ..asked }, Err("no matching subnet for range 10.3.0.0/24"));
        check(&NetworkSpec { gateway: Some(ip("10.3.0.1")), ..plain }, Err("every ip-range or gateway must have a corresponding subnet"));
    }

    #[test]
    fn thirty_networks_find_a_subnet_and_the_next_is_told_why_not() {
        let mut networks = Vec::new();
        for _ in 0..31 {
            networks.push(addresses(&NetworkSpec::default(), &networks, &[]).expect("one is free").subnet);
        }
        assert_eq!(addresses(&NetworkSpec::default(), &networks, &[]), Err(AddressError::NoPool));
        assert_eq!(networks.last().map(ToString::to_string).as_deref(), Some("192.168.0.0/20"));
    }

    #[test]
    fn addresses_are_given_from_the_lowest_and_never_twice() {
        let pool = Pool { subnet: subnet("10.9.0.0/29"), range: None };
        let mut taken = BTreeSet::from([ip("10.9.0.1")]);
        for last in 2..=6 {
            let next = address(&pool, None, &taken).expect("one is left");
            assert_eq!(next, ip(&format!("10.9.0.{last}")));
            taken.insert(next);
        }
        assert_eq!(address(&pool, None, &taken), Err(AddressError::Full));
        assert_eq!(address(&pool, Some(ip("10.9.0.2")), &taken), Err(AddressError::InUse));
        assert_eq!(address(&pool, Some(ip("10.9.0.7")), &taken), Err(AddressError::InUse));
        assert_eq!(address(&pool, Some(ip("10.8.0.2")), &taken), Err(AddressError::NotHere(ip("10.8.0.2"))));
    }

    #[test]
    fn an_address_of_the_range_is_given_and_one_beside_it_only_if_asked_for() {
        let pool = Pool { subnet: subnet("10.9.0.0/24"), range: Some(subnet("10.9.0.252/30")) };
        let mut taken = BTreeSet::new();
        for last in 252..=254 {
            let next = address(&pool, None, &taken).expect("one is left");
            assert_eq!(next, ip(&format!("10.9.0.{last}")));
            taken.insert(next);
        }
        assert_eq!(address(&pool, None, &taken), Err(AddressError::Full));
        assert_eq!(address(&pool, Some(ip("10.9.0.7")), &taken), Ok(ip("10.9.0.7")));
    }

    #[test]
    fn routes_are_read_from_the_kernels_table() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\ndocker0\t00001EAC\t00000000\t0001\t0\t0\t0\t0000FFFF\n";
        assert_eq!(routed(table), [subnet("172.30.0.0/16")]);
    }
}
