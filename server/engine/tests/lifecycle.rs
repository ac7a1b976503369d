//! What a person does with one container.

use crate::support::*;
use gantry_engine::{RemoveOptions, WaitCondition};
use gantry_model::{ContainerSpec, Kind, Mount, MountKind, NetworkMode, RestartPolicy, Signal, State};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
#[ignore = "needs root"]
fn a_container_lives_from_create_to_remove() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let mut events = engine.events(&root(), Default::default()).await.expect("allowed");
        let id = start(&engine, "web", script("echo up; exec sleep 1000")).await;
        let web = engine.container(&root(), "web").await.expect("it exists");
        assert_eq!((web.summary.state, web.summary.id.as_str()), (State::Running, id.as_str()));
        assert!(web.summary.pid.is_some_and(|pid| pid > 1) && web.monitor_pid.is_some());
        until_async("it has logged", async || logs(&engine, "web").await == "up\n").await;
        assert_eq!(exec(&engine, "web", &["sh", "-c", "echo $((6*7)); exit 3"]).await, ("42\n".to_owned(), Some(3)));
        let again = engine.start_container(&root(), "web").await.expect_err("it runs");
        assert_eq!(again.kind(), Kind::NotModified);
        let refused = engine.remove_container(&root(), "web", RemoveOptions::default()).await.expect_err("it runs");
        assert_eq!(refused.kind(), Kind::Conflict);
        engine.stop_container(&root(), &id[..12], Some(Duration::ZERO)).await.expect("stopped");
        let web = engine.container(&root(), "/web").await.expect("it exists");
        assert_eq!((web.summary.state, web.summary.exit_code), (State::Exited, Some(137)));
        assert!(web.summary.status.starts_with("Exited (137) "), "{}", web.summary.status);
        assert_eq!(engine.stop_container(&root(), "web", None).await.expect_err("it is down").kind(), Kind::NotModified);
        assert_eq!(logs(&engine, "web").await, "up\n");
        engine.remove_container(&root(), "web", RemoveOptions::default()).await.expect("removed");
        assert_eq!(engine.container(&root(), "web").await.expect_err("it is gone").kind(), Kind::NotFound);
        let mut actions = Vec::new();
        while actions.last().is_none_or(|last| last != "destroy") {
            actions.push(events.next().await.expect("more come").action);
        }
        actions.retain(|action| !action.starts_with("exec"));
        assert_eq!(actions, ["create", "connect", "start", "kill", "kill", "die", "disconnect", "stop", "destroy"]);
    });
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn the_exit_code_is_told_to_whoever_waited() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let id = create(&engine, "short", script("exit 7")).await;
        let next = engine.wait_container(&root(), &id, WaitCondition::NextExit).await.expect("it exists");
        let removed = engine.wait_container(&root(), &id, WaitCondition::Removed).await.expect("it exists");
        engine.start_container(&root(), &id).await.expect("started");
        assert_eq!(next.exit_code().await.expect("it ends"), 7);
        assert_eq!(exit_code(&engine, "short").await, 7);
        engine.remove_container(&root(), "short", RemoveOptions::default()).await.expect("removed");
        assert_eq!(removed.exit_code().await.expect("it goes"), 7);
    });
}

