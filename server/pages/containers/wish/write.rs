//! Writes a wish as values, to make another container like it.

use super::{Values, sizes};
use crate::words;
use gantry_model::{ContainerSpec, IpcMode, Limits, Mount, MountKind, NetworkMode, PidMode, Propagation, RestartPolicy, Seccomp};

struct Writer(Values);

impl Writer {
    fn text(&mut self, field: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.0.insert(field.to_owned(), value);
        }
    }

    fn some(&mut self, field: &str, value: Option<impl ToString>) {
        self.text(field, value.map(|value| value.to_string()).unwrap_or_default());
    }

    fn size(&mut self, field: &str, bytes: Option<u64>) {
        self.some(field, bytes.map(sizes::print_bytes));
    }

    fn tick(&mut self, field: &str, on: bool) {
        self.text(field, if on { "on" } else { "" });
    }

    fn lines(&mut self, field: &str, lines: impl IntoIterator<Item = String>) {
        self.text(field, lines.into_iter().collect::<Vec<_>>().join("\n"));
    }
}

pub fn write(spec: &ContainerSpec) -> Values {
    let mut w = Writer(Values::new());
    w.text("image", &spec.image);
    w.some("entrypoint", spec.entrypoint.as_ref().map(|entry| words::join(entry)));
    w.some("cmd", spec.cmd.as_ref().map(|cmd| words::join(cmd)));
    w.lines("env", spec.env.iter().cloned());
    w.text("user", &spec.user);
    w.lines("group_add", spec.group_add.iter().cloned());
    w.text("workdir", &spec.working_dir);
    w.text("hostname", &spec.hostname);
    w.text("domainname", &spec.domainname);
    w.tick("tty", spec.tty);
    w.tick("stdin", spec.open_stdin);
    w.lines("labels", spec.labels.iter().map(pair));
    w.lines("annotations", spec.annotations.iter().map(pair));
    w.some("stop_signal", spec.stop_signal);
    w.some("stop_timeout", spec.stop_timeout_secs);
    health(&mut w, spec);
    mounts(&mut w, &spec.mounts);
    w.text("network", if spec.network == NetworkMode::Bridge { String::new() } else { spec.network.to_string() });
    w.lines("ports", spec.ports.iter().map(ToString::to_string));
    w.tick("publish_all", spec.publish_all);
    w.lines("dns", spec.dns.iter().cloned());
    w.lines("dns_search", spec.dns_search.iter().cloned());
    w.lines("dns_options", spec.dns_options.iter().cloned());
    w.lines("extra_hosts", spec.extra_hosts.iter().cloned());
    if let RestartPolicy::OnFailure { max_retries } = spec.restart {
        w.text("restart", "on-failure");
        w.some("retries", (max_retries > 0).then_some(max_retries));
    } else if spec.restart != RestartPolicy::No {
        w.text("restart", spec.restart.to_string());
    }
    w.tick("auto_remove", spec.auto_remove);
    w.tick("init", spec.init);
    limits(&mut w, &spec.limits);
    w.size("shm_size", spec.shm_size_bytes);
    w.lines("devices", spec.devices.iter().map(|device| format!("{}:{}:{}", device.path_on_host, device.path_in_container, device.permissions)));
    w.lines("ulimits", spec.ulimits.iter().map(|limit| format!("{}={}:{}", limit.name, limit.soft, limit.hard)));
    w.lines("sysctls", spec.sysctls.iter().map(pair));
    w.some("oom_score_adj", spec.oom_score_adj);
    walls(&mut w, spec);
    w.text("log_driver", if spec.log_driver == "none" { "none" } else { "" });
    w.lines("log_options", spec.log_options.iter().map(pair));
    w.0
}

fn pair((key, value): (&String, &String)) -> String {
    if value.is_empty() { key.clone() } else { format!("{key}={value}") }
}

fn health(w: &mut Writer, spec: &ContainerSpec) {
    let Some(health) = &spec.health else { return };
    let command = match health.test.as_slice() {
        [kind, command] if kind == "CMD-SHELL" => command.clone(),
        [kind, rest @ ..] if kind == "CMD" => words::join(rest),
        other => other.join(" "),
    };
    w.text("health_cmd", command);
    let span = |ms: u64| (ms > 0).then(|| sizes::print_span(ms));
    w.some("health_interval", span(health.interval_ms));
    w.some("health_timeout", span(health.timeout_ms));
    w.some("health_start", span(health.start_period_ms));
    w.some("health_retries", (health.retries > 0).then_some(health.retries));
}

