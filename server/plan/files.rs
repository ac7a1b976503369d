//! Contents of the files Gantry gives every container: /etc/hosts, /etc/resolv.conf, /etc/hostname.

use gantry_model::Mount;
use std::fmt::Write as _;
use std::net::IpAddr;

/// /etc/hosts as docker writes it. `extra` holds `name:address`; `host-gateway` stands for the bridge's own address.
///
/// # Errors
/// The first entry that is not `name:address`.
pub fn hosts(hostname: &str, domainname: &str, ip: Option<IpAddr>, gateway: Option<IpAddr>, extra: &[String]) -> Result<String, String> {
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
    if let Some(ip) = ip {
        let _ = writeln!(text, "{ip}\t{full}{hostname}");
    }
    Ok(text)
}

/// /etc/resolv.conf: the user's servers, or those of the host that a container can reach (not its loopback).
///
/// # Errors
/// The first server that is not an address.
pub fn resolv_conf(host: &str, host_network: bool, dns: &[String], search: &[String], options: &[String]) -> Result<String, String> {
    let mut text = String::new();
    let fields =
        |key: &str| host.lines().filter_map(|line| line.trim().strip_prefix(key)).flat_map(str::split_whitespace).map(str::to_owned).collect::<Vec<_>>();
    let mut servers: Vec<String> = if dns.is_empty() { fields("nameserver ") } else { dns.to_vec() };
    if dns.is_empty() && !host_network {
        servers.retain(|server| server.split('%').next().and_then(|ip| ip.parse::<IpAddr>().ok()).is_some_and(|ip| !ip.is_loopback()));
    }
    for server in &servers {
        server.split('%').next().unwrap_or_default().parse::<IpAddr>().map_err(|_| server.clone())?;
        let _ = writeln!(text, "nameserver {server}");
    }
    let search = if search.is_empty() { fields("search ") } else { search.iter().filter(|domain| domain.as_str() != ".").cloned().collect() };
    let options = if options.is_empty() { fields("options ") } else { options.to_vec() };
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
        let text =
            hosts("web", "lan", "10.1.0.2".parse().ok(), "10.1.0.1".parse().ok(), &["db:10.1.0.3".into(), "up:host-gateway".into()]).expect("all well formed");
        assert!(text.ends_with("10.1.0.3\tdb\n10.1.0.1\tup\n10.1.0.2\tweb.lan web\n"), "{text}");
    }

    #[test]
    fn a_line_break_cannot_be_smuggled_into_the_hosts_file() {
        assert!(hosts("web", "", None, None, &["a\n6.6.6.6 bank:1.2.3.4".into()]).is_err());
        assert!(hosts("web", "", None, None, &["plain".into()]).is_err());
    }

    #[test]
    fn the_hosts_loopback_resolver_is_left_out_of_a_bridged_container() {
        let host = "nameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch a.example\n";
        assert_eq!(resolv_conf(host, false, &[], &[], &[]).as_deref(), Ok("nameserver 10.0.0.2\nsearch a.example\n"));
        assert_eq!(resolv_conf(host, true, &[], &[], &[]).as_deref(), Ok("nameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch a.example\n"));
        assert_eq!(resolv_conf(host, false, &["1.1.1.1".into()], &[".".into()], &[]).as_deref(), Ok("nameserver 1.1.1.1\n"));
    }

    #[test]
    fn a_path_belongs_to_the_innermost_mount() {
        let mount = |target: &str| Mount {
            kind: gantry_model::MountKind::Volume { name: target.to_owned(), no_copy: false },
            target: target.to_owned(),
            read_only: false,
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
