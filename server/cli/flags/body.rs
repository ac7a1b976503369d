//! From the flags of `run` and `create` to the body of `POST /containers/create`.
//! Source: docker/cli `cli/command/container/opts.go`; `tests/oracle.rs` compares with what docker's own client sends.

use super::container::{ContainerFlags, LimitFlags, ResourceFlags};
use super::{devices, files, health, mounts, networks, ports, security};
use crate::failure::Failure;
use gantry_wire::docker::container::{Config, Create};
use gantry_wire::docker::host_config::{HostConfig, LogConfig};
use gantry_wire::docker::json::{Empty, Words};
use gantry_wire::docker::network::NetworkingConfig;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the flags and words ask for: image and command in `words`, its first the image. `detached` is `run -d`.
pub fn body(flags: &ContainerFlags, words: &[String], detached: bool) -> Result<Create, Failure> {
    if let Some(request) = &flags.walls.gpus {
        return Err(Failure::usage(format!("--gpus {request}: this release gives devices only by path or CDI name"))
            .hint("for example --device /dev/dri, or --device nvidia.com/gpu=all with a CDI specification in /etc/cdi"));
    }
    let (image, command) = words.split_first().ok_or_else(|| Failure::usage("the image is missing"))?;
    let networks = networks::networks(&flags.network)?;
    let mut host_config = host_config(flags)?;
    host_config.network_mode.clone_from(&networks.mode);
    let endpoints = (!networks.endpoints.is_empty()).then_some(networks.endpoints);
    Ok(Create {
        config: config(flags, image, command, detached)?,
        host_config,
        networking_config: NetworkingConfig { endpoints_config: Some(endpoints.unwrap_or_default()) },
    })
}

fn config(flags: &ContainerFlags, image: &str, command: &[String], detached: bool) -> Result<Config, Failure> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let attached =
        |stream: &str| !detached && (flags.attach.iter().any(|wanted| wanted.eq_ignore_ascii_case(stream)) || (flags.attach.is_empty() && stream != "stdin"));
    let attach_stdin = !detached && (flags.attach.iter().any(|wanted| wanted.eq_ignore_ascii_case("stdin")) || (flags.attach.is_empty() && flags.interactive));
    let ports = ports::ports(&flags.network.publish, &flags.network.expose)?;
    let volumes = mounts::volumes(&flags.storage.volume, &mounts::here()?)?;
    Ok(Config {
        hostname: text(&flags.network.hostname),
        domainname: text(&flags.network.domainname),
        user: text(&flags.user),
        attach_stdin,
        attach_stdout: attached("stdout"),
        attach_stderr: attached("stderr"),
        exposed_ports: (!ports.exposed.is_empty()).then_some(ports.exposed),
        tty: flags.tty,
        open_stdin: flags.interactive,
        // Whoever attached at the start closes the container's stdin by leaving.
        stdin_once: flags.interactive && attach_stdin,
        env: some(files::environment(&flags.env_file, &flags.env, |name| std::env::var(name).ok())?),
        cmd: some(command.to_vec()).map(Words),
        healthcheck: health::health(&flags.health)?,
        image: image.to_owned(),
        volumes: Some(volumes.anonymous.into_iter().map(|target| (target, Empty {})).collect()),
        working_dir: text(&flags.workdir),
        entrypoint: flags.entrypoint.as_ref().map(|program| Words(vec![program.clone()])),
        labels: Some(files::labels(&flags.label_file, &flags.label)?),
        stop_signal: text(&flags.life.stop_signal),
        stop_timeout: flags.life.stop_timeout,
        ..Config::default()
    })
}

