//! A container's wish as docker shows it: `Config` and `HostConfig`.

use super::mounts;
use crate::answer::or_null;
use gantry_engine::{ContainerDetail, ImageRuntimeConfig};
use gantry_model::{ContainerSpec, DeviceRate, HealthCheck, IpcMode, Limits, PidMode, PortBinding, RestartPolicy, Seccomp};
use gantry_wire::docker::container::{Config, HealthConfig};
use gantry_wire::docker::host_config::{
    DeviceMapping, HostConfig, LogConfig, PortBinding as WirePort, PortMap, RestartPolicy as WirePolicy, ThrottleDevice, Ulimit, WeightDevice,
};
use gantry_wire::docker::json::{Empty, Words};

/// `image` has what the wish left to it.
pub fn config(detail: &ContainerDetail, image: &ImageRuntimeConfig) -> Config {
    let spec = &detail.spec;
    // As docker: an entrypoint of one's own drops the image's command.
    let cmd = spec.cmd.clone().or_else(|| image.cmd.clone().filter(|_| spec.entrypoint.is_none()));
    Config {
        hostname: if spec.hostname.is_empty() { detail.summary.id.short().to_owned() } else { spec.hostname.clone() },
        domainname: spec.domainname.clone(),
        user: spec.user.clone(),
        attach_stdin: spec.attach_stdin,
        attach_stdout: spec.attach_stdout,
        attach_stderr: spec.attach_stderr,
        exposed_ports: some(spec.exposed_ports.iter().map(|port| (port.clone(), Empty {})).collect()),
        tty: spec.tty,
        open_stdin: spec.open_stdin,
        stdin_once: spec.stdin_once,
        env: Some(gantry_engine::configured_env(&detail.given_env, &image.env)),
        cmd: cmd.map(Words),
        healthcheck: spec.health.as_ref().map(health),
        image: spec.image.clone(),
        volumes: some(image.volumes.iter().map(|volume| (volume.clone(), Empty {})).collect()),
        working_dir: if spec.working_dir == "/" { image.working_dir.clone() } else { spec.working_dir.clone() },
        entrypoint: spec.entrypoint.clone().or_else(|| image.entrypoint.clone()).map(Words),
        labels: Some(spec.labels.clone()),
        stop_signal: spec.stop_signal.map(|signal| signal.to_string()).unwrap_or_default(),
        stop_timeout: spec.stop_timeout_secs.map(i64::from),
        shell: image.shell.clone().map(Words),
        ..Config::default()
    }
}

fn some<K: Ord, V>(map: std::collections::BTreeMap<K, V>) -> Option<std::collections::BTreeMap<K, V>> {
    Some(map).filter(|map| !map.is_empty())
}

pub fn health(check: &HealthCheck) -> HealthConfig {
    let ns = |ms: u64| ms as i64 * 1_000_000;
    HealthConfig {
        test: check.test.clone(),
        interval: ns(check.interval_ms),
        timeout: ns(check.timeout_ms),
        start_period: ns(check.start_period_ms),
        start_interval: ns(check.start_interval_ms),
        retries: i64::from(check.retries),
    }
}

