//! Versions of the API, `1.24` and up.

use super::{OLDEST, VERSION};
use std::fmt;
use std::str::FromStr;

/// `1.N`; only N differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion(u16);

/// Why a version is not spoken, in dockerd's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    #[error("client version {0} is too new. Maximum supported API version is {VERSION}")]
    TooNew(ApiVersion),
    #[error("client version {0} is too old. Minimum supported API version is {OLDEST}, please upgrade your client to a newer version")]
    TooOld(ApiVersion),
}

impl ApiVersion {
    pub const fn new(minor: u16) -> Self {
        Self(minor)
    }

    /// Ok if this server speaks it.
    pub fn spoken(self) -> Result<Self, VersionError> {
        match () {
            () if self > VERSION => Err(VersionError::TooNew(self)),
            () if self < OLDEST => Err(VersionError::TooOld(self)),
            () => Ok(self),
        }
    }
}

impl Default for ApiVersion {
    fn default() -> Self {
        VERSION
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl FromStr for ApiVersion {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let minor = text.strip_prefix("1.").ok_or(())?;
        if minor.is_empty() || !minor.bytes().all(|b| b.is_ascii_digit()) {
            return Err(());
        }
        minor.parse().map(Self).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_between_are_spoken_and_others_are_told_why_not() {
        let spoken = |text: &str| text.parse::<ApiVersion>().expect(text).spoken().map_err(|error| error.to_string());
        assert!(spoken("1.24").is_ok() && spoken("1.51").is_ok());
        assert_eq!(spoken("1.60"), Err("client version 1.60 is too new. Maximum supported API version is 1.51".to_owned()));
        assert!(spoken("1.12").is_err_and(|error| error.contains("is too old. Minimum supported API version is 1.24, please upgrade")));
        for bad in ["", "1", "1.", "2.0", "1.-1", "1.+3", "1.99999"] {
            assert!(bad.parse::<ApiVersion>().is_err(), "{bad}");
        }
    }
}
