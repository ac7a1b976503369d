//! The walls of a container, as a person asks for them.

use crate::support::*;
use gantry_model::{ContainerSpec, Kind, Mount, MountKind, NetworkMode, PidMode, Propagation, Seccomp, Security};

/// The last line that the shell printed about each try; a container that ends at once.
async fn output(engine: &gantry_engine::Engine, name: &str, spec: ContainerSpec) -> String {
    start(engine, name, spec).await;
    exit_code(engine, name).await;
    logs(engine, name).await
}

fn secured(text: &str, security: Security) -> ContainerSpec {
    ContainerSpec { security, ..script(text) }
}

const TRIES: &str = "grep ^Seccomp: /proc/self/status; unshare -U true 2>/dev/null && echo unshared || echo refused";

#[test]
#[ignore = "needs root"]
fn system_calls_are_filtered_as_asked() {
    let world = World::with_busybox();
    world.run(async |engine| {
        assert_eq!(output(&engine, "default", script(TRIES)).await, "Seccomp:\t2\nrefused\n");
        let quiet = Security { no_new_privileges: true, ..Security::default() };
        assert_eq!(output(&engine, "no-new-privileges", secured(TRIES, quiet)).await, "Seccomp:\t2\nrefused\n");
        let unconfined = Security { seccomp: Seccomp::Unconfined, ..Security::default() };
        assert_eq!(output(&engine, "unconfined", secured(TRIES, unconfined)).await, "Seccomp:\t0\nunshared\n");
        let privileged = Security { privileged: true, ..Security::default() };
        assert_eq!(output(&engine, "privileged", secured(TRIES, privileged)).await, "Seccomp:\t0\nunshared\n");
        let admin = Security { cap_add: vec!["SYS_ADMIN".to_owned()], ..Security::default() };
        assert_eq!(output(&engine, "admin", secured(TRIES, admin)).await, "Seccomp:\t2\nunshared\n");
        let profile = r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }] }"#;
        for privileged in [false, true] {
            let own = Security { seccomp: Seccomp::Profile(profile.to_owned()), privileged, ..Security::default() };
            let text = output(&engine, &format!("own-{privileged}"), secured("mkdir /tmp/x 2>&1; grep ^Seccomp: /proc/self/status", own)).await;
            assert!(text.contains("No space left on device") && text.ends_with("Seccomp:\t2\n"), "{text}");
        }
        start(&engine, "exec", script("exec sleep 1000")).await;
        assert_eq!(exec(&engine, "exec", &["sh", "-c", TRIES]).await.0, "Seccomp:\t2\nrefused\n");
    });
}

#[test]
#[ignore = "needs root"]
fn a_bad_profile_is_refused_when_the_container_is_made() {
    let world = World::with_busybox();
    world.run(async |engine| {
        for (profile, says) in [
            ("{ nonsense", "is not in docker's JSON form"),
            (r#"{ "defaultAction": "SCMP_ACT_NOTHING" }"#, "unknown variant `SCMP_ACT_NOTHING`"),
            (r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "name": "a", "names": ["b"], "action": "SCMP_ACT_LOG" }] }"#, "both name and names"),
        ] {
            let spec = secured("true", Security { seccomp: Seccomp::Profile(profile.to_owned()), ..Security::default() });
            let error = engine.create_container(&root(), None, spec).await.expect_err("refused");
            assert!(error.kind() == Kind::Invalid && error.to_string().contains(says), "{error}");
        }
        let all = gantry_engine::ListFilter { all: true, ..Default::default() };
        assert!(engine.list_containers(&root(), &all).await.expect("allowed").is_empty());
    });
}

#[test]
#[ignore = "needs root"]
fn root_of_a_user_namespace_is_nobody_outside() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let volume = Mount { kind: MountKind::Volume { name: "kept".to_owned(), no_copy: false }, target: "/data".to_owned(), read_only: false, ..Mount::default() };
        let folder = world.path("of-the-host");
        std::fs::create_dir(&folder).expect("made");
        let bind = MountKind::Bind { source: folder.display().to_string(), propagation: Propagation::Rprivate, recursive: true, create_source: false };
        let mounts = vec![volume.clone(), Mount { kind: bind, target: "/host".to_owned(), read_only: false, ..Mount::default() }];
        let text = "id -u; cat /proc/self/uid_map; echo mine > /made; echo x >> /etc/hosts; echo kept > /data/new; touch /host/no 2>&1; stat -c '%u %a' /data/file; exec sleep 1000";
        let mapped = |name: &'static str| ContainerSpec { userns: true, mounts: mounts.clone(), hostname: name.to_owned(), ..script(text) };
        let mut ranges = Vec::new();
        for name in ["one", "two"] {
            let id = start(&engine, name, mapped(name)).await;
            until_async("it has spoken", async || logs(&engine, name).await.lines().count() >= 4).await;
            let said = logs(&engine, name).await;
            let lines: Vec<&str> = said.lines().collect();
            assert!(lines[0] == "0" && lines[2].contains("Permission denied") && lines[3] == "0 640", "{said}");
            let map: Vec<u32> = lines[1].split_whitespace().map(|number| number.parse().expect("a number")).collect();
            assert!(map[0] == 0 && map[1] >= 1 << 30 && map[2] == 65536, "{map:?}");
            let pid = engine.container(&root(), name).await.expect("it exists").summary.pid.expect("it runs");
            assert!(read(format!("/proc/{pid}/status").as_ref()).contains(&format!("\nUid:\t{0}\t{0}\t", map[1])));
            assert_eq!(exec(&engine, name, &["sh", "-c", "id -u; cat /made; hostname"]).await.0, format!("0\nmine\n{name}\n"));
            let stored = std::fs::metadata(world.path("data/containers").join(&id).join("upper/made")).expect("stored");
            assert_eq!(std::os::unix::fs::MetadataExt::uid(&stored), 0, "on disk ids are the container's own");
            ranges.push(map[1]);
        }
        assert_ne!(ranges[0], ranges[1], "containers share no ids");
        // What one wrote into the volume is everybody's, with or without a user namespace.
        let plain = ContainerSpec { mounts: vec![volume], ..script("stat -c %u /data/new; cat /data/new") };
        assert_eq!(output(&engine, "plain", plain).await, "0\nkept\n");
        engine.restart_container(&root(), "one", Some(std::time::Duration::ZERO)).await.expect("restarted");
        until_async("it has spoken again", async || logs(&engine, "one").await.lines().count() >= 8).await;
    });
}

#[test]
#[ignore = "needs root"]
fn what_a_user_namespace_can_not_have_is_refused() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let user = || ContainerSpec { userns: true, ..script("true") };
        for (spec, what) in [
            (ContainerSpec { security: Security { privileged: true, ..Security::default() }, ..user() }, "privileged mode"),
            (ContainerSpec { network: NetworkMode::Host, ..user() }, "the host's network namespace"),
            (ContainerSpec { pid_mode: PidMode::Host, ..user() }, "the host's PID namespace"),
        ] {
            let error = engine.create_container(&root(), None, spec).await.expect_err("refused");
            assert!(error.kind() == Kind::Invalid && error.to_string() == format!("{what} can't be had in a user namespace"), "{error}");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_user_who_is_not_root_reads_the_containers_limits() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let text = "id -u; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null";
        let limits = gantry_model::Limits { pids: Some(77), ..Default::default() };
        let spec = ContainerSpec { user: "1000".to_owned(), limits, ..script(text) };
        assert_eq!(output(&engine, "reader", spec).await, "1000\n77\n");
    });
}