pub fn host_config(spec: &ContainerSpec) -> HostConfig {
    let security = &spec.security;
    let list = |values: &Vec<String>| Some(values.clone()).filter(|values| !values.is_empty());
    HostConfig {
        log_config: LogConfig { kind: log_driver(&spec.log_driver).to_owned(), config: spec.log_options.clone() },
        network_mode: spec.network.to_string(),
        port_bindings: Some(port_map(&spec.ports)),
        restart_policy: restart(spec.restart),
        auto_remove: spec.auto_remove,
        volumes_from: list(&spec.volumes_from),
        console_size: Some(spec.term_size.map_or([0, 0], |size| [size.rows, size.cols])),
        annotations: some(spec.annotations.clone()),
        cap_add: list(&security.cap_add),
        cap_drop: list(&security.cap_drop),
        cgroupns_mode: match spec.host_cgroupns {
            Some(true) => "host".to_owned(),
            Some(false) => "private".to_owned(),
            None => String::new(),
        },
        dns: Some(spec.dns.clone()),
        dns_options: Some(spec.dns_options.clone()),
        dns_search: Some(spec.dns_search.clone()),
        extra_hosts: list(&spec.extra_hosts),
        group_add: list(&spec.group_add),
        ipc_mode: ipc_mode(&spec.ipc_mode),
        oom_score_adj: i64::from(spec.oom_score_adj.unwrap_or(0)),
        pid_mode: match &spec.pid_mode {
            PidMode::Private => String::new(),
            PidMode::Host => "host".to_owned(),
            PidMode::Container(of) => format!("container:{of}"),
        },
        privileged: security.privileged,
        publish_all_ports: spec.publish_all,
        readonly_rootfs: security.read_only_rootfs,
        security_opt: list(&security_options(spec)),
        uts_mode: if spec.host_uts { "host".to_owned() } else { String::new() },
        userns_mode: if spec.userns { "private".to_owned() } else { String::new() },
        shm_size: spec.shm_size_bytes.unwrap_or(64 << 20) as i64,
        sysctls: some(spec.sysctls.clone()),
        runtime: "gantry".to_owned(),
        cgroup_parent: spec.cgroup_parent.clone().unwrap_or_default(),
        devices: Some(
            spec.devices
                .iter()
                .map(|device| DeviceMapping {
                    path_on_host: device.path_on_host.clone(),
                    path_in_container: device.path_in_container.clone(),
                    cgroup_permissions: device.permissions.clone(),
                })
                .collect(),
        ),
        ulimits: Some(spec.ulimits.iter().map(|limit| Ulimit { name: limit.name.clone(), hard: limit.hard, soft: limit.soft }).collect()),
        binds: or_null(spec.mounts.iter().filter_map(mounts::bind).collect()),
        tmpfs: some(spec.mounts.iter().filter_map(mounts::tmpfs).collect()),
        mounts: or_null(spec.mounts.iter().filter(|mount| mounts::is_described(mount)).map(mounts::to_wire).collect()),
        masked_paths: security.masked_paths.clone(),
        readonly_paths: security.readonly_paths.clone(),
        init: spec.init.then_some(true),
        ..limits(&spec.limits)
    }
}

/// The log of one who named no driver is told by docker's own default: some clients read no other.
fn log_driver(asked: &str) -> &str {
    if asked.is_empty() { "json-file" } else { asked }
}

fn limits(limits: &Limits) -> HostConfig {
    let rates = |list: &[DeviceRate]| Some(list.iter().map(|device| ThrottleDevice { path: device.path.clone(), rate: device.rate }).collect());
    HostConfig {
        cpu_shares: limits.cpu_shares.unwrap_or(0) as i64,
        memory: limits.memory_bytes.unwrap_or(0) as i64,
        nano_cpus: limits.nano_cpus.unwrap_or(0),
        blkio_weight: i64::from(limits.blkio_weight.unwrap_or(0)),
        blkio_weight_device: Some(limits.blkio_weight_devices.iter().map(|device| WeightDevice { path: device.path.clone(), weight: device.weight }).collect()),
        blkio_device_read_bps: rates(&limits.read_bps),
        blkio_device_write_bps: rates(&limits.write_bps),
        blkio_device_read_iops: rates(&limits.read_iops),
        blkio_device_write_iops: rates(&limits.write_iops),
        cpu_period: limits.cpu_period_us.unwrap_or(0) as i64,
        cpu_quota: limits.cpu_quota_us.unwrap_or(0),
        cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
        cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
        device_cgroup_rules: Some(limits.device_rules.clone()).filter(|rules| !rules.is_empty()),
        memory_reservation: limits.memory_reservation_bytes.unwrap_or(0) as i64,
        // Docker's default is told as if it had been asked for.
        memory_swap: limits.memory_swap_bytes.unwrap_or_else(|| limits.memory_bytes.map_or(0, |bytes| bytes as i64 * 2)),
        memory_swappiness: limits.memory_swappiness.map(|value| value as i64),
        oom_kill_disable: Some(limits.oom_kill_disable),
        pids_limit: limits.pids,
        ..HostConfig::default()
    }
}

