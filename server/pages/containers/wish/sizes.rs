//! Sizes and spans as people type them.

/// `512m`, `1.5g`, `1024`: bytes; k, m, g and t are powers of 1024, as docker has it.
pub fn bytes(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is no size: write it as 512m or 2g");
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(['b', 'i']);
    let (number, shift) = match digits.chars().last() {
        Some('k') => (&digits[..digits.len() - 1], 10),
        Some('m') => (&digits[..digits.len() - 1], 20),
        Some('g') => (&digits[..digits.len() - 1], 30),
        Some('t') => (&digits[..digits.len() - 1], 40),
        _ => (digits, 0),
    };
    if let Ok(whole) = number.trim().parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(bad);
    }
    let value: f64 = number.trim().parse().map_err(|_| bad())?;
    let value = value * (1u64 << shift) as f64;
    if (0.0..i64::MAX as f64).contains(&value) { Ok(value as u64) } else { Err(bad()) }
}

/// The shortest text that [`bytes`] reads back.
pub fn print_bytes(bytes: u64) -> String {
    for (shift, unit) in [(40, "t"), (30, "g"), (20, "m"), (10, "k")] {
        if bytes > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// `30s`, `2m`, `1h`, `500ms`, also put together; a number alone is seconds. Milliseconds.
pub fn span_ms(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is no time: write it as 30s or 2m");
    let mut rest = text.trim();
    if let Ok(secs) = rest.parse::<u64>() {
        return secs.checked_mul(1000).ok_or_else(bad);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let (unit, factor) = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)].into_iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(bad)?;
        rest = &rest[unit.len()..];
        total = number.checked_mul(factor).and_then(|part| total.checked_add(part)).ok_or_else(bad)?;
    }
    if text.trim().is_empty() { Err(bad()) } else { Ok(total) }
}

pub fn print_span(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_read_as_docker_reads_them() {
        for (text, value) in [("0", 0), ("1024", 1024), ("512m", 512 << 20), ("1.5g", 3 << 29), ("64MiB", 64 << 20), ("2 GB", 2 << 30)] {
            assert_eq!(bytes(text), Ok(value), "{text}");
        }
        for bad in ["", "m", "-1", "1e", "99999999999999999999g", "NaN"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!([span_ms("30s"), span_ms("1m30s"), span_ms("500ms"), span_ms("5")], [Ok(30_000), Ok(90_000), Ok(500), Ok(5000)]);
        assert!(span_ms("s").is_err() && span_ms("").is_err() && span_ms("1d").is_err());
        assert_eq!((print_bytes(3 << 29), print_span(1500)), ("1536m".to_owned(), "1500ms".to_owned()));
    }
}