fn host_config(flags: &ContainerFlags) -> Result<HostConfig, Failure> {
    let (life, network, storage, walls) = (&flags.life, &flags.network, &flags.storage, &flags.walls);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let restart_policy =
        life.restart.clone().unwrap_or_else(|| gantry_wire::docker::host_config::RestartPolicy { name: "no".to_owned(), maximum_retry_count: 0 });
    if life.rm && !matches!(restart_policy.name.as_str(), "no" | "") {
        return Err(Failure::usage("conflicting options: cannot specify both --restart and --rm"));
    }
    check_addresses("--dns", &network.dns)?;
    let security = security::security(&walls.security_opt, |file| std::fs::read_to_string(file))?;
    let here = mounts::here()?;
    let (devices, cdi) = devices::devices(&walls.device)?;
    let unconfined = security.system_paths_unconfined.then(Vec::new);
    let mut host_config = HostConfig {
        binds: some(mounts::volumes(&storage.volume, &here)?.binds),
        container_id_file: text(&flags.cidfile),
        log_config: log_config(text(&life.log_driver), &life.log_opt)?,
        port_bindings: Some(ports::ports(&network.publish, &[])?.bindings),
        restart_policy,
        auto_remove: life.rm,
        volume_driver: text(&storage.volume_driver),
        volumes_from: some(storage.volumes_from.clone()),
        annotations: (!life.annotation.is_empty()).then(|| files::pairs(&life.annotation)),
        cap_add: some(capabilities(&walls.cap_add)),
        cap_drop: some(capabilities(&walls.cap_drop)),
        cgroupns_mode: mode("--cgroupns", &walls.cgroupns, &["private", "host"])?,
        dns: Some(network.dns.clone()),
        dns_options: Some(network.dns_option.clone()),
        dns_search: Some(network.dns_search.clone()),
        extra_hosts: some(extra_hosts(&network.add_host)?),
        group_add: some(walls.group_add.clone()),
        ipc_mode: text(&walls.ipc),
        links: some(network.link.clone()),
        oom_score_adj: flags.limits.oom_score_adj.unwrap_or_default(),
        pid_mode: mode("--pid", &walls.pid, &["host", "private", "container:"])?,
        privileged: walls.privileged,
        publish_all_ports: network.publish_all,
        readonly_rootfs: storage.read_only,
        security_opt: some(security.options),
        storage_opt: (!storage.storage_opt.is_empty()).then(|| files::pairs(&storage.storage_opt)),
        tmpfs: (!storage.tmpfs.is_empty()).then(|| mounts::tmpfs(&storage.tmpfs)),
        uts_mode: mode("--uts", &walls.uts, &["host", "private"])?,
        userns_mode: mode("--userns", &walls.userns, &["host", "private"])?,
        shm_size: storage.shm_size.unwrap_or_default(),
        sysctls: sysctls(&walls.sysctl)?,
        runtime: text(&life.runtime),
        isolation: text(&walls.isolation),
        cgroup_parent: text(&flags.limits.cgroup_parent),
        devices: Some(devices),
        device_cgroup_rules: some(walls.device_cgroup_rule.clone()),
        device_requests: cdi.map(|request| vec![request]),
        mounts: some(storage.mount.iter().map(|flag| mounts::mount(flag, &here)).collect::<Result<_, _>>()?),
        masked_paths: unconfined.clone(),
        readonly_paths: unconfined,
        init: life.init.then_some(true),
        ..HostConfig::default()
    };
    limits(&flags.limits, &mut host_config)?;
    Ok(host_config)
}

fn limits(flags: &LimitFlags, host_config: &mut HostConfig) -> Result<(), Failure> {
    if let Some(swappiness) = flags.memory_swappiness
        && !(-1..=100).contains(&swappiness)
    {
        return Err(Failure::usage(format!("invalid value: {swappiness}. Valid memory swappiness range is 0-100")));
    }
    resources(&flags.resources, host_config);
    host_config.memory_swappiness = Some(flags.memory_swappiness.unwrap_or(-1));
    host_config.oom_kill_disable = Some(flags.oom_kill_disable);
    // The last of equal ones counts; docker sorts them.
    let ulimits = flags.ulimit.iter().map(|flag| devices::ulimit(flag).map(|ulimit| (ulimit.name.clone(), ulimit))).collect::<Result<BTreeMap<_, _>, _>>()?;
    host_config.ulimits = Some(ulimits.into_values().collect());
    let all = |flags: &[String], one: fn(&str) -> Result<_, Failure>| flags.iter().map(|flag| one(flag)).collect::<Result<Vec<_>, _>>();
    host_config.blkio_weight_device = Some(flags.blkio_weight_device.iter().map(|flag| devices::weight(flag)).collect::<Result<_, _>>()?);
    host_config.blkio_device_read_bps = Some(all(&flags.device_read_bps, devices::bytes_rate)?);
    host_config.blkio_device_write_bps = Some(all(&flags.device_write_bps, devices::bytes_rate)?);
    host_config.blkio_device_read_iops = Some(all(&flags.device_read_iops, devices::count_rate)?);
    host_config.blkio_device_write_iops = Some(all(&flags.device_write_iops, devices::count_rate)?);
    Ok(())
}

