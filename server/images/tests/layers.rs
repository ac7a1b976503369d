//! What a layer's entries become on disk.

use super::make::{Head, Tar, digest, docker, gzip, oci, zstd};
use super::support::{Scene, attributes};
use crate::{CancelFlag, ImageStore, ImportOptions, Limits, runtime_config};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_char_device() && meta.rdev() == 0)
}

fn is_opaque(path: &Path) -> bool {
    attributes(path) == [("trusted.overlay.opaque".to_owned(), b"y".to_vec())]
}

#[test]
#[ignore = "needs root"]
fn whiteouts_take_the_form_overlayfs_knows() {
    let scene = Scene::new();
    let tar = Tar::default().file("a/.wh.gone", b"").folder("b").file("b/.wh..wh..opq", b"").file("c/.wh..wh..opq", b"").folder("c");
    let tar = tar.file(".wh.d", b"").folder("d").file("d/new", b"x").folder("e").file(".wh.e", b"").file(".wh.f", b"").file("f", b"new");
    let tar = tar.file("g", b"new").file(".wh.g", b"").file(".wh..wh.plnk/1.2", b"").file(".wh..wh.aufs", b"").file("...wh.name", b"x");
    let root = scene.unpacked(&tar.end());
    assert!(is_whiteout(&root.join("a/gone")));
    assert!(is_opaque(&root.join("b")) && is_opaque(&root.join("c")));
    // A folder beside its own whiteout is a new folder: nothing of the old one shows through.
    assert!(is_opaque(&root.join("d")) && root.join("d/new").is_file() && is_opaque(&root.join("e")));
    assert_eq!((fs::read(root.join("f")).ok(), fs::read(root.join("g")).ok()), (Some(b"new".to_vec()), Some(b"new".to_vec())));
    let mut names: Vec<_> = fs::read_dir(&root).expect("list").map(|e| e.expect("entry").file_name().into_string().expect("plain")).collect();
    names.sort();
    assert_eq!(names, ["...wh.name", "a", "b", "c", "d", "e", "f", "g"]);
}

