//! What a person asks of a container is what the container has.

use crate::support::*;
use gantry_model::{ContainerSpec, Device, HealthCheck, Mount, MountKind, Security, Ulimit};

async fn output(engine: &gantry_engine::Engine, name: &str, spec: ContainerSpec) -> String {
    start(engine, name, spec).await;
    exit_code(engine, name).await;
    logs(engine, name).await
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

#[test]
#[ignore = "needs root"]
fn names_groups_limits_and_kernel_settings_reach_the_container() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let text = "hostname; cat /proc/sys/kernel/domainname; id -G; ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward; cat /proc/self/oom_score_adj; \
            grep -c 'shm .*size=1024k' /proc/mounts; cat /etc/hosts | grep -c '10.9.8.7.*far'; grep -c 10.1.1.1 /etc/resolv.conf; grep -c 'search here' /etc/resolv.conf";
        let spec = ContainerSpec {
            hostname: "web".to_owned(),
            domainname: "example.org".to_owned(),
            group_add: vec!["77".to_owned(), "user".to_owned()],
            ulimits: vec![Ulimit { name: "nofile".to_owned(), soft: 100, hard: 200 }],
            sysctls: [("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into(),
            oom_score_adj: Some(500),
            shm_size_bytes: Some(1 << 20),
            extra_hosts: vec!["far:10.9.8.7".to_owned()],
            dns: vec!["10.1.1.1".to_owned()],
            dns_search: vec!["here".to_owned()],
            ..script(text)
        };
        assert_eq!(lines(&output(&engine, "one", spec.clone()).await), ["web", "example.org", "0 77 1000", "100", "200", "1", "500", "1", "1", "1", "1"]);
        start(&engine, "two", ContainerSpec { cmd: script("exec sleep 1000").cmd, ..spec }).await;
        let more = exec(&engine, "two", &["sh", "-c", "ulimit -n; ulimit -Hn; id -G; hostname"]).await.0;
        assert_eq!(lines(&more), ["100", "200", "0 77 1000", "web"], "an exec has them too");
    });
}

#[test]
#[ignore = "needs root"]
fn walls_and_mounts_are_as_asked() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let security = Security {
            no_new_privileges: true,
            read_only_rootfs: true,
            masked_paths: Some(vec!["/etc/passwd".to_owned()]),
            readonly_paths: Some(vec!["/proc/bus".to_owned()]),
            ..Security::default()
        };
        let tmpfs = MountKind::Tmpfs { size_bytes: Some(1 << 20), mode: Some(0o711), options: Vec::new() };
        let text = "grep ^NoNewPrivs /proc/self/status; touch /x 2>&1; wc -c < /etc/passwd; grep -c '/proc/bus proc ro' /proc/mounts; grep -c '/proc/sys proc ro' /proc/mounts; \
            stat -c %a /scratch; grep -c '/scratch tmpfs.*size=1024k' /proc/mounts; echo x > /dev/other && stat -c %t:%T /dev/other";
        let spec = ContainerSpec {
            security,
            mounts: vec![Mount { kind: tmpfs, target: "/scratch".to_owned(), read_only: false, ..Mount::default() }],
            devices: vec![Device { path_on_host: "/dev/null".to_owned(), path_in_container: "/dev/other".to_owned(), permissions: "rwm".to_owned() }],
            ..script(text)
        };
        let said = output(&engine, "walls", spec).await;
        assert_eq!(lines(&said), ["NoNewPrivs:\t1", "touch: /x: Read-only file system", "0", "1", "0", "711", "1", "1:3"], "{said}");
        let host = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).expect("read").display().to_string();
        let shared = ContainerSpec { host_uts: true, host_cgroupns: Some(true), ..script("readlink /proc/self/ns/uts; readlink /proc/self/ns/cgroup") };
        assert_eq!(lines(&output(&engine, "shared", shared).await), [host("uts"), host("cgroup")]);
        let apart = ContainerSpec { host_cgroupns: Some(false), ..script("readlink /proc/self/ns/uts; readlink /proc/self/ns/cgroup") };
        let said = output(&engine, "apart", apart).await;
        assert!(!said.contains(&host("uts")) && !said.contains(&host("cgroup")), "{said}");
    });
}

