//! What is saved is loaded again as the same image, here and by the tools people use.

use super::make::{Tar, docker, gzip, oci};
use super::support::Scene;
use crate::{CancelFlag, SaveItem};

fn saved(scene: &Scene, id: &gantry_model::Digest, names: &[&str]) -> Vec<u8> {
    let image = scene.store.image(id).expect("is there");
    let references = names.iter().map(|name| name.parse().expect("a reference")).collect();
    let mut archive = Vec::new();
    scene.store.save(&[SaveItem { image, references }], &mut archive, &CancelFlag::default()).expect("saves");
    archive
}

fn layers() -> Vec<Vec<u8>> {
    let lower = Tar::default().folder("etc").file("etc/a", b"1").end();
    let upper = Tar::default().file("etc/.wh.a", b"").file("etc/b", b"2").end();
    vec![lower.clone(), upper, lower]
}

#[test]
fn an_image_comes_back_with_its_id_names_and_manifest() {
    for archive in [docker(&layers()), oci(&layers(), gzip)] {
        let (from, to) = (Scene::new(), Scene::new());
        let loaded = from.load(&archive).expect("loads").remove(0);
        let again = to.load(&saved(&from, &loaded.id, &["shop/web:2", "web"])).expect("loads again").remove(0);
        let names: Vec<String> = again.references.iter().map(|name| name.familiar()).collect();
        assert_eq!((again.id.clone(), names), (loaded.id.clone(), vec!["shop/web:2".to_owned(), "web:latest".to_owned()]));
        assert!(loaded.manifest.is_none() || loaded.manifest == again.manifest);
        let blobs = |scene: &Scene| scene.store.image(&loaded.id).expect("there").layers.iter().map(|l| l.blob.clone()).collect::<Vec<_>>();
        assert_eq!(blobs(&from), blobs(&to));
    }
}

#[test]
fn an_archive_is_the_same_each_time() {
    let scene = Scene::new();
    let id = scene.load(&docker(&layers())).expect("loads").remove(0).id;
    assert_eq!(saved(&scene, &id, &["a"]), saved(&scene, &id, &["a"]));
}

#[test]
fn a_missing_blob_is_an_error_that_names_it() {
    let scene = Scene::new();
    let id = scene.load(&docker(&layers())).expect("loads").remove(0).id;
    let image = scene.store.image(&id).expect("is there");
    let blob = image.layers[1].blob.clone().expect("kept");
    std::fs::remove_file(scene.store.blob_path(&blob.digest)).expect("removed");
    let error = scene.store.save(&[SaveItem { image, references: Vec::new() }], Vec::new(), &CancelFlag::default()).expect_err("it is gone");
    assert!(error.to_string().contains(blob.digest.short()), "{error}");
}

#[test]
fn a_cancelled_save_stops() {
    let scene = Scene::new();
    let id = scene.load(&docker(&layers())).expect("loads").remove(0).id;
    let image = scene.store.image(&id).expect("is there");
    let cancel = CancelFlag::default();
    cancel.cancel();
    let error = scene.store.save(&[SaveItem { image, references: Vec::new() }], Vec::new(), &cancel).expect_err("cancelled");
    assert_eq!(error.kind(), gantry_model::Kind::Cancelled);
}
