//! Environment and labels: from flags and from the files that flags name.

use crate::failure::{Attempt, Failure};
use std::collections::BTreeMap;

/// The environment: files first, then `-e`; a name without value takes the caller's, if there is one.
pub fn environment(files: &[String], flags: &[String], mine: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).attempt(|| format!("read the environment file {file}"))?;
        all.extend(env_lines(&text, &mine).map_err(|error| Failure::usage(format!("environment file {file}: {error}")))?);
    }
    for flag in flags {
        if flag.is_empty() || flag.starts_with('=') {
            return Err(Failure::usage(format!("invalid environment variable: {flag}")));
        }
        let inherited = if flag.contains('=') { None } else { mine(flag) };
        all.push(inherited.map_or_else(|| flag.clone(), |value| format!("{flag}={value}")));
    }
    Ok(all)
}

/// Lines of an environment file: `#` begins a comment line, the value is taken as it stands, a name alone takes the caller's value.
fn env_lines(text: &str, mine: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').map_or((line, None), |(name, value)| (name, Some(value)));
        if name.is_empty() {
            return Err(format!("no variable name on line '{line}'"));
        }
        if name.contains(char::is_whitespace) {
            return Err(format!("variable '{name}' contains whitespaces (line {})", number + 1));
        }
        match value {
            Some(value) => all.push(format!("{name}={value}")),
            None => all.extend(mine(name.trim()).map(|value| format!("{}={value}", name.trim()))),
        }
    }
    Ok(all)
}

/// Labels: files first, then flags; a name alone has an empty value.
pub fn labels(files: &[String], flags: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut all = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).attempt(|| format!("read the label file {file}"))?;
        let lines = env_lines(&text, |_| Some(String::new())).map_err(|error| Failure::usage(format!("label file {file}: {error}")))?;
        all.extend(pairs(&lines));
    }
    if let Some(bad) = flags.iter().find(|flag| flag.is_empty() || flag.starts_with('=')) {
        return Err(Failure::usage(format!("invalid label '{bad}': empty name")));
    }
    all.extend(pairs(flags));
    Ok(all)
}

/// `name=value` texts as a map.
pub fn pairs(texts: &[String]) -> BTreeMap<String, String> {
    texts.iter().map(|text| text.split_once('=').unwrap_or((text, ""))).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_files_keep_values_as_they_stand() {
        let mine = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let lines = env_lines("# c\n\nA=1 2 \n  B=\"q\"\nHOME\nGONE\nC=\n", mine).expect("valid");
        assert_eq!(lines, ["A=1 2 ", "B=\"q\"", "HOME=/root", "C="]);
        assert!(env_lines("A B=1", mine).is_err() && env_lines("=1", mine).is_err());
    }

    #[test]
    fn a_variable_without_value_is_the_callers() {
        let mine = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let all = environment(&[], &["A=1".into(), "HOME".into(), "GONE".into()], mine).expect("valid");
        assert_eq!(all, ["A=1", "HOME=/root", "GONE"]);
    }
}
