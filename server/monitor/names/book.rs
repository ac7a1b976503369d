//! Who has which name on the container's networks. In: the files of the networks as they are now, a name or an address. Out: addresses, or a name.

use gantry_wire::monitor::Names as Plan;
use gantry_wire::names::{Entry, Names};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The files, read for questions that have come: no answer is older than its question.
#[derive(Debug)]
pub(super) struct Texts(Vec<String>);

impl Texts {
    /// A network that is gone has no names.
    pub(super) fn read(plan: &Plan) -> Self {
        Self(plan.files.iter().map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect())
    }

    #[cfg(test)]
    pub(super) fn of(texts: &[&str]) -> Self {
        Self(texts.iter().map(ToString::to_string).collect())
    }

    fn networks(&self) -> impl Iterator<Item = Names<'_>> {
        self.0.iter().filter_map(|text| Names::parse(text).ok())
    }

    /// Everybody who has the name on the first network that knows it. `web.front` is `web` on the network `front`.
    /// Source: moby `libnetwork/sandbox.go`, `ResolveName`.
    pub(super) fn addresses(&self, plan: &Plan, name: &str) -> Vec<(Option<Ipv4Addr>, Option<Ipv6Addr>)> {
        let name = plan.links.iter().find(|(link, _)| link.eq_ignore_ascii_case(name)).map_or(name, |(_, of)| of.as_str());
        let whole = self.networks().map(|network| having(network, name)).find(|found| !found.is_empty());
        let of_network = || self.networks().filter_map(|network| Some(having(network, without(name, network.network()?)?))).find(|found| !found.is_empty());
        whole.or_else(of_network).unwrap_or_default()
    }

    /// The container that has the address, and its network.
    pub(super) fn owner(&self, ip: IpAddr) -> Option<(&str, &str)> {
        let has = |entry: &Entry<'_>| match ip {
            IpAddr::V4(ip) => entry.ipv4 == Some(ip),
            IpAddr::V6(ip) => entry.ipv6 == Some(ip),
        };
        self.networks().find_map(|network| Some((network.entries().find(has)?.names().next()?, network.network().unwrap_or_default())))
    }
}

fn having(network: Names<'_>, name: &str) -> Vec<(Option<Ipv4Addr>, Option<Ipv6Addr>)> {
    let has = |entry: &Entry<'_>| entry.names().any(|other| other.eq_ignore_ascii_case(name));
    network.entries().filter(has).map(|entry| (entry.ipv4, entry.ipv6)).collect()
}

/// What stands before `.domain`.
fn without<'a>(name: &'a str, domain: &str) -> Option<&'a str> {
    let (first, last) = name.split_at_checked(name.len().checked_sub(domain.len())?)?;
    first.strip_suffix('.').filter(|_| last.eq_ignore_ascii_case(domain))
}

/// The address that a name of the domains for addresses stands for. Source: RFC 1035, 3.5; RFC 3596, 2.5.
pub(super) fn address_of(name: &str) -> Option<IpAddr> {
    if let Some(parts) = name.strip_suffix(".in-addr.arpa") {
        let mut octets: Vec<u8> = parts.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        octets.reverse();
        return <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let mut number: u128 = 0;
    let mut count: u32 = 0;
    for digit in digits.split('.') {
        let (value, one) = (u8::from_str_radix(digit, 16).ok()?, digit.len() == 1);
        if !one || count == 32 {
            return None;
        }
        number |= u128::from(value) << (4 * count);
        count += 1;
    }
    (count == 32).then(|| IpAddr::from(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: &str = "gantry names 1\nnetwork front\nat 10.5.0.2 fd00:5::2 web 0123456789ab www\nat 10.5.0.3 - Db db.of www\n";
    const BACK: &str = "gantry names 1\nnetwork back.end\nat 10.6.0.2 - web\nat - fd00:6::4 six\n";

    fn found(name: &str) -> String {
        let plan = Plan { links: vec![("database".to_owned(), "db".to_owned())], ..Plan::default() };
        let all = Texts::of(&[FRONT, "not a file of ours", BACK]).addresses(&plan, name);
        let text = |(v4, v6): &(Option<Ipv4Addr>, Option<Ipv6Addr>)| {
            let parts = [v4.map(IpAddr::V4), v6.map(IpAddr::V6)].into_iter().flatten().map(|ip| ip.to_string());
            parts.collect::<Vec<_>>().join("+")
        };
        all.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_first_network_that_knows_a_name_answers_with_all_who_have_it() {
        assert_eq!(found("web"), "10.5.0.2+fd00:5::2");
        assert_eq!(found("0123456789ab"), "10.5.0.2+fd00:5::2");
        assert_eq!(found("www"), "10.5.0.2+fd00:5::2 10.5.0.3");
        assert_eq!(found("six"), "fd00:6::4");
        for unknown in ["", "we", "webb", "web.", ".web", "front", "at", "-", "10.5.0.2"] {
            assert_eq!(found(unknown), "", "{unknown}");
        }
    }

    #[test]
    fn case_is_nothing_and_a_network_is_a_domain() {
        assert_eq!(found("dB"), "10.5.0.3");
        assert_eq!(found("WEB.back.END"), "10.6.0.2");
        assert_eq!(found("db.front"), "10.5.0.3");
        assert_eq!(found("db.of"), "10.5.0.3");
        assert_eq!(found("db.of.front"), "10.5.0.3");
        assert_eq!(found("six.front"), "");
        assert_eq!(found(".front"), "");
    }

    #[test]
    fn a_link_is_a_name_for_this_container_alone() {
        assert_eq!(found("Database"), "10.5.0.3");
    }

    #[test]
    fn an_address_is_told_by_its_containers_own_name() {
        let texts = Texts::of(&[FRONT, BACK]);
        let owner = |name: &str| address_of(name).and_then(|ip| texts.owner(ip));
        assert_eq!(owner("3.0.5.10.in-addr.arpa"), Some(("Db", "front")));
        assert_eq!(owner("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.0.0.0.0.0.d.f.ip6.arpa"), Some(("web", "front")));
        for none in
            ["3.0.5.in-addr.arpa", "3.0.5.10.0.in-addr.arpa", "300.0.5.10.in-addr.arpa", "in-addr.arpa", "2.0.ip6.arpa", "+2.ip6.arpa", "9.0.5.10.in-addr.arpa"]
        {
            assert_eq!(owner(none), None, "{none}");
        }
    }
}
