//! Mounts in docker's three spellings: `Binds`, `Mounts` and `Tmpfs`; and back.

use crate::error::{ApiError, ApiResult};
use gantry_model::{Mount, MountKind, Propagation};
use gantry_wire::docker::host_config::{BindOptions, HostConfig, Mount as WireMount, TmpfsOptions, VolumeOptions};
use gantry_wire::docker::list::MountPoint;

/// All mounts a `HostConfig` asks for.
pub fn mounts(host: &HostConfig, warnings: &mut Vec<String>) -> ApiResult<Vec<Mount>> {
    let mut list = Vec::new();
    for bind in host.binds.iter().flatten() {
        list.push(bind_text(bind, warnings)?);
    }
    for mount in host.mounts.iter().flatten() {
        list.push(described(mount)?);
    }
    for (target, options) in host.tmpfs.iter().flatten() {
        let (size_bytes, mode, options, read_only) = tmpfs_options(options)?;
        list.push(Mount { kind: MountKind::Tmpfs { size_bytes, mode, options }, target: target.clone(), read_only, ..Mount::default() });
    }
    Ok(list)
}

/// `source:target[:options]`. Source: docker `volume/mounts/linux_parser.go`.
fn bind_text(text: &str, warnings: &mut Vec<String>) -> ApiResult<Mount> {
    let bad = || ApiError::invalid(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(bad()),
    };
    if target.is_empty() || (parts.len() > 1 && source.is_empty()) {
        return Err(bad());
    }
    let (mut read_only, mut no_copy, mut propagation, mut recursive) = (false, false, Propagation::Rprivate, true);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "rw" => read_only = false,
            "ro" => read_only = true,
            "nocopy" => no_copy = true,
            "rbind" => recursive = true,
            "bind" => recursive = false,
            "z" | "Z" => warnings.push(format!("option {option} of volume {text:?} is ignored: there are no SELinux labels here")),
            "cached" | "delegated" | "consistent" => {}
            other => {
                let known = propagation_named(other);
                propagation = known.ok_or_else(|| ApiError::invalid(format!("invalid mode: {options}")))?;
            }
        }
    }
    let bind = source.starts_with('/');
    let no = |why: String| {
        ApiError::invalid(format!("invalid volume specification: '{text}': invalid mount config for type \"{}\": {why}", if bind { "bind" } else { "volume" }))
    };
    if !target.starts_with('/') {
        return Err(no(format!("invalid mount path: '{target}' mount path must be absolute")));
    }
    if target.trim_end_matches('/').is_empty() {
        return Err(no("invalid specification: destination can't be '/'".to_owned()));
    }
    let kind = if bind {
        MountKind::Bind { source: source.to_owned(), propagation, recursive, create_source: true }
    } else {
        MountKind::Volume { name: source.to_owned(), no_copy }
    };
    Ok(Mount { kind, target: target.to_owned(), read_only, ..Mount::default() })
}