fn security_options(spec: &ContainerSpec) -> Vec<String> {
    let security = &spec.security;
    let seccomp = match &security.seccomp {
        Seccomp::Default => None,
        Seccomp::Unconfined => Some("seccomp=unconfined".to_owned()),
        Seccomp::Profile(profile) => Some(format!("seccomp={profile}")),
    };
    let no_new_privileges = security.no_new_privileges.then(|| "no-new-privileges".to_owned());
    let apparmor = security.apparmor.as_ref().map(|profile| format!("apparmor={profile}"));
    [seccomp, no_new_privileges, apparmor].into_iter().flatten().collect()
}

fn ipc_mode(mode: &IpcMode) -> String {
    match mode {
        IpcMode::Private => "private".to_owned(),
        IpcMode::Host => "host".to_owned(),
        IpcMode::None => "none".to_owned(),
        IpcMode::Shareable => "shareable".to_owned(),
        IpcMode::Container(of) => format!("container:{of}"),
    }
}

fn restart(policy: RestartPolicy) -> WirePolicy {
    let (name, maximum_retry_count) = match policy {
        RestartPolicy::No => ("no", 0),
        RestartPolicy::Always => ("always", 0),
        RestartPolicy::UnlessStopped => ("unless-stopped", 0),
        RestartPolicy::OnFailure { max_retries } => ("on-failure", i64::from(max_retries)),
    };
    WirePolicy { name: name.to_owned(), maximum_retry_count }
}

fn port_map(ports: &[PortBinding]) -> PortMap {
    let mut map = PortMap::new();
    for port in ports {
        let binding = WirePort {
            host_ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            host_port: if port.host_port == 0 { String::new() } else { port.host_port.to_string() },
        };
        map.entry(format!("{}/{}", port.container_port, port.protocol)).or_default().get_or_insert_default().push(binding);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::spec::wish;
    use gantry_wire::docker::container::Create;

    /// What a client asks for comes back from inspect; fields that only a client uses are left out.
    #[test]
    fn a_wish_is_shown_as_it_was_asked_for() {
        let asked = r#"{"Image":"busybox","Hostname":"web","HostConfig":{"NetworkMode":"bridge","PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]},
            "RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"CapAdd":["NET_ADMIN"],"CapDrop":["ALL"],"Dns":["1.1.1.1"],"ExtraHosts":["a:1.2.3.4"],
            "GroupAdd":["10"],"IpcMode":"shareable","PidMode":"host","OomScoreAdj":100,"ReadonlyRootfs":true,"SecurityOpt":["seccomp=unconfined","no-new-privileges"],
            "ShmSize":1048576,"Sysctls":{"net.core.somaxconn":"10"},"CpuShares":512,"Memory":67108864,"NanoCpus":500000000,"CpusetCpus":"0","MemorySwap":-1,
            "MemoryReservation":1048576,"PidsLimit":50,"Ulimits":[{"Name":"nofile","Hard":20,"Soft":10}],"Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/x","CgroupPermissions":"r"}],
            "BlkioDeviceReadBps":[{"Path":"/dev/vda","Rate":1000}],"DeviceCgroupRules":["c 1:3 r"],"Init":true,"MaskedPaths":[],"CgroupnsMode":"private","UTSMode":"host"}}"#;
        let create: Create = gantry_wire::docker::parse(asked.as_bytes()).expect("valid");
        let shown = serde_json::to_value(host_config(
            &wish(&create, crate::version::Spoken(gantry_wire::docker::VERSION)).map_err(|error| error.message).expect("taken").spec,
        ))
        .expect("JSON");
        let asked: serde_json::Value = serde_json::from_str(asked).expect("JSON");
        for (key, value) in asked["HostConfig"].as_object().expect("an object") {
            assert_eq!(&shown[key], value, "{key}");
        }
    }
}
