//! `-v`, `--mount` and `--tmpfs`. Source: docker/cli `opts/mount.go`, `cli/compose/loader/volume.go`.

use crate::failure::{Attempt, Failure};
use gantry_wire::docker::host_config::{BindOptions, DriverConfig, Mount, TmpfsOptions, VolumeOptions};
use std::collections::BTreeMap;
use std::path::Path;

/// What `-v` makes: binds and named volumes as `SOURCE:TARGET[:MODE]`, and the targets of anonymous volumes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Volumes {
    pub binds: Vec<String>,
    pub anonymous: Vec<String>,
}

/// Reads all `-v`; a source that begins with `.` is taken from the folder `here`.
pub fn volumes(flags: &[String], here: &Path) -> Result<Volumes, Failure> {
    let mut all = Volumes::default();
    for flag in flags {
        let parts: Vec<&str> = flag.split(':').collect();
        if parts.len() > 3 {
            return Err(Failure::usage(format!("invalid spec: {flag}: too many colons")).hint("write [SOURCE:]TARGET[:ro]"));
        }
        if parts.iter().any(|part| part.is_empty()) {
            return Err(Failure::usage(format!("invalid spec: {flag}: empty section between colons")).hint("write [SOURCE:]TARGET[:ro]"));
        }
        match parts.as_slice() {
            [target] => all.anonymous.push((*target).to_owned()),
            [source, rest @ ..] => all.binds.push(format!("{}:{}", absolute(source, here)?, rest.join(":"))),
            [] => {}
        }
    }
    Ok(all)
}

