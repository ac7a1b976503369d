//! The keys that leave a terminal without ending its process: `ctrl-p,ctrl-q` unless others are asked for.
//! Source: docker `moby/term`, `ToBytes` and `escapeProxy`.

use crate::error::{ApiError, ApiResult};
use actix_web::web::Bytes;

/// Watches what a client types.
#[derive(Debug, Clone)]
pub struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were typed last.
    typed: usize,
}

impl DetachKeys {
    /// `ctrl-p,ctrl-q`: letters, or `ctrl-` with one of `a-z@[\]^_`. An empty text is the default.
    pub fn parse(text: &str) -> ApiResult<Self> {
        let text = if text.is_empty() { "ctrl-p,ctrl-q" } else { text };
        let key = |name: &str| match (name.strip_prefix("ctrl-").unwrap_or(name).as_bytes(), name.starts_with("ctrl-")) {
            ([letter @ b'a'..=b'z'], true) => Some(letter - b'a' + 1),
            ([b'@'], true) => Some(0),
            ([sign @ b'['..=b'_'], true) => Some(sign - b'[' + 27),
            ([letter], false) => Some(*letter),
            _ => None,
        };
        let keys = text.split(',').map(key).collect::<Option<Vec<u8>>>();
        keys.map(|keys| Self { keys, typed: 0 })
            .ok_or_else(|| ApiError::invalid(format!("Invalid detach keys ({}) provided", text.chars().take(80).collect::<String>())))
    }

    /// Nothing leaves.
    pub fn none() -> Self {
        Self { keys: Vec::new(), typed: 0 }
    }

    /// What goes on to the process, and true if the keys were typed. A beginning of them is held back until it is clear.
    pub fn filter(&mut self, bytes: Bytes) -> (Bytes, bool) {
        if self.keys.is_empty() || (self.typed == 0 && !bytes.contains(&self.keys[0])) {
            return (bytes, false);
        }
        let mut out = Vec::with_capacity(bytes.len() + self.typed);
        for byte in bytes {
            if byte != self.keys[self.typed] {
                out.extend_from_slice(&self.keys[..self.typed]);
                self.typed = 0;
            }
            if byte == self.keys[self.typed] {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    return (out.into(), true);
                }
            } else {
                out.push(byte);
            }
        }
        (out.into(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut watch = DetachKeys::parse(keys).map_err(|error| error.message).expect("keys");
        let mut all = Vec::new();
        for piece in pieces {
            let (out, left) = watch.filter(Bytes::copy_from_slice(piece));
            all.extend_from_slice(&out);
            if left {
                return (all, true);
            }
        }
        (all, false)
    }

    #[test]
    fn the_keys_leave_also_when_they_come_in_pieces() {
        assert_eq!(typed("", &[b"ls\x10\x11rest"]), (b"ls".to_vec(), true));
        assert_eq!(typed("", &[b"ls\x10", b"\x11"]), (b"ls".to_vec(), true));
        assert_eq!(typed("a,b,c", &[b"ab", b"abc"]), (b"ab".to_vec(), true));
    }

    #[test]
    fn what_only_begins_like_them_goes_on() {
        assert_eq!(typed("", &[b"\x10", b"x"]), (b"\x10x".to_vec(), false));
        assert_eq!(typed("", &[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        assert_eq!(typed("ctrl-@", &[b"abc"]), (b"abc".to_vec(), false));
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        for bad in ["ctrl-", "ctrl-1", "ab", "ctrl-p,", "ctrl-A"] {
            assert!(DetachKeys::parse(bad).is_err(), "{bad}");
        }
        assert!(DetachKeys::parse("ctrl-[,q").is_ok());
    }
}
