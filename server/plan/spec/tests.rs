use super::*;
use gantry_model::{Limits, Mount, MountKind, NetworkMode, Security, Ulimit};

fn spec_of(wish: &ContainerSpec) -> Result<Spec, SpecError> {
    let id = ContainerId::from_bytes([7; 32]);
    let process = FinalProcess { args: vec!["sh".into()], cwd: "/".into(), ..FinalProcess::default() };
    let bounding = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"].into_iter().chain(DEFAULT_CAPABILITIES).map(str::to_owned).collect();
    let facts = HostFacts { cgroup_v2: true, time_namespaces: true, cpus: 2, bounding };
    runtime_spec(SpecInput {
        id: &id,
        wish,
        process: &process,
        user: UserIds { uid: 0, gid: 0, additional_gids: vec![0, 10] },
        rootfs: "/x/rootfs".into(),
        cgroups_path: "/gantry/x".into(),
        hostname: "web".into(),
        mounts: vec![],
        devices: vec![],
        resources: LinuxResources::default(),
        seccomp: None,
        joined: JoinedNamespaces::default(),
        id_map: None,
        facts: &facts,
    })
}

fn capabilities_of(security: Security) -> String {
    let bounding = ["SYS_ADMIN", "NET_ADMIN"].into_iter().chain(DEFAULT_CAPABILITIES).map(str::to_owned).collect();
    capabilities(&security, &bounding).map_or_else(|error| error.to_string(), |names| names.join(" "))
}

#[test]
fn a_default_container_has_dockers_fourteen_capabilities_and_none_inheritable() {
    let spec = spec_of(&ContainerSpec::default()).expect("plain");
    let sets = spec.process().as_ref().and_then(|p| p.capabilities().clone()).expect("set");
    assert_eq!(sets.bounding().as_ref().map(std::collections::HashSet::len), Some(14));
    assert_eq!(sets.effective(), sets.bounding());
    assert_eq!(sets.inheritable().as_ref().map(std::collections::HashSet::len), Some(0));
    assert_eq!(sets.ambient().as_ref().map(std::collections::HashSet::len), Some(0));
}

#[test]
fn capabilities_are_added_and_dropped_as_docker_does() {
    let with = |add: &str, drop: &str| Security {
        cap_add: add.split_whitespace().map(str::to_owned).collect(),
        cap_drop: drop.split_whitespace().map(str::to_owned).collect(),
        ..Security::default()
    };
    assert_eq!(capabilities_of(with("net_admin", "ALL")), "NET_ADMIN");
    assert!(!capabilities_of(with("CAP_NET_ADMIN", "CHOWN")).contains("CHOWN"));
    assert!(!capabilities_of(with("ALL", "NET_ADMIN")).contains("NET_ADMIN"));
    assert!(capabilities_of(with("ALL", "")).contains("SYS_ADMIN"));
    assert!(capabilities_of(with("NO_SUCH", "")).contains("unknown capability"));
}

#[test]
fn a_privileged_container_has_no_masked_paths_and_all_devices() {
    let spec = spec_of(&ContainerSpec { security: Security { privileged: true, ..Security::default() }, ..ContainerSpec::default() }).expect("plain");
    let linux = spec.linux().clone().expect("set");
    assert_eq!(linux.masked_paths().as_deref(), Some(&[][..]));
    assert_eq!(linux.resources().as_ref().and_then(|r| r.devices().clone()).map(|rules| rules.len()), Some(1));
}

#[test]
fn the_masked_list_is_complete() {
    let spec = spec_of(&ContainerSpec::default()).expect("plain");
    let masked = spec.linux().as_ref().and_then(|l| l.masked_paths().clone()).expect("set");
    for path in ["/proc/interrupts", "/sys/devices/virtual/powercap", "/sys/devices/system/cpu/cpu1/thermal_throttle"] {
        assert!(masked.iter().any(|known| known == path), "{path}");
    }
}

#[test]
fn a_sysctl_of_the_host_is_refused() {
    let with =
        |network: NetworkMode, name: &str| spec_of(&ContainerSpec { network, sysctls: [(name.to_owned(), "1".to_owned())].into(), ..ContainerSpec::default() });
    assert!(with(NetworkMode::Bridge, "net.ipv4.ip_forward").is_ok());
    assert!(with(NetworkMode::Host, "net.ipv4.ip_forward").is_err());
    assert!(with(NetworkMode::Bridge, "kernel.core_pattern").is_err());
    assert!(with(NetworkMode::Bridge, "net..kernel.core_pattern").is_err());
}

#[test]
fn a_wished_mount_replaces_dockers_own_at_the_same_place() {
    let shm = Mount {
        kind: MountKind::Tmpfs { size_bytes: Some(1024), mode: None, options: vec!["exec".into()] },
        target: "/dev/shm".into(),
        read_only: false,
        ..Mount::default()
    };
    let spec = spec_of(&ContainerSpec { mounts: vec![shm], ..ContainerSpec::default() }).expect("plain");
    let at: Vec<_> = spec.mounts().iter().flatten().filter(|m| m.destination().to_str() == Some("/dev/shm")).collect();
    assert_eq!(at.len(), 1);
    assert_eq!(at[0].options().as_ref().map(|o| o.join(",")), Some("nosuid,nodev,rw,size=1024,exec".into()));
}

#[test]
fn ulimits_are_checked() {
    let with = |name: &str, soft, hard| spec_of(&ContainerSpec { ulimits: vec![Ulimit { name: name.into(), soft, hard }], ..ContainerSpec::default() });
    assert!(with("nofile", 1, -1).is_ok());
    assert!(matches!(with("nofile", 2, 1), Err(SpecError::UlimitOrder { .. })));
    assert!(matches!(with("files", 1, 1), Err(SpecError::UnknownUlimit(_))));
}

#[test]
fn a_device_rule_is_read_or_refused() {
    let with = |rule: &str| spec_of(&ContainerSpec { limits: Limits { device_rules: vec![rule.into()], ..Limits::default() }, ..ContainerSpec::default() });
    assert!(with("c 1:* rw").is_ok());
    for bad in ["c 1:3", "x 1:3 r", "c 1:3 z", "c -1:3 r", "c 1:3 r x"] {
        assert!(with(bad).is_err(), "{bad}");
    }
}
