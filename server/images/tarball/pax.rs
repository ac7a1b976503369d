//! Extended headers: records of `length key=value\n`, read by their length and never by their newlines.
//! Source: POSIX.1-2001 pax, "pax Extended Header".

use crate::error::shown;
use std::collections::BTreeMap;

/// Records by key, the last one winning, and sparse offsets in the order they came.
#[derive(Debug, Default)]
pub(super) struct Records {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// GNU sparse 0.0 repeats two keys; their order is the map.
    pub sparse_pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Records {
    pub fn parse(mut body: &[u8]) -> Result<Self, String> {
        let mut all = Self::default();
        while !body.is_empty() {
            let (record, rest) = cut(body).ok_or_else(|| format!("a broken extended header record {}", shown(&body[..body.len().min(40)])))?;
            body = rest;
            let equals = record.iter().position(|b| *b == b'=').filter(|at| *at > 0).ok_or("an extended header record without a key")?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let is_text = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
            if key.contains(&0) || (is_text && value.contains(&0)) {
                return Err("a NUL byte in an extended header".to_owned());
            }
            if matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes") {
                all.sparse_pairs.push((key.to_vec(), value.to_vec()));
            } else {
                all.records.insert(key.to_vec(), value.to_vec());
            }
        }
        Ok(all)
    }

    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.records.get(key).map(Vec::as_slice)
    }

    /// A decimal number; `None` if absent or empty.
    pub fn number(&self, key: &[u8]) -> Result<Option<u64>, String> {
        self.get(key).filter(|value| !value.is_empty()).map(|value| decimal(value).ok_or_else(|| bad(key, value))).transpose()
    }

    /// Seconds with a fraction, possibly before 1970.
    pub fn time(&self, key: &[u8]) -> Result<Option<(i64, u32)>, String> {
        self.get(key).filter(|value| !value.is_empty()).map(|value| seconds(value).ok_or_else(|| bad(key, value))).transpose()
    }

    /// Extended attributes in star's form, the one docker and GNU tar write.
    pub fn xattrs(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        const PREFIX: &[u8] = b"SCHILY.xattr.";
        self.records.iter().filter_map(|(key, value)| key.strip_prefix(PREFIX).map(|name| (name.to_vec(), value.clone()))).collect()
    }

    /// True if they say that the file has holes.
    pub fn has_holes(&self) -> bool {
        !self.sparse_pairs.is_empty() || self.records.keys().any(|key| key.starts_with(b"GNU.sparse."))
    }

    /// True if they would change where entries go or where the next header is.
    pub fn redirects(&self) -> bool {
        let moves = |key: &Vec<u8>| matches!(key.as_slice(), b"path" | b"linkpath" | b"size") || key.starts_with(b"SCHILY.");
        self.has_holes() || self.records.keys().any(moves)
    }

    pub fn merge(&mut self, other: Self) {
        self.records.extend(other.records);
    }
}

/// Parts the first record from the rest.
fn cut(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = body.iter().take(20).position(|b| *b == b' ')?;
    let length = usize::try_from(decimal(&body[..space])?).ok()?;
    if length <= space + 1 || length > body.len() || body[length - 1] != b'\n' {
        return None;
    }
    Some((&body[space + 1..length - 1], &body[length..]))
}

/// Digits only: no sign, no spaces. At most what fits a signed 64-bit number, as file sizes must.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|value| i64::try_from(*value).is_ok())
}

fn seconds(value: &[u8]) -> Option<(i64, u32)> {
    let (negative, value) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let dot = value.iter().position(|b| *b == b'.').unwrap_or(value.len());
    let whole = decimal(&value[..dot]).and_then(|v| i64::try_from(v).ok())?;
    let fraction = value.get(dot + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = fraction.iter().chain(std::iter::repeat(&b'0')).take(9).fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    match (negative, nanos) {
        (false, _) => Some((whole, nanos)),
        (true, 0) => Some((-whole, 0)),
        (true, _) => Some((-whole - 1, 1_000_000_000 - nanos)),
    }
}

fn bad(key: &[u8], value: &[u8]) -> String {
    format!("unreadable {} {} in an extended header", String::from_utf8_lossy(key), shown(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn a_newline_in_a_value_is_part_of_it() {
        let hostile = b"\x01\n17 linkpath=/etc\n";
        let body = [record("SCHILY.xattr.security.capability", hostile), record("path", b"a/b")].concat();
        let records = Records::parse(&body).expect("well formed");
        assert_eq!(records.get(b"linkpath"), None);
        assert_eq!(records.xattrs(), [(b"security.capability".to_vec(), hostile.to_vec())]);
        assert_eq!(records.get(b"path"), Some(&b"a/b"[..]));
    }

    #[test]
    fn records_that_lie_about_their_length_are_refused() {
        for bad in [&b"5 a=b"[..], b"7 a=b\n", b"0 a=b\n", b"-6 a=b\n", b"99999999999999999999 a=b\n", b"4 =b\n", b"6 a=b\n\0", b" 6 a=b\n", b"3 \n"] {
            assert!(Records::parse(bad).is_err(), "{}", shown(bad));
        }
    }

    #[test]
    fn times_have_fractions_and_may_lie_before_1970() {
        assert_eq!(seconds(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(seconds(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(seconds(b"7.1234567891"), Some((7, 123_456_789)));
        assert_eq!(seconds(b"1e9"), None);
    }
}
