//! What an engine finds when it comes back, and what it does when a monitor dies.

use crate::support::*;
use gantry_engine::{RemoveOptions, TerminalSpec};
use gantry_model::{ContainerSpec, RestartPolicy, State};

fn always(text: &str) -> ContainerSpec {
    ContainerSpec { restart: RestartPolicy::Always, ..script(text) }
}

#[test]
#[ignore = "needs root"]
fn containers_and_terminals_outlive_a_server_that_was_killed() {
    let mut world = World::with_busybox();
    world.end();
    let mut server = world.child();
    let ids: Vec<String> = (0..3).map(|n| server.ask(&format!("run c{n} sleep 1000"))).collect();
    let terminal = server.ask("terminal c0 read line; echo got $line; sleep 1000");
    server.kill_9();
    world.begin();
    world.run(async |engine| {
        for (n, id) in ids.iter().enumerate() {
            let detail = engine.container(&root(), &format!("c{n}")).await.expect("it is known");
            assert_eq!((detail.summary.id.as_str(), detail.summary.state), (id.as_str(), State::Running));
        }
        let id = terminal.parse().expect("an id");
        let mut attached = engine.join_terminal(&root(), &id, None).await.expect("it goes on").attached;
        assert!(attached.input.send(bytes::Bytes::from_static(b"hello\n")).await);
        let mut seen = String::new();
        while !seen.contains("got hello") {
            if let Some(gantry_engine::Output::Data { bytes, .. }) = attached.output.recv().await {
                seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    });
}

#[test]
#[ignore = "needs root"]
fn what_ended_while_no_server_ran_is_known_afterwards() {
    let mut world = World::with_busybox();
    world.end();
    let mut server = world.child();
    server.ask("run brief sleep 0.3; exit 9");
    server.kill_9();
    until("its monitor has written the exit", || {
        std::fs::read_dir(world.path("data/containers")).into_iter().flatten().flatten().any(|folder| folder.path().join("exit.json").exists())
    });
    world.begin();
    world.run(async |engine| {
        let detail = engine.container(&root(), "brief").await.expect("it is known");
        assert_eq!((detail.summary.state, detail.summary.exit_code), (State::Exited, Some(9)));
    });
}

#[test]
#[ignore = "needs root"]
fn a_container_whose_monitor_is_killed_ends_and_leaves_nothing() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let id = start(&engine, "web", script("sleep 1000")).await;
        let pid = engine.container(&root(), "web").await.expect("there").summary.pid.expect("it runs");
        kill_9(monitor_pid(&world, &id));
        assert_eq!(exit_code(&engine, "web").await, 137);
        until("its process is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
        let detail = engine.container(&root(), "web").await.expect("there");
        assert_eq!(detail.summary.state, State::Exited);
        assert!(detail.error.contains("monitor was killed"), "{}", detail.error);
        engine.remove_container(&root(), "web", RemoveOptions::default()).await.expect("removed");
    });
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn the_restart_policy_holds_when_the_monitor_is_killed() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let id = start(&engine, "web", always("sleep 1000")).await;
        start(&engine, "once", script("sleep 1000")).await;
        let before = monitor_pid(&world, &id);
        kill_9(before);
        until_async("it runs again", async || {
            let detail = engine.container(&root(), "web").await.expect("there");
            detail.summary.state == State::Running && detail.monitor_pid.is_some_and(|pid| pid != before)
        })
        .await;
        engine.stop_container(&root(), "web", Some(std::time::Duration::ZERO)).await.expect("stopped");
        assert_eq!(engine.container(&root(), "web").await.expect("there").summary.state, State::Exited);
    });
}

#[test]
#[ignore = "needs root"]
fn after_a_reboot_what_should_run_runs() {
    let mut world = World::with_busybox();
    let ids = world.run(async |engine| {
        let mut ids = Vec::new();
        for (name, spec) in [("always", always("sleep 1000")), ("stopped", always("sleep 1000")), ("never", script("sleep 1000"))] {
            ids.push(start(&engine, name, spec).await);
        }
        engine.stop_container(&root(), "stopped", Some(std::time::Duration::ZERO)).await.expect("stopped");
        engine.open_terminal(&root(), "always", TerminalSpec::default()).await.expect("open");
        ids
    });
    world.end();
    // A reboot ends every process and empties the run folder.
    for id in [&ids[0], &ids[2]] {
        kill_9(monitor_pid(&world, id));
    }
    std::fs::remove_dir_all(world.path("run")).expect("removed");
    world.begin();
    world.run(async |engine| {
        until_async("the one that should run runs", async || engine.container(&root(), "always").await.expect("there").summary.state == State::Running).await;
        for name in ["stopped", "never"] {
            assert_eq!(engine.container(&root(), name).await.expect("there").summary.state, State::Exited, "{name}");
        }
        let terminals = engine.terminals(&root(), None).await.expect("allowed");
        assert!(terminals.iter().all(|terminal| !terminal.running), "{terminals:?}");
    });
}
