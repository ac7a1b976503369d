//! Archives made to do harm, or broken: each is refused with one line that names the place, and the store stays as it was.

use super::make::{self, Head, Layout, Tar, digest, docker, docker_with, gzip, oci, octal, zstd};
use super::support::Scene;
use crate::{CancelFlag, ImportOptions, Limits};
use gantry_model::Kind;
use std::fs;

/// A name, the archive, and what its error must say.
type Case = (&'static str, Vec<u8>, &'static str);

fn one(tar: Tar) -> Vec<u8> {
    docker(&[tar.end()])
}

fn traversal(outside: &str) -> Vec<Case> {
    let t = Tar::default;
    let evil = |target: &str| t().symlink("evil", target);
    vec![
        ("path by name", one(t().file("../../escape", b"x")), "climbs with '..'"),
        ("path by name, inside", one(t().file("a/../../../escape", b"x")), "climbs with '..'"),
        ("path by long name", one(t().long(b'L', format!("{}/../../x", "a".repeat(200)).as_bytes()).file("x", b"x")), "climbs with '..'"),
        ("path by extended header", one(t().pax(&[("path", b"../../escape")]).file("x", b"x")), "climbs with '..'"),
        ("absolute name", one(t().file("/etc/escape", b"x")), "absolute name"),
        ("absolute folder", one(t().folder("//etc")), "absolute name"),
        ("symlink, absolute", one(evil(outside).file("evil/escape", b"x")), "leaves the layer through a symbolic link"),
        ("symlink, relative", one(evil("../../../../../../../../..").file("evil/escape", b"x")), "leaves the layer through a symbolic link"),
        (
            "symlink, two steps",
            one(t().folder("a").symlink("a/up", "../..").symlink("b", "a/up").file("b/x", b"x")),
            "leaves the layer through a symbolic link",
        ),
        ("symlink, proc", one(evil("/proc/self/root").file("evil/tmp/x", b"x")), "leaves the layer through a symbolic link"),
        ("symlink then folder of its name", one(evil(outside).raw(&Head { mode: 0o777, ..Head::new("evil/", b'5', 0) }, &[])), "second entry of this name"),
        ("symlink then file of its name", one(evil(&format!("{outside}/canary")).file("evil", b"x")), "second entry of this name"),
        ("symlink then whiteout through it", one(evil(outside).file("evil/.wh.canary", b"")), "leaves the layer through a symbolic link"),
        ("symlink then opaque through it", one(evil(outside).file("evil/.wh..wh..opq", b"")), "leaves the layer through a symbolic link"),
        ("symlink circle", one(t().symlink("a", "b").symlink("b", "a").file("a/x", b"x")), "through a symbolic link that leads nowhere"),
        ("hard link by name", one(t().hardlink("x", "../../../etc/passwd")), "climbs with '..'"),
        ("hard link, absolute", one(t().hardlink("x", "/etc/passwd")), "absolute name"),
        ("hard link through a symlink", one(evil(outside).hardlink("x", "evil/canary")), "leaves the layer through a symbolic link"),
        ("hard link to a lower layer", docker(&[t().file("a", b"x").end(), t().hardlink("b", "a").end()]), "not in this layer"),
        ("hard link to a folder", one(t().folder("a").hardlink("b", "a")), "a folder cannot be linked"),
        ("whiteout of ..", one(t().file("a/.wh...", b"")), "whiteout of nothing, '.' or '..'"),
        ("whiteout of .", one(t().file(".wh..", b"")), "whiteout of nothing, '.' or '..'"),
        ("file as a folder", one(t().file("a", b"x").file("a/b", b"x")), "no folder"),
    ]
}

