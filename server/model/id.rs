//! Ids of containers, networks, exec sessions and jobs. All are lower-case hex; the caller brings the random bytes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id of {1} lower-case hex digits")]
pub struct IdError(String, usize);

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Number of hex digits.
            pub const LEN: usize = $bytes * 2;

            /// Makes the id that prints these bytes.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(crate::digest::hex(&bytes))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first twelve digits: what people read and type.
            pub fn short(&self) -> &str {
                &self.0[..12]
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if text.len() == Self::LEN && hex { Ok(Self(text.to_owned())) } else { Err(IdError(text.chars().take(80).collect(), Self::LEN)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

hex_id!(
    /// A container's id: 64 hex digits, as the Docker Engine API has it.
    ContainerId, 32
);
hex_id!(
    /// A network's id: 64 hex digits.
    NetworkId, 32
);
hex_id!(
    /// The id of a container's place on a network: 64 hex digits.
    EndpointId, 32
);
hex_id!(
    /// An exec session's id: 64 hex digits.
    ExecId, 32
);
hex_id!(
    /// A job's id: 16 hex digits.
    JobId, 8
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_its_bytes_and_parses_back() {
        let id = JobId::from_bytes([0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]);
        assert_eq!(id.as_str(), "00010203fcfdfeff");
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    #[test]
    fn a_path_is_no_id() {
        for text in ["", "../../../../etc", "00010203FCFDFEFF", "00010203fcfdfef"] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }
}
