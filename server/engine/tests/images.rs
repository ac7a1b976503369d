//! Images: how they come, how they are named, and when they may go.

use crate::support::*;
use gantry_engine::{Engine, ImportOptions, JobState, RemoveOptions, Upload};
use gantry_model::Kind;

async fn tag(engine: &Engine, of: &str, new: &str) {
    engine.tag_image(&root(), of, new.parse().expect("a reference")).await.expect("tagged");
}

async fn tags(engine: &Engine) -> Vec<String> {
    let mut tags: Vec<String> = engine.list_images(&root()).await.expect("listed").into_iter().flat_map(|image| image.tags).collect();
    tags.sort();
    tags
}

fn layers(world: &World) -> usize {
    std::fs::read_dir(world.path("data/layers")).expect("there").flatten().filter(|entry| entry.file_name().len() == 64).count()
}

#[test]
#[ignore = "needs root"]
fn an_image_is_imported_described_and_removed_with_its_content() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let image = engine.image(&root(), "busybox").await.expect("imported");
        assert_eq!(image.summary.tags, ["busybox:latest"]);
        assert_eq!(image.config.cmd.as_deref(), Some(["sh".to_owned()].as_slice()));
        assert_eq!((image.layers.len(), image.history.len()), (1, 1));
        let id = image.summary.id.to_string();
        assert_eq!(engine.image(&root(), &id).await.expect("by id").summary.id, engine.image(&root(), &id[7..19]).await.expect("by a prefix").summary.id);
        let removed = engine.remove_image(&root(), "busybox", false).await.expect("removed");
        assert_eq!((removed.untagged, removed.deleted.len()), (vec!["busybox:latest".to_owned()], 2), "the image and its layer");
        assert_eq!(engine.image(&root(), "busybox").await.expect_err("gone").kind(), Kind::NotFound);
        until("its layer is gone", || layers(&world) == 0);
    });
}

#[test]
#[ignore = "needs root"]
fn names_go_first_and_the_image_with_the_last() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let id = engine.image(&root(), "busybox").await.expect("there").summary.id.to_string();
        tag(&engine, "busybox", "shop/web:1").await;
        tag(&engine, "busybox", "shop/web:2").await;
        let refused = engine.remove_image(&root(), &id, false).await.expect_err("it has three names");
        assert_eq!(refused.kind(), Kind::Conflict);
        assert!(refused.to_string().contains("must be forced"), "{refused}");
        let removed = engine.remove_image(&root(), "shop/web:1", false).await.expect("untagged");
        assert_eq!((removed.untagged, removed.deleted.len()), (vec!["shop/web:1".to_owned()], 0));
        assert_eq!(tags(&engine).await, ["busybox:latest", "shop/web:2"]);
        // A name moves to the image that takes it.
        let job = import(&engine, "shop/web:2", &busybox(), &["ENV A=b"]).await;
        assert_eq!(job.state, JobState::Done);
        assert_ne!(engine.image(&root(), "shop/web:2").await.expect("there").summary.id.to_string(), id);
        let removed = engine.remove_image(&root(), &id, true).await.expect("removed by id");
        assert_eq!((removed.untagged.len(), removed.deleted.len()), (1, 1), "its layer is the other's, too");
        assert_eq!(tags(&engine).await, ["shop/web:2"]);
        assert_eq!(engine.remove_image(&root(), "no/such", false).await.expect_err("never there").kind(), Kind::NotFound);
    });
}

#[test]
#[ignore = "needs root"]
fn an_image_stays_while_a_container_needs_it() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "user", script("exec sleep 1000")).await;
        let id = engine.image(&root(), "busybox").await.expect("it is there").summary.id;
        for (reference, force, words) in [("busybox", false, "must force"), (id.hex(), false, "cannot be forced"), (id.hex(), true, "cannot be forced")] {
            let refused = engine.remove_image(&root(), reference, force).await.expect_err("in use");
            assert_eq!(refused.kind(), Kind::Conflict);
            assert!(refused.to_string().contains(words), "{refused}");
        }
        // One of several names may go.
        tag(&engine, "busybox", "other:1").await;
        engine.remove_image(&root(), "busybox", false).await.expect("untagged");
        engine.remove_container(&root(), "user", RemoveOptions { force: true, volumes: false }).await.expect("removed");
        engine.remove_image(&root(), "other:1", false).await.expect("nobody needs it");
    });
}

