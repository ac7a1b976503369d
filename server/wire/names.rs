//! The names inside a user's network: written by the engine whenever an endpoint comes, goes or gets another name, read by the monitors that
//! answer questions. In: who runs on the network. Out: a text, and back without copying it.
//!
//! `RUN/networks/<network id>/names` is replaced by rename. Words are parted by one space; lines that begin with an unknown word are for
//! later releases and skipped:
//!
//! ```text
//! gantry names 1
//! network front
//! at 10.5.0.2 fd00:5::2 web 0123456789ab www
//! at 10.5.0.3 - db ba9876543210
//! ```

use gantry_model::Kind;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Name of the file in a network's run folder.
pub const FILE: &str = "names";
const HEAD: &str = "gantry names ";
const VERSION: u32 = 1;
/// Bytes of a domain name in text form. Source: RFC 1035, 2.3.4.
const LONGEST: usize = 253;

/// A container that runs, on one network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Neighbour {
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    /// The container's name first, by which its addresses are told; then short id and aliases. Others may have the same alias.
    pub names: Vec<String>,
}

/// Whether somebody could ask for this name: labels of 1 to 63 printing bytes, 253 in all.
pub fn is_name(name: &str) -> bool {
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic());
    name.len() <= LONGEST && name.split('.').all(is_label)
}

/// The text for a network. Names that nobody could ask for ([`is_name`]) are left out.
pub fn encode(network: &str, neighbours: &[Neighbour]) -> String {
    let mut text = format!("{HEAD}{VERSION}\n");
    if is_name(network) {
        let _ = writeln!(text, "network {network}");
    }
    for neighbour in neighbours {
        text.push_str("at");
        let addresses = [neighbour.ipv4.map(IpAddr::V4), neighbour.ipv6.map(IpAddr::V6)];
        for address in addresses {
            let _ = match address {
                Some(ip) => write!(text, " {ip}"),
                None => text.write_str(" -"),
            };
        }
        neighbour.names.iter().filter(|name| is_name(name)).for_each(|name| text.extend([" ", name]));
        text.push('\n');
    }
    text
}

/// A text that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    lines: &'a str,
}

/// A line of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    names: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the names of a network: this is no such file, or one of a later release")]
pub struct NamesError;

impl NamesError {
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl<'a> Names<'a> {
    /// Takes a text whose head is understood.
    ///
    /// # Errors
    /// [`NamesError`] for another file, and for one of a release whose words mean something else.
    pub fn parse(text: &'a str) -> Result<Self, NamesError> {
        let (head, lines) = text.split_once('\n').ok_or(NamesError)?;
        let version = head.strip_prefix(HEAD).and_then(|version| version.parse::<u32>().ok());
        if version == Some(VERSION) { Ok(Self { lines }) } else { Err(NamesError) }
    }

    /// The network's own name.
    pub fn network(&self) -> Option<&'a str> {
        self.lines.lines().find_map(|line| line.strip_prefix("network "))
    }

    /// Who is there. A line with an address that is none is skipped.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.lines.lines().filter_map(|line| {
            let mut words = line.strip_prefix("at ")?.splitn(3, ' ');
            let (ipv4, ipv6) = (words.next()?, words.next()?);
            Some(Entry { ipv4: address(ipv4).ok()?, ipv6: address(ipv6).ok()?, names: words.next().unwrap_or_default() })
        })
    }
}

impl<'a> Entry<'a> {
    /// The container's own name first.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.names.split(' ').filter(|name| !name.is_empty())
    }
}

/// `-` is none.
fn address<T: std::str::FromStr>(word: &str) -> Result<Option<T>, T::Err> {
    if word == "-" { Ok(None) } else { word.parse().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIXTURE: &str = "gantry names 1\nnetwork front\nat 10.5.0.2 fd00:5::2 web 0123456789ab www\nat 10.5.0.3 - db\nat - fd00:5::4 six\n";

    fn neighbour(ipv4: &str, ipv6: &str, names: &[&str]) -> Neighbour {
        Neighbour { ipv4: ipv4.parse().ok(), ipv6: ipv6.parse().ok(), names: names.iter().map(ToString::to_string).collect() }
    }

    fn read(text: &str) -> Vec<Neighbour> {
        let names = Names::parse(text).expect("understood");
        names.entries().map(|entry| Neighbour { ipv4: entry.ipv4, ipv6: entry.ipv6, names: entry.names().map(str::to_owned).collect() }).collect()
    }

    #[test]
    fn the_first_releases_file_is_written_and_read() {
        let all =
            [neighbour("10.5.0.2", "fd00:5::2", &["web", "0123456789ab", "www"]), neighbour("10.5.0.3", "-", &["db"]), neighbour("-", "fd00:5::4", &["six"])];
        assert_eq!(encode("front", &all), FIXTURE);
        assert_eq!(read(FIXTURE), all);
        assert_eq!(Names::parse(FIXTURE).expect("understood").network(), Some("front"));
    }

    #[test]
    fn words_of_a_later_release_are_skipped_and_another_version_is_refused() {
        let text = format!("{FIXTURE}service web 10.5.0.9\nat nonsense - x\nat 10.5.0.4\nat 10.5.0.5 -\n");
        assert_eq!(read(&text).len(), 4);
        for other in ["", "gantry names 1", "gantry names 2\n", "gantry names x\nat 10.5.0.2 - web\n", "\n"] {
            assert_eq!(Names::parse(other), Err(NamesError), "{other:?}");
        }
    }

    #[test]
    fn a_line_cannot_be_smuggled_in_by_a_name() {
        let forged = neighbour("10.5.0.2", "-", &["web", "x\nat 6.6.6.6 - bank", "two words", "", "a..b", &"l".repeat(64), &"a.".repeat(127), "ok"]);
        assert_eq!(encode("bad\nnetwork", &[forged]), "gantry names 1\nat 10.5.0.2 - web ok\n");
    }

    proptest! {
        #[test]
        fn whatever_the_file_holds_is_no_danger(text in ".*", lines in "(gantry names 1\n)?(at [0-9.: -]{0,20}[ a-z]{0,9}\n){0,4}") {
            for text in [text, lines] {
                if let Ok(names) = Names::parse(&text) {
                    names.entries().for_each(|entry| entry.names().for_each(drop));
                }
            }
        }
    }
}
