//! Contents of the files Gantry gives every container: /etc/hosts, /etc/resolv.conf, /etc/hostname.

use gantry_model::Mount;
use std::fmt::Write as _;
use std::net::IpAddr;

/// /etc/hosts as docker writes it. `extra` holds `name:address`; `host-gateway` stands for the bridge's own address.
///
/// # Errors
/// The first entry that is not `name:address`.
pub fn hosts(hostname: &str, domainname: &str, ips: &[IpAddr], gateway: Option<IpAddr>, extra: &[String]) -> Result<String, String> {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n".to_owned();
    for entry in extra {
        let (name, address) = entry.split_once([':', '=']).ok_or_else(|| entry.clone())?;
        let address = match (address, gateway) {
            ("host-gateway", Some(gateway)) => gateway,
            _ => address.trim_matches(['[', ']']).parse().map_err(|_| entry.clone())?,
        };
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(entry.clone());
        }
        let _ = writeln!(text, "{address}\t{name}");
    }
    let full = if domainname.is_empty() { String::new() } else { format!("{hostname}.{domainname} ") };
    for ip in ips {
        let _ = writeln!(text, "{ip}\t{full}{hostname}");
    }
    Ok(text)
}

/// Where a container's questions to name servers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskingFrom {
    /// The host's own network.
    Host,
    /// An IPv4 address behind the host.
    Bridge,
    /// Nowhere.
    Nowhere,
    /// Networks of users: the container's monitor answers, and asks others.
    Networks,
}

/// Where a container's monitor answers. Source: docker, `libnetwork/resolver.go`.
const MONITOR: &str = "127.0.0.11";

/// Asked when the host's own servers can't be reached from a bridge. Source: moby `libnetwork/internal/resolvconf`, `defaultIPv4NSs`.
const FALLBACK: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// Whether all servers of a resolv.conf listen on loopback: systemd-resolved keeps the real ones in another file.
pub fn is_stub(host: &str) -> bool {
    let mut servers = values(host, "nameserver").into_iter().peekable();
    servers.peek().is_some() && servers.all(|server| address(&server).is_some_and(|ip| ip.is_loopback()))
}

/// The words after `key` in all lines of a resolv.conf that have it.
fn values(host: &str, key: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let of_key = |line: &str| words(line).split_first().filter(|(first, _)| *first == key).map(|(_, rest)| rest.to_vec());
    host.lines().filter_map(of_key).flatten().collect()
}

/// The name servers in a resolv.conf that can be asked by address alone: those on one link only are left out.
pub fn name_servers(host: &str) -> Vec<IpAddr> {
    values(host, "nameserver").iter().filter_map(|server| server.parse().ok()).collect()
}

/// The address of a server, without its zone.
fn address(server: &str) -> Option<IpAddr> {
    server.split('%').next().and_then(|ip| ip.parse().ok())
}

/// /etc/resolv.conf: the user's servers, or those of the host that a container can reach.
///
/// # Errors
/// The first server that is not an address.
pub fn resolv_conf(host: &str, from: AskingFrom, dns: &[String], search: &[String], options: &[String]) -> Result<String, String> {
    let mut text = String::new();
    let mut servers = if dns.is_empty() { values(host, "nameserver") } else { dns.to_vec() };
    for server in &servers {
        if !dns.is_empty() {
            address(server).ok_or_else(|| server.clone())?;
        }
    }
    if from == AskingFrom::Networks {
        servers = vec![MONITOR.to_owned()];
    } else if dns.is_empty() {
        let reaches = |ip: IpAddr| match from {
            AskingFrom::Host => true,
            AskingFrom::Bridge => ip.is_ipv4() && !ip.is_loopback(),
            AskingFrom::Nowhere | AskingFrom::Networks => !ip.is_loopback(),
        };
        servers.retain(|server| address(server).is_some_and(reaches));
        if servers.is_empty() && from == AskingFrom::Bridge {
            servers = FALLBACK.map(str::to_owned).into();
        }
    }
    for server in &servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    let search = if search.is_empty() { values(host, "search") } else { search.iter().filter(|domain| domain.as_str() != ".").cloned().collect() };
    let mut options = if options.is_empty() { values(host, "options") } else { options.to_vec() };
    // A name without a dot is one of ours: it is asked for as it is before a domain is tried.
    let keeps_dots = |option: &String| option.strip_prefix("ndots:").is_some_and(|dots| dots.parse::<u32>().is_ok_and(|dots| dots > 0));
    if from == AskingFrom::Networks && !options.iter().any(keeps_dots) {
        options.push("ndots:0".to_owned());
    }
    for (key, values) in [("search", search), ("options", options)] {
        let clean: Vec<_> = values.into_iter().filter(|value| !value.chars().any(char::is_control)).collect();
        if !clean.is_empty() {
            let _ = writeln!(text, "{key} {}", clean.join(" "));
        }
    }
    Ok(text)
}

