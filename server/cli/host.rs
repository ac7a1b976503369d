//! Where the server is: `--host`, then `GANTRY_HOST`, then the usual socket; and with which certificates it is spoken to.

use crate::failure::Failure;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

const DEFAULT_SOCKET: &str = "/run/gantry/gantry.sock";

/// Flags before the command. Their names are docker's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    pub host: Option<String>,
    pub tls: bool,
    pub files: Tls,
}

/// Files in PEM form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authority of the server's certificate; the system's where there is none.
    pub authority: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

impl Flags {
    pub fn knows(word: &str) -> bool {
        let name = word.split('=').next().unwrap_or_default();
        matches!(name, "--host" | "--tls" | "--tlsverify" | "--tlscacert" | "--tlscert" | "--tlskey") || (word.starts_with("-H") && !word.starts_with("--"))
    }

    /// Takes one flag; `next` is the word behind it.
    pub fn take(&mut self, word: &str, next: impl FnOnce() -> Option<String>) -> Result<(), Failure> {
        let (name, value) = match (word.strip_prefix("-H"), word.split_once('=')) {
            (Some(""), _) => ("--host", None),
            (Some(value), _) => ("--host", Some(value.trim_start_matches('=').to_owned())),
            (None, Some((name, value))) => (name, Some(value.to_owned())),
            (None, None) => (word, None),
        };
        if matches!(name, "--tls" | "--tlsverify") {
            self.tls = value.as_deref() != Some("false");
            return Ok(());
        }
        let value = value.or_else(next).ok_or_else(|| match name {
            "--host" => Failure::usage("--host needs an address").hint("give unix:///run/gantry/gantry.sock or tcp://HOST:PORT"),
            _ => Failure::usage(format!("{name} needs a file")),
        })?;
        match name {
            "--host" => self.host = Some(value),
            "--tlscacert" => self.files.authority = Some(value.into()),
            "--tlscert" => self.files.certificate = Some(value.into()),
            _ => self.files.key = Some(value.into()),
        }
        Ok(())
    }
}

impl Tls {
    /// The files that are in `folder`, under docker's names.
    fn in_folder(folder: &Path) -> Self {
        let file = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
        Self { authority: file("ca.pem"), certificate: file("cert.pem"), key: file("key.pem") }
    }

    fn or(self, other: Self) -> Self {
        Self { authority: self.authority.or(other.authority), certificate: self.certificate.or(other.certificate), key: self.key.or(other.key) }
    }
}

/// The server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Unix(PathBuf),
    /// `host:port`, in clear.
    Tcp(String),
    /// `host:port`.
    Tls(String, Tls),
}

impl Host {
    /// Decides from the flags, the variables and the default.
    pub fn find(flags: &Flags) -> Result<Self, Failure> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = flags.host.clone().or_else(|| variable("GANTRY_HOST"));
        let folder = variable("GANTRY_CERT_PATH").map(|folder| Tls::in_folder(Path::new(&folder)));
        let tls = flags.tls || flags.files != Tls::default() || folder.is_some();
        let files = flags.files.clone().or(folder.unwrap_or_default());
        named.map_or_else(|| Ok(Self::Unix(DEFAULT_SOCKET.into())), |text| Self::parse(&text, tls.then_some(files)))
    }

    /// Reads `unix:///path`, `/path`, `tcp://host[:port]`, `http://host[:port]` or `https://host[:port]`; docker's ports are left out.
    /// With `tls`, `tcp://` is spoken to in TLS.
    pub fn parse(text: &str, tls: Option<Tls>) -> Result<Self, Failure> {
        if let Some(path) = text.strip_prefix("unix://").or(text.starts_with('/').then_some(text)) {
            let path = if path.is_empty() { DEFAULT_SOCKET } else { path };
            return Ok(Self::Unix(path.into()));
        }
        if let Some(host) = text.strip_prefix("ssh://") {
            let host = host.trim_end_matches('/');
            return Err(Failure::new(format!("host {text}: gantry speaks no ssh itself"))
                .hint(format!("let ssh carry the socket: ssh -N -L /tmp/gantry.sock:{DEFAULT_SOCKET} {host}, then --host unix:///tmp/gantry.sock")));
        }
        let address = |rest: &str, port: u16| {
            let rest = rest.trim_end_matches('/');
            let fits = !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']);
            let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())) && !rest.ends_with(']');
            fits.then(|| if has_port { rest.to_owned() } else { format!("{rest}:{port}") })
        };
        let clear = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://"));
        let host = match (clear, text.strip_prefix("https://"), tls) {
            (Some(rest), _, None) => address(rest, 2375).map(Self::Tcp),
            (Some(rest), _, Some(files)) => address(rest, 2376).map(|address| Self::Tls(address, files)),
            (None, Some(rest), files) => address(rest, 2376).map(|address| Self::Tls(address, files.unwrap_or_default())),
            (None, None, _) => None,
        };
        host.ok_or_else(|| Failure::new(format!("host {text:?} is not an address")).hint("give unix:///run/gantry/gantry.sock or tcp://HOST:PORT"))
    }

    /// False if somebody between could read what is sent there.
    pub fn keeps_secrets(&self) -> bool {
        let Self::Tcp(address) = self else { return true };
        let name = address.rsplit_once(':').map_or(address.as_str(), |(name, _)| name).trim_matches(['[', ']']);
        name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) | Self::Tls(address, _) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        assert_eq!(Host::parse(text, None).expect(text).to_string(), want, "{text}");
    }

    #[test]
    fn sockets_and_addresses_are_understood() {
        check("unix:///tmp/a b.sock", "unix:///tmp/a b.sock");
        check("/tmp/x.sock", "unix:///tmp/x.sock");
        check("unix://", "unix:///run/gantry/gantry.sock");
        check("tcp://localhost:2375", "tcp://localhost:2375");
        check("tcp://[::1]", "tcp://[::1]:2375");
        check("http://box/", "tcp://box:2375");
        check("https://box", "tcp://box:2376");
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_hint() {
        for bad in ["", "x", "tcp://", "tcp://a/b", "ssh://me@host", "https://"] {
            assert!(Host::parse(bad, None).expect_err(bad).hint.is_some(), "{bad}");
        }
    }

    #[test]
    fn tls_has_files_and_a_port_of_its_own() {
        let mut flags = Flags::default();
        for word in ["--tlscacert=ca", "--tlsverify", "-Htcp://box"] {
            assert!(Flags::knows(word), "{word}");
            flags.take(word, || None).expect(word);
        }
        let files = Tls { authority: Some("ca".into()), ..Tls::default() };
        assert_eq!(Host::find(&flags).expect("valid"), Host::Tls("box:2376".into(), files));
        assert_eq!(Host::parse("https://box:1", None).expect("valid"), Host::Tls("box:1".into(), Tls::default()));
        assert!(flags.take("--tlskey", || None).is_err());
    }

    #[test]
    fn a_token_is_sent_in_clear_to_this_host_alone() {
        let keeps = |text| Host::parse(text, None).expect(text).keeps_secrets();
        assert!(keeps("tcp://127.0.0.1:1") && keeps("tcp://[::1]:1") && keeps("tcp://localhost") && keeps("https://box") && keeps("/run/x"));
        assert!(!keeps("tcp://box") && !keeps("tcp://10.0.0.1:2375") && !keeps("tcp://127.0.0.1.evil.example"));
    }
}
