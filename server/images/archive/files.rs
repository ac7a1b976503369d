//! The files of an archive or layout, by their names in it, each written down and hashed.

use super::Telling;
use crate::error::shown;
use crate::layer::Name;
use crate::scratch::{Scratch, Spooled};
use crate::tarball::{Entry, EntryKind, Walker};
use crate::{CancelFlag, ImagesError, Limits, Progress, compress};
use gantry_model::Digest;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, btree_map};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

#[derive(Debug, Default)]
pub(crate) struct Files {
    files: BTreeMap<String, Spooled>,
    /// Links to other names; `docker save` writes them for layers that occur twice.
    links: BTreeMap<String, String>,
}

/// Documents that must be what they seem.
const DOCUMENTS: [&str; 3] = ["manifest.json", "index.json", "oci-layout"];

/// Links followed for one name.
const HOPS: usize = 8;

impl Files {
    pub fn of_archive(
        archive: impl Read + Send,
        scratch: &Scratch,
        progress: &dyn Progress,
        cancel: &CancelFlag,
        limits: &Limits,
    ) -> Result<Self, ImagesError> {
        let archive = Telling { source: archive, done: 0, told: 0, tell: &|done| progress.read(done), cancel };
        let plain = compress::open("archive", archive, cancel, limits)?;
        let mut walker = Walker::new(plain.reader, limits.archive_entries);
        let mut files = Self::default();
        while let Some(entry) = walker.next().map_err(|e| e.within("archive"))? {
            files.take(&entry, &mut walker, scratch).map_err(|e| e.within(&format!("archive entry {}", shown(&entry.name))))?;
        }
        if !walker.saw_end() {
            return Err(ImagesError::invalid("archive", "truncated: the mark at its end is missing"));
        }
        walker.drain().map_err(|e| e.within("archive"))?;
        Ok(files)
    }

    /// Reads `index.json`, `oci-layout` and the blobs of a layout folder. Links in it are not followed.
    pub fn of_folder(folder: &Path, scratch: &Scratch, progress: &dyn Progress, cancel: &CancelFlag, limits: &Limits) -> Result<Self, ImagesError> {
        let mut files = Self::default();
        let mut names: Vec<String> = DOCUMENTS.iter().map(|name| (*name).to_owned()).filter(|name| folder.join(name).exists()).collect();
        let blobs = folder.join("blobs/sha256");
        let list = fs::read_dir(&blobs).and_then(|list| list.map(|entry| entry.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>());
        let list = list.map_err(|e| ImagesError::io(format!("list {}", blobs.display()), e))?;
        names.extend(list.iter().filter_map(|name| name.to_str()).map(|name| format!("blobs/sha256/{name}")));
        if names.len() as u64 > limits.archive_entries {
            return Err(ImagesError::too_large("layout", format!("more than {} files", limits.archive_entries)));
        }
        let mut before = 0;
        for name in names {
            let path = folder.join(&name);
            let open = || {
                rustix::fs::open(&path, rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC | rustix::fs::OFlags::NONBLOCK, rustix::fs::Mode::empty())
            };
            let file = open().map_err(|e| ImagesError::io(format!("open {}", path.display()), e)).map(fs::File::from)?;
            if !file.metadata().is_ok_and(|meta| meta.is_file()) {
                return Err(ImagesError::invalid(format!("layout file {}", shown(name.as_bytes())), "it is no plain file"));
            }
            let mut source = Telling { source: file, done: before, told: before, tell: &|done| progress.read(done), cancel };
            let spooled = scratch.spool(&mut source)?;
            before = source.done;
            files.put(name, spooled)?;
        }
        Ok(files)
    }

    fn take<R: Read>(&mut self, entry: &Entry, walker: &mut Walker<R>, scratch: &Scratch) -> Result<(), ImagesError> {
        let name = Name::parse(&entry.name, false)?;
        let name = String::from_utf8(name.bytes().to_vec()).map_err(|_| ImagesError::invalid("", "its name is not UTF-8"))?;
        let is_document = DOCUMENTS.contains(&name.as_str());
        match entry.kind {
            EntryKind::Folder => Ok(()),
            EntryKind::File if entry.sparse.is_some() => Err(ImagesError::invalid("", "a sparse file")),
            EntryKind::File => {
                let spooled = scratch.spool(&mut Content(walker))?;
                self.put(name, spooled)
            }
            EntryKind::SymLink | EntryKind::HardLink if is_document => Err(ImagesError::invalid("", "it is a link")),
            EntryKind::SymLink => {
                let target = std::str::from_utf8(&entry.link).ok().and_then(|link| resolve(&name, link));
                self.link(name, target.ok_or_else(|| ImagesError::invalid("", format!("a link that leaves the archive, to {}", shown(&entry.link))))?)
            }
            EntryKind::HardLink => {
                let target = Name::parse(&entry.link, false).map_err(|e| e.within(&format!("link to {}", shown(&entry.link))))?;
                self.link(name, String::from_utf8_lossy(target.bytes()).into_owned())
            }
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => Err(ImagesError::invalid("", "a device in an image archive")),
        }
    }

    /// Keeps a file; a blob must be what its name says.
    fn put(&mut self, name: String, spooled: Spooled) -> Result<(), ImagesError> {
        let promised = name.strip_prefix("blobs/sha256/").and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
        if let Some(expected) = promised {
            check_digest(&format!("blob {}", expected.short()), &expected, &spooled)?;
        }
        self.free(&name)?;
        self.files.insert(name, spooled);
        Ok(())
    }

    fn link(&mut self, name: String, target: String) -> Result<(), ImagesError> {
        self.free(&name)?;
        self.links.insert(name, target);
        Ok(())
    }

    fn free(&mut self, name: &str) -> Result<(), ImagesError> {
        let taken = self.links.contains_key(name) || matches!(self.files.entry(name.to_owned()), btree_map::Entry::Occupied(_));
        if taken { Err(ImagesError::invalid("", "a second entry of this name")) } else { Ok(()) }
    }

    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The file of a name that a document in the archive mentions.
    pub fn get(&self, name: &str) -> Result<&Spooled, ImagesError> {
        let place = || format!("archive entry {}", shown(name.as_bytes()));
        let tidy = Name::parse(name.as_bytes(), false).map_err(|e| e.within(&place()))?;
        let mut name = String::from_utf8_lossy(tidy.bytes()).into_owned();
        for _ in 0..HOPS {
            if let Some(file) = self.files.get(&name) {
                return Ok(file);
            }
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => return Err(ImagesError::invalid(place(), "the manifest names it, and it is missing")),
            }
        }
        Err(ImagesError::invalid(place(), "links that lead in a circle"))
    }

