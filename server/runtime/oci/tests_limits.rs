//! Limits on the command line: what podman, containerd and people do with a container's cgroup.

use super::tests::{Oci, wait_for};
use crate::cgroup::{Cgroup, Layout};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

fn cgroup(path: &str) -> Cgroup {
    Cgroup::at(&Layout::detect().expect("cgroups"), &path.parse().expect("a path"))
}

/// The cgroup that the bundle asks for.
fn asked(oci: &Oci) -> Cgroup {
    cgroup(oci.bundle.spec["linux"]["cgroupsPath"].as_str().expect("tests have one"))
}

fn stats(oci: &Oci) -> Value {
    serde_json::from_str::<Value>(&oci.ok(&["events", "--stats", "box"])).expect("json")["data"].clone()
}

fn running(oci: &Oci) {
    oci.create("box", &[]);
    oci.ok(&["start", "box"]);
}

#[test]
#[ignore = "needs root"]
fn a_container_is_paused_resumed_and_killed_in_its_sleep() {
    let oci = Oci::new("while true; do sleep 0.01; done");
    running(&oci);
    assert!(oci.fails(&["resume", "box"]).0.contains("container not paused"));
    oci.ok(&["pause", "box"]);
    assert_eq!(oci.state("box")["status"], "paused");
    assert!(oci.fails(&["exec", "box", "true"]).0.contains("cannot exec in a paused container"));
    let used = || stats(&oci)["cpu"]["usage"]["total"].as_u64();
    let before = used();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(used(), before);
    oci.ok(&["resume", "box"]);
    assert_eq!(oci.state("box")["status"], "running");
    oci.ok(&["pause", "box"]);
    oci.ok(&["kill", "box", "KILL"]);
    wait_for("its end", || oci.state("box")["status"] == "stopped");
    oci.ok(&["delete", "box"]);
    assert!(!asked(&oci).exists());
}