fn limits(w: &mut Writer, limits: &Limits) {
    w.size("memory", limits.memory_bytes);
    w.some("memory_swap", limits.memory_swap_bytes.map(|bytes| u64::try_from(bytes).map_or_else(|_| "-1".to_owned(), sizes::print_bytes)));
    w.size("memory_reservation", limits.memory_reservation_bytes);
    w.some("swappiness", limits.memory_swappiness);
    w.tick("oom_kill_disable", limits.oom_kill_disable);
    w.some("cpus", limits.nano_cpus.map(|nano| nano as f64 / 1e9));
    w.some("cpu_shares", limits.cpu_shares);
    w.some("cpu_quota", limits.cpu_quota_us);
    w.some("cpu_period", limits.cpu_period_us);
    w.some("cpuset_cpus", limits.cpuset_cpus.as_ref());
    w.some("cpuset_mems", limits.cpuset_mems.as_ref());
    w.some("pids", limits.pids);
    w.some("blkio_weight", limits.blkio_weight);
    w.lines("blkio_devices", limits.blkio_weight_devices.iter().map(|device| format!("{}:{}", device.path, device.weight)));
    w.lines("read_bps", limits.read_bps.iter().map(|rate| format!("{}:{}", rate.path, sizes::print_bytes(rate.rate))));
    w.lines("write_bps", limits.write_bps.iter().map(|rate| format!("{}:{}", rate.path, sizes::print_bytes(rate.rate))));
    w.lines("read_iops", limits.read_iops.iter().map(|rate| format!("{}:{}", rate.path, rate.rate)));
    w.lines("write_iops", limits.write_iops.iter().map(|rate| format!("{}:{}", rate.path, rate.rate)));
    w.lines("device_rules", limits.device_rules.iter().cloned());
}

fn walls(w: &mut Writer, spec: &ContainerSpec) {
    let security = &spec.security;
    w.tick("privileged", security.privileged);
    w.lines("cap_add", security.cap_add.iter().cloned());
    w.lines("cap_drop", security.cap_drop.iter().cloned());
    w.tick("no_new_privileges", security.no_new_privileges);
    w.tick("read_only", security.read_only_rootfs);
    match &security.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => w.text("seccomp", "unconfined"),
        Seccomp::Profile(json) => {
            w.text("seccomp", "profile");
            w.text("seccomp_profile", json);
        }
    }
    w.some("apparmor", security.apparmor.as_ref());
    w.tick("unmask", security.masked_paths.as_ref().is_some_and(Vec::is_empty));
    w.text(
        "pid_mode",
        match &spec.pid_mode {
            PidMode::Private => String::new(),
            PidMode::Host => "host".to_owned(),
            PidMode::Container(of) => format!("container:{of}"),
        },
    );
    w.text(
        "ipc_mode",
        match &spec.ipc_mode {
            IpcMode::Private => String::new(),
            IpcMode::Host => "host".to_owned(),
            IpcMode::None => "none".to_owned(),
            IpcMode::Shareable => "shareable".to_owned(),
            IpcMode::Container(of) => format!("container:{of}"),
        },
    );
    w.tick("host_uts", spec.host_uts);
    w.some("cgroupns", spec.host_cgroupns.map(|host| if host { "host" } else { "private" }));
    w.tick("userns", spec.userns);
    w.some("cgroup_parent", spec.cgroup_parent.as_ref());
}

fn mounts(w: &mut Writer, mounts: &[Mount]) {
    let (mut short, mut long, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for mount in mounts {
        let ro = if mount.read_only { ":ro" } else { "" };
        match &mount.kind {
            MountKind::Bind { source, propagation: Propagation::Rprivate, create_source: true, .. } => short.push(format!("{source}:{}{ro}", mount.target)),
            MountKind::Volume { name, no_copy: false } if !name.is_empty() => short.push(format!("{name}:{}{ro}", mount.target)),
            MountKind::Volume { no_copy: false, .. } if !mount.read_only => short.push(mount.target.clone()),
            MountKind::Tmpfs { size_bytes, mode, options } => {
                let mut all: Vec<String> = size_bytes.iter().map(|bytes| format!("size={}", sizes::print_bytes(*bytes))).collect();
                all.extend(mode.map(|bits| format!("mode={bits:o}")));
                all.extend(mount.read_only.then(|| "ro".to_owned()));
                all.extend(options.iter().cloned());
                memory.push(if all.is_empty() { mount.target.clone() } else { format!("{}:{}", mount.target, all.join(",")) });
            }
            kind => long.push(long_form(kind, mount)),
        }
    }
    w.lines("volumes", short);
    w.lines("mounts", long);
    w.lines("tmpfs", memory);
}

fn long_form(kind: &MountKind, mount: &Mount) -> String {
    let mut parts = match kind {
        MountKind::Bind { source, propagation, .. } => {
            vec!["type=bind".to_owned(), format!("source={source}"), format!("bind-propagation={}", propagation.as_str())]
        }
        MountKind::Volume { name, .. } => vec!["type=volume".to_owned(), format!("source={name}"), "volume-nocopy".to_owned()],
        MountKind::Tmpfs { .. } => vec!["type=tmpfs".to_owned()],
    };
    parts.push(format!("target={}", mount.target));
    parts.extend(mount.read_only.then(|| "readonly".to_owned()));
    parts.join(",")
}
