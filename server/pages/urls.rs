//! Text in addresses.

use std::fmt::Write as _;

/// Percent form of everything that is not a letter, digit, `-`, `.`, `_` or `~`. Source: RFC 3986, 2.3.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(b as char);
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// The text of a percent form; what is no UTF-8 becomes a question mark.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The page to go on to, if it is one of ours: a path, never another host. Source: OWASP, "Unvalidated Redirects".
pub fn safe_next(next: &str) -> &str {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if next.starts_with('/') && !next.starts_with("//") && plain && next.len() < 2000 { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_an_address() {
        let text = "a b/ü?&=%\n";
        assert_eq!(decode(&encode(text)), text);
        assert_eq!(decode("%zz%4"), "%zz%4");
    }

    #[test]
    fn a_redirect_stays_here() {
        assert_eq!(safe_next("/containers?q=a"), "/containers?q=a");
        for away in ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "/a\r\nSet-Cookie: x=1", "/\t/evil.example"] {
            assert_eq!(safe_next(away), "/", "{away:?}");
        }
    }
}
