//! Published ports.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl FromStr for Protocol {
    type Err = PortError;
    fn from_str(text: &str) -> Result<Self, PortError> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Err(PortError::Sctp(text.to_owned())),
            _ => Err(PortError::Malformed(text.to_owned())),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One published port. `host_port` 0 asks for a free one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortBinding {
    /// `None` listens on every address.
    pub host_ip: Option<IpAddr>,
    pub host_port: u16,
    pub container_port: u16,
    pub protocol: Protocol,
}

/// Why a text is no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    #[error("invalid port {0:?}: use [[address:]host-port:]container-port[/tcp|/udp], ranges as 8000-8010")]
    Malformed(String),
    #[error("port {0:?}: SCTP ports can't be published by this release, only /tcp and /udp")]
    Sctp(String),
}

impl PortBinding {
    /// Reads `docker run -p`: `80`, `8080:80`, `127.0.0.1:8080:80/udp`, `[::1]:80:80`, `8000-8002:80-82`.
    pub fn parse(text: &str) -> Result<Vec<Self>, PortError> {
        let short = || text.chars().take(80).collect();
        let bad = || PortError::Malformed(short());
        if text.to_ascii_lowercase().ends_with("/sctp") {
            return Err(PortError::Sctp(short()));
        }
        let (rest, protocol) = text.rsplit_once('/').map_or(Ok((text, Protocol::Tcp)), |(rest, proto)| proto.parse().map(|p| (rest, p)).map_err(|_| bad()))?;
        let (left, container) = rest.rsplit_once(':').map_or(("", rest), |(left, container)| (left, container));
        let (address, host) = left.rsplit_once(':').map_or(("", left), |(address, host)| (address, host));
        let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        let host_ip = if address.is_empty() { None } else { Some(address.parse().map_err(|_| bad())?) };
        let (first, last) = range(container).ok_or_else(bad)?;
        let count = last - first;
        let host_first = match host {
            "" => None,
            _ => {
                let (from, to) = range(host).ok_or_else(bad)?;
                if to - from != count {
                    return Err(bad());
                }
                Some(from)
            }
        };
        Ok((0..=count).map(|i| Self { host_ip, host_port: host_first.map_or(0, |from| from + i), container_port: first + i, protocol }).collect())
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first <= last).then_some((first, last))
}

impl fmt::Display for PortBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(ip) => write!(f, "{ip}:")?,
            None => {}
        }
        match (self.host_port, self.host_ip) {
            (0, None) => {}
            // `ADDRESS::PORT`: with one colon the address would read as a port.
            (0, Some(_)) => f.write_str(":")?,
            (port, _) => write!(f, "{port}:")?,
        }
        write!(f, "{}/{}", self.container_port, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publish_flags_are_read_as_docker_reads_them() {
        let one = |text: &str| PortBinding::parse(text).expect(text).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(one("80"), "80/tcp");
        assert_eq!(one("8080:80"), "8080:80/tcp");
        assert_eq!(one("127.0.0.1:53:53/udp"), "127.0.0.1:53:53/udp");
        assert_eq!(one("127.0.0.1::80"), "127.0.0.1::80/tcp");
        assert_eq!(one("[::1]:80:80"), "[::1]:80:80/tcp");
        assert_eq!(one("8000-8002:80-82"), "8000:80/tcp 8001:81/tcp 8002:82/tcp");
        for bad in ["", "0", "x", "80:", "1-2:1-3", "70000", "80/sctp", "999.1.1.1:1:1"] {
            assert!(PortBinding::parse(bad).is_err(), "{bad}");
        }
        assert!(PortBinding::parse("80/sctp").expect_err("not possible").to_string().contains("SCTP ports can't be published"));
    }
}