/// The limits that `update` changes, too.
pub fn resources(flags: &ResourceFlags, host_config: &mut HostConfig) {
    let number = |value: Option<i64>| value.unwrap_or_default();
    host_config.memory = number(flags.memory);
    host_config.memory_reservation = number(flags.memory_reservation);
    host_config.memory_swap = number(flags.memory_swap);
    host_config.kernel_memory = number(flags.kernel_memory);
    host_config.nano_cpus = number(flags.cpus);
    host_config.cpu_shares = number(flags.cpu_shares);
    host_config.cpu_period = number(flags.cpu_period);
    host_config.cpu_quota = number(flags.cpu_quota);
    host_config.cpu_realtime_period = number(flags.cpu_rt_period);
    host_config.cpu_realtime_runtime = number(flags.cpu_rt_runtime);
    host_config.cpuset_cpus = flags.cpuset_cpus.clone().unwrap_or_default();
    host_config.cpuset_mems = flags.cpuset_mems.clone().unwrap_or_default();
    host_config.pids_limit = Some(number(flags.pids_limit));
    host_config.blkio_weight = flags.blkio_weight.unwrap_or_default().into();
}

fn log_config(driver: String, options: &[String]) -> Result<LogConfig, Failure> {
    if driver == "none" && !options.is_empty() {
        return Err(Failure::usage("invalid logging opts for driver none"));
    }
    Ok(LogConfig { kind: driver, config: files::pairs(options) })
}

/// `SYS_ADMIN`, `cap_sys_admin`: all as `CAP_SYS_ADMIN`; sorted, each once.
fn capabilities(flags: &[String]) -> Vec<String> {
    let named =
        flags.iter().map(|flag| flag.to_ascii_uppercase()).map(|flag| if flag == "ALL" || flag.starts_with("CAP_") { flag } else { format!("CAP_{flag}") });
    named.collect::<std::collections::BTreeSet<String>>().into_iter().collect()
}

/// Kernel settings that belong to a container's own namespaces. Source: docker/cli `opts.ValidateSysctl`.
fn sysctls(flags: &[String]) -> Result<Option<BTreeMap<String, String>>, Failure> {
    const ALLOWED: [&str; 8] =
        ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"];
    let fits = |flag: &str| flag.split_once('=').is_some_and(|(name, _)| ALLOWED.contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue."));
    match flags.iter().find(|flag| !fits(flag)) {
        Some(bad) => Err(Failure::usage(format!("sysctl '{bad}' is not allowed"))
            .hint("a container has its own net.*, fs.mqueue.* and kernel.{msg,sem,shm}* settings; all others are the host's")),
        None => Ok((!flags.is_empty()).then(|| files::pairs(flags))),
    }
}

fn mode(flag: &str, value: &Option<String>, known: &[&str]) -> Result<String, Failure> {
    let text = value.clone().unwrap_or_default();
    let fits =
        text.is_empty() || known.iter().any(|known| if known.ends_with(':') { text.starts_with(known) && text.len() > known.len() } else { text == *known });
    if fits { Ok(text) } else { Err(Failure::usage(format!("{flag}: invalid mode {text:?}")).hint(format!("choose one of {}", known.join(", ")))) }
}

fn check_addresses(flag: &str, addresses: &[String]) -> Result<(), Failure> {
    match addresses.iter().find(|address| address.trim().parse::<IpAddr>().is_err()) {
        Some(bad) => Err(Failure::usage(format!("invalid argument {bad:?} for {flag}: it is not an IP address"))),
        None => Ok(()),
    }
}

/// `name:address` or `name=address`, also `host-gateway`, and IPv6 in brackets.
fn extra_hosts(flags: &[String]) -> Result<Vec<String>, Failure> {
    flags
        .iter()
        .map(|flag| {
            let bad = || Failure::usage(format!("bad format for add-host: \"{flag}\"")).hint("write NAME:ADDRESS");
            let (name, address) = flag.split_once('=').or_else(|| flag.split_once(':')).ok_or_else(bad)?;
            let plain = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
            if name.is_empty() || address.is_empty() {
                return Err(bad());
            }
            if plain != "host-gateway" && plain.parse::<IpAddr>().is_err() {
                return Err(Failure::usage(format!("invalid IP address in add-host: \"{address}\"")));
            }
            Ok(format!("{name}:{plain}"))
        })
        .collect()
}

/// Go's clients write no empty list.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
