//! A container's files, from outside.

use crate::support::*;
use gantry_engine::{ChangeKind, CommitWish, Download, RemoveOptions};
use gantry_model::{ContainerSpec, Kind, Mount, MountKind, State};
use std::collections::BTreeMap;

async fn bytes(mut download: Download) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = download.chunks.recv().await {
        all.extend_from_slice(&chunk.unwrap_or_else(|error| panic!("{}", error.chain())));
    }
    all
}

/// Names with the content of files.
fn unpacked(archive: &[u8]) -> BTreeMap<String, String> {
    let mut tar = tar::Archive::new(archive);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an entry");
        let (name, mut text) = (entry.path().expect("a path").display().to_string(), Vec::new());
        std::io::Read::read_to_end(&mut entry, &mut text).expect("whole");
        (name, String::from_utf8_lossy(&text).into_owned())
    };
    tar.entries().expect("a tar").map(read).collect()
}

fn one_file(name: &str, content: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o640);
    header.set_uid(12);
    tar.append_data(&mut header, name, content.as_bytes()).expect("in memory");
    tar.into_inner().expect("in memory")
}

fn with_volume(text: &str) -> ContainerSpec {
    let mount =
        Mount { kind: MountKind::Volume { name: "shared-data".to_owned(), no_copy: true }, target: "/vol".to_owned(), read_only: false, ..Mount::default() };
    ContainerSpec { mounts: vec![mount], ..script(text) }
}

#[test]
#[ignore = "needs root"]
fn files_go_in_and_out_of_a_container_whether_it_runs_or_not() {
    let world = World::with_busybox();
    world.run(async |engine| {
        create(&engine, "web", with_volume("sleep 1000")).await;
        assert_eq!(engine.stat_path(&root(), "web", "/vol").await.expect("it will be there").name, "vol");
        for running in [false, true] {
            if running {
                engine.start_container(&root(), "web").await.expect("started");
            }
            for folder in ["/tmp", "/vol"] {
                let name = format!("f{running}");
                engine
                    .copy_in(&root(), "web", folder, upload(one_file(&name, "inside")), true, false)
                    .await
                    .unwrap_or_else(|e| panic!("{folder}: {}", e.chain()));
                let path = format!("{folder}/{name}");
                let stat = engine.stat_path(&root(), "web", &path).await.expect("it is there");
                assert_eq!((stat.name, stat.size_bytes, stat.mode & 0o777), (name.clone(), 6, 0o640));
                let (_, out) = engine.copy_out(&root(), "web", &path).await.expect("it is there");
                assert_eq!(unpacked(&bytes(out).await), BTreeMap::from([(name, "inside".to_owned())]));
            }
        }
        let (stat, out) = engine.copy_out(&root(), "web", "/vol").await.expect("it is there");
        assert_eq!(
            (stat.name.as_str(), unpacked(&bytes(out).await).keys().map(String::as_str).collect::<Vec<_>>()),
            ("vol", vec!["vol/", "vol/ffalse", "vol/ftrue"])
        );
        assert_eq!(exec(&engine, "web", &["cat", "/tmp/ffalse", "/tmp/ftrue", "/vol/ffalse", "/vol/ftrue"]).await.0, "inside".repeat(4));
        assert_eq!(exec(&engine, "web", &["stat", "-c", "%u", "/tmp/ftrue"]).await.0, "12\n");
        let missing = engine.stat_path(&root(), "web", "/no/such").await.expect_err("it is not there");
        assert_eq!((missing.kind(), missing.to_string()), (Kind::NotFound, "Could not find the file /no/such in container web".to_owned()));
    });
}

#[test]
#[ignore = "needs root"]
fn a_read_only_container_takes_no_files() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let mut spec = script("sleep 1000");
        spec.security.read_only_rootfs = true;
        create(&engine, "still", spec).await;
        for _ in 0..2 {
            let refused = engine.copy_in(&root(), "still", "/tmp", upload(one_file("f", "x")), true, false).await.expect_err("it is read-only");
            assert_eq!(refused.kind(), Kind::Forbidden, "{}", refused.chain());
            let _ = engine.start_container(&root(), "still").await;
        }
    });
}

#[test]
#[ignore = "needs root"]
fn an_export_is_the_root_without_what_is_mounted_in_it() {
    let world = World::with_busybox();
    world.run(async |engine| {
        create(&engine, "web", with_volume("echo own > /own; echo kept > /vol/kept; sleep 1000")).await;
        engine.start_container(&root(), "web").await.expect("started");
        until_async("it wrote", async || engine.stat_path(&root(), "web", "/vol/kept").await.is_ok()).await;
        for running in [true, false] {
            let files = unpacked(&bytes(engine.export_container(&root(), "web").await.expect("there")).await);
            assert_eq!(files.get("own").map(String::as_str), Some("own\n"), "running: {running}");
            assert!(files.contains_key("bin/sh") && files.contains_key("vol/") && files.contains_key("proc/"), "running: {running}");
            let foreign: Vec<_> = files.keys().filter(|name| name.starts_with("proc/") || name.starts_with("sys/") || name.starts_with("vol/")).collect();
            assert_eq!(foreign, ["proc/", "sys/", "vol/"], "running: {running}");
            let _ = engine.stop_container(&root(), "web", Some(std::time::Duration::ZERO)).await;
        }
    });
}

#[test]
#[ignore = "needs root"]
fn changes_are_told_and_become_an_image() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let mut spec = script("echo new > /data/new; rm /data/file; sleep 1000");
        spec.env = vec!["COLOUR=blue".to_owned()];
        create(&engine, "web", spec).await;
        assert_eq!(engine.container_changes(&root(), "web").await.expect("there"), []);
        engine.start_container(&root(), "web").await.expect("started");
        until_async("it is through", async || engine.stat_path(&root(), "web", "/data/file").await.is_err()).await;
        let changes = engine.container_changes(&root(), "web").await.expect("there");
        let lines: Vec<String> = changes.iter().map(|change| format!("{:?} {}", change.kind, change.path.display())).collect();
        assert_eq!(lines, ["Modified /data", "Deleted /data/file", "Added /data/new"]);
        assert_eq!(changes[2].kind, ChangeKind::Added);
        let wish = CommitWish {
            reference: Some("web:2".parse().expect("a reference")),
            comment: "with data".to_owned(),
            changes: vec!["CMD [\"cat\", \"/data/new\"]".to_owned()],
            ..CommitWish::default()
        };
        let id = engine.commit_container(&root(), "web", wish).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(engine.container(&root(), "web").await.expect("there").summary.state, State::Running);
        let image = engine.image(&root(), "web:2").await.expect("it is there");
        assert_eq!((image.summary.id, image.summary.layers, image.comment.as_str()), (id, 2, "with data"));
        assert!(image.config.env.contains(&"COLOUR=blue".to_owned()), "{:?}", image.config.env);
        let of_new = ContainerSpec { image: "web:2".to_owned(), cmd: None, ..script("") };
        start(&engine, "second", of_new).await;
        assert_eq!(exit_code(&engine, "second").await, 0);
        assert_eq!(logs(&engine, "second").await, "new\n");
        engine.remove_container(&root(), "web", RemoveOptions { force: true, volumes: true }).await.expect("removed");
    });
}
