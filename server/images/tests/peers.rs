//! The walker against GNU tar: what both read is the same, or the walker refuses.

use super::make::{Head, Tar, sum};
use super::support::{Scene, picture};
use crate::tarball::{Entry, EntryKind, Walker};
use crate::{CancelFlag, ImportOptions, Limits};
use proptest::prelude::*;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

fn walk(archive: &[u8]) -> Result<Vec<Entry>, crate::ImagesError> {
    let mut walker = Walker::new(archive, 10_000);
    let mut all = Vec::new();
    while let Some(entry) = walker.next()? {
        let mut buffer = [0; 777];
        while walker.read(&mut buffer)? > 0 {}
        all.push(entry);
    }
    Ok(all)
}

/// One line per entry: kind, size, name, target.
fn ours(archive: &[u8]) -> Result<Vec<String>, crate::ImagesError> {
    let line = |e: Entry| {
        let (kind, arrow) = match e.kind {
            EntryKind::File => ('-', ""),
            EntryKind::HardLink => ('h', " link to "),
            EntryKind::SymLink => ('l', " -> "),
            EntryKind::CharDevice => ('c', ""),
            EntryKind::BlockDevice => ('b', ""),
            EntryKind::Folder => ('d', ""),
            EntryKind::Fifo => ('p', ""),
        };
        let size = if matches!(e.kind, EntryKind::CharDevice | EntryKind::BlockDevice) { format!("{},{}", e.device.0, e.device.1) } else { e.size.to_string() };
        let link = if arrow.is_empty() { String::new() } else { String::from_utf8_lossy(&e.link).into_owned() };
        let owner = format!("{}/{}", e.uid, e.gid);
        folder_without_slash(format!("{kind} {owner} {size} {}{arrow}{link}", String::from_utf8_lossy(&e.name)))
    };
    Ok(walk(archive)?.into_iter().map(line).collect())
}

/// GNU tar adds a slash to some folders and not to others.
fn folder_without_slash(line: String) -> String {
    if line.starts_with('d') { line.trim_end_matches('/').to_owned() } else { line }
}

/// The same from GNU tar's listing; `None` if it fails.
fn gnu(archive: &[u8]) -> Option<Vec<String>> {
    let mut tar = Command::new("tar")
        .args(["--list", "--verbose", "--numeric-owner", "--quoting-style=literal", "--absolute-names", "--full-time", "-f", "-"])
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("GNU tar");
    let mut input = tar.stdin.take().expect("piped");
    let archive = archive.to_vec();
    // It may stop reading early; that is its answer.
    let feeding = std::thread::spawn(move || input.write_all(&archive).is_ok());
    let output = tar.wait_with_output().expect("runs");
    let _ = feeding.join();
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |line: &str| {
        let mut rest = line;
        let mut field = || {
            let start = rest.trim_start();
            let end = start.find(' ').unwrap_or(start.len());
            rest = &start[end..];
            start[..end].to_owned()
        };
        let (mode, owner, size) = (field(), field(), field());
        let _time = (field(), field());
        // Times of different length are padded; the names made here do not begin with a space.
        let name = rest.trim_start().to_owned();
        folder_without_slash(format!("{} {owner} {size} {name}", &mode[..1]))
    };
    Some(text.lines().map(line).collect())
}

fn compare(what: &str, archive: &[u8]) {
    let theirs = gnu(archive).unwrap_or_else(|| panic!("{what}: GNU tar fails"));
    assert_eq!(ours(archive).unwrap_or_else(|e| panic!("{what}: {e}")), theirs, "{what}");
}

/// A folder with all that GNU tar can write down.
fn motley(root: &Path) {
    let long = format!("{}/{}/{}", "a".repeat(90), "b".repeat(90), "c".repeat(90));
    fs::create_dir_all(root.join(&long)).expect("make");
    fs::write(root.join(&long).join("leaf"), vec![5; 3000]).expect("write");
    fs::write(root.join("n".repeat(250)), b"name").expect("write");
    fs::hard_link(root.join("n".repeat(250)), root.join("hard")).expect("link");
    std::os::unix::fs::symlink("t".repeat(300), root.join("symbolic")).expect("link");
    for (name, pieces) in [("few-holes", 3), ("many-holes", 60)] {
        let file = fs::File::create(root.join(name)).expect("make");
        for at in 0..pieces {
            std::os::unix::fs::FileExt::write_all_at(&file, &[7; 5000], at * 200_000 + 4096).expect("write");
        }
        file.set_len(pieces * 200_000 + 100_000).expect("size");
    }
    fs::File::create(root.join("hole-only")).and_then(|file| file.set_len(1 << 20)).expect("size");
    rustix::fs::chownat(rustix::fs::CWD, root.join("hard"), Some(rustix::fs::Uid::from_raw(3_000_000)), None, rustix::fs::AtFlags::empty()).expect("own");
    rustix::fs::setxattr(root.join("few-holes"), "user.x", b"a\n30 path=/etc/passwd\n", rustix::fs::XattrFlags::empty()).expect("attribute");
    rustix::fs::mknodat(rustix::fs::CWD, root.join("zero"), rustix::fs::FileType::CharacterDevice, 0o640.into(), rustix::fs::makedev(1, 5)).expect("device");
}

