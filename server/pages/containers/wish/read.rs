//! Reads the values; all that is wrong is told at once.

use super::{Asked, Values, Wrong, sizes};
use crate::words;
use gantry_model::{
    ContainerSpec, Device, DeviceRate, HealthCheck, IpcMode, Limits, Mount, MountKind, NetworkMode, PidMode, PortBinding, Propagation, RestartPolicy, Seccomp,
    Security, Ulimit, WeightDevice,
};
use std::collections::BTreeMap;
use std::str::FromStr;

struct Reader<'a> {
    values: &'a Values,
    wrong: Vec<Wrong>,
}

impl Reader<'_> {
    fn text(&self, field: &'static str) -> String {
        self.values.get(field).map(|value| value.trim().to_owned()).unwrap_or_default()
    }

    fn some(&self, field: &'static str) -> Option<String> {
        Some(self.text(field)).filter(|text| !text.is_empty())
    }

    fn tick(&self, field: &'static str) -> bool {
        self.values.get(field).is_some_and(|value| value == "on")
    }

    fn lines(&self, field: &'static str) -> Vec<String> {
        self.values.get(field).map(|value| value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()).unwrap_or_default()
    }

    fn note(&mut self, field: &'static str, error: impl ToString) {
        self.wrong.push((field, error.to_string()));
    }

    /// What `read` makes of a field that is filled in.
    fn with<T>(&mut self, field: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match read(&self.some(field)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(field, error);
                None
            }
        }
    }

    fn parsed<T: FromStr>(&mut self, field: &'static str) -> Option<T>
    where
        T::Err: ToString,
    {
        self.with(field, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    fn number<T: FromStr>(&mut self, field: &'static str) -> Option<T> {
        self.with(field, |text| text.parse().map_err(|_| format!("{text:?} is no whole number that fits here")))
    }

    /// What `read` makes of each line.
    fn each<T>(&mut self, field: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut list = Vec::new();
        for line in self.lines(field) {
            match read(&line) {
                Ok(value) => list.push(value),
                Err(error) => {
                    self.note(field, error);
                    break;
                }
            }
        }
        list
    }

    fn pairs(&mut self, field: &'static str, needs_value: bool) -> BTreeMap<String, String> {
        let pair = |line: &str| match line.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            None if !needs_value => Ok((line.to_owned(), String::new())),
            _ => Err(format!("{line:?}: write it as name=value")),
        };
        self.each(field, pair).into_iter().collect()
    }
}

/// The wish, or what is wrong by field.
pub fn read(values: &Values) -> Result<Asked, Vec<Wrong>> {
    let mut r = Reader { values, wrong: Vec::new() };
    let name = r.parsed("name");
    let image = r.text("image");
    if image.is_empty() {
        r.note("image", "choose an image");
    }
    let limits = limits(&mut r);
    let spec = ContainerSpec {
        image,
        entrypoint: r.with("entrypoint", words::split),
        cmd: r.with("cmd", words::split),
        env: r.lines("env"),
        user: r.text("user"),
        group_add: r.lines("group_add"),
        working_dir: r.text("workdir"),
        hostname: r.text("hostname"),
        domainname: r.text("domainname"),
        tty: r.tick("tty"),
        open_stdin: r.tick("stdin"),
        labels: r.pairs("labels", false),
        annotations: r.pairs("annotations", false),
        stop_signal: r.parsed("stop_signal"),
        stop_timeout_secs: r.number("stop_timeout"),
        health: health(&mut r),
        mounts: mounts(&mut r),
        network: r.text("network").parse::<NetworkMode>().unwrap_or_default(),
        ports: r.each("ports", |line| PortBinding::parse(line).map_err(|error| error.to_string())).concat(),
        publish_all: r.tick("publish_all"),
        dns: r.lines("dns"),
        dns_search: r.lines("dns_search"),
        dns_options: r.lines("dns_options"),
        extra_hosts: r.lines("extra_hosts"),
        restart: restart(&mut r),
        auto_remove: r.tick("auto_remove"),
        init: r.tick("init"),
        limits,
        shm_size_bytes: r.with("shm_size", sizes::bytes),
        devices: r.each("devices", device),
        ulimits: r.each("ulimits", ulimit),
        sysctls: r.pairs("sysctls", true),
        oom_score_adj: r.number("oom_score_adj"),
        security: security(&mut r),
        pid_mode: r.with("pid_mode", pid_mode).unwrap_or_default(),
        ipc_mode: r.with("ipc_mode", ipc_mode).unwrap_or_default(),
        host_uts: r.tick("host_uts"),
        host_cgroupns: r.with("cgroupns", cgroupns),
        userns: r.tick("userns"),
        cgroup_parent: r.some("cgroup_parent"),
        log_driver: r.text("log_driver"),
        log_options: r.pairs("log_options", true),
        ..ContainerSpec::default()
    };
    if r.wrong.is_empty() { Ok(Asked { name, spec }) } else { Err(r.wrong) }
}

fn limits(r: &mut Reader<'_>) -> Limits {
    let size_rate = |line: &str| rate(line, sizes::bytes);
    let count_rate = |line: &str| rate(line, |text| text.parse().map_err(|_| format!("{text:?} is no number")));
    Limits {
        memory_bytes: r.with("memory", sizes::bytes),
        memory_swap_bytes: r.with("memory_swap", |text| if text == "-1" { Ok(-1) } else { sizes::bytes(text).map(|bytes| bytes as i64) }),
        memory_reservation_bytes: r.with("memory_reservation", sizes::bytes),
        memory_swappiness: r.number("swappiness"),
        oom_kill_disable: r.tick("oom_kill_disable"),
        nano_cpus: r.with("cpus", cpus),
        cpu_shares: r.number("cpu_shares"),
        cpu_quota_us: r.number("cpu_quota"),
        cpu_period_us: r.number("cpu_period"),
        cpuset_cpus: r.some("cpuset_cpus"),
        cpuset_mems: r.some("cpuset_mems"),
        pids: r.number("pids"),
        blkio_weight: r.number("blkio_weight"),
        blkio_weight_devices: r.each("blkio_devices", |line| {
            let (path, weight) = line.rsplit_once(':').ok_or_else(|| format!("{line:?}: write it as /dev/sda:300"))?;
            Ok(WeightDevice { path: path.to_owned(), weight: weight.parse().map_err(|_| format!("{weight:?} is no weight"))? })
        }),
        read_bps: r.each("read_bps", size_rate),
        write_bps: r.each("write_bps", size_rate),
        read_iops: r.each("read_iops", count_rate),
        write_iops: r.each("write_iops", count_rate),
        device_rules: r.lines("device_rules"),
    }
}

fn cpus(text: &str) -> Result<i64, String> {
    let bad = || format!("{text:?} is no number of processors: write it as 1.5");
    let value: f64 = text.parse().map_err(|_| bad())?;
    if value > 0.0 && value < 1e6 { Ok((value * 1e9).round() as i64) } else { Err(bad()) }
}

fn rate(line: &str, read: impl Fn(&str) -> Result<u64, String>) -> Result<DeviceRate, String> {
    let (path, rate) = line.rsplit_once(':').ok_or_else(|| format!("{line:?}: write it as /dev/sda:10m"))?;
    Ok(DeviceRate { path: path.to_owned(), rate: read(rate)? })
}

fn security(r: &mut Reader<'_>) -> Security {
    let seccomp = match r.text("seccomp").as_str() {
        "" => Seccomp::Default,
        "unconfined" => Seccomp::Unconfined,
        "profile" => Seccomp::Profile(r.text("seccomp_profile")),
        _ => {
            r.note("seccomp", "choose one of the three");
            Seccomp::Default
        }
    };
    let none = r.tick("unmask").then(Vec::new);
    Security {
        privileged: r.tick("privileged"),
        cap_add: r.lines("cap_add"),
        cap_drop: r.lines("cap_drop"),
        no_new_privileges: r.tick("no_new_privileges"),
        read_only_rootfs: r.tick("read_only"),
        seccomp,
        apparmor: r.some("apparmor"),
        masked_paths: none.clone(),
        readonly_paths: none,
    }
}

fn health(r: &mut Reader<'_>) -> Option<HealthCheck> {
    let spans = ["health_interval", "health_timeout", "health_start"].map(|field| r.with(field, sizes::span_ms).unwrap_or_default());
    let retries = r.number("health_retries").unwrap_or_default();
    let command = r.some("health_cmd")?;
    let test = if command == "NONE" { vec![command] } else { vec!["CMD-SHELL".to_owned(), command] };
    Some(HealthCheck { test, interval_ms: spans[0], timeout_ms: spans[1], start_period_ms: spans[2], retries, ..HealthCheck::default() })
}

fn restart(r: &mut Reader<'_>) -> RestartPolicy {
    let retries = r.number("retries").unwrap_or_default();
    match r.parsed("restart") {
        Some(RestartPolicy::OnFailure { .. }) => RestartPolicy::OnFailure { max_retries: retries },
        other => other.unwrap_or_default(),
    }
}

fn mounts(r: &mut Reader<'_>) -> Vec<Mount> {
    let mut all = r.each("volumes", short_mount);
    all.extend(r.each("mounts", long_mount));
    all.extend(r.each("tmpfs", tmpfs));
    all
}

fn absolute(target: &str) -> Result<String, String> {
    if target.starts_with('/') { Ok(target.to_owned()) } else { Err(format!("{target:?}: the place in the container begins with /")) }
}

/// `source:target[:options]`, or a target alone. Source: `docker run -v`.
fn short_mount(line: &str) -> Result<Mount, String> {
    let parts: Vec<&str> = line.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(format!("{line:?}: write it as source:target or source:target:ro")),
    };
    let mut mount =
        Mount { kind: MountKind::Volume { name: source.to_owned(), no_copy: false }, target: absolute(target)?, read_only: false, ..Mount::default() };
    if source.starts_with('/') {
        mount.kind = MountKind::Bind { source: source.to_owned(), propagation: Propagation::Rprivate, recursive: true, create_source: true };
    }
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match (option, &mut mount.kind) {
            ("ro", _) => mount.read_only = true,
            ("rw" | "z" | "Z", _) => {}
            ("nocopy", MountKind::Volume { no_copy, .. }) => *no_copy = true,
            (other, MountKind::Bind { propagation, .. }) => *propagation = propagation_of(other)?,
            (other, _) => return Err(format!("{other:?} is no option of a volume")),
        }
    }
    Ok(mount)
}