/// `./a` and `../a` as absolute paths without dots; all else as it is.
fn absolute(source: &str, here: &Path) -> Result<String, Failure> {
    if !source.starts_with('.') {
        return Ok(source.to_owned());
    }
    let mut path = here.to_path_buf();
    for part in Path::new(source).components() {
        match part {
            std::path::Component::ParentDir => drop(path.pop()),
            std::path::Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    path.into_os_string().into_string().map_err(|path| Failure::new(format!("the folder {} has a name that is no text", path.display())))
}

/// Reads one `--mount`.
pub fn mount(flag: &str, here: &Path) -> Result<Mount, Failure> {
    let bad = |why: String| Failure::usage(format!("invalid argument {flag:?} for --mount: {why}")).hint("write type=bind,source=/a,target=/b,readonly");
    let mut mount = Mount { kind: "volume".to_owned(), ..Mount::default() };
    let mut bind = BindOptions::default();
    let mut volume = VolumeOptions::default();
    let mut tmpfs = TmpfsOptions::default();
    let (mut has_bind, mut has_volume, mut has_tmpfs) = (None, None, None);
    for field in csv(flag).map_err(bad)? {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        let key = key.to_ascii_lowercase();
        let truth = || match value {
            None => Ok(true),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(value) => Err(bad(format!("invalid value for {key}: {value}"))),
        };
        let text = || value.ok_or_else(|| bad(format!("invalid field '{field}' must be a key=value pair")));
        match key.as_str() {
            key if key.starts_with("bind-") => has_bind = Some(key.to_owned()),
            key if key.starts_with("volume-") => has_volume = Some(key.to_owned()),
            key if key.starts_with("tmpfs-") => has_tmpfs = Some(key.to_owned()),
            _ => {}
        }
        match key.as_str() {
            "type" => mount.kind = text()?.to_ascii_lowercase(),
            "source" | "src" => text()?.clone_into(&mut mount.source),
            "target" | "dst" | "destination" => text()?.clone_into(&mut mount.target),
            "readonly" | "ro" => mount.read_only = truth()?,
            "consistency" => mount.consistency = text()?.to_ascii_lowercase(),
            "bind-propagation" => bind.propagation = text()?.to_ascii_lowercase(),
            "bind-nonrecursive" => bind.non_recursive = truth()?,
            "bind-recursive" => match text()? {
                "enabled" => {}
                "disabled" => bind.non_recursive = true,
                "writable" => bind.read_only_non_recursive = true,
                "readonly" => bind.read_only_force_recursive = true,
                other => {
                    return Err(bad(format!("invalid value for bind-recursive: {other} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")")));
                }
            },
            "volume-subpath" => text()?.clone_into(&mut volume.subpath),
            "volume-nocopy" => volume.no_copy = truth()?,
            "volume-label" => insert(volume.labels.get_or_insert_default(), text()?),
            "volume-driver" => volume.driver_config.get_or_insert_with(DriverConfig::default).name = text()?.to_owned(),
            "volume-opt" => insert(volume.driver_config.get_or_insert_with(DriverConfig::default).options.get_or_insert_default(), text()?),
            "tmpfs-size" => {
                tmpfs.size_bytes = super::units::bytes(text()?).map_err(|_| bad(format!("invalid value for tmpfs-size: {}", value.unwrap_or_default())))?
            }
            "tmpfs-mode" => {
                tmpfs.mode = u32::from_str_radix(text()?, 8).map_err(|_| bad(format!("invalid value for tmpfs-mode: {}", value.unwrap_or_default())))?
            }
            _ => return Err(bad(format!("unexpected key '{key}' in '{field}'"))),
        }
    }
    if mount.target.is_empty() {
        return Err(bad("target is required".to_owned()));
    }
    for (option, kind) in [(&has_bind, "bind"), (&has_volume, "volume"), (&has_tmpfs, "tmpfs")] {
        if let Some(option) = option
            && mount.kind != kind
        {
            return Err(bad(format!("cannot mix '{option}' with mount type '{}'", mount.kind)));
        }
    }
    if mount.kind == "bind" {
        mount.source = absolute(&mount.source, here)?;
    }
    if bind.read_only_force_recursive && !mount.read_only {
        return Err(bad("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction".to_owned()));
    }
    if bind.read_only_force_recursive && bind.propagation != "rprivate" {
        return Err(bad("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction".to_owned()));
    }
    mount.bind_options = has_bind.map(|_| bind);
    mount.volume_options = has_volume.map(|_| volume);
    mount.tmpfs_options = has_tmpfs.map(|_| tmpfs);
    Ok(mount)
}

fn insert(map: &mut BTreeMap<String, String>, text: &str) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    map.insert(name.to_owned(), value.to_owned());
}

/// `--tmpfs` by its folder.
pub fn tmpfs(flags: &[String]) -> BTreeMap<String, String> {
    flags.iter().map(|flag| flag.split_once(':').unwrap_or((flag, ""))).map(|(folder, options)| (folder.to_owned(), options.to_owned())).collect()
}

/// Fields of one line of CSV; a field in quotes may hold commas, and two quotes are one.
pub fn csv(line: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let field = fields.last_mut().expect("begins with one");
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            '"' => return Err("a quote stands inside a field".to_owned()),
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    if quoted { Err("a quote is not closed".to_owned()) } else { Ok(fields) }
}

/// The current folder, for relative sources.
pub fn here() -> Result<std::path::PathBuf, Failure> {
    std::env::current_dir().attempt(|| "find the current folder".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_binds_names_or_anonymous() {
        let all = volumes(&["/a:/b:ro".into(), "./c/../d:/e".into(), "../f:/g".into(), "data:/h".into(), "/i".into()], Path::new("/home/me")).expect("valid");
        assert_eq!(all.binds, ["/a:/b:ro", "/home/me/d:/e", "/home/f:/g", "data:/h"]);
        assert_eq!(all.anonymous, ["/i"]);
        for bad in ["", ":/a", "/a:", "/a::ro", "a:b:c:d"] {
            assert!(volumes(&[bad.to_owned()], Path::new("/")).is_err(), "{bad}");
        }
    }

    #[test]
    fn mounts_take_every_key() {
        let one = |text: &str| serde_json::to_string(&mount(text, Path::new("/w")).expect(text)).expect("JSON");
        assert_eq!(one("type=bind,src=./a,dst=/b,ro"), r#"{"Type":"bind","Source":"/w/a","Target":"/b","ReadOnly":true}"#);
        assert_eq!(one("target=/b"), r#"{"Type":"volume","Target":"/b"}"#);
        assert_eq!(
            one("type=volume,source=v,target=/b,volume-nocopy,volume-driver=local,\"volume-opt=o=a,b\",volume-label=x=y"),
            r#"{"Type":"volume","Source":"v","Target":"/b","VolumeOptions":{"NoCopy":true,"Labels":{"x":"y"},"DriverConfig":{"Name":"local","Options":{"o":"a,b"}}}}"#
        );
        assert_eq!(
            one("type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777"),
            r#"{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":67108864,"Mode":1023}}"#
        );
        for bad in [
            "",
            "type=bind,src=/a",
            "target=/b,bogus=1",
            "target=/b,bind-propagation=shared",
            "target",
            "target=/b,ro=maybe",
            "\"target=/b",
            "type=tmpfs,target=/t,tmpfs-mode=9",
        ] {
            assert!(mount(bad, Path::new("/")).is_err(), "{bad}");
        }
    }
}