    pub fn blob(&self, digest: &Digest) -> Result<&Spooled, ImagesError> {
        if digest.algorithm() != "sha256" {
            return Err(ImagesError::Unsupported { place: format!("blob {}", digest.short()), reason: "blobs are read by sha256 only".to_owned() });
        }
        let name = format!("blobs/sha256/{}", digest.hex());
        self.files.get(&name).ok_or_else(|| ImagesError::invalid(format!("blob {digest}"), "the manifest names it, and it is missing"))
    }
}

/// Reads a JSON document, of bounded size and depth.
pub(super) fn document<T: DeserializeOwned>(place: &str, file: &Spooled, limits: &Limits) -> Result<T, ImagesError> {
    if file.size > limits.document_bytes {
        return Err(ImagesError::too_large(place, format!("a document of {} bytes; {} is the limit", file.size, limits.document_bytes)));
    }
    let text = fs::read(&file.path).map_err(|e| ImagesError::io(format!("read {place}"), e))?;
    serde_json::from_slice(&text).map_err(|e| ImagesError::invalid(place, format!("it is not what it should be: {e}")))
}

pub(super) fn check_digest(what: &str, expected: &Digest, file: &Spooled) -> Result<(), ImagesError> {
    if *expected == file.digest {
        return Ok(());
    }
    Err(ImagesError::Digest { what: what.to_owned(), expected: expected.clone(), found: file.digest.clone() })
}

/// The media type of a layer whose manifest does not give one.
pub(super) fn layer_media_type(file: &Spooled) -> String {
    let mut head = [0; 8];
    let filled = fs::File::open(&file.path).and_then(|mut file| crate::layer::fill(&mut file, &mut head)).unwrap_or(0);
    compress::sniff(&head[..filled]).unwrap_or(compress::Compression::None).layer_media_type().to_owned()
}

/// Where a symbolic link leads, by names alone; `None` out of the archive.
fn resolve(name: &str, link: &str) -> Option<String> {
    if link.is_empty() || link.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The content of the entry a walker is at.
struct Content<'a, R>(&'a mut Walker<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_by_name_and_never_leave_the_archive() {
        assert_eq!(resolve("a/layer.tar", "../b/layer.tar").as_deref(), Some("b/layer.tar"));
        assert_eq!(resolve("a", "b").as_deref(), Some("b"));
        for bad in ["../../x", "/etc/passwd", ""] {
            assert_eq!(resolve("a/layer.tar", bad), None, "{bad}");
        }
    }
}