fn propagation_of(text: &str) -> Result<Propagation, String> {
    use Propagation::{Private, Rprivate, Rshared, Rslave, Shared, Slave};
    [Private, Rprivate, Shared, Rshared, Slave, Rslave].into_iter().find(|one| one.as_str() == text).ok_or_else(|| format!("unknown option {text:?}"))
}

/// `type=bind,source=…,target=…`. Source: `docker run --mount`.
fn long_mount(line: &str) -> Result<Mount, String> {
    let mut values: BTreeMap<&str, &str> = line.split(',').map(|part| part.split_once('=').unwrap_or((part, "true"))).collect();
    let mut take = |names: &[&'static str]| names.iter().find_map(|name| values.remove(name)).map(str::to_owned);
    let on = |value: Option<String>| value.is_some_and(|value| value != "false" && value != "0");
    let kind = take(&["type"]).unwrap_or_else(|| "volume".to_owned());
    let target = take(&["target", "dst", "destination"]).ok_or_else(|| format!("{line:?}: target= is missing"))?;
    let source = take(&["source", "src"]).unwrap_or_default();
    let read_only = on(take(&["readonly", "ro"]));
    let kind = match kind.as_str() {
        "bind" => {
            let propagation = take(&["bind-propagation"]).map_or(Ok(Propagation::Rprivate), |text| propagation_of(&text))?;
            MountKind::Bind { source: absolute(&source)?, propagation, recursive: true, create_source: false }
        }
        "volume" => MountKind::Volume { name: source, no_copy: on(take(&["volume-nocopy"])) },
        "tmpfs" => {
            let size_bytes = take(&["tmpfs-size"]).map(|size| sizes::bytes(&size)).transpose()?;
            let mode = take(&["tmpfs-mode"]).map(|mode| octal(&mode)).transpose()?;
            MountKind::Tmpfs { size_bytes, mode, options: Vec::new() }
        }
        other => return Err(format!("{other:?} is no type of mount: use bind, volume or tmpfs")),
    };
    if let Some(unknown) = values.keys().next() {
        return Err(format!("unknown key {unknown:?} in a mount"));
    }
    Ok(Mount { kind, target: absolute(&target)?, read_only, ..Mount::default() })
}

fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(|| format!("{text:?} is no mode: write it as 1777"))
}

