//! Where the server is: `--host`, then `GANTRY_HOST`, then the usual socket.

use crate::failure::Failure;
use std::fmt;
use std::path::PathBuf;

const DEFAULT_SOCKET: &str = "/run/gantry/gantry.sock";

/// The server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Unix(PathBuf),
    /// `host:port`, spoken to in clear.
    Tcp(String),
}

impl Host {
    /// Decides from the flag, the variable and the default.
    pub fn find(flag: Option<&str>) -> Result<Self, Failure> {
        let named = flag.map(str::to_owned).or_else(|| std::env::var("GANTRY_HOST").ok().filter(|host| !host.is_empty()));
        named.map_or_else(|| Ok(Self::Unix(DEFAULT_SOCKET.into())), |text| Self::parse(&text))
    }

    /// Reads `unix:///path`, `/path`, `tcp://host[:port]` or `http://host[:port]`; the port is 7070 when left out.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(path) = text.strip_prefix("unix://").or(text.starts_with('/').then_some(text)) {
            let path = if path.is_empty() { DEFAULT_SOCKET } else { path };
            return Ok(Self::Unix(path.into()));
        }
        if text.starts_with("https://") || text.starts_with("ssh://") {
            let scheme = text.split(':').next().unwrap_or_default();
            return Err(Failure::usage(format!("host {text}: this release can't speak {scheme} to a server"))
                .hint("reach a socket on another machine with: ssh -N -L /tmp/gantry.sock:/run/gantry/gantry.sock HOST, then --host unix:///tmp/gantry.sock"));
        }
        let address = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")).map(|rest| rest.trim_end_matches('/'));
        match address {
            Some(address) if !address.is_empty() && !address.contains(['/', '?', '#', '@', ' ']) => {
                let has_port =
                    address.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())) && !address.ends_with(']');
                Ok(Self::Tcp(if has_port { address.to_owned() } else { format!("{address}:7070") }))
            }
            _ => Err(Failure::usage(format!("host {text:?} is not an address")).hint("give unix:///run/gantry/gantry.sock or tcp://HOST:PORT")),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        assert_eq!(Host::parse(text).expect(text).to_string(), want, "{text}");
    }

    #[test]
    fn sockets_and_addresses_are_understood() {
        check("unix:///tmp/a b.sock", "unix:///tmp/a b.sock");
        check("/tmp/x.sock", "unix:///tmp/x.sock");
        check("unix://", "unix:///run/gantry/gantry.sock");
        check("tcp://localhost:2375", "tcp://localhost:2375");
        check("tcp://[::1]", "tcp://[::1]:7070");
        check("http://box/", "tcp://box:7070");
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_hint() {
        for bad in ["", "x", "tcp://", "tcp://a/b", "ssh://me@host", "https://host"] {
            assert!(Host::parse(bad).expect_err(bad).hint.is_some(), "{bad}");
        }
    }
}
