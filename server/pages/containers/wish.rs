//! Values of the create form as a container's wish, and back: what is written reads as it was.

mod read;
mod sizes;
mod write;

pub use read::read;
pub use write::write;

use gantry_model::{ContainerName, ContainerSpec};
use std::collections::BTreeMap;

/// Values by field name; a tick is `on`.
pub type Values = BTreeMap<String, String>;

/// What the form asks for.
#[derive(Debug)]
pub struct Asked {
    pub name: Option<ContainerName>,
    pub spec: ContainerSpec,
}

/// A field and what is wrong with it.
pub type Wrong = (&'static str, String);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::fields;
    use gantry_model::*;

    fn full() -> ContainerSpec {
        let rate = |path: &str, rate| DeviceRate { path: path.into(), rate };
        ContainerSpec {
            image: "busybox:latest".into(),
            entrypoint: Some(vec!["/bin/run".into(), "a b".into()]),
            cmd: Some(vec!["sh".into(), "-c".into(), "echo 'x'\ny".into()]),
            env: vec!["A=1 2".into(), "B".into()],
            user: "app:app".into(),
            group_add: vec!["audio".into()],
            working_dir: "/srv".into(),
            hostname: "h".into(),
            domainname: "d".into(),
            tty: true,
            open_stdin: true,
            labels: [("k".to_owned(), "v=w".to_owned())].into(),
            annotations: [("a".to_owned(), String::new())].into(),
            stop_signal: Some(Signal::KILL),
            stop_timeout_secs: Some(3),
            health: Some(HealthCheck {
                test: vec!["CMD-SHELL".into(), "true".into()],
                interval_ms: 30_000,
                timeout_ms: 1500,
                start_period_ms: 60_000,
                retries: 2,
                ..HealthCheck::default()
            }),
            mounts: vec![
                Mount {
                    kind: MountKind::Bind { source: "/srv/x".into(), propagation: Propagation::Rprivate, recursive: true, create_source: true },
                    target: "/x".into(),
                    read_only: true,
                    ..Mount::default()
                },
                Mount { kind: MountKind::Volume { name: "data".into(), no_copy: false }, target: "/data".into(), read_only: false, ..Mount::default() },
                Mount { kind: MountKind::Volume { name: String::new(), no_copy: false }, target: "/anonymous".into(), read_only: false, ..Mount::default() },
                Mount { kind: MountKind::Volume { name: "v".into(), no_copy: true }, target: "/v".into(), read_only: true, ..Mount::default() },
                Mount {
                    kind: MountKind::Bind { source: "/y".into(), propagation: Propagation::Rshared, recursive: true, create_source: false },
                    target: "/y".into(),
                    read_only: false,
                    ..Mount::default()
                },
                Mount {
                    kind: MountKind::Tmpfs { size_bytes: Some(1 << 20), mode: Some(0o700), options: vec!["noexec".into()] },
                    target: "/t".into(),
                    read_only: false,
                    ..Mount::default()
                },
                Mount { kind: MountKind::Tmpfs { size_bytes: None, mode: None, options: vec![] }, target: "/t2".into(), read_only: false, ..Mount::default() },
            ],
            network: NetworkMode::Container("web".into()),
            ports: PortBinding::parse("127.0.0.1:8080:80/udp").expect("a port"),
            publish_all: true,
            dns: vec!["9.9.9.9".into()],
            dns_search: vec!["example.com".into()],
            dns_options: vec!["ndots:2".into()],
            extra_hosts: vec!["db:10.0.0.1".into()],
            restart: RestartPolicy::OnFailure { max_retries: 3 },
            auto_remove: true,
            init: true,
            limits: Limits {
                memory_bytes: Some(512 << 20),
                memory_swap_bytes: Some(-1),
                memory_reservation_bytes: Some(1000),
                memory_swappiness: Some(10),
                oom_kill_disable: true,
                nano_cpus: Some(1_500_000_000),
                cpu_shares: Some(512),
                cpu_quota_us: Some(50_000),
                cpu_period_us: Some(100_000),
                cpuset_cpus: Some("0-1".into()),
                cpuset_mems: Some("0".into()),
                pids: Some(64),
                blkio_weight: Some(300),
                blkio_weight_devices: vec![WeightDevice { path: "/dev/sda".into(), weight: 200 }],
                read_bps: vec![rate("/dev/sda", 10 << 20)],
                write_bps: vec![rate("/dev/sda", 5)],
                read_iops: vec![rate("/dev/sda", 1000)],
                write_iops: vec![rate("/dev/sdb", 7)],
                device_rules: vec!["c 1:3 rwm".into()],
            },
            shm_size_bytes: Some(128 << 20),
            devices: vec![Device { path_on_host: "/dev/fuse".into(), path_in_container: "/dev/fuse".into(), permissions: "rw".into() }],
            ulimits: vec![Ulimit { name: "nofile".into(), soft: 10, hard: 20 }],
            sysctls: [("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into(),
            oom_score_adj: Some(500),
            security: Security {
                privileged: true,
                cap_add: vec!["NET_ADMIN".into()],
                cap_drop: vec!["ALL".into()],
                no_new_privileges: true,
                read_only_rootfs: true,
                seccomp: Seccomp::Profile("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}".into()),
                apparmor: Some("unconfined".into()),
                masked_paths: Some(vec![]),
                readonly_paths: Some(vec![]),
            },
            pid_mode: PidMode::Container("db".into()),
            ipc_mode: IpcMode::Shareable,
            host_uts: true,
            host_cgroupns: Some(true),
            userns: true,
            cgroup_parent: Some("/p".into()),
            log_driver: "none".into(),
            log_options: [("max-size".to_owned(), "10m".to_owned())].into(),
            ..ContainerSpec::default()
        }
    }

    #[test]
    fn every_wish_is_written_and_read_again() {
        for spec in [full(), ContainerSpec { image: "a".into(), ..ContainerSpec::default() }] {
            let again = read(&write(&spec)).unwrap_or_else(|wrong| panic!("{wrong:?}"));
            assert_eq!(again.spec, spec);
        }
    }

    #[test]
    fn the_form_has_a_field_for_each_value_and_no_other() {
        let mut written: Vec<String> = write(&full()).into_keys().collect();
        written.push("name".to_owned());
        written.sort();
        let mut shown: Vec<String> = fields::all().map(|field| field.name.to_owned()).collect();
        shown.sort();
        assert_eq!(shown, written);
    }

    #[test]
    fn a_wrong_value_is_told_at_its_field() {
        let check = |field: &'static str, value: &str| {
            let values: Values = [("image".to_owned(), "busybox".to_owned()), (field.to_owned(), value.to_owned())].into();
            let wrong = read(&values).expect_err(field);
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            assert_eq!(wrong[0].0, field, "{wrong:?}");
        };
        for (field, value) in [
            ("image", " "),
            ("name", "-x"),
            ("cmd", "'open"),
            ("ports", "80:x"),
            ("memory", "lots"),
            ("cpus", "-1"),
            ("pids", "x"),
            ("volumes", "a:b:c:d"),
            ("volumes", "data"),
            ("tmpfs", "relative"),
            ("mounts", "type=magic,target=/x"),
            ("mounts", "type=bind,source=/x"),
            ("restart", "sometimes"),
            ("ulimits", "nofile"),
            ("sysctls", "noequals"),
            ("stop_signal", "SIGNOPE"),
            ("health_interval", "soon"),
            ("seccomp", "strict"),
            ("read_bps", "/dev/sda"),
            ("devices", "fuse"),
            ("ipc_mode", "x"),
        ] {
            check(field, value);
        }
    }
}
