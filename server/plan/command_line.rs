//! Writes a container's wish as the `gantry run` command that makes the same container: every page teaches the command line.

use gantry_model::{
    ContainerName, ContainerSpec, Device, DeviceRate, HealthCheck, IpcMode, Limits, Mount, MountKind, NetworkMode, PidMode, Propagation, RestartPolicy,
    Seccomp, Security,
};

/// The command, ready for a POSIX shell. Image defaults that were merged into the wish appear as flags.
pub fn run(name: Option<&ContainerName>, wish: &ContainerSpec) -> String {
    let mut line = Line(vec!["gantry run".to_owned()]);
    line.flag(!wish.open_stdin, "-d");
    rest(line, name, wish)
}

/// The same for a container that is not started.
pub fn create(name: Option<&ContainerName>, wish: &ContainerSpec) -> String {
    rest(Line(vec!["gantry create".to_owned()]), name, wish)
}

fn rest(mut line: Line, name: Option<&ContainerName>, wish: &ContainerSpec) -> String {
    line.flag(wish.open_stdin && wish.tty, "-ti");
    line.flag(wish.open_stdin && !wish.tty, "-i");
    line.flag(!wish.open_stdin && wish.tty, "-t");
    line.flag(wish.auto_remove, "--rm");
    line.option("--name", name.map(ContainerName::as_str));
    process(&mut line, wish);
    health(&mut line, wish.health.as_ref());
    reach(&mut line, wish);
    limits(&mut line, &wish.limits);
    security(&mut line, &wish.security);
    let (entry, before) = match &wish.entrypoint {
        Some(words) if !words.is_empty() => (Some(words[0].as_str()), &words[1..]),
        Some(_) => (Some(""), &[][..]),
        None => (None, &[][..]),
    };
    line.option("--entrypoint", entry);
    line.word(&wish.image);
    before.iter().chain(wish.cmd.iter().flatten()).for_each(|word| line.word(word));
    line.0.join(" ")
}

fn process(line: &mut Line, wish: &ContainerSpec) {
    line.option("--hostname", some(&wish.hostname));
    line.option("--domainname", some(&wish.domainname));
    line.option("--user", some(&wish.user));
    line.option("--workdir", some(&wish.working_dir));
    line.all("-e", &wish.env);
    line.all("--group-add", &wish.group_add);
    line.all("--label", wish.labels.iter().map(|(key, value)| format!("{key}={value}")));
    line.all("--annotation", wish.annotations.iter().map(|(key, value)| format!("{key}={value}")));
    line.option("--stop-signal", wish.stop_signal.map(|signal| signal.to_string()));
    line.option("--stop-timeout", wish.stop_timeout_secs.map(|secs| secs.to_string()));
    line.option("--restart", (wish.restart != RestartPolicy::No).then(|| wish.restart.to_string()));
    line.flag(wish.init, "--init");
    line.option("--log-driver", some(&wish.log_driver).filter(|driver| *driver != "local"));
    line.all("--log-opt", wish.log_options.iter().map(|(name, value)| format!("{name}={value}")));
}