/// `/run:size=64m,mode=700,noexec`.
fn tmpfs(line: &str) -> Result<Mount, String> {
    let (target, text) = line.split_once(':').unwrap_or((line, ""));
    let (mut size_bytes, mut mode, mut options, mut read_only) = (None, None, Vec::new(), false);
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", size)) => size_bytes = Some(sizes::bytes(size)?),
            Some(("mode", bits)) => mode = Some(octal(bits)?),
            None if option == "ro" => read_only = true,
            _ => options.push(option.to_owned()),
        }
    }
    Ok(Mount { kind: MountKind::Tmpfs { size_bytes, mode, options }, target: absolute(target)?, read_only, ..Mount::default() })
}

/// `/dev/fuse`, `/dev/sda:/dev/xvda:r`, `/dev/sda:r`.
fn device(line: &str) -> Result<Device, String> {
    let parts: Vec<&str> = line.split(':').collect();
    let rights = |text: &str| !text.is_empty() && text.bytes().all(|b| b"rwm".contains(&b));
    let (host, inside, permissions) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, second] if rights(second) => (host, host, second),
        [host, second] => (host, second, "rwm"),
        [host, inside, permissions] if rights(permissions) => (host, inside, permissions),
        _ => return Err(format!("{line:?}: write it as /dev/sda:/dev/xvda:rw")),
    };
    Ok(Device { path_on_host: absolute(host)?, path_in_container: absolute(inside)?, permissions: permissions.to_owned() })
}