/// The mount an absolute path of the container lies in, and the path in that mount, from `/`. The innermost mount wins.
/// Links are not followed: this is for containers that do not run.
pub fn path_in_mount<'a>(mounts: &'a [Mount], path: &str) -> Option<(&'a Mount, String)> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let depth = |mount: &Mount| {
        let target: Vec<&str> = mount.target.split('/').filter(|part| !part.is_empty()).collect();
        parts.starts_with(&target).then_some(target.len())
    };
    let (mount, depth) = mounts.iter().filter_map(|mount| Some((mount, depth(mount)?))).max_by_key(|(_, depth)| *depth)?;
    let end = if path.ends_with('/') || path.ends_with("/.") { "/" } else { "" };
    let rest = parts[depth..].join("/");
    Some((mount, if rest.is_empty() { "/".to_owned() } else { format!("/{rest}{end}") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_own_name_is_in_its_hosts_file() {
        let text = hosts("web", "lan", &["10.1.0.2".parse().expect("an address")], "10.1.0.1".parse().ok(), &["db:10.1.0.3".into(), "up:host-gateway".into()])
            .expect("all well formed");
        assert!(text.ends_with("10.1.0.3\tdb\n10.1.0.1\tup\n10.1.0.2\tweb.lan web\n"), "{text}");
    }

    #[test]
    fn a_line_break_cannot_be_smuggled_into_the_hosts_file() {
        assert!(hosts("web", "", &[], None, &["a\n6.6.6.6 bank:1.2.3.4".into()]).is_err());
        assert!(hosts("web", "", &[], None, &["plain".into()]).is_err());
    }

    #[test]
    fn the_hosts_loopback_resolver_is_left_out_of_a_bridged_container() {
        let host = "nameserver 127.0.0.53\nnameserver\t10.0.0.2\nnameserver fd00::1%eth0\nsearch a.example\n";
        let text = |from, dns: &[String], search: &[String]| resolv_conf(host, from, dns, search, &[]).expect("addresses");
        assert_eq!(text(AskingFrom::Bridge, &[], &[]), "nameserver 10.0.0.2\nsearch a.example\n");
        assert_eq!(text(AskingFrom::Host, &[], &[]), "nameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver fd00::1%eth0\nsearch a.example\n");
        assert_eq!(text(AskingFrom::Bridge, &["1.1.1.1".into()], &[".".into()]), "nameserver 1.1.1.1\n");
        assert_eq!(text(AskingFrom::Bridge, &["127.0.0.1".into()], &[".".into()]), "nameserver 127.0.0.1\n");
    }

    #[test]
    fn a_container_on_networks_of_users_asks_its_monitor() {
        let host = "nameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch a.example\noptions edns0 trust-ad\n";
        let text = |dns: &[String], search: &[String], options: &[String]| resolv_conf(host, AskingFrom::Networks, dns, search, options);
        let of_host = "nameserver 127.0.0.11\nsearch a.example\noptions edns0 trust-ad ndots:0\n";
        assert_eq!(text(&[], &[], &[]).as_deref(), Ok(of_host));
        assert_eq!(text(&["10.0.0.9".into()], &[], &[]).as_deref(), Ok(of_host));
        let asked = text(&[], &["b.example".into()], &["ndots:2".into()]);
        assert_eq!(asked.as_deref(), Ok("nameserver 127.0.0.11\nsearch b.example\noptions ndots:2\n"));
        assert_eq!(text(&["nonsense".into()], &[], &[]), Err("nonsense".to_owned()));
        assert_eq!(name_servers(host), ["127.0.0.53".parse::<IpAddr>().expect("an address")]);
    }

    #[test]
    fn a_bridged_container_is_never_without_a_name_server() {
        for host in ["", "nameserver 127.0.0.1\n", "nameserver ::1\nnameserver fe80::1%eth0\n", "nameserver nonsense\n"] {
            assert_eq!(resolv_conf(host, AskingFrom::Bridge, &[], &[], &[]).as_deref(), Ok("nameserver 8.8.8.8\nnameserver 8.8.4.4\n"), "{host}");
            assert!(!resolv_conf(host, AskingFrom::Nowhere, &[], &[], &[]).expect("addresses").contains("8.8"), "{host}");
        }
        assert!(resolv_conf("", AskingFrom::Bridge, &["nonsense".into()], &[], &[]).is_err());
    }

    #[test]
    fn a_file_that_names_only_loopback_stands_for_another() {
        assert!(is_stub("# systemd\nnameserver 127.0.0.53\noptions edns0\n"));
        assert!(!is_stub("nameserver 127.0.0.53\nnameserver 10.0.0.2\n"));
        assert!(!is_stub("search a\n"));
    }

    #[test]
    fn a_path_belongs_to_the_innermost_mount() {
        let mount = |target: &str| Mount {
            kind: gantry_model::MountKind::Volume { name: target.to_owned(), no_copy: false },
            target: target.to_owned(),
            read_only: false,
            ..Mount::default()
        };
        let mounts = [mount("/data"), mount("/data/in/"), mount("/database")];
        let found = |path: &str| path_in_mount(&mounts, path).map(|(mount, rest)| format!("{} {rest}", mount.target));
        assert_eq!(found("/data/x/y").as_deref(), Some("/data /x/y"));
        assert_eq!(found("/data/./in/../in/x/").as_deref(), Some("/data/in/ /x/"));
        assert_eq!(found("/data").as_deref(), Some("/data /"));
        assert_eq!(found("/data/..").as_deref(), None);
        assert_eq!(found("/dat").as_deref(), None);
    }
}
