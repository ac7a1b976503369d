//! Dockerfile instructions that change a configuration: `docker import --change`.
//! Source: docker documentation, "docker image import", and the Dockerfile reference.

use crate::error::shown;
use crate::{ImagesError, ProcessConfig};

const KNOWN: [&str; 10] = ["CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"];

/// Applies one instruction.
pub(crate) fn apply(config: &mut ProcessConfig, line: &str) -> Result<(), ImagesError> {
    let bad = |reason: &str| ImagesError::invalid(format!("change {}", shown(line.as_bytes())), reason);
    let (word, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
    if !KNOWN.contains(&word.to_ascii_uppercase().as_str()) {
        return Err(ImagesError::Change(word.to_ascii_lowercase()));
    }
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(bad("an argument is missing"));
    }
    let words = || split(rest).ok_or_else(|| bad("a quote is not closed"));
    match word.to_ascii_uppercase().as_str() {
        "CMD" => config.cmd = Some(command(rest)),
        "ENTRYPOINT" => config.entrypoint = Some(command(rest)),
        "USER" => rest.clone_into(&mut config.user),
        "WORKDIR" => config.working_dir = joined(&config.working_dir, rest),
        "STOPSIGNAL" => {
            rest.parse::<gantry_model::Signal>().map_err(|e| bad(&e.to_string()))?;
            config.stop_signal = Some(rest.to_owned());
        }
        "ENV" => {
            for (name, value) in pairs(rest, words()?).ok_or_else(|| bad("use NAME=value"))? {
                config.env.retain(|old| old.split('=').next() != Some(name.as_str()));
                config.env.push(format!("{name}={value}"));
            }
        }
        "LABEL" => config.labels.extend(pairs(rest, words()?).ok_or_else(|| bad("use name=value"))?),
        "EXPOSE" => {
            for port in words()? {
                let bindings = gantry_model::PortBinding::parse(&port).map_err(|e| bad(&e.to_string()))?;
                config.exposed_ports.extend(bindings.iter().map(|b| format!("{}/{}", b.container_port, b.protocol)));
            }
            config.exposed_ports.sort();
            config.exposed_ports.dedup();
        }
        "VOLUME" => {
            config.volumes.extend(list(rest).map_or_else(words, Ok)?);
            config.volumes.sort();
            config.volumes.dedup();
        }
        "ONBUILD" => config.on_build.push(rest.to_owned()),
        _ => return Err(ImagesError::Change(word.to_ascii_lowercase())),
    }
    Ok(())
}

/// `["a", "b"]` as it is; anything else runs in a shell.
fn command(rest: &str) -> Vec<String> {
    list(rest).unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.to_owned()])
}

fn list(rest: &str) -> Option<Vec<String>> {
    if rest.starts_with('[') { serde_json::from_str(rest).ok() } else { None }
}

fn joined(old: &str, new: &str) -> String {
    if new.starts_with('/') { new.to_owned() } else { format!("{}/{new}", if old == "/" { "" } else { old }) }
}

/// `A=b C="d e"`, or the old `A b c`.
fn pairs(rest: &str, words: Vec<String>) -> Option<Vec<(String, String)>> {
    let first = words.first()?;
    if !first.contains('=') {
        let (name, value) = rest.split_once(char::is_whitespace)?;
        return Some(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    words.iter().map(|word| word.split_once('=').filter(|(name, _)| !name.is_empty()).map(|(n, v)| (n.to_owned(), v.to_owned()))).collect()
}

/// Words parted by spaces; quotes and backslashes hold them together. `None` if a quote stays open.
fn split(rest: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.push(chars.next()?),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
                continue;
            }
            (c, _) => word.push(c),
        }
        begun = true;
    }
    if begun {
        words.push(word);
    }
    if quote.is_none() { Some(words) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_read_as_in_a_dockerfile() {
        let mut config = ProcessConfig { env: vec!["A=old".to_owned()], ..ProcessConfig::default() };
        let lines = [
            r#"CMD ["sh", "-c", "echo"]"#,
            "entrypoint exec top -b",
            r#"ENV A=new B="two words" C=it\ is"#,
            "ENV OLD some text",
            "EXPOSE 80 53/udp",
            "LABEL a.b=c",
            "WORKDIR /srv",
            "WORKDIR app",
            "VOLUME [\"/data\"]",
            "USER 1000:1000",
            "STOPSIGNAL SIGINT",
        ];
        for line in lines {
            apply(&mut config, line).expect(line);
        }
        assert_eq!(config.cmd.as_deref().map(<[_]>::len), Some(3));
        assert_eq!(config.entrypoint, Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), "exec top -b".to_owned()]));
        assert_eq!(config.env, ["A=new", "B=two words", "C=it is", "OLD=some text"]);
        assert_eq!(config.exposed_ports, ["53/udp", "80/tcp"]);
        assert_eq!((config.working_dir.as_str(), config.user.as_str()), ("/srv/app", "1000:1000"));
        for bad in ["", "CMD", "RUN x", "ENV =x", "ENV A=\"x", "EXPOSE x", "STOPSIGNAL NO"] {
            assert!(apply(&mut config, bad).is_err(), "{bad}");
        }
    }
}