#[test]
#[ignore = "needs root"]
fn owners_modes_times_links_and_attributes_are_kept() {
    let scene = Scene::new();
    let capability = b"\x01\0\0\x02\n17 linkpath=/etc\0\0\0\0\0\0\0\0\0\0"[..20].to_vec();
    let long = format!("{}/{}", "d".repeat(120), "n".repeat(200));
    let head = |name: &str, mode, uid, gid| Head { mode, uid, gid, ..Head::new(name, b'0', 2) };
    let tar = Tar::default().raw(&Head { mode: 0o2755, uid: 7, gid: 8, mtime: 11, ..Head::new("./", b'5', 0) }, &[]);
    let tar = tar.raw(&Head { mode: 0o500, mtime: 12, ..Head::new("./dir/", b'5', 0) }, &[]).file("dir/inside", b"x");
    let tar = tar
        .raw(&head("su", 0o4755, 1000, 1001), b"hi")
        .raw(&head("odd", 0o666, 0, 0), b"hi")
        .hardlink("again", "./su")
        .symlink("sym", "/not/here")
        .hardlink("sym2", "sym");
    let tar = tar.pax(&[("SCHILY.xattr.user.note", b"a\nb=c"), ("mtime", b"-1.5"), ("uid", b"4000000000")]).file("x", b"x");
    let tar = tar.pax(&[("SCHILY.xattr.trusted.overlay.redirect", b"/etc"), ("SCHILY.xattr.security.selinux", b"s")]).folder("dropped");
    let tar = tar.pax(&[("SCHILY.xattr.security.capability", &capability)]).file("cap", b"x");
    let tar = tar.long(b'L', long.as_bytes()).file("short", b"long");
    let tar = tar.long(b'K', &[b't'; 300]).symlink("longlink", "short");
    let tar = tar.raw(&Head::device("dev/null", b'3', 1, 3), &[]).raw(&Head::new("dev/initctl", b'6', 0), &[]);
    let tar = tar.symlink("lib", "usr/lib").folder("usr").folder("usr/lib").file("lib/through", b"in place");
    let tar = tar.raw(&Head { link: "su".into(), ..Head::new("sized", b'1', 2) }, &[]);
    let root = scene.unpacked(&tar.end());
    let meta = |name: &str| fs::symlink_metadata(root.join(name)).expect(name);
    let owner = |name: &str| (meta(name).uid(), meta(name).gid(), meta(name).mode() & 0o7777);
    assert_eq!((owner(""), meta("").mtime()), ((7, 8, 0o2755), 11));
    assert_eq!((owner("dir"), meta("dir").mtime()), ((0, 0, 0o500), 12));
    assert_eq!((owner("su"), owner("odd"), owner("dir/inside").0), ((1000, 1001, 0o4755), (0, 0, 0o666), 0));
    assert_eq!((meta("su").ino(), meta("su").nlink()), (meta("again").ino(), 3));
    assert_eq!((meta("sym2").is_symlink(), fs::read_link(root.join("sym2")).ok()), (true, Some("/not/here".into())));
    assert_eq!((meta("x").mtime(), meta("x").mtime_nsec(), meta("x").uid()), (-2, 500_000_000, 4_000_000_000));
    assert_eq!(attributes(&root.join("x")), [("user.note".to_owned(), b"a\nb=c".to_vec())]);
    assert_eq!(attributes(&root.join("dropped")), []);
    assert_eq!(attributes(&root.join("cap")), [("security.capability".to_owned(), capability)]);
    assert_eq!(fs::read(root.join(long)).ok(), Some(b"long".to_vec()));
    assert_eq!(fs::read_link(root.join("longlink")).expect("link").as_os_str().as_bytes(), [b't'; 300]);
    assert_eq!((meta("dev/null").rdev(), meta("dev/null").permissions().mode() & 0o777), (rustix::fs::makedev(1, 3), 0o644));
    assert!(meta("dev/initctl").file_type().is_fifo());
    assert_eq!(fs::read(root.join("usr/lib/through")).ok(), Some(b"in place".to_vec()));
}

#[test]
#[ignore = "needs root"]
fn absolute_names_are_taken_as_relative_where_that_is_allowed() {
    let scene = Scene::new();
    let archive = docker(&[Tar::default().file("/ko-app/run", b"x").hardlink("/b", "/ko-app/run").end()]);
    let limits = Limits { absolute_names: true, ..Limits::default() };
    let loaded = scene.store.load(archive.as_slice(), &(), &CancelFlag::default(), &limits).expect("loads");
    let image = scene.store.image(&loaded[0].id).expect("image");
    assert!(scene.store.layer_paths_top_first(&image)[0].join("ko-app/run").is_file());
}

#[test]
#[ignore = "needs root"]
fn an_image_reads_back_as_it_was_written() {
    let scene = Scene::new();
    let layers: Vec<Vec<u8>> = (0..3).map(|n| Tar::default().file(&format!("f{n}"), &[n; 1000]).end()).collect();
    let twice = [layers.clone(), vec![layers[0].clone()]].concat();
    for archive in [docker(&twice), gzip(&docker(&twice)), zstd(&docker(&twice))] {
        let loaded = scene.load(&archive).expect("loads").remove(0);
        let names: Vec<String> = loaded.references.iter().map(gantry_model::ImageRef::familiar).collect();
        assert_eq!((names, loaded.size_bytes, loaded.layers, loaded.created_at_ms), (vec!["made:1".to_owned()], 4000, 4, 1_714_979_289_000));
    }
    let before = scene.store.images().expect("list");
    for pack in [gzip as fn(&[u8]) -> Vec<u8>, zstd, <[u8]>::to_vec] {
        let loaded = scene.load(&oci(&twice, pack)).expect("loads").remove(0);
        let image = scene.store.image(&loaded.id).expect("image");
        assert_eq!(scene.store.layer_paths_top_first(&image).len(), 3);
        let kept = image.layers[1].blob.as_ref().expect("kept");
        assert_eq!(fs::read(scene.store.blob_path(&kept.digest)).ok(), Some(pack(&layers[1])));
        assert!(loaded.manifest.is_some_and(|manifest| scene.store.blob_path(&manifest).is_file()));
        assert_eq!(runtime_config(&image).cmd, Some(vec!["sh".to_owned()]));
        assert_eq!(digest(image.config_json.as_bytes()), image.id);
    }
    assert_eq!(scene.store.images().expect("list"), before, "one configuration is one image, however packed");
    assert_eq!(scene.store.verify(&before[0], &CancelFlag::default()).expect("verifies"), []);
}

