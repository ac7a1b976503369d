//! `HostConfig` in our words: walls, limits, restart policy, logs.

use crate::error::{ApiError, ApiResult};
use gantry_engine::IDLE_LOG_OPTIONS;
use gantry_model::{ContainerSpec, Device, DeviceRate, IpcMode, Limits, PidMode, RestartPolicy, Seccomp, Security, Ulimit, WeightDevice};
use gantry_wire::docker::host_config::{DeviceMapping, HostConfig, RestartPolicy as WirePolicy, ThrottleDevice};

/// Puts everything of `host` but mounts, ports and network into `spec`.
pub fn apply(host: &HostConfig, spec: &mut ContainerSpec, warnings: &mut Vec<String>) -> ApiResult<()> {
    refuse(host)?;
    spec.annotations = host.annotations.clone().unwrap_or_default();
    spec.dns = list(host.dns.as_ref());
    spec.dns_search = list(host.dns_search.as_ref());
    spec.dns_options = list(host.dns_options.as_ref());
    spec.extra_hosts = list(host.extra_hosts.as_ref());
    spec.group_add = list(host.group_add.as_ref());
    spec.volumes_from = list(host.volumes_from.as_ref());
    spec.publish_all = host.publish_all_ports;
    spec.restart = restart(&host.restart_policy)?;
    spec.auto_remove = host.auto_remove;
    spec.init = host.init.unwrap_or(false);
    spec.limits = limits(host)?;
    spec.shm_size_bytes = positive("ShmSize", host.shm_size)?;
    spec.devices = host.devices.iter().flatten().map(device).collect();
    spec.ulimits = host.ulimits.iter().flatten().map(|limit| Ulimit { name: limit.name.clone(), soft: limit.soft, hard: limit.hard }).collect();
    spec.sysctls = host.sysctls.clone().unwrap_or_default();
    spec.oom_score_adj = Some(oom_score_adj(host.oom_score_adj)?).filter(|adj| *adj != 0);
    spec.security = security(host, warnings)?;
    spec.pid_mode = pid_mode(&host.pid_mode)?;
    spec.ipc_mode = ipc_mode(&host.ipc_mode)?;
    spec.host_uts = one_of("UTSMode", &host.uts_mode, &["host"])?;
    spec.host_cgroupns = match host.cgroupns_mode.as_str() {
        "" => None,
        mode => Some(one_of("CgroupnsMode", mode, &["host", "private"])? && mode == "host"),
    };
    spec.userns = one_of("UsernsMode", &host.userns_mode, &["host", "private"])? && host.userns_mode == "private";
    spec.cgroup_parent = Some(host.cgroup_parent.clone()).filter(|parent| !parent.is_empty());
    spec.log_driver.clone_from(&host.log_config.kind);
    spec.log_options.clone_from(&host.log_config.config);
    let idle: Vec<&str> = host.log_config.config.keys().map(String::as_str).filter(|name| IDLE_LOG_OPTIONS.contains(name)).collect();
    if !idle.is_empty() {
        warnings.push(format!("log options without effect here: {}", idle.join(", ")));
    }
    if host.kernel_memory != 0 || host.kernel_memory_tcp != 0 {
        warnings.push("Specifying a kernel memory limit is deprecated and will be ignored".to_owned());
    }
    Ok(())
}

/// What this release or this system can't do.
fn refuse(host: &HostConfig) -> ApiResult<()> {
    let given = |list: &Option<Vec<String>>| list.iter().flatten().next().is_some();
    let refused = [
        (given(&host.links) && !on_own_network(host), "links are not supported: put both containers on one network and use their names"),
        (host.device_requests.iter().flatten().next().is_some(), "could not select a device driver: --gpus is not supported yet"),
        (host.storage_opt.iter().flatten().next().is_some(), "storage options (--storage-opt) are not supported: limit the folder's own file system"),
        (!matches!(host.volume_driver.as_str(), "" | "local"), "only the local volume driver is here"),
        (!matches!(host.isolation.as_str(), "" | "default"), "isolation is a matter of Windows: leave it out"),
        (!host.cgroup.is_empty(), "Cgroup can't be given: use CgroupParent"),
        (
            host.cpu_count != 0 || host.cpu_percent != 0 || host.io_maximum_iops != 0 || host.io_maximum_bandwidth != 0,
            "CpuCount, CpuPercent and IOMaximum* are limits of Windows",
        ),
        (host.cpu_realtime_period != 0 || host.cpu_realtime_runtime != 0, "Your kernel does not support CPU real-time scheduler: realtime limits can't be set"),
    ];
    match refused.into_iter().find(|(asked, _)| *asked) {
        Some((_, why)) => Err(ApiError::unsupported(why)),
        None if !matches!(host.runtime.as_str(), "" | "gantry" | "runc" | "io.containerd.runc.v2") => {
            Err(ApiError::invalid(format!("Unknown runtime specified {}", host.runtime)))
        }
        None => Ok(()),
    }
}

