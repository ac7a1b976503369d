//! Limits of containers, from the first instruction on and while they run.

use crate::support::*;
use gantry_model::{ContainerSpec, Kind, Limits, RestartPolicy, State};
use std::time::Duration;

fn limited(limits: Limits, text: &str) -> ContainerSpec {
    ContainerSpec { limits, ..script(text) }
}

#[test]
#[ignore = "needs root"]
fn a_container_that_eats_memory_is_killed_and_the_reason_is_known() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let mut events = engine.events(&root(), Default::default()).await.expect("allowed");
        let limits = Limits { memory_bytes: Some(32 << 20), memory_swap_bytes: Some(32 << 20), ..Limits::default() };
        start(&engine, "hog", limited(limits, "x=abcdefgh; while true; do x=$x$x; done")).await;
        assert_eq!(exit_code(&engine, "hog").await, 137);
        let hog = engine.container(&root(), "hog").await.expect("it exists");
        assert!(hog.summary.oom_killed, "{:?}", hog.summary);
        let mut actions = Vec::new();
        while actions.last().is_none_or(|last| last != "die") {
            actions.push(events.next().await.expect("more come").action);
        }
        assert_eq!(actions, ["create", "connect", "start", "oom", "die"]);
    });
    until("the cgroups are gone", || world.cgroups().is_empty());
}

#[test]
#[ignore = "needs root"]
fn limits_change_while_a_container_runs_and_hold_after_its_restart() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let limits = Limits { memory_bytes: Some(64 << 20), pids: Some(10), ..Limits::default() };
        start(&engine, "web", limited(limits, "while true; do sleep 0.01; done")).await;
        let sample = async || engine.stats(&root(), "web").await.expect("counted");
        until_async("it is counted", async || sample().await.cpu.total_ns > 0).await;
        let now = sample().await;
        assert_eq!((now.memory.limit_bytes, now.pids_limit), (64 << 20, Some(10)));
        assert!(now.pids >= 1 && now.memory.usage_bytes > 0, "{now:?}");
        let change = Limits { memory_bytes: Some(128 << 20), pids: Some(20), nano_cpus: Some(500_000_000), ..Limits::default() };
        engine.update_container(&root(), "web", change, Some(RestartPolicy::Always)).await.expect("updated");
        let check = async || {
            let now = sample().await;
            assert_eq!((now.memory.limit_bytes, now.pids_limit), (128 << 20, Some(20)));
        };
        check().await;
        let web = engine.container(&root(), "web").await.expect("it exists");
        assert_eq!((web.spec.limits.nano_cpus, web.spec.restart), (Some(500_000_000), RestartPolicy::Always));
        // The monitor starts it again by the policy and with the limits it was given meanwhile.
        let pid = web.summary.pid.expect("it runs");
        kill_9(pid);
        until_async("it runs again", async || engine.container(&root(), "web").await.is_ok_and(|web| web.summary.pid.is_some_and(|new| new != pid))).await;
        check().await;
        engine.restart_container(&root(), "web", Some(Duration::ZERO)).await.expect("restarted");
        check().await;
        let refused = async |change: Limits| engine.update_container(&root(), "web", change, None).await.expect_err("it can't be");
        let error = refused(Limits { memory_bytes: Some(1 << 20), ..Limits::default() }).await;
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Invalid, "Minimum memory limit allowed is 6MB"));
        assert_eq!(refused(Limits { cpuset_cpus: Some("4000".into()), ..Limits::default() }).await.kind(), Kind::Invalid);
        assert_eq!(refused(Limits { cpu_quota_us: Some(5000), ..Limits::default() }).await.kind(), Kind::Invalid);
        check().await;
        engine.stop_container(&root(), "web", Some(Duration::ZERO)).await.expect("stopped");
        engine.update_container(&root(), "web", Limits { pids: Some(33), ..Limits::default() }, Some(RestartPolicy::No)).await.expect("a stopped one too");
        engine.start_container(&root(), "web").await.expect("started");
        assert_eq!(sample().await.pids_limit, Some(33));
        let viewer = engine.update_container(&caller(gantry_model::Role::Viewer), "web", Limits::default(), None).await.expect_err("only looks");
        assert_eq!(viewer.kind(), Kind::Forbidden);
    });
}