#[test]
#[ignore = "needs root"]
fn containers_and_removals_of_their_image_never_cross() {
    let world = World::with_busybox();
    let tar = busybox();
    world.run(async |engine| {
        for round in 0..10 {
            let (one, two) = (engine.clone(), engine.clone());
            let create = tokio::spawn(async move { one.create_container(&root(), None, script("true")).await });
            let remove = tokio::spawn(async move { two.remove_image(&root(), "busybox", false).await });
            let (created, removed) = (create.await.expect("no panic"), remove.await.expect("no panic"));
            assert!(created.is_ok() != removed.is_ok(), "round {round}: created {created:?}, removed {removed:?}");
            match created {
                Ok(created) => {
                    engine.start_container(&root(), created.id.as_str()).await.expect("its image is there");
                    assert_eq!(exit_code(&engine, created.id.as_str()).await, 0);
                    engine.remove_container(&root(), created.id.as_str(), RemoveOptions::default()).await.expect("removed");
                }
                // The sweep that follows the removal must not take what comes at the same moment.
                Err(_) => assert_eq!(import(&engine, "busybox", &tar, &["CMD [\"sh\"]"]).await.state, JobState::Done),
            }
            start(&engine, "check", script("true")).await;
            engine.remove_container(&root(), "check", RemoveOptions { force: true, volumes: false }).await.expect("removed");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn what_is_no_archive_is_refused_and_leaves_nothing() {
    let world = World::with_busybox();
    world.run(async |engine| {
        for bytes in [b"not a tar at all".repeat(100), busybox()[..100_000].to_vec(), Vec::new()] {
            let job = engine.load_images(&root(), upload(bytes)).await.expect("allowed").finished().await.expect("it ends");
            let JobState::Failed(why) = &job.state else { panic!("it was taken: {job:?}") };
            assert!(!why.is_empty() && !why.contains('\n'), "{why}");
            assert!(job.finished_at_ms.is_some());
        }
        assert_eq!(tags(&engine).await, ["busybox:latest"]);
        until("nothing is left", || layers(&world) == 1);
    });
}

#[test]
#[ignore = "needs root"]
fn a_job_whose_client_sends_nothing_more_can_be_cancelled() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let (sender, chunks) = tokio::sync::mpsc::channel(1);
        sender.send(Ok(bytes::Bytes::from(busybox()[..50_000].to_vec()))).await.expect("it listens");
        let stuck = Upload { chunks, total_bytes: None, label: "stuck.tar".to_owned() };
        let watch = engine.import_image(&root(), stuck, ImportOptions::default()).await.expect("allowed");
        let id = watch.id.clone();
        assert_eq!(engine.job(&root(), &id).await.expect("known").state, JobState::Running);
        engine.cancel_job(&root(), &id).await.expect("it runs");
        assert_eq!(watch.finished().await.expect("it ends").state, JobState::Cancelled);
        assert_eq!(engine.job(&root(), &id).await.expect("known").state, JobState::Cancelled);
        assert_eq!(engine.cancel_job(&root(), &id).await.expect_err("it has ended").kind(), Kind::NotModified);
        drop(sender);
    });
}

#[test]
#[ignore = "needs root"]
fn a_saved_image_is_loaded_again_under_the_names_asked_for() {
    let world = World::with_busybox();
    world.run(async |engine| {
        engine.tag_image(&root(), "busybox", "shop/web:2".parse().expect("a reference")).await.expect("tagged");
        engine.tag_image(&root(), "busybox", "shop/web:3".parse().expect("a reference")).await.expect("tagged");
        let id = engine.image(&root(), "busybox").await.expect("there").summary.id;
        let save = async |references: &[&str]| {
            let references: Vec<String> = references.iter().map(ToString::to_string).collect();
            let mut download = engine.save_images(&root(), &references).await.expect("found");
            let mut archive = Vec::new();
            while let Some(chunk) = download.chunks.recv().await {
                archive.extend_from_slice(&chunk.expect("no error"));
            }
            archive
        };
        let archives = [save(&["shop/web"]).await, save(&["busybox:latest", "shop/web:2"]).await, save(&[id.hex()]).await];
        for name in ["busybox", "shop/web:2", "shop/web:3"] {
            engine.remove_image(&root(), name, false).await.expect("removed");
        }
        let expected: [&[&str]; 3] = [&["shop/web:2", "shop/web:3"], &["busybox:latest", "shop/web:2"], &[]];
        for (archive, names) in archives.into_iter().zip(expected) {
            let job = engine.load_images(&root(), upload(archive)).await.expect("allowed").finished().await.expect("it ends");
            assert_eq!(job.state, gantry_engine::JobState::Done, "{job:?}");
            let image = engine.image(&root(), id.hex()).await.expect("it is back");
            assert_eq!(image.summary.tags, names);
            engine.remove_image(&root(), id.hex(), true).await.expect("removed");
        }
        let missing = engine.save_images(&root(), &["nothing".to_owned()]).await.err().expect("there is none");
        assert_eq!(missing.kind(), gantry_model::Kind::NotFound);
    });
}

#[test]
#[ignore = "needs root"]
fn the_bytes_that_images_share_are_told() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let shared = async || {
            let mut images = engine.list_images(&root()).await.expect("allowed");
            images.sort_by_key(|image| image.layers);
            images.iter().map(|image| (image.size_bytes, image.shared_bytes)).collect::<Vec<_>>()
        };
        let alone = shared().await;
        assert_eq!((alone.len(), alone[0].1), (1, 0));
        create(&engine, "web", script("true")).await;
        engine.copy_in(&root(), "web", "/tmp", upload(one_more_file()), true, false).await.expect("copied");
        let wish = gantry_engine::CommitWish { reference: Some("web:2".parse().expect("a reference")), ..Default::default() };
        engine.commit_container(&root(), "web", wish).await.expect("committed");
        let both = shared().await;
        assert_eq!(both[0], (alone[0].0, alone[0].0));
        assert!(both[1].0 > alone[0].0 && both[1].1 == alone[0].0, "{both:?}");
    });
}

fn one_more_file() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(5);
    header.set_mode(0o644);
    tar.append_data(&mut header, "more", &b"bytes"[..]).expect("in memory");
    tar.into_inner().expect("in memory")
}
