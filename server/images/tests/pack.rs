//! What is packed is unpacked as it was, and a hostile tree gives nothing that is not in it.

use super::make::Tar;
use super::support::{Scene, picture};
use crate::{CancelFlag, PackForm, pack, pack_one};
use std::fs;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};

fn packed(folder: &Path, prefix: &str, form: PackForm) -> Vec<u8> {
    let fd = fs::File::open(folder).expect("opens");
    let mut archive = Vec::new();
    pack(fd.as_fd(), prefix.as_bytes(), form, &mut archive, &CancelFlag::default()).expect("packs");
    archive
}

/// Unpacked by GNU tar.
fn by_tar(archive: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("scratch");
    let mut tar =
        Command::new("tar").args(["--xattrs", "--xattrs-include=*", "-xpf", "-", "-C"]).arg(folder.path()).stdin(Stdio::piped()).spawn().expect("GNU tar");
    tar.stdin.take().expect("piped").write_all(archive).expect("written");
    assert!(tar.wait().expect("ends").success());
    folder
}

fn deep_layer() -> Vec<u8> {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    Tar::default()
        .folder("etc")
        .raw(&super::make::Head { mode: 0o4755, uid: 1000, gid: 3_000_000, ..super::make::Head::new("etc/setuid", b'0', 3) }, b"abc")
        .pax(&[("SCHILY.xattr.user.note", b"a\nb")])
        .file("etc/noted", b"x")
        .hardlink("etc/second", "etc/setuid")
        .symlink("etc/link", &format!("../{}", "t".repeat(150)))
        .symlink("etc/odd", "a//./b/")
        .pax(&[("path", long.as_bytes())])
        .file("short", b"long name")
        .raw(&super::make::Head::new("etc/pipe", b'6', 0), &[])
        .raw(&super::make::Head::device("etc/null", b'3', 1, 3), &[])
        .file("gone/.wh.below", b"")
        .file("only/.wh..wh..opq", b"")
        .file("only/new", b"n")
        .end()
}

#[test]
#[ignore = "needs root"]
fn a_layer_packed_and_unpacked_again_is_the_same() {
    let scene = Scene::new();
    let first = scene.unpacked(&deep_layer());
    let archive = packed(&first, "", PackForm::Layer);
    let other = Scene::new();
    let second = other.unpacked(&archive);
    let (first, second) = (picture(&first), picture(&second));
    for (name, line) in &first {
        // The root of a layer is no entry of it; its time is that of its unpacking. Whiteouts have no time of their own.
        assert_eq!(second.get(name).map(String::as_str), Some(line.as_str()), "{}", name.display());
    }
    assert_eq!(first.len(), second.len());
    assert_eq!(archive, packed(&scene.unpacked(&archive), "", PackForm::Layer), "the same tree gives the same bytes");
}

#[test]
#[ignore = "needs root"]
fn gnu_tar_unpacks_what_is_packed() {
    let scene = Scene::new();
    let layer =
        Tar::default().folder("a").file("a/f", b"1").hardlink("a/g", "a/f").symlink("a/l", "f").pax(&[("SCHILY.xattr.user.k", b"v")]).file("a/x", b"").end();
    let tree = scene.unpacked(&layer);
    let unpacked = by_tar(&packed(&tree, "top", PackForm::Tree { into_mounts: true }));
    let (ours, theirs) = (picture(&tree.join("a")), picture(&unpacked.path().join("top/a")));
    assert_eq!(ours, theirs);
    let number = |name: &str| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(unpacked.path().join("top/a").join(name)).expect("there").ino()
    };
    assert_eq!(number("f"), number("g"));
}

#[test]
fn one_file_goes_under_the_name_asked_for() {
    let folder = tempfile::tempdir().expect("scratch");
    fs::write(folder.path().join("real"), b"content").expect("written");
    let fd = fs::File::open(folder.path()).expect("opens");
    let mut archive = Vec::new();
    pack_one(fd.as_fd(), &c"real".to_owned(), b"asked", &mut archive, &CancelFlag::default()).expect("packs");
    assert_eq!(fs::read(by_tar(&archive).path().join("asked")).expect("there"), b"content");
}

#[test]
fn a_link_is_packed_and_not_followed() {
    let folder = tempfile::tempdir().expect("scratch");
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("evil")).expect("made");
    let archive = packed(folder.path(), "", PackForm::Tree { into_mounts: true });
    assert!(!archive.windows(5).any(|bytes| bytes == b"root:"));
    assert_eq!(fs::read_link(by_tar(&archive).path().join("evil")).expect("a link"), Path::new("/etc/passwd"));
}

#[test]
fn a_tree_without_end_is_refused() {
    let folder = tempfile::tempdir().expect("scratch");
    let mut fd = std::os::fd::OwnedFd::from(fs::File::open(folder.path()).expect("opens"));
    for _ in 0..300 {
        rustix::fs::mkdirat(&fd, "d", rustix::fs::Mode::RWXU).expect("made");
        fd = rustix::fs::openat(&fd, "d", rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).expect("opens");
    }
    let root = fs::File::open(folder.path()).expect("opens");
    let error = pack(root.as_fd(), b"", PackForm::Layer, std::io::sink(), &CancelFlag::default()).expect_err("too deep");
    assert_eq!(error.kind(), gantry_model::Kind::TooLarge);
    assert!(Command::new("rm").arg("-rf").arg(folder.path()).status().expect("runs").success());
}
