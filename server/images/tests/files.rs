//! Copying into and out of a tree that somebody else may change meanwhile.

use super::make::{Head, Tar};
use super::support::picture;
use crate::{CancelFlag, Limits, PutOptions, Root};
use gantry_model::Kind;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A root, and beside it what must not be touched.
struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("scratch");
        for name in ["root/etc", "root/srv/data", "outside"] {
            fs::create_dir_all(folder.path().join(name)).expect("made");
        }
        fs::write(folder.path().join("root/etc/name"), b"web\n").expect("written");
        fs::write(folder.path().join("outside/canary"), b"alive").expect("written");
        Self { folder }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    fn with<T>(&self, act: impl FnOnce(Root<'_>) -> T) -> T {
        let fd = fs::File::open(self.root()).expect("opens");
        act(Root(fd.as_fd()))
    }

    fn put(&self, path: &str, archive: &[u8], options: PutOptions) -> Result<(), crate::ImagesError> {
        self.with(|root| root.copy_in(path, archive, options, &CancelFlag::default(), &Limits::default()))
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, crate::ImagesError> {
        let mut archive = Vec::new();
        self.with(|root| root.copy_out(path, None, &mut archive, &CancelFlag::default()))?;
        Ok(archive)
    }

    fn canary(&self) {
        assert_eq!(picture(&self.folder.path().join("outside")).len(), 2);
        assert_eq!(fs::read(self.folder.path().join("outside/canary")).expect("there"), b"alive");
    }
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut tar = tar::Archive::new(archive);
    tar.entries().expect("a tar").map(|entry| entry.expect("an entry").path().expect("a path").display().to_string()).collect()
}

#[test]
fn a_stat_tells_of_links_without_following_the_last() {
    let ground = Ground::new();
    symlink("etc", ground.root().join("conf")).expect("made");
    symlink("/etc/name", ground.root().join("link")).expect("made");
    let stat = |path: &str| ground.with(|root| root.stat(path)).expect("there");
    assert_eq!((stat("/conf/name").name, stat("/conf/name").size_bytes), ("name".to_owned(), 4));
    assert_eq!((stat("link").link_target, stat("link").mode & 0o170_000), ("/etc/name".to_owned(), 0o120_000));
    assert_eq!(stat("/conf/").mode & 0o170_000, 0o040_000);
    assert_eq!(stat("/").name, "/");
    assert_eq!(stat("/etc/.").mode & 0o170_000, 0o040_000);
    let missing = ground.with(|root| root.stat("/no/such")).expect_err("not there");
    assert_eq!((missing.kind(), missing.to_string()), (Kind::NotFound, "Could not find the file /no/such in container".to_owned()));
}

#[test]
fn files_and_folders_come_out_under_their_last_name() {
    let ground = Ground::new();
    assert_eq!(names(&ground.get("/etc/name").expect("there")), ["name"]);
    assert_eq!(names(&ground.get("/etc").expect("there")), ["etc/", "etc/name"]);
    assert_eq!(names(&ground.get("/srv/.").expect("there"))[0], "./");
}

#[test]
fn no_path_leads_out_of_the_root() {
    let ground = Ground::new();
    let outside = ground.folder.path().join("outside");
    symlink(&outside, ground.root().join("absolute")).expect("made");
    symlink("../../outside", ground.root().join("srv/relative")).expect("made");
    symlink("/proc/self/root", ground.root().join("magic")).expect("made");
    for path in ["/absolute/canary", "/srv/relative/canary", "/../outside/canary", "/magic/etc/passwd", "/absolute/", "/magic/"] {
        assert!(ground.get(path).is_err(), "{path} came out");
        assert!(ground.put(path, &Tar::default().file("x", b"x").end(), PutOptions::default()).is_err(), "{path} was written to");
    }
    for name in ["absolute/x", "srv/relative/x", "../x", "a/../../x"] {
        let _ = ground.put("/", &Tar::default().file(name, b"x").end(), PutOptions::default());
    }
    let linked = Tar::default().symlink("evil", outside.to_str().expect("UTF-8")).file("evil/x", b"x").end();
    let _ = ground.put("/", &linked, PutOptions::default());
    let hard = Tar::default().hardlink("h", "../outside/canary").end();
    ground.put("/", &hard, PutOptions::default()).expect_err("it climbs");
    ground.canary();
}

#[test]
#[ignore = "needs root"]
fn an_archive_goes_in_with_owners_modes_and_links() {
    let ground = Ground::new();
    let head = Head { mode: 0o4750, uid: 7, gid: 8, ..Head::new("sub/deep/tool", b'0', 4) };
    let archive =
        Tar::default().raw(&head, b"tool").hardlink("sub/again", "sub/deep/tool").symlink("sub/link", "deep").raw(&Head::new("sub/pipe", b'6', 0), &[]).end();
    ground.put("/srv", &archive, PutOptions::default()).expect("unpacked");
    let meta = fs::metadata(ground.root().join("srv/sub/deep/tool")).expect("there");
    assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.nlink()), (0o4750, 7, 8, 2));
    assert_eq!(fs::metadata(ground.root().join("srv/sub")).expect("made").permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_link(ground.root().join("srv/sub/link")).expect("a link"), Path::new("deep"));
    ground.put("/srv", &Tar::default().file("mine", b"x").end(), PutOptions { owner: Some((5, 6)), ..PutOptions::default() }).expect("unpacked");
    let meta = fs::metadata(ground.root().join("srv/mine")).expect("there");
    assert_eq!((meta.uid(), meta.gid()), (5, 6));
}

#[test]
fn folders_and_other_things_do_not_replace_each_other_if_asked() {
    let ground = Ground::new();
    let careful = PutOptions { no_overwrite_dir_non_dir: true, owner: None };
    let error = ground.put("/", &Tar::default().file("etc", b"x").end(), careful).expect_err("a folder is there");
    assert_eq!(error.to_string(), "\"etc\": cannot overwrite directory with non-directory");
    let error = ground.put("/etc", &Tar::default().folder("name").end(), careful).expect_err("a file is there");
    assert_eq!(error.to_string(), "\"name\": cannot overwrite non-directory with directory");
    ground.put("/etc", &Tar::default().file("name", b"new").end(), careful).expect("a file replaces a file");
    assert_eq!(fs::read(ground.root().join("etc/name")).expect("there"), b"new");
    let error = ground.put("/etc/name", &Tar::default().end(), careful).expect_err("no folder");
    assert!(error.to_string().contains("extraction point is not a directory"), "{error}");
}

#[test]
#[ignore = "needs root"]
fn a_folder_exchanged_for_a_link_meanwhile_leads_nowhere() {
    let ground = Ground::new();
    let (data, aside, outside) = (ground.root().join("srv/data"), ground.root().join("srv/aside"), ground.folder.path().join("outside"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::rename(&data, &aside);
                let _ = symlink(&outside, &data);
                let _ = fs::remove_file(&data);
                let _ = fs::rename(&aside, &data);
            }
        });
        for round in 0..400 {
            let archive = Tar::default().file(&format!("data/f{round}"), b"x").file("data/canary", b"dead").end();
            let _ = ground.put("/srv", &archive, PutOptions::default());
            let _ = ground.put("/srv/data", &Tar::default().file("canary", b"dead").end(), PutOptions::default());
            if let Ok(out) = ground.get("/srv/data/canary") {
                assert!(!out.windows(5).any(|bytes| bytes == b"alive"));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    ground.canary();
}
