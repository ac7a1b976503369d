//! Times for `--since` and `--until`: how long ago, a date, or Unix seconds.

use crate::failure::Failure;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Unix seconds now.
pub fn now_secs() -> i64 {
    Timestamp::now().as_second()
}

/// `seconds.nanoseconds` as the API wants it, of `42m`, `2013-01-02T13:23:37Z`, `2013-01-02` (local) or `1700000000.5`.
pub fn instant(text: &str, now: Timestamp, zone: &TimeZone) -> Result<String, Failure> {
    if let Ok(ago) = super::duration_ns(text)
        && text != "0"
    {
        let then = now.as_nanosecond() - i128::from(ago);
        return Ok(format!("{}.{:09}", then.div_euclid(1_000_000_000), then.rem_euclid(1_000_000_000)));
    }
    let (seconds, part) = text.split_once('.').unwrap_or((text, ""));
    if !seconds.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && part.len() <= 9 && !part.contains('.') {
        return Ok(text.to_owned());
    }
    let bad = || Failure::new(format!("invalid time {text:?}")).hint("write 42m, 2013-01-02T13:23:37Z, 2013-01-02 or Unix seconds");
    let then = match text.parse::<Timestamp>() {
        Ok(then) => then,
        Err(_) => {
            // A bare hour or minute is allowed: 2013-01-02T13, 2013-01-02T13:23.
            let full = match text.len() {
                10 => format!("{text}T00:00:00"),
                13 => format!("{text}:00:00"),
                _ => text.to_owned(),
            };
            zone.to_timestamp(full.parse::<DateTime>().map_err(|_| bad())?).map_err(|_| bad())?
        }
    };
    let nanos = then.as_nanosecond();
    Ok(format!("{}.{:09}", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_dates_or_seconds() {
        let now = Timestamp::new(1_000_000, 500).expect("in range");
        for (text, want) in [
            ("10s", "999990.000000500"),
            ("1h", "996400.000000500"),
            ("1700000000", "1700000000"),
            ("1700000000.123456789", "1700000000.123456789"),
            ("1970-01-02T00:00:00Z", "86400.000000000"),
            ("1970-01-02T01:00:00.5+01:00", "86400.500000000"),
            ("1970-01-02", "86400.000000000"),
            ("1970-01-02T00:00", "86400.000000000"),
            ("1970-01-02T01", "90000.000000000"),
        ] {
            assert_eq!(instant(text, now, &TimeZone::UTC).expect(text), want, "{text}");
        }
        for bad in ["", "x", "yesterday", "1970-13-01", "1.2.3"] {
            assert!(instant(bad, now, &TimeZone::UTC).is_err(), "{bad}");
        }
    }
}
