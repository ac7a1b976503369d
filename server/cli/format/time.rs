//! Times as docker writes them, in the zone of this machine.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-11-25 09:41:39 +0000 UTC`, of Unix seconds.
pub fn local_time(secs: i64) -> String {
    at(secs, 0, "%Y-%m-%d %H:%M:%S %z %Z")
}

/// `2026-11-25T09:41:39Z` or with the zone's offset, of Unix seconds.
pub fn utc_time(secs: i64) -> String {
    at(secs, 0, "%Y-%m-%dT%H:%M:%S%:z").replace("+00:00", "Z")
}

/// `2026-11-25T09:41:39.123456789Z` or with the zone's offset, of Unix nanoseconds.
pub fn event_time(nanos: i64) -> String {
    at(nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000) as i32, "%Y-%m-%dT%H:%M:%S.%9f%:z").replace("+00:00", "Z")
}

/// `Thu May  7 21:09:36 2026` of an RFC 3339 text; what is none stays as it is.
pub fn weekday_time(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => jiff::fmt::strtime::format("%a %b %e %H:%M:%S %Y", &time.to_zoned_datetime(TimeZone::UTC)).unwrap_or_else(|_| text.to_owned()),
        Err(_) => text.to_owned(),
    }
}

fn at(secs: i64, nanos: i32, format: &str) -> String {
    let Ok(time) = Timestamp::new(secs, nanos) else { return secs.to_string() };
    jiff::fmt::strtime::format(format, &time.to_zoned_datetime(TimeZone::system())).unwrap_or_else(|_| secs.to_string())
}