/// There links are the network's, see `networks`.
fn on_own_network(host: &HostConfig) -> bool {
    matches!(host.network_mode.parse(), Ok(gantry_model::NetworkMode::Named(_)))
}

fn list(from: Option<&Vec<String>>) -> Vec<String> {
    from.cloned().unwrap_or_default()
}

/// Zero is no limit.
fn positive(name: &str, value: i64) -> ApiResult<Option<u64>> {
    u64::try_from(value).map(|value| Some(value).filter(|value| *value > 0)).map_err(|_| ApiError::invalid(format!("invalid {name}: {value} is negative")))
}

fn oom_score_adj(value: i64) -> ApiResult<i32> {
    let known = i32::try_from(value).ok().filter(|adj| (-1000..=1000).contains(adj));
    known.ok_or_else(|| ApiError::invalid(format!("Invalid value {value}, range for oom score adj is [-1000, 1000]")))
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

/// The limits of a new container and of an update.
pub fn limits(host: &HostConfig) -> ApiResult<Limits> {
    let rates = |list: &Option<Vec<ThrottleDevice>>| list.iter().flatten().map(|device| DeviceRate { path: device.path.clone(), rate: device.rate }).collect();
    let weights = host.blkio_weight_device.iter().flatten().map(|device| WeightDevice { path: device.path.clone(), weight: device.weight }).collect();
    Ok(Limits {
        memory_bytes: positive("Memory", host.memory)?,
        memory_swap_bytes: Some(host.memory_swap).filter(|bytes| *bytes != 0),
        memory_reservation_bytes: positive("MemoryReservation", host.memory_reservation)?,
        memory_swappiness: host
            .memory_swappiness
            .filter(|value| *value != -1)
            .map(|value| positive("MemorySwappiness", value).map(|value| value.unwrap_or(0)))
            .transpose()?,
        oom_kill_disable: host.oom_kill_disable.unwrap_or(false),
        nano_cpus: Some(host.nano_cpus).filter(|cpus| *cpus != 0),
        cpu_shares: positive("CpuShares", host.cpu_shares)?,
        cpu_quota_us: Some(host.cpu_quota).filter(|quota| *quota != 0),
        cpu_period_us: positive("CpuPeriod", host.cpu_period)?,
        cpuset_cpus: text(&host.cpuset_cpus),
        cpuset_mems: text(&host.cpuset_mems),
        pids: host.pids_limit.filter(|limit| *limit != 0),
        blkio_weight: Some(host.blkio_weight).filter(|weight| *weight != 0).map(blkio_weight).transpose()?,
        blkio_weight_devices: weights,
        read_bps: rates(&host.blkio_device_read_bps),
        write_bps: rates(&host.blkio_device_write_bps),
        read_iops: rates(&host.blkio_device_read_iops),
        write_iops: rates(&host.blkio_device_write_iops),
        device_rules: list(host.device_cgroup_rules.as_ref()),
    })
}

fn blkio_weight(weight: i64) -> ApiResult<u16> {
    let known = u16::try_from(weight).ok().filter(|weight| (10..=1000).contains(weight));
    known.ok_or_else(|| ApiError::invalid(format!("range of blkio weight is from 10 to 1000: {weight}")))
}

fn device(from: &DeviceMapping) -> Device {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    Device {
        path_on_host: from.path_on_host.clone(),
        path_in_container: or(&from.path_in_container, &from.path_on_host),
        permissions: or(&from.cgroup_permissions, "rwm"),
    }
}

pub fn restart(policy: &WirePolicy) -> ApiResult<RestartPolicy> {
    let count = u32::try_from(policy.maximum_retry_count).map_err(|_| ApiError::invalid("maximum retry count cannot be negative"))?;
    match policy.name.as_str() {
        "on-failure" => Ok(RestartPolicy::OnFailure { max_retries: count }),
        name if count > 0 => Err(ApiError::invalid(format!("maximum retry count cannot be used with restart policy '{name}'"))),
        "" | "no" => Ok(RestartPolicy::No),
        "always" => Ok(RestartPolicy::Always),
        "unless-stopped" => Ok(RestartPolicy::UnlessStopped),
        other => Err(ApiError::invalid(format!("invalid restart policy '{other}'"))),
    }
}

fn pid_mode(text: &str) -> ApiResult<PidMode> {
    match text {
        "" | "private" => Ok(PidMode::Private),
        "host" => Ok(PidMode::Host),
        _ => of_container(text).map(PidMode::Container).ok_or_else(|| ApiError::invalid(format!("invalid PID mode: {text}"))),
    }
}

fn ipc_mode(text: &str) -> ApiResult<IpcMode> {
    match text {
        "" | "private" => Ok(IpcMode::Private),
        "host" => Ok(IpcMode::Host),
        "none" => Ok(IpcMode::None),
        "shareable" => Ok(IpcMode::Shareable),
        _ => of_container(text).map(IpcMode::Container).ok_or_else(|| ApiError::invalid(format!("Invalid IPC mode: {text}"))),
    }
}

fn of_container(text: &str) -> Option<String> {
    text.strip_prefix("container:").filter(|of| !of.is_empty()).map(str::to_owned)
}

/// True if it is given, and one of these.
fn one_of(name: &str, value: &str, known: &[&str]) -> ApiResult<bool> {
    match value {
        "" => Ok(false),
        value if known.contains(&value) => Ok(true),
        value => Err(ApiError::invalid(format!("invalid {name}: {value}"))),
    }
}

fn security(host: &HostConfig, warnings: &mut Vec<String>) -> ApiResult<Security> {
    let mut security = Security {
        privileged: host.privileged,
        cap_add: list(host.cap_add.as_ref()),
        cap_drop: list(host.cap_drop.as_ref()),
        read_only_rootfs: host.readonly_rootfs,
        masked_paths: host.masked_paths.clone(),
        readonly_paths: host.readonly_paths.clone(),
        ..Security::default()
    };
    for option in host.security_opt.iter().flatten() {
        security_option(option, &mut security, warnings)?;
    }
    Ok(security)
}

/// Source: moby `daemon/daemon_unix.go`, `parseSecurityOpt`.
fn security_option(option: &str, security: &mut Security, warnings: &mut Vec<String>) -> ApiResult<()> {
    let (name, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
    match (name, value) {
        ("no-new-privileges", "" | "true") => security.no_new_privileges = true,
        ("no-new-privileges", "false") => security.no_new_privileges = false,
        ("seccomp", "unconfined") => security.seccomp = Seccomp::Unconfined,
        ("seccomp", "builtin") => security.seccomp = Seccomp::Default,
        ("seccomp", profile) if profile.trim_start().starts_with('{') => security.seccomp = Seccomp::Profile(profile.to_owned()),
        ("apparmor", profile) if !profile.is_empty() => security.apparmor = Some(profile.to_owned()),
        ("label", "disable") => {}
        ("label", _) => warnings.push(format!("security option {option:?} is ignored: there are no SELinux labels here")),
        ("systempaths", "unconfined") => (security.masked_paths, security.readonly_paths) = (Some(Vec::new()), Some(Vec::new())),
        _ => return Err(ApiError::invalid(format!("invalid --security-opt: {:?}", option.chars().take(200).collect::<String>()))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(host: HostConfig) -> Result<(ContainerSpec, Vec<String>), String> {
        let (mut spec, mut warnings) = (ContainerSpec::default(), Vec::new());
        apply(&host, &mut spec, &mut warnings).map_err(|error| error.message)?;
        Ok((spec, warnings))
    }

    #[test]
    fn an_empty_host_config_asks_for_nothing() {
        assert_eq!(applied(HostConfig::default()), Ok((ContainerSpec::default(), Vec::new())));
    }

    #[test]
    fn security_options_are_known_or_refused() {
        let with = |option: &str| applied(HostConfig { security_opt: Some(vec![option.to_owned()]), ..HostConfig::default() }).map(|(spec, _)| spec.security);
        assert!(with("no-new-privileges").is_ok_and(|security| security.no_new_privileges));
        assert!(with("no-new-privileges:true").is_ok_and(|security| security.no_new_privileges));
        assert!(with("seccomp=unconfined").is_ok_and(|security| security.seccomp == Seccomp::Unconfined));
        assert!(with("seccomp={\"defaultAction\":1}").is_ok_and(|security| matches!(security.seccomp, Seccomp::Profile(_))));
        for bad in ["seccomp=/path", "magic", "apparmor=", "no-new-privileges=perhaps"] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_can_not_be_done_is_said() {
        let bad = [
            HostConfig { links: Some(vec!["db".into()]), ..HostConfig::default() },
            HostConfig { runtime: "kata".into(), ..HostConfig::default() },
            HostConfig { cpu_realtime_period: 5, ..HostConfig::default() },
            HostConfig { memory: -5, ..HostConfig::default() },
            HostConfig { pid_mode: "moon".into(), ..HostConfig::default() },
            HostConfig { blkio_weight: 5, ..HostConfig::default() },
            HostConfig { restart_policy: WirePolicy { name: "always".into(), maximum_retry_count: 3 }, ..HostConfig::default() },
        ];
        for host in bad {
            assert!(applied(host.clone()).is_err(), "{host:?}");
        }
        let options = HostConfig { kernel_memory: 1 << 20, ..HostConfig::default() };
        assert!(applied(options).is_ok_and(|(_, warnings)| warnings.len() == 1));
    }
}
