//! `-p`, `-P` and `--expose`. Source: docker/go-connections `nat`, docker/cli `opts/port.go`.

use crate::failure::Failure;
use gantry_wire::docker::host_config::{PortBinding, PortMap};
use gantry_wire::docker::json::Empty;
use std::collections::BTreeMap;

/// Exposed ports and where they are published.
#[derive(Debug, Default, PartialEq)]
pub struct Ports {
    pub exposed: BTreeMap<String, Empty>,
    pub bindings: PortMap,
}

/// Reads all `--publish` and `--expose` flags.
pub fn ports(publish: &[String], expose: &[String]) -> Result<Ports, Failure> {
    let mut all = Ports::default();
    for text in publish {
        let standard = if text.contains('=') { long(text)? } else { text.clone() };
        for (port, binding) in one(&standard).map_err(Failure::usage)? {
            all.exposed.insert(port.clone(), Empty {});
            all.bindings.entry(port).or_default().get_or_insert_default().push(binding);
        }
    }
    for text in expose {
        let bad = |why: &str| Failure::usage(format!("invalid range format for --expose: {text}: {why}"));
        if text.contains(':') {
            return Err(bad("publish a port with -p"));
        }
        let (range, protocol) = protocol(text).map_err(|error| bad(&error))?;
        let (first, last) = self::range(range).ok_or_else(|| bad("write 80 or 8000-8010/tcp"))?;
        all.exposed.extend((first..=last).map(|port| (format!("{port}/{protocol}"), Empty {})));
    }
    Ok(all)
}

/// `published=8080,target=80,protocol=tcp` as `8080:80/tcp`.
fn long(text: &str) -> Result<String, Failure> {
    let (mut published, mut target, mut protocol) = ("", "", "tcp");
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("published", value)) => published = value,
            Some(("target", value)) => target = value,
            Some(("protocol", value)) => protocol = value,
            _ => return Err(Failure::usage(format!("invalid publish option {text:?}: {part:?} is none of published=, target= and protocol="))),
        }
    }
    if target.is_empty() {
        return Err(Failure::usage(format!("invalid publish option {text:?}: target= is missing")));
    }
    Ok(if published.is_empty() { format!("{target}/{protocol}") } else { format!("{published}:{target}/{protocol}") })
}

fn protocol(text: &str) -> Result<(&str, String), String> {
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_ascii_lowercase() };
    if matches!(protocol.as_str(), "tcp" | "udp" | "sctp") { Ok((rest, protocol)) } else { Err(format!("invalid proto: {protocol}")) }
}

/// `[[address:]host-port:]container-port[/protocol]`, each port maybe a range.
fn one(text: &str) -> Result<Vec<(String, PortBinding)>, String> {
    let (rest, protocol) = protocol(text)?;
    let (left, container) = rest.rsplit_once(':').map_or(("", rest), |(left, container)| (left, container));
    let (address, host) = if left.ends_with(']') { (left, "") } else { left.rsplit_once(':').unwrap_or(("", left)) };
    let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    if container.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address: {address}"));
    }
    let (first, last) = range(container).ok_or_else(|| format!("invalid containerPort: {container}"))?;
    let host_range = if host.is_empty() { None } else { Some(range(host).ok_or_else(|| format!("invalid hostPort: {host}"))?) };
    if let Some((from, to)) = host_range
        && to - from != last - first
        && first != last
    {
        return Err(format!("invalid ranges specified for container and host Ports: {container} and {host}"));
    }
    Ok((first..=last)
        .map(|port| {
            let host_port = match host_range {
                None => String::new(),
                // One container port, a range on the host: any free one of them.
                Some((from, to)) if first == last && from != to => format!("{from}-{to}"),
                Some((from, _)) => (from + (port - first)).to_string(),
            };
            (format!("{port}/{protocol}"), PortBinding { host_ip: address.to_owned(), host_port })
        })
        .collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let all = ports(&[text.to_owned()], &[]).expect(text);
        let said: Vec<String> =
            all.bindings.iter().flat_map(|(port, to)| to.iter().flatten().map(move |to| format!("{}|{}|{port}", to.host_ip, to.host_port))).collect();
        assert_eq!(said.join(" "), want, "{text}");
    }

    #[test]
    fn every_spelling_of_publish_is_read() {
        check("80", "||80/tcp");
        check("8080:80", "|8080|80/tcp");
        check("127.0.0.1:53:53/UDP", "127.0.0.1|53|53/udp");
        check("127.0.0.1::80", "127.0.0.1||80/tcp");
        check("[::1]:80:81", "::1|80|81/tcp");
        check("8000-8002:80-82", "|8000|80/tcp |8001|81/tcp |8002|82/tcp");
        check("8000-8010:80", "|8000-8010|80/tcp");
        check("published=8080,target=80,protocol=udp", "|8080|80/udp");
        for bad in ["", "x", "80:", "1-2:1-3", "70000", "80/icmp", "999.1.1.1:1:1", "a=b", "-1:80"] {
            assert!(ports(&[bad.to_owned()], &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn exposed_ports_may_be_ranges() {
        let all = ports(&[], &["80".into(), "90-91/udp".into()]).expect("valid");
        assert_eq!(all.exposed.keys().cloned().collect::<Vec<_>>(), ["80/tcp", "90/udp", "91/udp"]);
        assert!(ports(&[], &["80:80".into()]).is_err());
    }
}