#[test]
#[ignore = "needs root"]
fn a_container_stops_by_its_own_signal_and_stands_where_asked() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let parent = format!("/{}/elsewhere", world.name);
        let spec = ContainerSpec {
            stop_signal: Some("INT".parse().expect("a signal")),
            cgroup_parent: Some(parent.clone()),
            annotations: [("org.example.about".to_owned(), "it".to_owned())].into(),
            ..script("trap 'echo interrupted; exit 4' INT; echo up; while true; do sleep 0.05; done")
        };
        let id = start(&engine, "web", spec).await;
        until_async("it is up", async || logs(&engine, "web").await == "up\n").await;
        let pid = engine.container(&root(), "web").await.expect("it exists").summary.pid.expect("it runs");
        let cgroups = read(format!("/proc/{pid}/cgroup").as_ref());
        assert!(cgroups.contains(&format!("{parent}/{id}")), "{cgroups}");
        let config = engine.runtime_spec_json(&root(), "web").await.expect("it has run");
        assert!(config.contains("\"org.example.about\": \"it\""), "{config}");
        engine.stop_container(&root(), "web", None).await.expect("stopped");
        assert_eq!((exit_code(&engine, "web").await, logs(&engine, "web").await.as_str()), (4, "up\ninterrupted\n"));
    });
}

#[test]
#[ignore = "needs root"]
fn an_init_reaps_and_passes_signals_on() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let text = "(sleep 0.1 &); sleep 0.3; cat /proc/1/comm; cat /proc/[0-9]*/status | grep -c '^State:.Z'; trap 'echo told; exit 6' TERM; echo ready; while true; do sleep 0.05; done";
        start(&engine, "init", ContainerSpec { init: true, ..script(text) }).await;
        until_async("it is ready", async || logs(&engine, "init").await.ends_with("ready\n")).await;
        engine.stop_container(&root(), "init", None).await.expect("stopped");
        assert_eq!((exit_code(&engine, "init").await, logs(&engine, "init").await.as_str()), (6, "init\n0\nready\ntold\n"));
        let missing = ContainerSpec { init: true, cmd: Some(vec!["no-such-program".to_owned()]), ..script("") };
        create(&engine, "missing", missing).await;
        assert_eq!(engine.start_container(&root(), "missing").await.expect_err("no program").kind(), gantry_model::Kind::CommandNotFound);
    });
}

#[test]
#[ignore = "needs root"]
fn a_health_check_tells_how_the_container_is() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let check = |test: &[&str]| HealthCheck {
            test: test.iter().map(ToString::to_string).collect(),
            interval_ms: 50,
            timeout_ms: 200,
            retries: 2,
            ..HealthCheck::default()
        };
        let mut events = engine.events(&root(), Default::default()).await.expect("allowed");
        let spec = |test: &[&str]| ContainerSpec { health: Some(check(test)), ..script("exec sleep 1000") };
        start(&engine, "web", spec(&["CMD-SHELL", "echo seen; test ! -e /tmp/ill"])).await;
        let status = async || engine.container(&root(), "web").await.expect("it exists").summary.status;
        assert!(status().await.contains("(health: starting)") || status().await.ends_with("(healthy)"));
        until_async("it is healthy", async || status().await.ends_with("(healthy)")).await;
        exec(&engine, "web", &["touch", "/tmp/ill"]).await;
        until_async("it is unhealthy", async || status().await.ends_with("(unhealthy)")).await;
        let health = engine.container(&root(), "web").await.expect("it exists").health.expect("it is asked");
        assert!(health.failing_streak >= 2 && health.log.last().is_some_and(|probe| probe.exit_code == 1 && probe.output == "seen\n"), "{health:?}");
        let mut told = Vec::new();
        while told.len() < 2 {
            let action = events.next().await.expect("more come").action;
            told.extend(action.strip_prefix("health_status: ").map(str::to_owned));
        }
        assert_eq!(told, ["healthy", "unhealthy"]);
        start(&engine, "slow", spec(&["CMD", "sleep", "100"])).await;
        let slow = async || engine.container(&root(), "slow").await.expect("it exists").health.expect("it is asked");
        until_async("nobody waits for ever", async || slow().await.log.last().is_some_and(|probe| probe.output.contains("exceeded timeout"))).await;
        start(&engine, "none", spec(&["NONE"])).await;
        assert!(engine.container(&root(), "none").await.expect("it exists").health.is_none());
    });
}
