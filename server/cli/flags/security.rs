//! `--security-opt`: profiles are read here, since the server may be on another machine.

use crate::failure::{Attempt, Failure};

/// Options as the API takes them; `systempaths=unconfined` is told apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Security {
    pub options: Vec<String>,
    pub system_paths_unconfined: bool,
}

/// Reads all flags; a seccomp profile's file is read by `read`.
pub fn security(flags: &[String], read: impl Fn(&str) -> std::io::Result<String>) -> Result<Security, Failure> {
    let mut all = Security::default();
    for flag in flags {
        if flag == "systempaths=unconfined" {
            all.system_paths_unconfined = true;
            continue;
        }
        // `:` parted name and value in old days.
        let (name, value) = match flag.split_once('=').or_else(|| flag.split_once(':')) {
            Some((name, value)) => (name, value),
            None if flag == "no-new-privileges" => (flag.as_str(), ""),
            None => return Err(Failure::usage(format!("invalid --security-opt: \"{flag}\"")).hint("for example no-new-privileges, or seccomp=FILE")),
        };
        if name != "seccomp" || matches!(value, "unconfined" | "builtin") {
            all.options.push(flag.clone());
            continue;
        }
        let text = read(value).attempt(|| format!("opening seccomp profile ({value}) failed")).map_err(|failure| failure.code(125))?;
        serde_json::from_str::<serde::de::IgnoredAny>(&text)
            .map_err(|error| Failure::usage(format!("compacting json for seccomp profile ({value}) failed: {error}")))?;
        all.options.push(format!("seccomp={}", compact(&text)));
    }
    Ok(all)
}

/// The same JSON without white space between its parts.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut in_text = false;
    let mut escaped = false;
    for c in json.chars() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else if c == '"' {
            in_text = true;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_sent_and_not_its_name() {
        let read = |_: &str| Ok("{ \"a b\\\" c\" : [ 1 ] }\n".to_owned());
        let flags = ["no-new-privileges", "seccomp=/p.json", "seccomp=unconfined", "label=disable", "systempaths=unconfined"].map(str::to_owned);
        let all = security(&flags, read).expect("valid");
        assert_eq!(all.options, ["no-new-privileges", "seccomp={\"a b\\\" c\":[1]}", "seccomp=unconfined", "label=disable"]);
        assert!(all.system_paths_unconfined);
        assert!(security(&["bogus".to_owned()], read).is_err());
        assert!(security(&["seccomp=x".to_owned()], |_| Ok("no".to_owned())).is_err());
    }
}