/// As `--mount` has it.
fn described(mount: &WireMount) -> ApiResult<Mount> {
    let no = |why: String| ApiError::invalid(format!("invalid mount config for type {:?}: {why}", mount.kind));
    if mount.target.is_empty() {
        return Err(no("field Target must not be empty".to_owned()));
    }
    let kind = match mount.kind.as_str() {
        "bind" => {
            let options = mount.bind_options.clone().unwrap_or_default();
            if mount.volume_options.is_some() || mount.tmpfs_options.is_some() {
                return Err(no("only BindOptions may be given".to_owned()));
            }
            if options.read_only_force_recursive {
                return Err(no("ReadOnlyForceRecursive is not supported here".to_owned()));
            }
            let propagation = if options.propagation.is_empty() { Some(Propagation::Rprivate) } else { propagation_named(&options.propagation) };
            MountKind::Bind {
                source: mount.source.clone(),
                propagation: propagation.ok_or_else(|| no(format!("unknown propagation {:?}", options.propagation)))?,
                recursive: !options.non_recursive,
                create_source: options.create_mountpoint,
            }
        }
        "volume" => {
            let options = mount.volume_options.clone().unwrap_or_default();
            let driver = options.driver_config.clone().unwrap_or_default();
            if !matches!(driver.name.as_str(), "" | "local") || driver.options.is_some_and(|options| !options.is_empty()) {
                return Err(no(format!("volume driver {:?} or its options are not supported: use the local driver without options", driver.name)));
            }
            if !options.subpath.is_empty() {
                return Err(no("Subpath is not supported yet: mount the whole volume".to_owned()));
            }
            MountKind::Volume { name: mount.source.clone(), no_copy: options.no_copy }
        }
        "tmpfs" => {
            let options = mount.tmpfs_options.clone().unwrap_or_default();
            if !mount.source.is_empty() {
                return Err(no("a tmpfs has no Source".to_owned()));
            }
            let further = options.options.unwrap_or_default().into_iter().map(|pair| pair.join("=")).collect();
            MountKind::Tmpfs {
                size_bytes: u64::try_from(options.size_bytes)
                    .map(|bytes| Some(bytes).filter(|bytes| *bytes > 0))
                    .map_err(|_| no("the size is negative".to_owned()))?,
                mode: Some(options.mode).filter(|mode| *mode > 0),
                options: further,
            }
        }
        _ => return Err(no("mount type unknown".to_owned())),
    };
    let labels = mount.volume_options.as_ref().and_then(|options| options.labels.clone()).unwrap_or_default();
    Ok(Mount { kind, target: mount.target.clone(), read_only: mount.read_only, described: true, labels })
}

type TmpfsParts = (Option<u64>, Option<u32>, Vec<String>, bool);

/// `size=64m,mode=1777,noexec`.
fn tmpfs_options(text: &str) -> ApiResult<TmpfsParts> {
    let bad = |option: &str| ApiError::invalid(format!("invalid tmpfs option {option:?}"));
    let (mut size, mut mode, mut rest, mut read_only) = (None, None, Vec::new(), false);
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) if !value.ends_with('%') => size = Some(bytes(value).ok_or_else(|| bad(option))?),
            Some(("mode", value)) => mode = Some(u32::from_str_radix(value, 8).map_err(|_| bad(option))?),
            None if option == "ro" => read_only = true,
            None if option == "rw" => read_only = false,
            _ => rest.push(option.to_owned()),
        }
    }
    Ok((size, mode, rest, read_only))
}

/// `64m` in bytes. Source: docker `go-units`, `RAMInBytes`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        "t" | "tb" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn propagation_named(name: &str) -> Option<Propagation> {
    use Propagation::{Private, Rprivate, Rshared, Rslave, Shared, Slave};
    [Private, Rprivate, Shared, Rshared, Slave, Rslave].into_iter().find(|propagation| propagation.as_str() == name)
}

/// As `Binds` has it: what `-v` can say, and no volume without a name of its own.
pub fn bind(mount: &Mount) -> Option<String> {
    if mount.described {
        return None;
    }
    let (source, mut options) = match &mount.kind {
        MountKind::Bind { source, propagation, recursive: true, create_source: true } => {
            (source, Some(propagation.as_str()).filter(|name| *name != Propagation::default().as_str()).into_iter().collect::<Vec<_>>())
        }
        MountKind::Volume { name, no_copy } if !is_anonymous(name) => (name, no_copy.then_some("nocopy").into_iter().collect()),
        _ => return None,
    };
    if mount.read_only {
        options.insert(0, "ro");
    }
    let options = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
    Some(format!("{source}:{}{options}", mount.target))
}

