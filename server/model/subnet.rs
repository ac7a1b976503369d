//! IPv4 subnets.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network in CIDR notation: `172.18.0.0/16`. Bits of hosts are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    base: u32,
    bits: u8,
}

/// Why a text is no subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    #[error("invalid CIDR address: {0}")]
    Malformed(String),
    #[error("invalid subnet {asked}: it should be {meant}")]
    HostBits { asked: String, meant: Subnet },
}

impl Subnet {
    /// The network that an address is in. More than 32 bits are 32.
    pub fn around(ip: Ipv4Addr, bits: u8) -> Self {
        let bits = bits.min(32);
        Self { base: u32::from(ip) & mask(bits), bits }
    }

    pub fn bits(self) -> u8 {
        self.bits
    }

    /// The `number`th address, counted from the network's own.
    pub fn address(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base.saturating_add(number))
    }

    /// Number of the last address.
    pub fn last(self) -> u32 {
        !mask(self.bits)
    }

    /// The address for everybody on it.
    pub fn broadcast(self) -> Ipv4Addr {
        self.address(self.last())
    }

    pub fn contains(self, ip: Ipv4Addr) -> bool {
        u32::from(ip) & mask(self.bits) == self.base
    }

    /// Whether all of the other lies within this one.
    pub fn covers(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.address(0))
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Subnet {
    type Err = SubnetError;
    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let bad = || SubnetError::Malformed(text.chars().take(80).collect());
        let (address, bits) = text.split_once('/').ok_or_else(bad)?;
        let address = address.parse::<Ipv4Addr>().map_err(|_| bad())?;
        let bits = bits.parse().ok().filter(|bits| *bits <= 32).ok_or_else(bad)?;
        let meant = Self::around(address, bits);
        if meant.address(0) == address { Ok(meant) } else { Err(SubnetError::HostBits { asked: text.to_owned(), meant }) }
    }
}

impl TryFrom<String> for Subnet {
    type Error = SubnetError;
    fn try_from(text: String) -> Result<Self, SubnetError> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(0), self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().expect("a subnet")
    }

    #[test]
    fn a_subnet_has_no_bits_of_hosts() {
        assert_eq!(subnet("10.9.0.0/16").to_string(), "10.9.0.0/16");
        let error = "10.9.0.5/24".parse::<Subnet>().expect_err("bits of hosts");
        assert_eq!(error.to_string(), "invalid subnet 10.9.0.5/24: it should be 10.9.0.0/24");
        for bad in ["", "10.9.0.0", "10.9.0.0/33", "10.9.0/24", "fd00::/64", "10.9.0.0/x"] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn subnets_overlap_if_one_lies_in_the_other() {
        for (one, other, expected) in [
            ("10.9.0.0/16", "10.9.3.0/24", true),
            ("10.9.3.0/24", "10.9.0.0/16", true),
            ("10.9.0.0/24", "10.9.1.0/24", false),
            ("0.0.0.0/0", "10.0.0.0/8", true),
        ] {
            assert_eq!(subnet(one).overlaps(subnet(other)), expected, "{one} {other}");
        }
        assert_eq!(subnet("10.9.0.0/30").broadcast().to_string(), "10.9.0.3");
        assert!(subnet("10.9.0.0/24").contains("10.9.0.255".parse().expect("an address")));
    }
}