fn devices_and_duplicates() -> Vec<Case> {
    let t = Tar::default;
    let device = |flag, major, minor| one(t().raw(&Head::device("dev", flag, major, minor), &[]));
    vec![
        ("block device", device(b'4', 8, 0), "block device 8:0"),
        ("memory device", device(b'3', 1, 1), "character device 1:1"),
        ("whiteout as a device", device(b'3', 0, 0), "character device 0:0"),
        ("null as a block device", device(b'4', 1, 3), "block device 1:3"),
        ("device in the archive", t().raw(&Head::device("manifest.json", b'3', 1, 3), &[]).end(), "a device in an image archive"),
        ("file twice", one(t().file("a", b"1").file("./a", b"2")), "second entry of this name"),
        ("folder then file", one(t().folder("a").file("a", b"2")), "second entry of this name"),
        ("file then folder", one(t().file("a", b"2").folder("a/")), "second entry of this name"),
        ("link then link", one(t().symlink("a", "x").symlink("a", "y")), "second entry of this name"),
        ("hard link to itself", one(t().file("a", b"x").hardlink("a", "a")), "second entry of this name"),
        ("manifest twice", t().file("manifest.json", b"[]").file("./manifest.json", b"[]").end(), "second entry of this name"),
    ]
}

fn malformed() -> Vec<Case> {
    let t = Tar::default;
    let sized = |size: [u8; 12]| one(t().raw(&Head { size, ..Head::new("a", b'0', 0) }, &[]));
    let mut minus = [0xff; 12];
    minus[11] = 0xfe;
    let good = t().folder("a").file("a/b", &[7; 5000]).end();
    let packed = gzip(&good);
    let whole = docker(std::slice::from_ref(&good));
    let cut = |bytes: &[u8], at: usize| bytes[..at].to_vec();
    let damaged = |at: usize| {
        let mut bytes = oci(std::slice::from_ref(&good), gzip);
        let at = bytes.windows(2).position(|w| w == [0x1f, 0x8b]).expect("gzip inside") + at;
        bytes[at] ^= 0x55;
        bytes
    };
    let renamed = |from: &str, to: &str| {
        let mut bytes = whole.clone();
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("is in it");
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    vec![
        ("negative size", sized(*b"-0000000001\0"), "negative size"),
        ("negative size, base 256", sized(minus), "negative size -2"),
        ("size beyond 64 bits", sized([0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "unreadable size"),
        ("size behind a zero byte", one(t().raw(&Head { size: *b"\0\0\000000777\0", ..Head::new("a", b'0', 0) }, &[])), "a zero byte before its digits"),
        ("size of letters", sized(*b"00000000zzz\0"), "unreadable size"),
        ("size of 8 exbibytes", sized([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "unpacks to more than"),
        ("extended size that is no number", one(t().pax(&[("size", b"-1")]).file("a", b"")), "unreadable size"),
        ("folder with holes", one(t().pax(&[("GNU.sparse.size", b"1")]).folder("a")), "holes in an entry that has no content"),
        ("folder with content", one(t().raw(&Head::new("a/", b'5', 512), &[b'x'; 512])), "a size of 512 on an entry that has no content"),
        ("archive cut inside a file", cut(&whole, 700), "truncated"),
        ("archive cut inside a block", cut(&whole, 512 * 3 + 17), "truncated"),
        ("archive cut at its end", cut(&whole, whole.len() - 1024), "truncated: the mark at its end is missing"),
        ("archive cut inside gzip", cut(&gzip(&whole), 300), "truncated or damaged"),
        (
            "archive cut inside zstd",
            {
                let z = zstd(&whole);
                cut(&z, z.len() / 2)
            },
            "truncated or damaged",
        ),
        ("layer cut inside gzip", docker_with(&[cut(&packed, packed.len() - 12)], &[digest(&good)]), "truncated or damaged"),
        ("layer cut between entries", docker_with(&[cut(&good, 512)], &[digest(&good)]), "wrong digest"),
        ("layer with another digest", docker_with(std::slice::from_ref(&good), &[digest(b"other")]), "wrong digest"),
        ("layer damaged", damaged(20), "wrong digest"),
        (
            "configuration with another digest",
            {
                let config = make::config(&[digest(&good)]);
                let name = format!("{}.json", digest(b"other").hex());
                t().file("l.tar", &good).file(&name, &config).file("manifest.json", &make::manifest_json(&name, &["l.tar".to_owned()])).end()
            },
            "wrong digest",
        ),
        ("no tar inside", docker(&[vec![b'x'; 2048]]), "not a tar header"),
        ("not a tar at all", vec![b'y'; 4096], "not a tar header"),
        ("nothing", Vec::new(), "truncated"),
        ("xz", b"\xfd7zXZ\0 and so on".to_vec(), "compressed with xz"),
        ("a lone block of zeros", docker(&[[Tar::default().file("a", b"").0, vec![0; 512], Tar::default().file("b", b"").0].concat()]), "lone block of zeros"),
        ("wrong checksum", renamed("0000644", "0000777"), "checksum is wrong"),
        ("record that lies about its length", one(t().raw(&Head::new("x", b'x', 9), b"99 path=a\n").file("a", b"")), "broken extended header record"),
        (
            "record in record",
            one(t().raw(&Head::new("x", b'x', 30), &[&b"12 path=aaaa\n"[..], b"17 linkpath=/etc\n"].concat()).symlink("a", "b")),
            "broken extended header record",
        ),
        ("two extended headers", one(t().pax(&[("path", b"a")]).pax(&[("path", b"b")]).file("c", b"")), "two extended headers"),
        ("two long names", one(t().long(b'L', b"a").long(b'L', b"b").file("c", b"")), "two long names"),
        ("long name and extended name", one(t().pax(&[("path", b"a")]).long(b'L', b"b").file("c", b"")), "different names"),
        ("global header that renames", one(t().raw(&Head::new("g", b'g', 9), &make::record("path", b"x")).file("c", b"")), "global header"),
        ("extended header at the end", one(t().pax(&[("path", b"a")])), "ends after an extended header"),
        ("NUL in a name", one(t().pax(&[("path", b"a\0b")]).file("c", b"")), "NUL byte"),
        ("file with a slash", one(t().file("a/", b"x")), "ends with a slash"),
        ("unknown type", one(t().raw(&Head::new("a", b'V', 0), &[])), "type \"V\" are not supported"),
        ("owner beyond 32 bits", one(t().pax(&[("uid", b"4294967296")]).file("a", b"")), "impossible owner"),
        ("name too long", one(t().long(b'L', &[b'a'; 300]).file("c", b"")), "longer than 255 bytes"),
        ("path too long", one(t().long(b'L', format!("{}x", "abcdefgh/".repeat(500)).as_bytes()).file("c", b"")), "4095 bytes"),
        ("path too deep", one(t().long(b'L', "a/".repeat(300).as_bytes()).folder("c")), "deeper than 255"),
        ("line breaks in a name", one(t().file("../a\nfake: line\x1b[31m", b"")), "climbs"),
        ("sparse map out of order", one(t().pax(&[("GNU.sparse.size", b"9000"), ("GNU.sparse.map", b"4096,2,0,3")]).file("a", b"12345")), "sparse map"),
        ("sparse map past the end", one(t().pax(&[("GNU.sparse.size", b"4"), ("GNU.sparse.map", b"0,5")]).file("a", b"12345")), "sparse map"),
        ("sparse map with too few bytes", one(t().pax(&[("GNU.sparse.size", b"9"), ("GNU.sparse.map", b"0,2")]).file("a", b"12345")), "sparse map"),
    ]
}

fn bombs() -> Vec<Case> {
    let t = Tar::default;
    let huge = |flag: u8, size: u64| one(t().raw(&Head { gnu: true, ..Head::new("x", flag, size) }, &[]));
    let ten = Head { size: octal(10 << 30), ..Head::new("zeros", b'0', 0) };
    let first = ten.block();
    let in_archive = Head { size: octal(10 << 30), ..Head::new("a/layer.tar", b'0', 0) }.block();
    let many = docker(&vec![t().end(); 128]);
    vec![
        ("ten gigabytes in a gzip layer", docker_with(&[make::ten_gigabytes(&first, gzip)], &[digest(b"")]), "100 to 1 is the limit"),
        ("ten gigabytes in a zstd layer", docker_with(&[make::ten_gigabytes(&first, zstd)], &[digest(b"")]), "100 to 1 is the limit"),
        ("ten gigabytes behind a layer's end", docker_with(&[make::ten_gigabytes(&t().file("a", b"").end(), gzip)], &[digest(b"")]), "100 to 1 is the limit"),
        ("ten gigabytes in a gzip archive", make::ten_gigabytes(&in_archive, gzip), "100 to 1 is the limit"),
        ("ten gigabytes of holes", one(t().pax(&[("GNU.sparse.size", b"10737418240"), ("GNU.sparse.map", b"0,1")]).file("a", b"x")), "bytes of holes"),
        ("long name bomb", huge(b'L', 4 << 30), "an extended header of"),
        ("long link bomb", huge(b'K', 2 << 20), "an extended header of"),
        ("extended header bomb", huge(b'x', 1 << 30), "an extended header of"),
        ("global header bomb", huge(b'g', 1 << 30), "an extended header of"),
        ("128 layers", many, "127 is the limit"),
    ]
}

fn documents() -> Vec<Case> {
    let t = Tar::default;
    let layer = t().file("a", b"x").end();
    let config = make::config(&[digest(&layer)]);
    let with = |config_name: &str, layer_name: &str| {
        t().file("c.json", &config).file("l.tar", &layer).file("manifest.json", &make::manifest_json(config_name, &[layer_name.to_owned()]))
    };
    let configured =
        |config: &[u8]| t().file("c.json", config).file("l.tar", &layer).file("manifest.json", &make::manifest_json("c.json", &["l.tar".to_owned()])).end();
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let mut nested = Layout::default();
    let mut inner = nested.blob(&config);
    for _ in 0..8 {
        inner = nested.blob(serde_json::json!({"schemaVersion": 2, "manifests": [inner]}).to_string().as_bytes());
    }
    let mut short = Layout::default();
    let mut lying = short.blob(b"{}");
    lying["size"] = 1.into();
    let absent = |digest: &str| Layout::default().end(&[serde_json::json!({"mediaType": "", "digest": digest, "size": 2})]);
    let mut sixteen = Layout::default();
    let bytes = sixteen.blob(b"{}");
    vec![
        ("manifest names a path above", with("c.json", "../../../etc/passwd").end(), "climbs with '..'"),
        ("manifest names an absolute path", with("/etc/passwd", "l.tar").end(), "absolute name"),
        ("manifest is a symlink", t().symlink("manifest.json", "/etc/passwd").end(), "it is a link"),
        ("manifest is a hard link", t().file("x", b"[]").hardlink("manifest.json", "x").end(), "it is a link"),
        ("index is a symlink", t().symlink("index.json", "x").end(), "it is a link"),
        ("layer is a symlink out", with("c.json", "out").symlink("out", "../../../etc/passwd").end(), "leaves the archive"),
        ("layer is an absolute symlink", with("c.json", "out").symlink("out", "/etc/passwd").end(), "leaves the archive"),
        ("layer is a circle of symlinks", with("c.json", "p").symlink("p", "q").symlink("q", "p").end(), "lead in a circle"),
        ("layer missing", with("c.json", "gone.tar").end(), "missing"),
        ("configuration missing", with("gone.json", "l.tar").end(), "missing"),
        ("fewer layers than diff ids", configured(&make::config(&[digest(&layer), digest(b"2")])), "lists 2 layers, the manifest 1"),
        ("configuration of 5 MiB", configured(&vec![b' '; 5 << 20]), "is the limit"),
        ("configuration nested deep", configured(&deep), "not what it should be"),
        ("configuration cut", configured(&config[..config.len() - 3]), "not what it should be"),
        ("diff id that is a path", configured(br#"{"rootfs":{"diff_ids":["sha256:../../../../etc"]}}"#), "not a digest"),
        (
            "for windows",
            configured(br#"{"os":"windows","rootfs":{"diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]}}"#),
            "not for linux",
        ),
        (
            "tag that is none",
            t().file("c.json", &config).file("l.tar", &layer).file("manifest.json", br#"[{"Config":"c.json","RepoTags":["../x:1"],"Layers":["l.tar"]}]"#).end(),
            "invalid reference",
        ),
        ("manifest nested deep", t().file("manifest.json", &deep).end(), "not what it should be"),
        ("no manifest", t().file("README", b"hello").end(), "it holds no image"),
        ("empty manifest", t().file("manifest.json", b"[]").end(), "it holds no image"),
        ("index without oci-layout", t().file("index.json", br#"{"manifests":[]}"#).end(), "without the file oci-layout"),
        ("index in index in index", nested.end(&[inner]), "too deep"),
        ("blob under another digest", t().file(&format!("blobs/sha256/{}", digest(b"other").hex()), b"x").end(), "wrong digest"),
        ("blob of another size", short.end(&[lying]), "its descriptor says 1"),
        ("blob missing", absent(digest(b"none").as_str()), "missing"),
        ("digest that is a path", absent("sha256:../../etc/passwd"), "not a digest"),
        ("digest of another algorithm", absent(&format!("sha512:{}", "0".repeat(128))), "by sha256 only"),
        ("neither manifest nor index", sixteen.end(&[bytes]), "neither a manifest nor an index"),
    ]
}

#[test]
#[ignore = "needs root"]
fn hostile_archives_are_refused_in_one_line_and_leave_the_store_as_it_was() {
    let scene = Scene::new();
    let outside = tempfile::tempdir().expect("scratch folder");
    fs::write(outside.path().join("canary"), b"alive").expect("canary");
    let canary = super::support::picture(outside.path());
    scene.load(&docker(&[Tar::default().folder("bin").file("bin/sh", b"#!").end()])).expect("an honest image loads");
    let before = scene.picture();
    let path = outside.path().to_str().expect("plain");
    let corpus = [traversal(path), devices_and_duplicates(), malformed(), bombs(), documents()].concat();
    eprintln!("{} hostile archives", corpus.len());
    for (name, archive, wants) in corpus {
        let Err(error) = scene.load(&archive) else { panic!("{name}: it was loaded") };
        let line = error.to_string();
        eprintln!("  {name}: {line}");
        assert!(line.contains(wants), "{name}: {line:?} does not say {wants:?}");
        assert!(!line.chars().any(char::is_control) && line.len() < 600, "{name}: {line:?} is not one line");
        assert!(matches!(error.kind(), Kind::Invalid | Kind::TooLarge | Kind::Unsupported), "{name}: {:?}", error.kind());
        assert_eq!(scene.picture(), before, "{name}");
        assert_eq!(super::support::picture(outside.path()), canary, "{name}");
    }
}

#[test]
#[ignore = "needs root"]
fn hostile_root_filesystems_are_not_imported() {
    let scene = Scene::new();
    let before = scene.picture();
    let good = Tar::default().file("a", b"x").end();
    let cases: Vec<Case> = vec![
        ("path above", Tar::default().file("../a", b"x").end(), "climbs"),
        ("cut between entries", good[..1024].to_vec(), "truncated: the mark at the end"),
        ("cut in gzip", gzip(&good)[..40].to_vec(), "truncated or damaged"),
        ("ten gigabytes", make::ten_gigabytes(&Head { size: octal(10 << 30), ..Head::new("z", b'0', 0) }.block(), gzip), "100 to 1"),
        ("empty", Tar::default().end(), "empty"),
        ("text", b"hello".to_vec(), "truncated"),
    ];
    for (name, archive, wants) in cases {
        let result = scene.store.import(archive.as_slice(), &ImportOptions::default(), &(), &CancelFlag::default(), &Limits::default());
        let line = result.expect_err(name).to_string();
        eprintln!("  {name}: {line}");
        assert!(line.contains(wants), "{name}: {line:?} does not say {wants:?}");
        assert_eq!(scene.picture(), before, "{name}");
    }
}

#[test]
#[ignore = "needs root"]
fn a_load_stops_before_the_disk_is_full_and_when_cancelled() {
    let scene = Scene::new();
    let before = scene.picture();
    let archive = docker(&[Tar::default().file("a", &[1; 9000]).end()]);
    let limits = Limits { keep_free_bytes: u64::MAX / 2, ..Limits::default() };
    let error = scene.store.load(archive.as_slice(), &(), &CancelFlag::default(), &limits).expect_err("no room");
    assert!(error.to_string().contains("must stay so") && error.kind() == Kind::TooLarge, "{error}");
    let limits = Limits { layer_bytes: 8000, ..Limits::default() };
    let error = scene.store.load(archive.as_slice(), &(), &CancelFlag::default(), &limits).expect_err("too large");
    assert!(error.to_string().contains("more than 8000 bytes"), "{error}");
    let cancel = CancelFlag::default();
    cancel.cancel();
    let error = scene.store.load(archive.as_slice(), &(), &cancel, &Limits::default()).expect_err("cancelled");
    assert_eq!(error.kind(), Kind::Cancelled);
    assert_eq!(scene.picture(), before);
}