#[test]
#[ignore = "needs root"]
fn every_form_of_gnu_tar_is_read_and_unpacked_as_gnu_tar_does() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let source = folder.path().join("source");
    motley(&source);
    let forms: [&[&str]; 9] = [
        &["--format=gnu"],
        &["--format=oldgnu"],
        &["--format=posix"],
        &["--format=gnu", "--sparse"],
        &["--format=oldgnu", "--sparse"],
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--sparse", "--sparse-version=1.0", "--xattrs"],
        &["--format=posix", "--xattrs", "--pax-option=globexthdr.name=g,comment=hello"],
    ];
    for form in forms {
        let what = form.join(" ");
        let output = Command::new("tar").args(form).args(["--sort=name", "-cf", "-", "-C"]).arg(&source).arg(".").output().expect("GNU tar");
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        compare(&what, &output.stdout);
        let theirs = folder.path().join("theirs");
        fs::create_dir(&theirs).expect("make");
        let mut tar = Command::new("tar").args(["-xpf", "-", "--xattrs", "--numeric-owner", "-C"]).arg(&theirs).stdin(Stdio::piped()).spawn().expect("GNU tar");
        tar.stdin.take().expect("piped").write_all(&output.stdout).expect("feed");
        assert!(tar.wait().expect("tar").success());
        let scene = Scene::new();
        let loaded = scene.store.import(output.stdout.as_slice(), &ImportOptions::default(), &(), &CancelFlag::default(), &Limits::default()).expect(&what);
        let image = scene.store.image(&loaded.id).expect("image");
        let root = scene.store.layer_paths_top_first(&image).remove(0);
        assert_eq!(picture(&root), picture(&theirs), "{what}");
        if what.contains("--sparse") {
            let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(root.join("many-holes")).expect("stat"));
            assert!(blocks * 512 < 6_000_000, "{what}: holes are kept ({blocks} blocks)");
        }
        fs::remove_dir_all(&theirs).expect("remove");
    }
}

/// Archives made of well-formed pieces in any order, some headers then changed and summed again.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![Just("a"), Just("dir/b"), Just("dir/"), Just("c d"), Just("x/../y"), Just("/abs")];
    let piece = (0_u8..12, name, prop::collection::vec(any::<u8>(), 0..1500), 0_usize..200);
    let change = (any::<prop::sample::Index>(), 0_usize..500, any::<u8>());
    (prop::collection::vec(piece, 0..6), prop::collection::vec(change, 0..3), any::<bool>()).prop_map(|(pieces, changes, sums)| {
        let mut tar = Tar::default();
        for (kind, name, content, number) in pieces {
            let text = name.repeat(number / 20 + 1);
            tar = match kind {
                0 | 1 => tar.file(name, &content),
                2 => tar.folder(name),
                3 => tar.symlink(name, "target"),
                4 => tar.hardlink(name, "target"),
                5 => tar.pax(&[("path", text.as_bytes())]),
                6 => tar.pax(&[("size", number.to_string().as_bytes())]),
                7 => tar.long(b'L', text.as_bytes()),
                8 => tar.long(b'K', text.as_bytes()),
                9 => tar.pax(&[("linkpath", text.as_bytes()), ("mtime", b"12.5"), ("SCHILY.xattr.user.x", &content[..content.len().min(50)])]),
                10 => tar.pax(&[("GNU.sparse.size", number.to_string().as_bytes()), ("GNU.sparse.map", b"0,2")]),
                _ => tar.raw(&Head { gnu: true, ..Head::new(name, b'S', 0) }, &[]),
            };
        }
        let mut bytes = tar.end();
        for (block, at, value) in changes {
            let block = block.index(bytes.len() / 512) * 512;
            bytes[block + at] = value;
            if sums {
                sum(&mut bytes[block..block + 512]);
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_walker_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let _ = walk(&bytes);
    }

    #[test]
    fn no_change_to_an_archive_makes_the_walker_panic(bytes in pieces()) {
        let _ = walk(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs GNU tar, and seconds"]
    fn what_the_walker_accepts_gnu_tar_lists_the_same(bytes in pieces()) {
        // A name with a line end in it cannot be told from two lines.
        let readable = |ours: &Vec<String>| !ours.iter().any(|line| line.contains(['\n', '\r']));
        if let Some(ours) = ours(&bytes).ok().filter(readable)
            && let Some(theirs) = gnu(&bytes)
        {
            prop_assert_eq!(ours, theirs);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs root"]
    fn nothing_is_ever_written_outside_the_layer(bytes in pieces()) {
        let scene = Scene::new();
        let before = scene.picture();
        let limits = Limits { absolute_names: true, ..Limits::default() };
        match scene.store.import(bytes.as_slice(), &ImportOptions::default(), &(), &CancelFlag::default(), &limits) {
            Err(_) => prop_assert_eq!(scene.picture(), before),
            Ok(loaded) => {
                drop(loaded);
                scene.store.remove_unreferenced(&[]).expect("sweeps");
                prop_assert_eq!(scene.picture(), before);
            }
        }
    }
}