#[test]
#[ignore = "needs root"]
fn an_import_is_an_image_of_one_layer() {
    let scene = Scene::new();
    let options = ImportOptions { message: "mine".to_owned(), changes: vec!["CMD [\"/a\"]".to_owned(), "ENV A=b".to_owned()], platform: None };
    for pack in [gzip as fn(&[u8]) -> Vec<u8>, zstd, <[u8]>::to_vec] {
        let archive = pack(&Tar::default().file("./a", b"x").end());
        let loaded = scene.store.import(archive.as_slice(), &options, &(), &CancelFlag::default(), &Limits::default()).expect("imports");
        let image = scene.store.image(&loaded.id).expect("image");
        assert_eq!((image.config.comment.as_str(), image.config.os.as_str(), image.layers.len()), ("mine", "linux", 1));
        assert_eq!(runtime_config(&image).env, ["A=b"]);
        assert!(scene.store.layer_dir(&image.layers[0].diff_id).join("a").is_file());
    }
}

#[test]
#[ignore = "needs root"]
fn a_layout_folder_loads_like_its_archive() {
    let scene = Scene::new();
    let layout = tempfile::tempdir().expect("scratch folder");
    let archive = oci(&[Tar::default().file("a", b"x").end()], gzip);
    let mut unpack = std::process::Command::new("tar").args(["-xf", "-", "-C"]).arg(layout.path()).stdin(std::process::Stdio::piped()).spawn().expect("tar");
    std::io::Write::write_all(unpack.stdin.as_mut().expect("piped"), &archive).expect("feed");
    drop(unpack.stdin.take());
    assert!(unpack.wait().expect("tar").success());
    let loaded = scene.store.load_layout_dir(layout.path(), &(), &CancelFlag::default(), &Limits::default()).expect("loads");
    assert_eq!(loaded[0].id, scene.load(&archive).expect("loads")[0].id);
    fs::remove_file(layout.path().join("index.json")).expect("remove");
    std::os::unix::fs::symlink("/etc/passwd", layout.path().join("index.json")).expect("link");
    assert!(scene.store.load_layout_dir(layout.path(), &(), &CancelFlag::default(), &Limits::default()).is_err());
}

#[test]
#[ignore = "needs root"]
fn a_sweep_removes_what_no_image_and_no_lease_needs() {
    let scene = Scene::new();
    let layer = |name: &str| Tar::default().file(name, &[1; 100]).end();
    let empty = scene.picture();
    let first = scene.load(&docker(&[layer("base"), layer("one")])).expect("loads").remove(0);
    let alone = scene.picture();
    let second = scene.load(&docker(&[layer("base"), layer("two")])).expect("loads").remove(0);
    let both = scene.picture();
    let (keep, doomed) = (first.id.clone(), second.id.clone());
    drop(first);
    scene.store.remove_unreferenced(std::slice::from_ref(&keep)).expect("sweeps");
    assert_eq!(scene.picture(), both, "the lease of the second holds it");
    drop(second);
    let removed = scene.store.remove_unreferenced(std::slice::from_ref(&keep)).expect("sweeps");
    assert_eq!((removed.images, removed.layers, removed.blobs), (1, 1, 2));
    assert_eq!(scene.picture(), alone);
    assert!(scene.store.image(&doomed).is_err() && scene.store.image(&keep).is_ok());
    scene.store.remove_unreferenced(&[]).expect("sweeps");
    assert_eq!(scene.picture(), empty);
}

