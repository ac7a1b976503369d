//! Layers that come one by one, as a registry gives them: taken when they are what the documents say, gone without a trace otherwise.

use super::make::{self, Tar, digest, gzip};
use super::support::Scene;
use crate::{Blob, CancelFlag, Documents, ImagesError, Limits, Pull, TakenLayer};
use gantry_model::{Digest, Kind};
use std::io::{self, Read};
use std::sync::Arc;

/// The documents of an image whose layers have these contents and come as these blobs.
fn documents(contents: &[Digest], blobs: &[Vec<u8>]) -> Documents {
    let config = make::config(contents);
    let manifest = format!("the manifest of {}", digest(&config)).into_bytes();
    let blob = |bytes: &Vec<u8>| Blob { digest: digest(bytes), size_bytes: bytes.len() as u64, media_type: String::new() };
    Documents {
        config_digest: digest(&config),
        config,
        manifest_digest: digest(&manifest),
        manifest,
        manifest_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        layers: blobs.iter().map(blob).collect(),
    }
}

fn layer(name: &str) -> Vec<u8> {
    Tar::default().folder("etc").file(&format!("etc/{name}"), name.as_bytes()).end()
}

fn begin(scene: &Scene, contents: &[Vec<u8>], blobs: &[Vec<u8>]) -> Pull {
    let contents: Vec<Digest> = contents.iter().map(|bytes| digest(bytes)).collect();
    scene.store.begin_pull(documents(&contents, blobs), &Limits::default()).expect("consistent")
}

fn take(scene: &Scene, pull: &Pull, number: usize, stream: impl Read + Send) -> Result<Arc<TakenLayer>, ImagesError> {
    scene.store.take_layer(pull, &pull.layers[number], stream, &CancelFlag::default()).map(Arc::new)
}

#[test]
#[ignore = "needs root"]
fn an_image_is_made_of_layers_that_came_in_any_order() {
    let scene = Scene::new();
    let contents = [layer("one"), layer("two")];
    let blobs = [gzip(&contents[0]), contents[1].clone()];
    let pull = begin(&scene, &contents, &blobs);
    let taken: Vec<_> = [1, 0].map(|number| take(&scene, &pull, number, blobs[number].as_slice()).expect("taken")).into();
    let loaded = scene.store.finish_pull(&pull, &taken, &CancelFlag::default()).expect("whole");
    let image = scene.store.image(&loaded.id).expect("is there");
    assert_eq!(image.layers.iter().map(|layer| layer.blob.as_ref().expect("kept").digest.clone()).collect::<Vec<_>>(), blobs.map(|blob| digest(&blob)));
    assert!(scene.store.layer_paths_top_first(&image)[0].join("etc/two").exists());
    assert_eq!(scene.store.verify(&loaded.id, &CancelFlag::default()).expect("read"), []);
}

#[test]
#[ignore = "needs root"]
fn a_layer_that_is_not_what_was_said_leaves_nothing() {
    let good = layer("good");
    let (bomb, other) = (make::ten_gigabytes(&Tar::default().file("a", b"").end(), gzip), gzip(&layer("other")));
    let cases: [(&str, Vec<u8>, Vec<u8>, Digest, Kind); 4] = [
        ("another blob", gzip(&good), other.clone(), digest(&good), Kind::Invalid),
        ("no layer at all", gzip(&good), b"<html>".to_vec(), digest(&good), Kind::Invalid),
        ("another content", other.clone(), other, digest(&good), Kind::Invalid),
        ("a bomb", bomb.clone(), bomb, digest(&good), Kind::TooLarge),
    ];
    for (what, promised, sent, content, kind) in cases {
        let scene = Scene::new();
        let before = scene.picture();
        let pull = scene.store.begin_pull(documents(&[content], &[promised]), &Limits::default()).expect("consistent");
        let error = take(&scene, &pull, 0, sent.as_slice()).map(drop).expect_err(what);
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert_eq!(scene.picture().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{what}");
    }
}

/// A stream whose sender went.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(crate::abandoned())
    }
}

#[test]
#[ignore = "needs root"]
fn a_layer_whose_sender_goes_leaves_nothing() {
    let scene = Scene::new();
    let before = scene.picture();
    let content = layer("one");
    let blob = gzip(&content);
    let pull = begin(&scene, std::slice::from_ref(&content), std::slice::from_ref(&blob));
    let error = take(&scene, &pull, 0, blob[..20].chain(Broken)).map(drop).expect_err("cut off");
    assert_eq!(error.kind(), Kind::Cancelled, "{error}");
    assert_eq!(scene.picture().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

#[test]
#[ignore = "needs root"]
fn only_what_was_proven_to_belong_together_need_not_come() {
    let scene = Scene::new();
    let contents = [layer("one"), layer("two")];
    let blobs = contents.clone().map(|content| gzip(&content));
    let pull = begin(&scene, &contents, &blobs);
    let taken: Vec<_> = [0, 1].map(|number| take(&scene, &pull, number, blobs[number].as_slice()).expect("taken")).into();
    scene.store.finish_pull(&pull, &taken, &CancelFlag::default()).expect("whole");
    assert!(begin(&scene, &contents, &blobs).layers.iter().all(|layer| layer.is_here));
    // The same blobs for each other's contents: a registry that lies.
    let lie = begin(&scene, &contents, &[blobs[1].clone(), blobs[0].clone()]);
    assert!(lie.layers.iter().all(|layer| !layer.is_here));
    assert_eq!(take(&scene, &lie, 0, blobs[1].as_slice()).map(drop).expect_err("proven").kind(), Kind::Invalid);
}

#[test]
#[ignore = "needs root"]
fn a_layer_taken_once_serves_two_pulls() {
    let scene = Scene::new();
    let contents = [layer("shared"), layer("own")];
    let blobs = contents.clone().map(|content| gzip(&content));
    let (first, second) = (begin(&scene, &contents[..1], &blobs[..1]), begin(&scene, &contents, &blobs));
    let shared = take(&scene, &first, 0, blobs[0].as_slice()).expect("taken");
    let own = take(&scene, &second, 1, blobs[1].as_slice()).expect("taken");
    let finish = |pull: &Pull, taken: &[Arc<TakenLayer>]| scene.store.finish_pull(pull, taken, &CancelFlag::default()).expect("whole").id;
    let ids = [finish(&second, &[shared.clone(), own]), finish(&first, &[shared])];
    for id in ids {
        assert_eq!(scene.store.verify(&id, &CancelFlag::default()).expect("read"), []);
    }
}

#[test]
#[ignore = "needs root"]
fn a_plain_layer_goes_out_compressed_and_always_the_same() {
    let scene = Scene::new();
    let loaded = scene.load(&make::docker(&[layer("plain")])).expect("loads");
    let out = || scene.store.outgoing(&loaded[0].id, &CancelFlag::default(), &Limits::default()).expect("ready");
    let (first, second) = (out(), out());
    assert_eq!((&first.layers, &first.manifest), (&second.layers, &second.manifest));
    let sent = std::fs::read(first.path(&first.layers[0])).expect("kept");
    assert_eq!((&sent[..2], digest(&sent)), (&[0x1f, 0x8b][..], first.layers[0].digest.clone()));
    assert_eq!(scene.store.verify(&loaded[0].id, &CancelFlag::default()).expect("read"), []);
}
