//! Detach keys: `ctrl-p,ctrl-q` unless the user says otherwise. Source: moby/term `ascii.go`, `proxy.go`.

use crate::failure::Failure;

/// Watches what is typed for the keys that leave a session.
#[derive(Debug, Clone)]
pub struct Keys {
    keys: Vec<u8>,
    matched: usize,
}

impl Keys {
    /// Reads `ctrl-p,ctrl-q`; `None` or "" is that default.
    pub fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let text = text.filter(|text| !text.is_empty()).unwrap_or("ctrl-p,ctrl-q");
        let keys = text.split(',').map(key).collect::<Option<_>>();
        let bad = || Failure::new(format!("invalid detach keys ({text})")).hint("write letters or ctrl-LETTER with commas, for example ctrl-a,d");
        Ok(Self { keys: keys.ok_or_else(bad)?, matched: 0 })
    }

    /// Takes typed bytes; returns those to pass on, and whether the keys are complete.
    pub fn feed(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut on = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (on, true);
                }
                continue;
            }
            // What was held back is typed after all; the byte may begin the keys anew.
            on.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(byte == self.keys[0] && self.keys.len() > 1);
            if self.matched == 0 {
                on.push(byte);
            }
        }
        (on, false)
    }
}

fn key(text: &str) -> Option<u8> {
    if let [byte] = text.as_bytes() {
        return Some(*byte);
    }
    let lower = text.to_ascii_lowercase();
    if lower == "del" {
        return Some(127);
    }
    match lower.strip_prefix("ctrl-")?.as_bytes() {
        [byte @ b'a'..=b'z'] => Some(byte - b'a' + 1),
        [b'@'] => Some(0),
        [byte @ b'['..=b'_'] => Some(byte - b'@'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_letters_or_control_letters() {
        let keys = |text| Keys::parse(Some(text)).map(|keys| keys.keys).ok();
        assert_eq!(keys("ctrl-p,ctrl-q"), Some(vec![16, 17]));
        assert_eq!(keys("CTRL-a,d"), Some(vec![1, b'd']));
        assert_eq!(keys("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,DEL"), Some(vec![0, 27, 28, 29, 30, 31, 127]));
        assert_eq!(keys(""), Some(vec![16, 17]));
        assert_eq!((keys("ctrl-"), keys("ab"), keys("a,,b"), keys("ctrl-1")), (None, None, None, None));
    }

    #[test]
    fn only_the_whole_sequence_leaves() {
        let mut keys = Keys::parse(None).expect("the default");
        assert_eq!(keys.feed(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(keys.feed(b"b"), (b"\x10b".to_vec(), false));
        assert_eq!(keys.feed(b"\x10\x10\x11z"), (b"\x10".to_vec(), true));
    }
}
