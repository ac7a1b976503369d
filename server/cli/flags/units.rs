//! Numbers with units as Go and docker read them, and restart policies.

use gantry_wire::docker::host_config::RestartPolicy;

/// Bytes: `512`, `10k`, `1.5 GiB`; powers of 1024. `-1` where the flag takes it is the caller's. Source: go-units `RAMInBytes`.
pub fn bytes(text: &str) -> Result<i64, String> {
    let bad = || format!("invalid size: '{text}'");
    let text = text.trim();
    let split = text.rfind(|c: char| c.is_ascii_digit() || c == '.').map_or(0, |at| at + 1);
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim_end().parse().map_err(|_| bad())?;
    let unit = unit.trim().to_ascii_lowercase();
    let (letter, rest) = unit.split_at(unit.len().min(1));
    let power = match letter {
        "" | "b" if rest.is_empty() => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(bad()),
    };
    if !matches!(rest, "" | "b" | "ib") || number < 0.0 || !number.is_finite() {
        return Err(bad());
    }
    let size = number * 1024_f64.powi(power);
    if size > i64::MAX as f64 { Err(bad()) } else { Ok(size as i64) }
}

/// Bytes, or -1 for no limit.
pub fn bytes_or_unlimited(text: &str) -> Result<i64, String> {
    if text == "-1" { Ok(-1) } else { bytes(text) }
}

/// Nanoseconds of Go's durations: `1m30s`, `1.5h`, `300ms`, `-5s`, `0`.
pub fn duration_ns(text: &str) -> Result<i64, String> {
    let bad = || format!("invalid duration '{text}': write 500ms, 30s, 1m30s or 2h");
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(bad());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        let letters = rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + letters] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(bad()),
        };
        total += number * unit;
        rest = &rest[digits + letters..];
    }
    if total > 9e18 { Err(bad()) } else { Ok((sign * total).round() as i64) }
}

/// Processors times 10^9, at most nine decimals: `1.5` is 1_500_000_000.
pub fn nano_cpus(text: &str) -> Result<i64, String> {
    let bad = || format!("{text:?} is no number of processors: write 0.5 or 2");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 9 {
        return Err(format!("{text:?} is too precise: nine decimals at most"));
    }
    if !(whole.bytes().chain(part.bytes())).all(|b| b.is_ascii_digit()) || (whole.is_empty() && part.is_empty()) {
        return Err(bad());
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| bad())? };
    let part: i64 = format!("{part:0<9}").parse().map_err(|_| bad())?;
    whole.checked_mul(1_000_000_000).and_then(|nanos| nanos.checked_add(part)).ok_or_else(bad)
}

/// `no`, `always`, `unless-stopped`, `on-failure[:N]`.
pub fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    if text.is_empty() {
        return Ok(RestartPolicy::default());
    }
    let (name, count) = text.split_once(':').map_or((text, None), |(name, count)| (name, Some(count)));
    if name.is_empty() {
        return Err("invalid restart policy format: no policy provided before colon".to_owned());
    }
    let count = match count {
        None => 0,
        Some(count) => count.parse().map_err(|_| "invalid restart policy format: maximum retry count must be an integer".to_owned())?,
    };
    Ok(RestartPolicy { name: name.to_owned(), maximum_retry_count: count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, want) in
            [("0", 0), ("10", 10), ("10b", 10), ("1k", 1024), ("64m", 64 << 20), ("1.5G", 3 << 29), ("2 GiB", 2 << 30), ("1tb", 1 << 40), ("5Kb", 5120)]
        {
            assert_eq!(bytes(text), Ok(want), "{text}");
        }
        for bad in ["", "x", "-1", "1x", "1kx", "k", "1e", "1..2", "99999p"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(bytes_or_unlimited("-1"), Ok(-1));
    }

    #[test]
    fn durations_are_gos() {
        for (text, want) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("300ms", 300_000_000),
            ("-1s", -1_000_000_000),
            ("2us", 2000),
        ] {
            assert_eq!(duration_ns(text), Ok(want), "{text}");
        }
        for bad in ["", "5", "s", "1x", "-", "1h 2m", "99999999999h"] {
            assert!(duration_ns(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn processors_are_exact_to_the_ninth_decimal() {
        for (text, want) in [("1", 1_000_000_000), ("0.5", 500_000_000), (".25", 250_000_000), ("1.000000001", 1_000_000_001)] {
            assert_eq!(nano_cpus(text), Ok(want), "{text}");
        }
        for bad in ["", ".", "x", "-1", "1.0000000001", "99999999999999"] {
            assert!(nano_cpus(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_restart_policy_may_have_a_count() {
        assert_eq!(restart_policy("on-failure:3"), Ok(RestartPolicy { name: "on-failure".into(), maximum_retry_count: 3 }));
        assert!(restart_policy(":3").is_err() && restart_policy("on-failure:x").is_err());
    }
}