/// The engine names a volume that nobody named by 64 hex digits.
fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// As `Tmpfs` has it.
pub fn tmpfs(mount: &Mount) -> Option<(String, String)> {
    let MountKind::Tmpfs { size_bytes, mode, options } = &mount.kind else { return None };
    if mount.described {
        return None;
    }
    let own = [mount.read_only.then(|| "ro".to_owned()), size_bytes.map(|bytes| format!("size={}", short(bytes))), mode.map(|mode| format!("mode={mode:o}"))];
    Some((mount.target.clone(), own.into_iter().flatten().chain(options.iter().cloned()).collect::<Vec<_>>().join(",")))
}

/// `64m`, as people write sizes.
fn short(bytes: u64) -> String {
    let unit = [(30, "g"), (20, "m"), (10, "k")].into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// True for what was said in `Mounts`, or can only be said there.
pub fn is_described(mount: &Mount) -> bool {
    mount.described || (matches!(mount.kind, MountKind::Bind { .. }) && bind(mount).is_none())
}

pub fn to_wire(mount: &Mount) -> WireMount {
    let wire = WireMount { target: mount.target.clone(), read_only: mount.read_only, ..WireMount::default() };
    match &mount.kind {
        MountKind::Bind { source, propagation, recursive, create_source } => {
            let options = BindOptions {
                propagation: Some(*propagation).filter(|kind| *kind != Propagation::default()).map_or_else(String::new, |kind| kind.as_str().to_owned()),
                non_recursive: !recursive,
                create_mountpoint: *create_source,
                ..BindOptions::default()
            };
            let options = Some(options).filter(|options| *options != BindOptions::default());
            WireMount { kind: "bind".to_owned(), source: source.clone(), bind_options: options, ..wire }
        }
        MountKind::Volume { name, no_copy } => {
            let options =
                VolumeOptions { no_copy: *no_copy, labels: Some(mount.labels.clone()).filter(|labels| !labels.is_empty()), ..VolumeOptions::default() };
            let options = Some(options).filter(|options| *options != VolumeOptions::default());
            // A volume that nobody named has no source.
            let source = if is_anonymous(name) { String::new() } else { name.clone() };
            WireMount { kind: "volume".to_owned(), source, volume_options: options, ..wire }
        }
        MountKind::Tmpfs { size_bytes, mode, .. } => {
            let options = TmpfsOptions { size_bytes: size_bytes.unwrap_or(0) as i64, mode: mode.unwrap_or(0), ..TmpfsOptions::default() };
            WireMount { kind: "tmpfs".to_owned(), tmpfs_options: Some(options).filter(|options| *options != TmpfsOptions::default()), ..wire }
        }
    }
}

/// The mounts of a container as lists and details show them; `volumes` is the folder of all volumes.
pub fn points(mounts: &[Mount], volumes: &str) -> Vec<MountPoint> {
    mounts.iter().filter_map(|mount| point(mount, volumes)).collect()
}

fn point(mount: &Mount, volumes: &str) -> Option<MountPoint> {
    let base = MountPoint { destination: mount.target.clone(), rw: !mount.read_only, ..MountPoint::default() };
    match &mount.kind {
        MountKind::Bind { source, propagation, .. } => {
            Some(MountPoint { kind: "bind".to_owned(), source: source.clone(), propagation: propagation.as_str().to_owned(), ..base })
        }
        MountKind::Volume { name, .. } => Some(MountPoint {
            kind: "volume".to_owned(),
            name: name.clone(),
            source: format!("{volumes}/{name}/_data"),
            driver: "local".to_owned(),
            mode: if mount.read_only { "ro".to_owned() } else { "z".to_owned() },
            ..base
        }),
        // Those of `Tmpfs` are not listed, as with dockerd.
        MountKind::Tmpfs { .. } => mount.described.then(|| MountPoint { kind: "tmpfs".to_owned(), ..base }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn binds_and_tmpfs_are_shown_as_they_were_written() {
        for text in ["/srv:/data:ro,rslave", "/srv:/data", "cache:/data:nocopy", "cache:/data"] {
            assert_eq!(super::bind(&bind(text).expect(text)).as_deref(), Some(text));
        }
        let mount = one(HostConfig { tmpfs: Some([("/run".to_owned(), "ro,size=64k,mode=755,noexec".to_owned())].into()), ..HostConfig::default() });
        assert_eq!(tmpfs(&mount.expect("valid")), Some(("/run".to_owned(), "ro,size=64k,mode=755,noexec".to_owned())));
    }

    fn one(host: HostConfig) -> Result<Mount, String> {
        mounts(&host, &mut Vec::new()).map(|list| list[0].clone()).map_err(|error| error.message)
    }

    fn bind(text: &str) -> Result<Mount, String> {
        one(HostConfig { binds: Some(vec![text.to_owned()]), ..HostConfig::default() })
    }

    #[test]
    fn binds_are_read_as_docker_reads_them() {
        let mount = bind("/srv:/data:ro,rslave").expect("valid");
        assert_eq!((mount.target.as_str(), mount.read_only), ("/data", true));
        assert_eq!(mount.kind, MountKind::Bind { source: "/srv".into(), propagation: Propagation::Rslave, recursive: true, create_source: true });
        assert_eq!(bind("cache:/data:nocopy").expect("valid").kind, MountKind::Volume { name: "cache".into(), no_copy: true });
        assert_eq!(bind("/data").expect("valid").kind, MountKind::Volume { name: String::new(), no_copy: false });
        for bad in ["", ":/data", "/a:/b:sideways", "/a:/b:ro:x", "/a:"] {
            assert!(bind(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_described_mount_must_be_one_we_know() {
        let with = |kind: &str, source: &str| WireMount { kind: kind.into(), source: source.into(), target: "/x".into(), ..WireMount::default() };
        let described = |mount| one(HostConfig { mounts: Some(vec![mount]), ..HostConfig::default() });
        assert!(matches!(described(with("bind", "/srv")), Ok(Mount { kind: MountKind::Bind { create_source: false, .. }, .. })));
        assert_eq!(described(with("npipe", "")), Err("invalid mount config for type \"npipe\": mount type unknown".to_owned()));
        let sub = WireMount { volume_options: Some(VolumeOptions { subpath: "a".into(), ..VolumeOptions::default() }), ..with("volume", "v") };
        assert!(described(sub).is_err_and(|error| error.contains("Subpath")));
    }

    #[test]
    fn what_was_described_is_shown_so() {
        let labels = Some([("a".to_owned(), "b".to_owned())].into());
        for mount in [
            WireMount { kind: "bind".into(), source: "/srv".into(), target: "/x".into(), read_only: true, ..WireMount::default() },
            WireMount { kind: "volume".into(), source: "v".into(), target: "/x".into(), ..WireMount::default() },
            WireMount {
                volume_options: Some(VolumeOptions { labels, ..VolumeOptions::default() }),
                kind: "volume".into(),
                target: "/x".into(),
                ..WireMount::default()
            },
            WireMount {
                tmpfs_options: Some(TmpfsOptions { size_bytes: 4 << 20, mode: 0o700, ..TmpfsOptions::default() }),
                kind: "tmpfs".into(),
                target: "/x".into(),
                ..WireMount::default()
            },
        ] {
            let ours = one(HostConfig { mounts: Some(vec![mount.clone()]), ..HostConfig::default() }).expect("valid");
            assert!(is_described(&ours) && super::bind(&ours).is_none() && tmpfs(&ours).is_none(), "{ours:?}");
            assert_eq!(to_wire(&ours), mount);
        }
    }

    #[test]
    fn tmpfs_options_are_taken_apart() {
        let mount = one(HostConfig { tmpfs: Some([("/run".to_owned(), "size=64m,mode=755,noexec".to_owned())].into()), ..HostConfig::default() });
        assert_eq!(mount.expect("valid").kind, MountKind::Tmpfs { size_bytes: Some(64 << 20), mode: Some(0o755), options: vec!["noexec".into()] });
    }
}
