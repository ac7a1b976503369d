//! An image made of a container's changes.

use super::make::{Tar, docker};
use super::support::{Scene, picture};
use crate::{CancelFlag, CommitOptions, Limits, LoadedImage};
use gantry_model::Digest;
use std::fs;
use std::os::fd::AsFd as _;
use std::path::Path;

fn base(scene: &Scene) -> Digest {
    scene.load(&docker(&[Tar::default().folder("etc").file("etc/a", b"1").end()])).expect("loads").remove(0).id
}

fn commit(scene: &Scene, base: &Digest, upper: &Path, changes: &[&str]) -> LoadedImage {
    let fd = fs::File::open(upper).expect("opens");
    let config = scene.store.image(base).expect("there").config.config;
    let changes = changes.iter().map(ToString::to_string).collect();
    let options = CommitOptions { author: "me".to_owned(), comment: "why".to_owned(), created_by: "sh".to_owned(), config, changes };
    scene.store.commit(base, fd.as_fd(), &options, &CancelFlag::default(), &Limits::default()).expect("commits")
}

#[test]
#[ignore = "needs root"]
fn changes_become_one_layer_on_top() {
    let scene = Scene::new();
    let id = base(&scene);
    // The upper folder of an overlay is in the form that layers are unpacked to.
    let other = Scene::new();
    let upper = other.unpacked(&Tar::default().file("etc/.wh.a", b"").file("etc/b", b"2").end());
    let made = commit(&scene, &id, &upper, &["CMD [\"web\"]", "LABEL a=b"]);
    let (old, new) = (scene.store.image(&id).expect("there"), scene.store.image(&made.id).expect("there"));
    assert_eq!(new.layers[..1], old.layers[..]);
    assert_eq!(new.layers.len(), 2);
    assert_eq!(new.config.config.cmd, Some(vec!["web".to_owned()]));
    assert_eq!((new.config.author.as_str(), new.config.comment.as_str()), ("me", "why"));
    assert_eq!(new.config.history.last().map(|step| (step.created_by.as_str(), step.empty_layer)), Some(("sh", false)));
    let (expected, found) = (picture(&upper), picture(&scene.store.layer_dir(&new.layers[1].diff_id)));
    assert_eq!(expected, found);
    assert_eq!(scene.store.verify(&made.id, &CancelFlag::default()).expect("reads"), []);
}

#[test]
#[ignore = "needs root"]
fn without_changes_the_layers_stay_the_same() {
    let scene = Scene::new();
    let id = base(&scene);
    let empty = tempfile::tempdir().expect("scratch");
    let made = commit(&scene, &id, empty.path(), &["ENV A=b"]);
    let (old, new) = (scene.store.image(&id).expect("there"), scene.store.image(&made.id).expect("there"));
    assert_eq!(new.layers, old.layers);
    assert!(new.config.history.last().is_some_and(|step| step.empty_layer));
    assert_ne!(made.id, id);
}

#[test]
#[ignore = "needs root"]
fn a_commit_that_fails_leaves_the_store_as_it_was() {
    let scene = Scene::new();
    let id = base(&scene);
    let upper = tempfile::tempdir().expect("scratch");
    // More than a pipe holds: a packer whose reader is gone must not wait.
    fs::write(upper.path().join("file"), vec![1; 1 << 20]).expect("written");
    let before = scene.picture();
    let fd = fs::File::open(upper.path()).expect("opens");
    let bad = CommitOptions { changes: vec!["RUN true".to_owned()], ..CommitOptions::default() };
    let error = scene.store.commit(&id, fd.as_fd(), &bad, &CancelFlag::default(), &Limits::default()).expect_err("RUN is no change");
    assert_eq!(error.to_string(), "run is not a valid change command");
    let cancel = CancelFlag::default();
    cancel.cancel();
    scene.store.commit(&id, fd.as_fd(), &CommitOptions::default(), &cancel, &Limits::default()).expect_err("cancelled");
    let small = Limits { layer_bytes: 0, ..Limits::default() };
    scene.store.commit(&id, fd.as_fd(), &CommitOptions::default(), &CancelFlag::default(), &small).expect_err("too large");
    assert_eq!(scene.picture(), before);
}
