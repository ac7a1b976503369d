//! What is kept of a container's log: options as docker's log drivers take them, in; sizes and numbers out.
//! Source: docker docs, "Local file logging driver", "JSON File logging driver".

use std::collections::BTreeMap;

/// The files of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// A file is full at this size.
    pub max_bytes: u64,
    /// With the one that is written.
    pub max_files: u32,
    /// Full files are packed.
    pub compress: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self { max_bytes: 100 << 20, max_files: 5, compress: true }
    }
}

/// Smaller files would hold little but names.
const LEAST_BYTES: u64 = 4 << 10;

/// Options of docker's drivers that change nothing here: no attributes are kept beside the lines, and no writer waits for its log.
pub const IDLE_OPTIONS: [&str; 7] = ["labels", "labels-regex", "env", "env-regex", "tag", "mode", "max-buffer-size"];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogOptionError {
    #[error("unknown log opt '{name}' for {driver} log driver")]
    Unknown { name: String, driver: String },
    #[error("invalid value for {name}: {value:?} is no {what}")]
    Value { name: &'static str, value: String, what: &'static str },
}

/// # Errors
/// [`LogOptionError`].
pub fn keep(driver: &str, options: &BTreeMap<String, String>) -> Result<Keep, LogOptionError> {
    let mut keep = Keep::default();
    for (name, value) in options {
        let bad = |name, what| LogOptionError::Value { name, value: value.clone(), what };
        match name.as_str() {
            "max-size" => keep.max_bytes = size(value).ok_or_else(|| bad("max-size", "size, as 10m is, or -1"))?.max(LEAST_BYTES),
            "max-file" => keep.max_files = value.parse().ok().filter(|files| *files > 0).ok_or_else(|| bad("max-file", "number of files"))?,
            "compress" => keep.compress = flag(value).ok_or_else(|| bad("compress", "true or false"))?,
            idle if driver != "none" && IDLE_OPTIONS.contains(&idle) => {}
            _ => return Err(LogOptionError::Unknown { name: name.clone(), driver: if driver.is_empty() { "json-file" } else { driver }.to_owned() }),
        }
    }
    Ok(keep)
}

/// Bytes of `10`, `10k`, `10m`, `10MB`, `1.5g`; -1 is without end. Source: docker `go-units`, `RAMInBytes`.
fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    if text == "-1" {
        return Some(u64::MAX);
    }
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text[digits.len()..].trim_end_matches('b').trim_end_matches('i');
    let shift = ["", "k", "m", "g", "t"].iter().position(|known| *known == unit)? * 10;
    let number: f64 = digits.trim_end().parse().ok().filter(|number| *number > 0.0)?;
    Some((number * (1u64 << shift) as f64) as u64)
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(options: &[(&str, &str)]) -> Result<Keep, String> {
        keep("local", &options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn options_say_what_is_kept() {
        assert_eq!(with(&[("tag", "x")]), Ok(Keep::default()));
        let asked = [("max-size", "1.5MiB"), ("max-file", "3"), ("compress", "false")];
        assert_eq!(with(&asked), Ok(Keep { max_bytes: 3 << 19, max_files: 3, compress: false }));
        assert_eq!(with(&[("max-size", "10k")]).map(|keep| keep.max_bytes), Ok(10 << 10));
        assert_eq!(with(&[("max-size", "-1")]).map(|keep| keep.max_bytes), Ok(u64::MAX));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(with(&[("max-sizes", "1")]), Err("unknown log opt 'max-sizes' for local log driver".to_owned()));
        for (name, value) in [("max-size", "big"), ("max-size", "0"), ("max-size", "1x"), ("max-file", "0"), ("compress", "yes")] {
            assert!(with(&[(name, value)]).is_err_and(|error| error.starts_with(&format!("invalid value for {name}: {value:?}"))), "{name}={value}");
        }
        assert!(keep("none", &BTreeMap::from([("tag".to_owned(), String::new())])).is_err());
    }
}