#[test]
#[ignore = "needs root"]
fn a_container_with_rm_goes_by_itself() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let id = create(&engine, "once", ContainerSpec { auto_remove: true, ..script("exit 4") }).await;
        let removed = engine.wait_container(&root(), &id, WaitCondition::Removed).await.expect("it exists");
        engine.start_container(&root(), &id).await.expect("started");
        assert_eq!(removed.exit_code().await.expect("it goes"), 4);
        assert!(engine.container(&root(), &id).await.is_err());
    });
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_start_that_fails_says_why_and_leaves_the_container() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let broken = ContainerSpec { cmd: Some(vec!["no-such-program".to_owned()]), ..script("") };
        create(&engine, "broken", broken.clone()).await;
        let error = engine.start_container(&root(), "broken").await.expect_err("it can't start");
        assert_eq!(error.kind(), Kind::CommandNotFound, "{}", error.chain());
        assert!(error.to_string().contains("no-such-program"), "{error}");
        let detail = engine.container(&root(), "broken").await.expect("it stays");
        assert_eq!((detail.summary.state, detail.summary.exit_code), (State::Created, Some(127)), "{}", detail.error);
        assert!(detail.error.contains("no-such-program"), "{}", detail.error);
        let denied = ContainerSpec { cmd: Some(vec!["/etc/passwd".to_owned()]), ..script("") };
        create(&engine, "denied", denied).await;
        assert_eq!(engine.start_container(&root(), "denied").await.expect_err("no program").kind(), Kind::CommandNotExecutable);
        // With --rm nothing stays of it.
        let id = create(&engine, "broken-once", ContainerSpec { auto_remove: true, ..broken }).await;
        let removed = engine.wait_container(&root(), &id, WaitCondition::Removed).await.expect("it exists");
        engine.start_container(&root(), &id).await.expect_err("it can't start");
        removed.exit_code().await.expect("it goes");
        assert!(engine.container(&root(), &id).await.is_err());
    });
}

#[test]
#[ignore = "needs root"]
fn a_container_starts_again_at_once_and_as_often_as_asked() {
    let world = World::with_busybox();
    world.run(async |engine| {
        create(&engine, "again", script("echo run")).await;
        for _ in 0..15 {
            engine.start_container(&root(), "again").await.unwrap_or_else(|error| panic!("{}", error.chain()));
            assert_eq!(exit_code(&engine, "again").await, 0);
        }
        assert_eq!(logs(&engine, "again").await, "run\n".repeat(15));
        start(&engine, "long", script("exec sleep 1000")).await;
        for _ in 0..5 {
            let before = engine.container(&root(), "long").await.expect("there").summary.pid;
            engine.restart_container(&root(), "long", Some(Duration::ZERO)).await.unwrap_or_else(|error| panic!("{}", error.chain()));
            let after = engine.container(&root(), "long").await.expect("there").summary;
            assert_eq!(after.state, State::Running);
            assert_ne!(after.pid, before);
        }
    });
}

#[test]
#[ignore = "needs root"]
fn the_restart_policy_holds_until_a_stop() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let failing = ContainerSpec { restart: RestartPolicy::OnFailure { max_retries: 2 }, ..script("exit 1") };
        start(&engine, "failing", failing).await;
        until_async("it gave up", async || {
            let detail = engine.container(&root(), "failing").await.expect("there");
            detail.restart_count == 2 && detail.summary.state == State::Exited
        })
        .await;
        let always = ContainerSpec { restart: RestartPolicy::Always, ..script("sleep 0.2") };
        start(&engine, "always", always).await;
        until_async("it came back", async || engine.container(&root(), "always").await.expect("there").restart_count > 0).await;
        engine.stop_container(&root(), "always", Some(Duration::ZERO)).await.expect("stopped");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(engine.container(&root(), "always").await.expect("there").summary.state, State::Exited);
        // A kill is a stop too.
        let killed = ContainerSpec { restart: RestartPolicy::Always, ..script("exec sleep 1000") };
        start(&engine, "killed", killed).await;
        engine.kill_container(&root(), "killed", Signal::KILL).await.expect("killed");
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(engine.container(&root(), "killed").await.expect("there").summary.state, State::Exited);
    });
}

