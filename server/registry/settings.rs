//! What a host knows of registries, and how long it waits for them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Source: docker `daemon.json`, `insecure-registries` and `registry-mirrors`; `/etc/docker/certs.d`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folders with one folder for each registry, named `HOST[:PORT]`: `*.crt` are authorities, `*.cert` with `*.key` our own certificates.
    pub certs_dirs: Vec<PathBuf>,
    /// `HOST[:PORT]` or `ADDRESS/BITS`: certificates are not checked there, and plain HTTP is tried.
    pub insecure: Vec<String>,
    /// Addresses tried before Docker Hub when pulling, for example `https://mirror.example`.
    pub mirrors: Vec<String>,
    pub patience: Patience,
}

/// Times and tries.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until an answer's head is there, and a document is whole.
    pub answer: Duration,
    /// A body that brings less than `least_bytes` in this much waiting is taken as broken.
    pub stall: Duration,
    pub least_bytes: u64,
    /// Tries of one request.
    pub tries: u32,
    /// Before the second try; doubles with each.
    pub backoff: Duration,
    /// The longest wait that a registry may ask for before its rate limit is an error.
    pub longest_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            certs_dirs: vec!["/etc/gantry/certs.d".into(), "/etc/docker/certs.d".into()],
            insecure: Vec::new(),
            mirrors: Vec::new(),
            patience: Patience::default(),
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            answer: Duration::from_mins(1),
            stall: Duration::from_secs(30),
            least_bytes: 16 << 10,
            tries: 5,
            backoff: Duration::from_millis(300),
            longest_wait: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// True if `host` (with its port, if it has one) need not prove who it is: this host itself, and what the settings name.
    pub(crate) fn is_insecure(&self, host: &str) -> bool {
        let bare = bare(host);
        let address: Option<IpAddr> = bare.parse().ok();
        is_loopback(host)
            || self.insecure.iter().any(|named| match named.split_once('/') {
                Some((network, bits)) => {
                    matches!((network.parse(), bits.parse(), address), (Ok(network), Ok(bits), Some(address)) if within(address, network, bits))
                }
                None => named == host || named == bare,
            })
    }
}

/// The host without its port and brackets.
pub(crate) fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.split(':').next().unwrap_or(host)
}

/// Docker's rule for 127.0.0.0/8; proxies are not asked for it either.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = bare(host);
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    bits <= width && (bits == 0 || (address ^ network) >> (width - bits) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_and_what_is_named_need_prove_nothing() {
        let settings = Settings { insecure: vec!["reg.example:5000".into(), "plain.example".into(), "10.1.0.0/16".into()], ..Settings::default() };
        for host in ["127.0.0.1:5000", "127.9.9.9", "localhost:1", "[::1]:5000", "reg.example:5000", "plain.example:7", "10.1.2.3:5000"] {
            assert!(settings.is_insecure(host), "{host}");
        }
        for host in ["reg.example", "reg.example:5001", "128.0.0.1", "10.2.0.1", "localhost.example", "docker.io"] {
            assert!(!settings.is_insecure(host), "{host}");
        }
    }
}