#[test]
#[ignore = "needs root"]
fn limits_of_the_spec_are_set_and_updated() {
    let mut oci = Oci::new("sleep 100");
    oci.change(
        "/linux/resources",
        json!({ "memory": { "limit": 67_108_864, "swap": 134_217_728 }, "pids": { "limit": 9 }, "cpu": { "quota": 50000, "period": 100_000 } }),
    );
    running(&oci);
    let limits = || {
        let now = stats(&oci);
        (now["memory"]["usage"]["limit"].as_u64().expect("a number"), now["pids"]["limit"].as_u64().expect("a number"))
    };
    assert_eq!(limits(), (64 << 20, 9));
    oci.ok(&["update", "--memory", "32m", "--memory-swap", "32m", "--pids-limit", "20", "box"]);
    assert_eq!(limits(), (32 << 20, 20));
    oci.ok(&["update", "box", "--memory", "-1"]);
    assert_eq!(limits(), (u64::MAX, 20));
    let mut update = oci.command(&["update", "-r", "-", "box"]).stdin(Stdio::piped()).spawn().expect("started");
    update.stdin.take().expect("piped").write_all(br#"{"pids":{"limit":-1},"cpu":{"quota":20000}}"#).expect("written");
    assert!(update.wait().expect("ended").success());
    assert_eq!(limits().1, 0, "none");
    assert!(oci.fails(&["update", "box", "--memory", "much"]).0.contains("is no size"));
    assert!(oci.fails(&["update", "box", "--cpuset-cpus", "4000"]).0.contains("4000"));
    assert!(oci.fails(&["update", "nobody", "--pids-limit", "5"]).0.contains("does not exist"));
    oci.ok(&["kill", "box", "9"]);
    wait_for("its end", || oci.state("box")["status"] == "stopped");
    assert!(oci.fails(&["update", "box", "--pids-limit", "5"]).0.contains("not running"));
    assert!(oci.fails(&["events", "box"]).0.contains("not running"));
}

#[test]
#[ignore = "needs root"]
fn events_tell_that_memory_ran_out_and_what_is_used() {
    let mut oci = Oci::new("while [ ! -e /go ]; do sleep 0.01; done; sh -c 'x=abcdefgh; while true; do x=$x$x; done'; sleep 100");
    oci.change("/linux/resources", json!({ "memory": { "limit": 33_554_432, "swap": 33_554_432 } }));
    running(&oci);
    let mut events = oci.command(&["events", "--interval", "50ms", "box"]).stdout(Stdio::piped()).spawn().expect("started");
    let mut lines = BufReader::new(events.stdout.take().expect("piped")).lines().map(|line| serde_json::from_str::<Value>(&line.expect("text")).expect("json"));
    let first = lines.next().expect("statistics");
    assert_eq!((&first["type"], &first["id"]), (&json!("stats"), &json!("box")));
    for pointer in ["/cpu/usage/total", "/memory/usage/usage", "/memory/raw", "/pids/current", "/cpu/throttling/periods"] {
        assert!(first["data"].pointer(pointer).is_some_and(|value| !value.is_null()), "{pointer}: {first}");
    }
    std::fs::write(oci.bundle.rootfs().join("go"), "").expect("written");
    let oom = lines.find(|line| line["type"] == "oom").expect("told");
    assert_eq!(oom["id"], "box");
    oci.ok(&["delete", "--force", "box"]);
    lines.for_each(drop);
    assert!(events.wait().expect("ended").success(), "it ends with the container");
}

#[test]
#[ignore = "needs root"]
fn processes_that_share_the_hosts_pids_are_all_reached_and_none_is_left() {
    let mut oci = Oci::new(
        "trap 'touch /told-first' USR1; (trap 'touch /told-second' USR1; touch /ready; while true; do sleep 0.01; done) & while true; do sleep 0.01; done",
    );
    oci.change("/linux/namespaces", json!([{ "type": "mount" }, { "type": "uts" }, { "type": "ipc" }]));
    oci.change("/linux/sysctl", json!({}));
    running(&oci);
    let there = |name: &str| oci.bundle.rootfs().join(name).exists();
    wait_for("both are ready", || there("ready"));
    oci.ok(&["kill", "--all", "box", "USR1"]);
    wait_for("both are told", || there("told-first") && there("told-second"));
    let pids = asked(&oci).pids().expect("listed");
    assert!(pids.len() >= 2, "{pids:?}");
    // The second outlives the first.
    oci.ok(&["kill", "box", "KILL"]);
    wait_for("its end", || oci.state("box")["status"] == "stopped");
    assert!(!asked(&oci).pids().expect("listed").is_empty());
    oci.ok(&["delete", "box"]);
    assert!(!asked(&oci).exists());
}

#[test]
#[ignore = "needs root"]
fn a_cgroup_with_processes_is_not_shared() {
    let oci = Oci::new("sleep 100");
    running(&oci);
    assert!(oci.fails(&["run", "other"]).0.contains("container's cgroup is not empty: 1 process(es) found"));
    assert_eq!(oci.ok(&["list", "-q"]), "box\n");
    assert_eq!(asked(&oci).pids().expect("listed").len(), 1, "the first one goes on");
}

#[test]
#[ignore = "needs root"]
fn a_relative_path_is_below_the_callers_cgroups() {
    let mut oci = Oci::new("sleep 100");
    let name = crate::testing::cgroup_name();
    oci.change("/linux/cgroupsPath", json!(name.trim_start_matches('/')));
    running(&oci);
    let below = cgroup(name.trim_start_matches('/'));
    assert_eq!(below.pids().expect("listed").len(), 1);
    oci.ok(&["delete", "-f", "box"]);
    assert!(!below.exists());
    oci.change("/linux/cgroupsPath", json!(format!("{name}/a/../../b/c")));
    running(&oci);
    assert_eq!(cgroup("/b/c").pids().expect("listed").len(), 1);
    oci.ok(&["delete", "-f", "box"]);
    Cgroup::remove_empty_parent(&Layout::detect().expect("cgroups"), &"/b".parse().expect("a path"));
}

#[test]
#[ignore = "needs root"]
fn a_process_joins_a_cgroup_below_the_containers() {
    let oci = Oci::new("sleep 100");
    running(&oci);
    let (text, _) = oci.fails(&["exec", "--cgroup", "sub", "box", "true"]);
    assert!(text.contains("no such cgroup: sub"), "{text}");
    crate::cgroup::tests::ends::nested(&asked(&oci), "sub");
    let text = oci.ok(&["exec", "--cgroup", "sub", "box", "cat", "/proc/self/cgroup"]);
    assert!(text.lines().all(|line| line.ends_with("/sub")), "{text}");
    oci.ok(&["delete", "-f", "box"]);
    assert!(!asked(&oci).exists(), "what was made below is gone too");
}

#[test]
#[ignore = "needs root"]
fn the_usual_devices_work_and_no_other_does() {
    for resources in [json!({}), json!({ "devices": [{ "allow": false, "access": "rwm" }] })] {
        let mut oci = Oci::new("echo x > /dev/null && echo usual; /bin/busybox mknod /none c 250 77; cat /none 2>&1; true");
        oci.change("/linux/resources", resources);
        let text = oci.ok(&["run", "box"]);
        assert!(text.starts_with("usual\n") && text.contains("not permitted"), "{text}");
    }
}

#[test]
#[ignore = "needs root"]
fn managers_are_chosen_and_a_missing_systemd_is_told() {
    let oci = Oci::new("echo ran");
    let (text, _) = oci.fails(&["--systemd-cgroup", "run", "box"]);
    assert!(text.contains("systemd does not run on this host") || text.contains("does not talk to systemd"), "{text}");
    assert!(oci.fails(&["--cgroup-manager", "magic", "run", "box"]).0.contains("use cgroupfs, systemd or disabled"));
    assert_eq!(oci.ok(&["--cgroup-manager", "disabled", "run", "box"]), "ran\n");
    assert!(!asked(&oci).exists());
}
