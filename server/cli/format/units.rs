//! Sizes, durations and short forms, each as docker writes it (go-units, docker/cli `formatter`).

use unicode_width::UnicodeWidthChar;

/// Thousands: `1.98MB`, three digits.
pub fn decimal_size(bytes: f64) -> String {
    scaled(bytes, 1000.0, 3, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Thousands, four digits: `1.982MB`.
pub fn wide_size(bytes: f64) -> String {
    scaled(bytes, 1000.0, 4, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Powers of 1024: `7.5MiB`, four digits.
pub fn binary_size(bytes: f64) -> String {
    scaled(bytes, 1024.0, 4, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

fn scaled(mut size: f64, base: f64, digits: usize, units: &[&str]) -> String {
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), units[unit])
}

/// Go's `%.Ng` for what occurs here: `digits` significant digits, no trailing zeros.
fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let before = (value.abs().log10().floor() as i32 + 1).max(1) as usize;
    let text = format!("{value:.*}", digits.saturating_sub(before));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// How long, in one rough unit: `About a minute`, `3 weeks`.
pub fn human_duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds as f64 / 3600.0 + 0.5) as i64;
    match (seconds, minutes, hours) {
        (..1, _, _) => "Less than a second".to_owned(),
        (1, _, _) => "1 second".to_owned(),
        (2..60, _, _) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, 2..60, _) => format!("{minutes} minutes"),
        (_, _, 1) => "About an hour".to_owned(),
        (_, _, ..48) => format!("{hours} hours"),
        (_, _, ..336) => format!("{} days", hours / 24),
        (_, _, ..1440) => format!("{} weeks", hours / 24 / 7),
        (_, _, ..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// How long before `now_secs` (Unix seconds) something was.
pub fn ago(then_secs: i64, now_secs: i64) -> String {
    format!("{} ago", human_duration(now_secs - then_secs))
}

/// The first twelve digits of an id, without `sha256:`.
pub fn short_id(id: &str) -> &str {
    let id = id.split_once(':').map_or(id, |(_, digits)| digits);
    id.get(..12).unwrap_or(id)
}

/// At most `columns` wide; what is cut ends with `…`.
pub fn ellipsis(text: &str, columns: usize) -> String {
    let width = |c: char| c.width().unwrap_or(0);
    if text.chars().map(width).sum::<usize>() <= columns {
        return text.to_owned();
    }
    if columns <= 1 {
        return text.chars().take(columns).collect();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        if used + width(c) > columns - 1 {
            break;
        }
        used += width(c);
        out.push(c);
    }
    out.push('…');
    out
}

/// Go's `strconv.Quote`.
pub fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_docker_digits() {
        let decimal = [(0.0, "0B"), (999.0, "999B"), (1000.0, "1kB"), (1_984_512.0, "1.98MB"), (123_456_789.0, "123MB"), (1.5e9, "1.5GB")];
        for (bytes, want) in decimal {
            assert_eq!(decimal_size(bytes), want);
        }
        for (bytes, want) in [(1023.0, "1023B"), (7.5 * 1024.0 * 1024.0, "7.5MiB"), (1_234_567.0, "1.177MiB")] {
            assert_eq!(binary_size(bytes), want);
        }
    }

    #[test]
    fn durations_are_rough_as_dockers() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (14 * 86400, "2 weeks"),
            (60 * 86400, "2 months"),
            (800 * 86400, "2 years"),
        ];
        for (seconds, want) in cases {
            assert_eq!(human_duration(seconds), want, "{seconds}");
        }
    }

    #[test]
    fn long_texts_are_cut_by_columns() {
        assert_eq!(ellipsis("sleep 1000000000000000", 20), "sleep 1000000000000…");
        assert_eq!(ellipsis("日本語", 4), "日…");
        assert_eq!(quote("a\"b\n"), "\"a\\\"b\\n\"");
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
    }
}