#[test]
#[ignore = "needs root"]
fn what_is_sent_to_stdin_comes_back_byte_by_byte() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let spec = ContainerSpec { open_stdin: true, stdin_once: true, auto_remove: true, ..script("exec cat") };
        create(&engine, "cat", spec).await;
        let attached = engine.attach(&root(), "cat", everything()).await.expect("attached before its start");
        engine.start_container(&root(), "cat").await.expect("started");
        let sent: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let (input, copy) = (attached.input.clone(), sent.clone());
        tokio::spawn(async move {
            for chunk in copy.chunks(100_000) {
                assert!(input.send(bytes::Bytes::copy_from_slice(chunk)).await);
            }
            input.close().await;
        });
        let (came, code, _) = drain(attached).await;
        assert!(came == sent, "{} bytes of {} came back", came.len(), sent.len());
        assert_eq!(code, Some(0));
    });
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn containers_made_at_once_have_names_and_addresses_of_their_own() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let makers: Vec<_> = (0..24)
            .map(|_| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    let spec = ContainerSpec { network: NetworkMode::Bridge, ..script("true") };
                    engine.create_container(&root(), None, spec).await.unwrap_or_else(|error| panic!("{}", error.chain()))
                })
            })
            .collect();
        let mut names = BTreeSet::new();
        for maker in makers {
            names.insert(maker.await.expect("no panic").name.to_string());
        }
        assert_eq!(names.len(), 24);
        let twice = engine.create_container(&root(), names.first().map(|name| name.parse().expect("a name")), script("true")).await.expect_err("taken");
        assert_eq!(twice.kind(), Kind::Conflict);
        assert!(twice.to_string().contains("is already in use by container"), "{twice}");
    });
}

#[test]
#[ignore = "needs root"]
fn a_name_is_asked_for_once_and_may_be_changed() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let makers: Vec<_> = (0..8)
            .map(|_| {
                let engine = engine.clone();
                tokio::spawn(async move { engine.create_container(&root(), Some("one".parse().expect("a name")), script("true")).await.is_ok() })
            })
            .collect();
        let mut made = 0;
        for maker in makers {
            made += usize::from(maker.await.expect("no panic"));
        }
        assert_eq!(made, 1);
        create(&engine, "two", script("true")).await;
        assert_eq!(engine.rename_container(&root(), "two", "one".parse().expect("a name")).await.expect_err("taken").kind(), Kind::Conflict);
        engine.rename_container(&root(), "two", "three".parse().expect("a name")).await.expect("renamed");
        assert!(engine.container(&root(), "three").await.is_ok() && engine.container(&root(), "two").await.is_err());
    });
}

#[test]
#[ignore = "needs root"]
fn a_new_volume_takes_the_images_files_and_an_anonymous_one_goes_with_its_container() {
    let world = World::with_busybox();
    let volume = |name: &str, target: &str| Mount {
        kind: MountKind::Volume { name: name.to_owned(), no_copy: false },
        target: target.to_owned(),
        read_only: false,
        ..Mount::default()
    };
    world.run(async |engine| {
        let first = ContainerSpec {
            mounts: vec![volume("kept", "/data"), volume("", "/scratch")],
            ..script("cat /data/file; echo mine > /data/file; touch /scratch/x; stat -c %a /data")
        };
        start(&engine, "first", first).await;
        assert_eq!(exit_code(&engine, "first").await, 0);
        assert_eq!(logs(&engine, "first").await, "of the image\n750\n");
        assert_eq!(std::fs::read_dir(world.path("data/volumes")).expect("there").count(), 2);
        engine.remove_container(&root(), "first", RemoveOptions { force: false, volumes: true }).await.expect("removed");
        assert_eq!(std::fs::read_dir(world.path("data/volumes")).expect("there").count(), 1);
        start(&engine, "second", ContainerSpec { mounts: vec![volume("kept", "/data")], ..script("cat /data/file") }).await;
        assert_eq!(exit_code(&engine, "second").await, 0);
        assert_eq!(logs(&engine, "second").await, "mine\n");
    });
}

#[test]
#[ignore = "needs root"]
fn a_neighbours_namespaces_are_joined_also_after_it_started_anew() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "host", script("exec sleep 1000")).await;
        let link = "readlink /proc/self/ns/net";
        create(&engine, "guest", ContainerSpec { network: NetworkMode::Container("host".to_owned()), ..script(link) }).await;
        for _ in 0..2 {
            engine.restart_container(&root(), "host", Some(Duration::ZERO)).await.expect("restarted");
            let (of_host, _) = exec(&engine, "host", &["sh", "-c", link]).await;
            engine.start_container(&root(), "guest").await.unwrap_or_else(|error| panic!("{}", error.chain()));
            assert_eq!(exit_code(&engine, "guest").await, 0);
            assert!(logs(&engine, "guest").await.ends_with(&of_host));
        }
    });
}