/// `nofile=1024:4096`, `core=-1`.
fn ulimit(line: &str) -> Result<Ulimit, String> {
    let bad = || format!("{line:?}: write it as nofile=1024:4096");
    let (name, limits) = line.split_once('=').ok_or_else(bad)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| if text == "unlimited" { Ok(-1) } else { text.parse::<i64>().map_err(|_| bad()) };
    Ok(Ulimit { name: name.to_ascii_lowercase(), soft: number(soft)?, hard: number(hard)? })
}

fn pid_mode(text: &str) -> Result<PidMode, String> {
    match (text, text.strip_prefix("container:")) {
        ("private", _) => Ok(PidMode::Private),
        ("host", _) => Ok(PidMode::Host),
        (_, Some(of)) if !of.is_empty() => Ok(PidMode::Container(of.to_owned())),
        _ => Err(format!("{text:?}: use host or container:NAME")),
    }
}

fn ipc_mode(text: &str) -> Result<IpcMode, String> {
    match (text, text.strip_prefix("container:")) {
        ("private", _) => Ok(IpcMode::Private),
        ("host", _) => Ok(IpcMode::Host),
        ("none", _) => Ok(IpcMode::None),
        ("shareable", _) => Ok(IpcMode::Shareable),
        (_, Some(of)) if !of.is_empty() => Ok(IpcMode::Container(of.to_owned())),
        _ => Err(format!("{text:?}: use private, none, shareable, host or container:NAME")),
    }
}

fn cgroupns(text: &str) -> Result<bool, String> {
    match text {
        "host" => Ok(true),
        "private" => Ok(false),
        _ => Err(format!("{text:?}: use private or host")),
    }
}
