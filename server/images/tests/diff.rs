//! What a container changed, told from its upper folder and the layers below.

use super::make::{Head, Tar, docker};
use super::support::Scene;
use crate::changes;
use std::fs;
use std::os::fd::AsFd as _;

fn diff(lowers: &[Vec<u8>], upper: &[u8]) -> Vec<String> {
    let scene = Scene::new();
    let id = scene.load(&docker(lowers)).expect("loads").remove(0).id;
    let lowers = scene.store.layer_paths_top_first(&scene.store.image(&id).expect("there"));
    let changed = Scene::new();
    let upper = fs::File::open(changed.unpacked(upper)).expect("opens");
    let list = changes(upper.as_fd(), &lowers).expect("compares");
    list.iter().map(|change| format!("{} {}", ["C", "A", "D"][change.kind as usize], change.path.display())).collect()
}

#[test]
#[ignore = "needs root"]
fn changes_read_as_docker_tells_them() {
    let first = Tar::default().folder("etc").file("etc/a", b"1").file("etc/b", b"1").folder("srv").file("srv/x", b"1").folder("var").file("var/v", b"1").end();
    let second = Tar::default().file("etc/.wh.b", b"").file("srv/.wh..wh..opq", b"").file("srv/y", b"2").end();
    let upper = Tar::default()
        .folder("etc")
        .file("etc/.wh.a", b"")
        .file("etc/b", b"new")
        .folder("srv")
        .file("srv/x", b"new")
        .file("srv/y", b"changed")
        .folder("opt")
        .file("opt/o", b"")
        .folder("var")
        .end();
    let expected = ["C /etc", "D /etc/a", "A /etc/b", "A /opt", "A /opt/o", "C /srv", "A /srv/x", "C /srv/y"];
    assert_eq!(diff(&[first, second], &upper), expected);
}

#[test]
#[ignore = "needs root"]
fn what_the_runtime_made_to_mount_on_is_no_change() {
    let lower = Tar::default().folder("etc").end();
    let made = Tar::default().folder("etc").file("etc/hosts", b"").file("etc/resolv.conf", b"").folder("proc").folder("dev");
    assert_eq!(diff(std::slice::from_ref(&lower), &made.clone().end()), [] as [&str; 0]);
    assert_eq!(diff(&[lower], &made.file("etc/mine", b"x").end()), ["C /etc", "A /etc/mine"]);
}

#[test]
#[ignore = "needs root"]
fn a_folder_with_another_mode_or_without_its_old_content_is_changed() {
    let lower = Tar::default().folder("a").folder("b").file("b/old", b"1").end();
    let upper = Tar::default().raw(&Head { mode: 0o700, ..Head::new("a", b'5', 0) }, &[]).file("b/.wh..wh..opq", b"").end();
    assert_eq!(diff(&[lower], &upper), ["C /a", "C /b"]);
}
