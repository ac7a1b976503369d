//! A store in a folder of its own, and a picture of all that is in it.

use crate::{CancelFlag, ImageStore, ImagesError, Limits, LoadedImage};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub struct Scene {
    pub folder: TempDir,
    pub store: ImageStore,
}

impl Scene {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("scratch folder");
        let store = Self::open(folder.path());
        Self { folder, store }
    }

    pub fn open(folder: &Path) -> ImageStore {
        ImageStore::open(&folder.join("images"), &folder.join("layers")).expect("opens")
    }

    pub fn load(&self, archive: &[u8]) -> Result<Vec<LoadedImage>, ImagesError> {
        self.store.load(archive, &(), &CancelFlag::default(), &Limits::default())
    }

    /// Loads an image of these layers and gives the folder of the last.
    pub fn unpacked(&self, layer: &[u8]) -> PathBuf {
        let loaded = self.load(&super::make::docker(&[layer.to_vec()])).expect("loads");
        let image = self.store.image(&loaded[0].id).expect("is there");
        self.store.layer_paths_top_first(&image).remove(0)
    }

    pub fn picture(&self) -> BTreeMap<PathBuf, String> {
        picture(self.folder.path())
    }
}

/// Every name below a folder with kind, mode, owner, size, time of files, content and attributes.
pub fn picture(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = fs::symlink_metadata(&path).expect("stat");
        let mut line = format!("{:o} {}:{} {:x}", meta.mode(), meta.uid(), meta.gid(), meta.rdev());
        if meta.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("list").map(|entry| entry.expect("entry").path()));
        } else if meta.is_file() {
            let content = super::make::digest(&fs::read(&path).expect("read"));
            line = format!("{line} {} {}.{} {content}", meta.len(), meta.mtime(), meta.mtime_nsec());
        } else if meta.is_symlink() {
            line = format!("{line} {}.{} -> {}", meta.mtime(), meta.mtime_nsec(), fs::read_link(&path).expect("link").display());
        }
        line = format!("{line} {:?}", attributes(&path));
        found.insert(path.strip_prefix(root).expect("below").to_owned(), line);
    }
    found
}

pub fn attributes(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0_u8; 4096];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names[..]) else { return Vec::new() };
    let names = names[..length].split(|b| *b == 0).filter(|name| !name.is_empty());
    let value = |name: &str| {
        let mut value = vec![0_u8; 65536];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or(0);
        value.truncate(length);
        value
    };
    let mut list: Vec<_> = names.map(|name| String::from_utf8_lossy(name).into_owned()).map(|name| (value(&name), name)).map(|(v, n)| (n, v)).collect();
    list.sort();
    list
}
