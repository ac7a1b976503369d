//! Where a request comes from: refuses names that are not ours (DNS rebinding) and pages that are not ours (cross-site requests).
//! Headers in, a verdict out.

use std::net::IpAddr;

/// The names and origins under which people reach these pages.
#[derive(Debug)]
pub struct Origins {
    /// `https://gantry.example`, lower case, without a default port.
    trusted: Vec<String>,
    /// The host's own name.
    host: String,
    pub port: u16,
}

/// Why a request is refused: a sentence and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub message: String,
    pub hint: String,
}

/// What the browser says about a request.
#[derive(Debug, Default, Clone, Copy)]
pub struct Claims<'a> {
    pub host: &'a str,
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`; browsers send it to https and to localhost.
    pub fetch_site: Option<&'a str>,
}

impl Origins {
    /// # Errors
    /// A sentence that names the text that is no origin.
    pub fn new(trusted: &[String], port: u16) -> Result<Self, String> {
        let trusted = trusted.iter().map(|text| normal(text).ok_or_else(|| bad(text))).collect::<Result<_, _>>()?;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_ascii_lowercase();
        Ok(Self { trusted, host, port })
    }

    /// True if there is a proxy in front that we were told of.
    pub fn behind_proxy(&self) -> bool {
        !self.trusted.is_empty()
    }

    pub fn trusted(&self) -> &[String] {
        &self.trusted
    }

    /// Numbers can't be rebound; names must be known. Source: the DNS rebinding attack, where a foreign name points at our address.
    pub fn check_host(&self, host: &str) -> Result<(), Refusal> {
        let name = host_name(host).to_ascii_lowercase();
        let number = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let own = !self.host.is_empty() && (name == self.host || name == format!("{}.local", self.host));
        let trusted = || self.trusted.iter().any(|origin| origin.split_once("://").is_some_and(|(_, authority)| host_name(authority) == name));
        if number || own || name == "localhost" || name.ends_with(".localhost") || trusted() {
            return Ok(());
        }
        Err(Refusal {
            message: format!("this server does not answer to the name {:?}", short(&name)),
            hint: format!("If it is yours, start the server with --trusted-origin http://{}", short(&host.to_ascii_lowercase())),
        })
    }

    /// For requests that change something, and for WebSockets (`upgrade`, where an origin is required).
    pub fn check_source(&self, claims: Claims<'_>, upgrade: bool) -> Result<(), Refusal> {
        if let Some(site) = claims.fetch_site
            && !matches!(site, "same-origin" | "none")
        {
            return Err(foreign(claims.origin.unwrap_or(site)));
        }
        match claims.origin {
            None if upgrade => {
                Err(Refusal { message: "a WebSocket must say which page opened it".to_owned(), hint: "Send an Origin header; browsers do".to_owned() })
            }
            None => Ok(()),
            Some(origin) => {
                let Some(origin) = normal(origin) else { return Err(foreign(origin)) };
                let (scheme, authority) = origin.split_once("://").unwrap_or_default();
                // A proxy may end TLS, so either scheme may stand before our own host.
                let own = normal(&format!("{scheme}://{}", claims.host)).is_some_and(|here| here.ends_with(&format!("://{authority}")));
                if own || self.trusted.contains(&origin) { Ok(()) } else { Err(foreign(&origin)) }
            }
        }
    }
}

fn foreign(origin: &str) -> Refusal {
    Refusal {
        message: format!("the request comes from another site: {}", short(origin)),
        hint: format!("If {} is this server behind a proxy, start it with --trusted-origin {}", short(origin), short(origin)),
    }
}

fn bad(text: &str) -> String {
    format!("trusted origin {text:?}: write it as https://name or http://name:port")
}

/// `HTTPS://Name:443/` is `https://name`. `None` if it is no http origin.
fn normal(text: &str) -> Option<String> {
    let lower = text.trim().trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let plain = !authority.is_empty() && authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    plain.then(|| format!("{scheme}://{}", authority.strip_suffix(default).unwrap_or(authority)))
}

/// The host without its port: `name:7070`, `[::1]:7070`.
fn host_name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => authority,
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins { trusted: vec!["https://gantry.example".to_owned()], host: "node-1".to_owned(), port: 7070 }
    }

    #[test]
    fn only_numbers_and_known_names_are_answered() {
        for host in ["127.0.0.1:7070", "[::1]:7070", "10.0.0.5", "localhost:7070", "node-1:7070", "NODE-1", "node-1.local", "gantry.example"] {
            assert_eq!(origins().check_host(host), Ok(()), "{host}");
        }
        for host in ["evil.example:7070", "", "gantry.example.evil.com", "127.0.0.1.evil.com", "localhost.evil.com"] {
            let refusal = origins().check_host(host).expect_err(host);
            assert!(refusal.hint.contains("--trusted-origin"), "{host}: {}", refusal.hint);
        }
    }

    #[test]
    fn a_change_comes_from_our_own_page_or_a_trusted_one() {
        let verdict = |origin, fetch_site| origins().check_source(Claims { host: "10.0.0.5:7070", origin, fetch_site }, false).is_ok();
        assert!(verdict(Some("http://10.0.0.5:7070"), None));
        assert!(verdict(Some("http://10.0.0.5:7070"), Some("same-origin")));
        assert!(verdict(Some("https://gantry.example"), None));
        assert!(verdict(None, None), "tools send neither; the form's token is still asked for");
        for (origin, site) in [
            (Some("http://evil.example"), None),
            (Some("http://10.0.0.5"), None),
            (Some("http://10.0.0.5:70"), None),
            (Some("null"), None),
            (Some("http://evil.example"), Some("same-origin")),
            (Some("http://10.0.0.5:7070"), Some("cross-site")),
            (None, Some("cross-site")),
            (None, Some("same-site")),
        ] {
            assert!(!verdict(origin, site), "{origin:?} {site:?}");
        }
    }

    #[test]
    fn a_default_port_may_be_left_out() {
        let from = |host, origin| origins().check_source(Claims { host, origin: Some(origin), fetch_site: None }, true).is_ok();
        assert!(from("node-1", "http://node-1:80"));
        assert!(from("node-1:443", "https://node-1"));
        assert!(from("gantry.example", "https://gantry.example"));
        assert!(!from("node-1:80", "http://other"));
    }

    #[test]
    fn a_socket_without_an_origin_is_refused() {
        assert!(origins().check_source(Claims { host: "node-1", ..Claims::default() }, true).is_err());
    }

    #[test]
    fn a_trusted_origin_that_is_none_is_told_at_the_start() {
        assert!(Origins::new(&["gantry.example".to_owned()], 1).is_err());
        assert!(Origins::new(&["https://Gantry.Example:443/".to_owned()], 1).is_ok_and(|origins| origins.trusted == ["https://gantry.example"]));
    }
}