#[test]
#[ignore = "needs root"]
fn opening_clears_what_a_killed_load_or_sweep_left() {
    let scene = Scene::new();
    scene.load(&docker(&[Tar::default().file("a", b"x").end()])).expect("loads");
    let before = scene.picture();
    let (images, layers) = (scene.folder.path().join("images"), scene.folder.path().join("layers"));
    for folder in [images.join("ingest/7/x"), layers.join("new.partial-3/fs/a"), layers.join(format!("{}.partial-gone-1/fs", "0".repeat(64)))] {
        fs::create_dir_all(folder).expect("make");
    }
    fs::write(images.join("records/new.partial-1"), b"{").expect("write");
    drop(ImageStore::open(&images, &layers).expect("opens"));
    assert_eq!(scene.picture(), before);
}

#[test]
#[ignore = "needs root"]
fn verify_finds_changed_blobs_and_missing_layers() {
    let scene = Scene::new();
    let id = scene.load(&docker(&[Tar::default().file("a", b"x").end()])).expect("loads").remove(0).id;
    let image = scene.store.image(&id).expect("image");
    fs::write(scene.store.blob_path(&image.layers[0].blob.as_ref().expect("kept").digest), b"other").expect("damage");
    fs::remove_dir_all(scene.store.layer_dir(&image.layers[0].diff_id).parent().expect("below layers")).expect("damage");
    let troubles = scene.store.verify(&id, &CancelFlag::default()).expect("verifies");
    assert_eq!(troubles.len(), 2, "{troubles:?}");
}

#[test]
#[ignore = "needs root"]
fn loads_side_by_side_share_their_layers() {
    let scene = Scene::new();
    let archive = docker(&[Tar::default().file("a", &vec![3; 300_000]).end(), Tar::default().file("b", b"x").end()]);
    std::thread::scope(|scope| {
        let loads: Vec<_> = (0..6).map(|_| scope.spawn(|| scene.load(&archive).map(|loaded| loaded[0].id.clone()))).collect();
        let sweeps = scope.spawn(|| (0..50).try_for_each(|_| scene.store.remove_unreferenced(&scene.store.images()?).map(|_| ())));
        sweeps.join().expect("no panic").expect("sweeps");
        for load in loads {
            let id = load.join().expect("no panic").expect("loads");
            assert_eq!(scene.store.verify(&id, &CancelFlag::default()).expect("verifies"), []);
        }
    });
    let left: Vec<_> =
        scene.picture().into_keys().filter(|path| path.to_string_lossy().contains("partial") || path.to_string_lossy().contains("ingest/")).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

#[test]
#[ignore = "needs root"]
fn twenty_layers_and_a_hundred_thousand_files_load() {
    let scene = Scene::new();
    let layers: Vec<Vec<u8>> = (0..20).map(|n| (0..50).fold(Tar::default(), |tar, f| tar.file(&format!("l{n}/f{f}"), &vec![n; 10_000])).end()).collect();
    let archive = oci(&layers, gzip);
    let start = std::time::Instant::now();
    let loaded = scene.load(&archive).expect("loads").remove(0);
    println!("20 layers of 50 files, {} bytes: {:?}", archive.len(), start.elapsed());
    assert_eq!(scene.store.layer_paths_top_first(&scene.store.image(&loaded.id).expect("image")).len(), 20);
    let many = (0..100_000).fold(Tar::default(), |tar, n| tar.file(&format!("d{}/e{}/f{n}", n / 1000, n / 100 % 10), b"small"));
    let archive = docker(&[many.end()]);
    let start = std::time::Instant::now();
    let loaded = scene.load(&archive).expect("loads").remove(0);
    println!("100,000 files, {} bytes: {:?}", archive.len(), start.elapsed());
    assert_eq!(scene.store.image(&loaded.id).expect("image").layers[0].entries, 100_000);
}
