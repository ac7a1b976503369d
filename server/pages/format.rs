//! Numbers and times for people.

/// `48 MB`: three digits at most, powers of 1000 as docker's tables have them.
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 999.5 || unit == "TB" {
            let digits = usize::from(unit != "B" && value < 9.95);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    unreachable!("the last unit takes everything")
}

/// `48 MiB`: memory, whose limits people give in powers of 1024.
pub fn memory(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 999.5 || unit == "TiB" {
            let digits = usize::from(unit != "B" && value < 9.95);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    unreachable!("the last unit takes everything")
}

/// `3.1 %`.
pub fn percent(value: f64) -> String {
    let digits = usize::from(value < 99.95);
    format!("{value:.digits$} %")
}

/// The longest unit that is reached: `8 s`, `5 min`, `2 h`, `3 d`.
pub fn span(secs: i64) -> String {
    match secs.max(0) {
        secs @ 0..60 => format!("{secs} s"),
        secs @ 60..3600 => format!("{} min", secs / 60),
        secs @ 3600..86400 => format!("{} h", secs / 3600),
        secs => format!("{} d", secs / 86400),
    }
}

/// How long ago.
pub fn ago(at_ms: i64) -> String {
    span((now_ms() - at_ms) / 1000)
}

/// `2026-11-25 09:18:14 UTC`.
pub fn moment(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// `2026-11-25T09:18:14Z`, for `<time datetime>`.
pub fn machine_time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// `1 container`, `3 containers`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A time as rows show it: `3 d`, with the moment for the tooltip.
#[derive(Debug, Clone, Default)]
pub struct When {
    pub ago: String,
    pub moment: String,
    pub machine: String,
}

impl When {
    pub fn at(at_ms: i64) -> Self {
        Self { ago: ago(at_ms), moment: moment(at_ms), machine: machine_time(at_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_at_most() {
        for (value, text) in [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (48_000_000, "48 MB"), (999_600_000, "1.0 GB"), (1_234_000_000_000, "1.2 TB")] {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [(256 << 20, "256 MiB"), (1000, "1.0 KiB"), (3 << 29, "1.5 GiB")] {
            assert_eq!(memory(value), text);
        }
        assert_eq!(percent(0.04), "0.0 %");
        assert_eq!(percent(200.0), "200 %");
    }

    #[test]
    fn a_span_is_told_in_its_longest_unit() {
        for (secs, text) in [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7300, "2 h"), (86400 * 3, "3 d")] {
            assert_eq!(span(secs), text);
        }
    }

    #[test]
    fn a_moment_is_told_in_utc() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(machine_time(1000), "1970-01-01T00:00:01Z");
    }
}
