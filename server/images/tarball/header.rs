//! The fields of one 512-byte header.

use super::{BLOCK, EntryKind};
use crate::error::shown;
use tar::Header;

/// A field up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|b| *b == 0).unwrap_or(field.len())]
}

pub(super) fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|b| *b == 0)
}

/// Octal text, or base 256 with the top bit set. Source: POSIX.1-2001 ustar; GNU tar manual, "Basic Tar Format".
pub(super) fn number(field: &[u8], what: &str) -> Result<i64, String> {
    let bad = || format!("unreadable {what} {}", shown(text(field)));
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            let negative = first & 0x40 != 0;
            let head = if negative { first | 0x80 } else { first & 0x7f };
            let start: i128 = if negative { -1 } else { 0 };
            let value = std::iter::once(head).chain(field[1..].iter().copied()).try_fold(start, |value, byte| {
                let next = (value << 8) | i128::from(byte);
                (i64::try_from(next).is_ok()).then_some(next)
            });
            value.and_then(|value| i64::try_from(value).ok()).ok_or_else(bad)
        }
        _ => {
            let digits = text(field).trim_ascii();
            // GNU tar skips one zero byte before the digits, Go all of them.
            if digits.is_empty() && !field.iter().all(|b| matches!(b, 0 | b' ')) {
                return Err(format!("unreadable {what}: a zero byte before its digits"));
            }
            if digits.is_empty() {
                return Ok(0);
            }
            if !digits.iter().all(|b| (b'0'..=b'7').contains(b)) {
                return Err(if digits.starts_with(b"-") { format!("negative {what} {}", shown(digits)) } else { bad() });
            }
            let digits = std::str::from_utf8(digits).map_err(|_| bad())?;
            i64::from_str_radix(digits, 8).map_err(|_| bad())
        }
    }
}

/// The sum of all bytes, with the field itself taken as spaces. Some old writers summed signed bytes.
pub(super) fn check_sum(block: &[u8; BLOCK]) -> Result<(), &'static str> {
    let stored = number(&block[148..156], "checksum").map_err(|_| "not a tar header")?;
    let bytes = block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let unsigned: i64 = bytes.clone().map(i64::from).sum();
    let signed: i64 = bytes.map(|byte| i64::from(byte as i8)).sum();
    if stored == unsigned || stored == signed { Ok(()) } else { Err("not a tar header (the checksum is wrong)") }
}

/// The name field, behind its prefix in ustar headers. GNU headers have times where the prefix would be.
pub(super) fn name(header: &Header) -> Vec<u8> {
    let name = text(&header.as_old().name);
    match header.as_ustar().map(|ustar| text(&ustar.prefix)) {
        Some(prefix) if !prefix.is_empty() => [prefix, b"/", name].concat(),
        _ => name.to_vec(),
    }
}

pub(super) fn device(header: &Header) -> Result<(u32, u32), String> {
    let (major, minor) = match (header.as_ustar(), header.as_gnu()) {
        (Some(ustar), _) => (&ustar.dev_major, &ustar.dev_minor),
        (_, Some(gnu)) => (&gnu.dev_major, &gnu.dev_minor),
        _ => return Err("a device in a header without device numbers".to_owned()),
    };
    let part = |field: &[u8]| u32::try_from(number(field, "device number")?).map_err(|_| "impossible device number".to_owned());
    Ok((part(major)?, part(minor)?))
}

/// What the type flag means. Flags and trailing slashes that readers take differently are refused.
pub(super) fn parse_kind(flag: u8, name: &[u8]) -> Result<EntryKind, String> {
    let slash = name.ends_with(b"/");
    match flag {
        0 if slash => Ok(EntryKind::Folder),
        0 | b'0' | b'7' | b'S' if !slash => Ok(EntryKind::File),
        b'0' | b'7' | b'S' => Err("a file whose name ends with a slash".to_owned()),
        b'1' => Ok(EntryKind::HardLink),
        b'2' => Ok(EntryKind::SymLink),
        b'3' => Ok(EntryKind::CharDevice),
        b'4' => Ok(EntryKind::BlockDevice),
        b'5' => Ok(EntryKind::Folder),
        b'6' => Ok(EntryKind::Fifo),
        _ => Err(format!("entries of type {} are not supported", shown(&[flag]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let base = |bytes: &[u8]| number(bytes, "size");
        assert_eq!(base(b"0000644\0"), Ok(0o644));
        assert_eq!(base(b"   644 \0"), Ok(0o644));
        assert_eq!(base(b"\0\0\0\0\0\0\0\0"), Ok(0));
        assert_eq!(base(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Ok(2 << 32));
        assert_eq!(base(&[0xff; 12]), Ok(-1));
        for bad in [&b"-0000001\0"[..], b"9", b"1 2", &[0x80, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0], &[0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(base(bad).is_err(), "{bad:?}");
        }
    }
}