#[test]
#[ignore = "needs root"]
fn a_limit_that_is_in_use_already_is_refused_and_nothing_is_killed() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let limits = Limits { memory_bytes: Some(128 << 20), ..Limits::default() };
        start(&engine, "full", limited(limits, "dd if=/dev/zero of=/dev/shm/x bs=1M count=40 2>/dev/null; echo full; exec sleep 1000")).await;
        until_async("it is full", async || logs(&engine, "full").await == "full\n").await;
        let error = engine.update_container(&root(), "full", Limits { memory_bytes: Some(8 << 20), ..Limits::default() }, None).await.expect_err("in use");
        assert!(error.to_string().contains("uses"), "{}", error.chain());
        let full = engine.container(&root(), "full").await.expect("it exists");
        assert_eq!((full.summary.state, full.spec.limits.memory_bytes), (State::Running, Some(128 << 20)));
        assert_eq!(engine.stats(&root(), "full").await.expect("counted").memory.limit_bytes, 128 << 20);
    });
}

#[test]
#[ignore = "needs root"]
fn a_paused_container_stands_still_and_can_be_stopped() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "busy", script("while true; do :; done")).await;
        let used = async || engine.stats(&root(), "busy").await.expect("counted").cpu.total_ns;
        until_async("it works", async || used().await > 0).await;
        engine.pause_container(&root(), "busy").await.expect("paused");
        assert_eq!(engine.container(&root(), "busy").await.expect("it exists").summary.state, State::Paused);
        let before = used().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(used().await, before);
        engine.unpause_container(&root(), "busy").await.expect("resumed");
        until_async("it works again", async || used().await > before).await;
        engine.pause_container(&root(), "busy").await.expect("paused");
        engine.stop_container(&root(), "busy", Some(Duration::ZERO)).await.expect("stopped");
        assert_eq!(exit_code(&engine, "busy").await, 137);
    });
}

#[test]
#[ignore = "needs root"]
fn a_fork_bomb_ends_with_its_container_and_the_engine_answers_meanwhile() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let limits = Limits { pids: Some(50), ..Limits::default() };
        start(&engine, "bomb", limited(limits, "b() { (b) & (b) & exec sleep 1000; }; b")).await;
        until_async("it is full", async || engine.stats(&root(), "bomb").await.is_ok_and(|now| now.pids > 20)).await;
        assert!(engine.stats(&root(), "bomb").await.expect("counted").pids <= 50);
        start(&engine, "calm", script("exit 0")).await;
        assert_eq!(exit_code(&engine, "calm").await, 0);
        engine.stop_container(&root(), "bomb", Some(Duration::ZERO)).await.expect("stopped");
        assert_eq!(exit_code(&engine, "bomb").await, 137);
    });
    until("the cgroups are gone", || world.cgroups().is_empty());
}

#[test]
#[ignore = "needs root"]
fn impossible_limits_are_refused_before_anything_is_made() {
    let world = World::with_busybox();
    world.run(async |engine| {
        for (limits, words) in [
            (Limits { memory_bytes: Some(1000), ..Limits::default() }, "Minimum memory limit allowed is 6MB"),
            (Limits { nano_cpus: Some(i64::MAX), ..Limits::default() }, "Range of CPUs is from 0.01 to"),
            (Limits { cpuset_cpus: Some("x".into()), ..Limits::default() }, "Invalid value x for cpuset cpus"),
        ] {
            let error = engine.create_container(&root(), None, limited(limits, "")).await.expect_err("it can't be");
            assert!(error.kind() == Kind::Invalid && error.to_string().contains(words), "{}", error.chain());
        }
        let swappy = Limits { oom_kill_disable: true, ..Limits::default() };
        let created = engine.create_container(&root(), None, limited(swappy, "")).await.expect("made");
        assert_eq!(created.warnings.len(), 1, "{:?}", created.warnings);
    });
}

#[test]
#[ignore = "needs root"]
fn a_container_can_have_another_cgroup_above_it() {
    let world = World::with_busybox();
    let parent = format!("{}-special", world.name);
    world.run(async |engine| {
        let spec = ContainerSpec { cgroup_parent: Some(parent.clone()), ..script("cat /proc/self/cgroup; exec sleep 1000") };
        let id = start(&engine, "special", spec).await;
        until_async("it tells where it is", async || !logs(&engine, "special").await.is_empty()).await;
        let text = logs(&engine, "special").await;
        assert!(text.lines().all(|line| line.ends_with(&format!(":/{parent}/{id}")) || line.ends_with(":/")), "{text}");
        assert_eq!(engine.top(&root(), "special", "-ef").await.expect("listed").rows.len(), 1);
        engine.stop_container(&root(), "special", Some(Duration::ZERO)).await.expect("stopped");
    });
    until("its cgroups are gone", || cgroups(&parent).is_empty());
    for root in std::fs::read_dir("/sys/fs/cgroup").expect("readable").flatten() {
        let _ = std::fs::remove_dir(root.path().join(&parent));
    }
    let _ = std::fs::remove_dir(std::path::Path::new("/sys/fs/cgroup").join(&parent));
}