fn health(line: &mut Line, check: Option<&HealthCheck>) {
    let Some(check) = check else { return };
    match check.test.as_slice() {
        [word] if word == "NONE" => return line.flag(true, "--no-healthcheck"),
        [word, command] if word == "CMD-SHELL" => line.option("--health-cmd", Some(command)),
        // The flag knows shell commands alone: words are quoted for that shell.
        [word, words @ ..] if word == "CMD" => line.option("--health-cmd", Some(words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "))),
        _ => {}
    }
    let mut time = |flag: &str, ms: u64| line.option(flag, (ms > 0).then(|| format!("{ms}ms")));
    time("--health-interval", check.interval_ms);
    time("--health-timeout", check.timeout_ms);
    time("--health-start-period", check.start_period_ms);
    time("--health-start-interval", check.start_interval_ms);
    line.option("--health-retries", (check.retries > 0).then(|| check.retries.to_string()));
}

/// Places on which nothing is asked for are told by the network alone.
fn networks(line: &mut Line, wish: &ContainerSpec) {
    let is_told = |mode: &NetworkMode| matches!(mode, NetworkMode::Named(name) if wish.endpoints.iter().any(|endpoint| endpoint.network == *name));
    line.option("--network", (wish.network != NetworkMode::Bridge && !is_told(&wish.network)).then(|| wish.network.to_string()));
    line.option("--mac-address", wish.mac.as_deref());
    for endpoint in &wish.endpoints {
        let settings = [
            endpoint.aliases.iter().map(|alias| format!(",alias={alias}")).collect::<String>(),
            endpoint.ip.map(|ip| format!(",ip={ip}")).unwrap_or_default(),
            endpoint.mac.as_ref().map(|mac| format!(",mac-address={mac}")).unwrap_or_default(),
            if endpoint.gateway_priority == 0 { String::new() } else { format!(",gw-priority={}", endpoint.gateway_priority) },
        ]
        .concat();
        let name = &endpoint.network;
        line.option("--network", Some(if settings.is_empty() { name.clone() } else { format!("name={name}{settings}") }));
    }
}

fn reach(line: &mut Line, wish: &ContainerSpec) {
    networks(line, wish);
    // A published port is exposed by that.
    let published = |port: &&String| wish.ports.iter().any(|published| format!("{}/{}", published.container_port, published.protocol) == **port);
    line.all("--expose", wish.exposed_ports.iter().filter(|port| !published(port)));
    line.all("-p", wish.ports.iter().map(ToString::to_string));
    line.flag(wish.publish_all, "-P");
    line.all("--dns", &wish.dns);
    line.all("--dns-search", &wish.dns_search);
    line.all("--dns-option", &wish.dns_options);
    line.all("--add-host", &wish.extra_hosts);
    for wished in &wish.mounts {
        mount(line, wished);
    }
    line.all("--volumes-from", &wish.volumes_from);
    line.all("--device", wish.devices.iter().map(device));
    line.option(
        "--pid",
        match &wish.pid_mode {
            PidMode::Private => None,
            PidMode::Host => Some("host".to_owned()),
            PidMode::Container(of) => Some(format!("container:{of}")),
        },
    );
    line.option(
        "--ipc",
        match &wish.ipc_mode {
            IpcMode::Private => None,
            IpcMode::Host => Some("host".to_owned()),
            IpcMode::None => Some("none".to_owned()),
            IpcMode::Shareable => Some("shareable".to_owned()),
            IpcMode::Container(of) => Some(format!("container:{of}")),
        },
    );
    line.option("--uts", wish.host_uts.then_some("host"));
    line.option("--cgroupns", wish.host_cgroupns.map(|host| if host { "host" } else { "private" }));
    line.option("--userns", wish.userns.then_some("private"));
    line.option("--cgroup-parent", wish.cgroup_parent.as_deref());
    line.all("--ulimit", wish.ulimits.iter().map(|limit| format!("{}={}:{}", limit.name, limit.soft, limit.hard)));
    line.all("--sysctl", wish.sysctls.iter().map(|(name, value)| format!("{name}={value}")));
    line.option("--oom-score-adj", wish.oom_score_adj.map(|adj| adj.to_string()));
    line.option("--shm-size", wish.shm_size_bytes.map(|bytes| bytes.to_string()));
}

fn mount(line: &mut Line, wish: &Mount) {
    let ro = if wish.read_only { "ro" } else { "" };
    match &wish.kind {
        MountKind::Bind { source, propagation, create_source: true, .. } => {
            let spread = if *propagation == Propagation::Rprivate { "" } else { propagation.as_str() };
            let options = [ro, spread].into_iter().filter(|option| !option.is_empty()).collect::<Vec<_>>().join(",");
            line.option("-v", Some([source, &wish.target, &options].into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(":")));
        }
        MountKind::Bind { source, propagation, .. } => {
            let spread = if *propagation == Propagation::Rprivate { String::new() } else { format!(",bind-propagation={}", propagation.as_str()) };
            line.option("--mount", Some(format!("type=bind,source={source},target={}{spread}{}", wish.target, comma(ro))));
        }
        // As it was asked for: the two are shown differently.
        MountKind::Volume { name, no_copy } if !wish.described && !name.is_empty() => {
            let options = [ro, if *no_copy { "nocopy" } else { "" }].into_iter().filter(|option| !option.is_empty()).collect::<Vec<_>>().join(",");
            line.option("-v", Some([name.as_str(), &wish.target, &options].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(":")));
        }
        MountKind::Volume { name, no_copy } => {
            let source = if name.is_empty() { String::new() } else { format!(",source={name}") };
            let copy = if *no_copy { ",volume-nocopy" } else { "" };
            line.option("--mount", Some(format!("type=volume{source},target={}{copy}{}", wish.target, comma(ro))));
        }
        MountKind::Tmpfs { size_bytes, mode, options } => {
            let mut all: Vec<String> = options.clone();
            all.extend(size_bytes.map(|bytes| format!("size={bytes}")));
            all.extend(mode.map(|bits| format!("mode={bits:o}")));
            all.extend((!ro.is_empty()).then(|| ro.to_owned()));
            let tail = if all.is_empty() { String::new() } else { format!(":{}", all.join(",")) };
            line.option("--tmpfs", Some(format!("{}{tail}", wish.target)));
        }
    }
}

fn comma(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(",{text}") }
}

fn device(device: &Device) -> String {
    format!("{}:{}:{}", device.path_on_host, device.path_in_container, device.permissions)
}

fn limits(line: &mut Line, limits: &Limits) {
    line.option("--memory", limits.memory_bytes.map(|bytes| bytes.to_string()));
    line.option("--memory-swap", limits.memory_swap_bytes.map(|bytes| bytes.to_string()));
    line.option("--memory-reservation", limits.memory_reservation_bytes.map(|bytes| bytes.to_string()));
    line.option("--memory-swappiness", limits.memory_swappiness.map(|percent| percent.to_string()));
    line.flag(limits.oom_kill_disable, "--oom-kill-disable");
    line.option("--cpus", limits.nano_cpus.map(|nano| format!("{}", nano as f64 / 1e9)));
    line.option("--cpu-shares", limits.cpu_shares.map(|shares| shares.to_string()));
    line.option("--cpu-quota", limits.cpu_quota_us.map(|quota| quota.to_string()));
    line.option("--cpu-period", limits.cpu_period_us.map(|period| period.to_string()));
    line.option("--cpuset-cpus", limits.cpuset_cpus.as_deref());
    line.option("--cpuset-mems", limits.cpuset_mems.as_deref());
    line.option("--pids-limit", limits.pids.map(|pids| pids.to_string()));
    line.all("--blkio-weight-device", limits.blkio_weight_devices.iter().map(|device| format!("{}:{}", device.path, device.weight)));
    line.option("--blkio-weight", limits.blkio_weight.map(|weight| weight.to_string()));
    let rates = |line: &mut Line, flag: &str, list: &[DeviceRate]| line.all(flag, list.iter().map(|rate| format!("{}:{}", rate.path, rate.rate)));
    rates(line, "--device-read-bps", &limits.read_bps);
    rates(line, "--device-write-bps", &limits.write_bps);
    rates(line, "--device-read-iops", &limits.read_iops);
    rates(line, "--device-write-iops", &limits.write_iops);
    line.all("--device-cgroup-rule", &limits.device_rules);
}

fn security(line: &mut Line, security: &Security) {
    line.flag(security.privileged, "--privileged");
    line.flag(security.read_only_rootfs, "--read-only");
    line.all("--cap-add", &security.cap_add);
    line.all("--cap-drop", &security.cap_drop);
    line.option("--security-opt", security.no_new_privileges.then_some("no-new-privileges"));
    line.option(
        "--security-opt",
        match &security.seccomp {
            Seccomp::Default => None,
            Seccomp::Unconfined => Some("seccomp=unconfined"),
            Seccomp::Profile(_) => Some("seccomp=profile.json"),
        },
    );
    line.option("--security-opt", security.apparmor.as_ref().map(|profile| format!("apparmor={profile}")));
    let unmasked = [&security.masked_paths, &security.readonly_paths].iter().any(|paths| paths.as_ref().is_some_and(Vec::is_empty));
    line.option("--security-opt", unmasked.then_some("systempaths=unconfined"));
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

struct Line(Vec<String>);

impl Line {
    fn flag(&mut self, wanted: bool, flag: &str) {
        if wanted {
            self.0.push(flag.to_owned());
        }
    }

    fn option(&mut self, flag: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.0.push(flag.to_owned());
            self.word(value.as_ref());
        }
    }

    fn all(&mut self, flag: &str, values: impl IntoIterator<Item = impl AsRef<str>>) {
        values.into_iter().for_each(|value| self.option(flag, Some(value)));
    }

    fn word(&mut self, word: &str) {
        self.0.push(quote(word));
    }
}

/// Quotes a word for a POSIX shell if it needs it.
fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=,@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_model::PortBinding;

    #[test]
    fn a_plain_container_is_a_short_command() {
        let wish = ContainerSpec { image: "busybox".into(), cmd: Some(vec!["sh".into(), "-c".into(), "echo $HOME; it's".into()]), ..ContainerSpec::default() };
        assert_eq!(run("web".parse().ok().as_ref(), &wish), r"gantry run -d --name web busybox sh -c 'echo $HOME; it'\''s'");
    }

    #[test]
    fn what_differs_from_the_defaults_becomes_flags() {
        let wish = ContainerSpec {
            image: "app:1".into(),
            tty: true,
            open_stdin: true,
            ports: PortBinding::parse("127.0.0.1:8080:80").expect("valid"),
            network: NetworkMode::None,
            limits: Limits { nano_cpus: Some(1_500_000_000), pids: Some(64), ..Limits::default() },
            security: Security { read_only_rootfs: true, cap_drop: vec!["ALL".into()], ..Security::default() },
            entrypoint: Some(vec!["/bin/run".into(), "-x".into()]),
            mounts: vec![Mount {
                kind: MountKind::Bind { source: "/srv/a b".into(), propagation: Propagation::Rprivate, recursive: true, create_source: true },
                target: "/data".into(),
                read_only: true,
                ..Mount::default()
            }],
            ..ContainerSpec::default()
        };
        assert_eq!(
            run(None, &wish),
            "gantry run -ti --network none -p 127.0.0.1:8080:80/tcp -v '/srv/a b:/data:ro' --cpus 1.5 --pids-limit 64 --read-only --cap-drop ALL --entrypoint /bin/run app:1 -x"
        );
    }
}
