//! Tars on their way: a stream from the server into files here, and files here into a stream.
//! What comes is unpacked in a new folder of our own and then moved into place, so that no link in it leads elsewhere.

use crate::client::Client;
use crate::failure::{Attempt, Failure};
use bytes::Bytes;
use reqwest::{Body, Response};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

/// Pieces on their way between two threads.
const SLOTS: usize = 16;
const PIECE: usize = 64 << 10;

/// Where what comes is to stand.
pub struct Place {
    /// The folder it comes into.
    folder: PathBuf,
    /// Its name there, if not its own.
    name: Option<PathBuf>,
    /// The members come without their folder around them, as those of `/` and `DIR/.` do.
    bare: bool,
}

impl Place {
    /// Decides by what `destination` is now. Source: moby `pkg/archive`, `PrepareArchiveCopy`.
    pub fn find(destination: &str, is_folder: bool, bare: bool) -> Result<Self, Failure> {
        let path = Path::new(destination);
        let found = fs::metadata(path).ok();
        let (above, name) = (path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")), path.file_name().map(PathBuf::from));
        match found {
            Some(found) if found.is_dir() => Ok(Self { folder: path.to_owned(), name: None, bare }),
            Some(_) if is_folder => Err(Failure::new(format!("cannot copy a folder onto {destination}, which is a file"))),
            None if !is_folder && destination.ends_with('/') => Err(Failure::new(format!("destination folder {destination} must exist"))),
            _ if !above.is_dir() => {
                Err(Failure::new(format!("the folder of {destination} does not exist")).hint(format!("make it with: mkdir -p {}", above.display())))
            }
            _ => Ok(Self { folder: above.to_owned(), name, bare }),
        }
    }
}

/// Unpacks the tar in `response` and returns its bytes. `owners` keeps user and group ids.
pub async fn unpack(client: &Client, mut response: Response, place: Place, owners: bool) -> Result<u64, Failure> {
    let scratch = place.folder.join(format!(".gantry-cp-{}", std::process::id()));
    fs::create_dir(&scratch).attempt(|| format!("make a folder in {}", place.folder.display()))?;
    let (sender, receiver) = sync_channel(SLOTS);
    let into = scratch.clone();
    let unpacking = std::thread::spawn(move || {
        let mut archive = tar::Archive::new(Pieces { receiver, piece: Bytes::new() });
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(owners);
        archive.unpack(&into)
    });
    let mut bytes = 0;
    let mut broken = None;
    loop {
        match response.chunk().await {
            Ok(Some(part)) => {
                bytes += part.len() as u64;
                // The other side ended: its error tells why.
                if sender.send(part).is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                broken = Some(client.unreachable(&error));
                break;
            }
        }
    }
    drop(sender);
    let unpacked = unpacking.join().map_err(|_| Failure::new("unpacking ended unexpectedly"))?;
    let moved = match broken {
        Some(failure) => Err(failure),
        None => unpacked.attempt(|| format!("unpack into {}", place.folder.display())).and_then(|()| arrange(&scratch, &place)),
    };
    let _ = fs::remove_dir_all(&scratch);
    moved.map(|()| bytes)
}

/// Moves what was unpacked to its place.
fn arrange(scratch: &Path, place: &Place) -> Result<(), Failure> {
    match &place.name {
        Some(name) if place.bare => return settle(scratch, &place.folder.join(name)),
        None if place.bare => return merge(scratch, &place.folder),
        _ => {}
    }
    let what = || format!("copy into {}", place.folder.display());
    for entry in fs::read_dir(scratch).attempt(what)? {
        let entry = entry.attempt(what)?;
        let name = place.name.clone().unwrap_or_else(|| PathBuf::from(entry.file_name()));
        settle(&entry.path(), &place.folder.join(name))?;
    }
    Ok(())
}

/// Moves the members of folder `from` into folder `to`.
fn merge(from: &Path, to: &Path) -> Result<(), Failure> {
    let what = || format!("copy into {}", to.display());
    for entry in fs::read_dir(from).attempt(what)? {
        let entry = entry.attempt(what)?;
        settle(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Moves `from` to `to`: folders fall together, files replace files.
fn settle(from: &Path, to: &Path) -> Result<(), Failure> {
    let is_folder = fs::symlink_metadata(from).attempt(|| format!("copy {}", to.display()))?.is_dir();
    match fs::symlink_metadata(to) {
        Ok(found) if found.is_dir() && is_folder => return merge(from, to),
        Ok(found) if found.is_dir() => return Err(Failure::new(format!("cannot overwrite the folder {} with a file", to.display()))),
        Ok(_) if is_folder => return Err(Failure::new(format!("cannot overwrite the file {} with a folder", to.display()))),
        _ => {}
    }
    fs::rename(from, to).attempt(|| format!("copy {}", to.display()))
}

/// Pieces from another thread, as one stream.
struct Pieces {
    receiver: Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.recv() {
                Ok(piece) => self.piece = piece,
                Err(_) => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// What is sent.
pub struct Source {
    path: PathBuf,
    pub is_folder: bool,
    /// Its own name; `None` sends what is in it (`DIR/.`).
    pub name: Option<String>,
}

impl Source {
    /// Looks at `path`; a link is followed only if asked to, or if a slash ends it.
    pub fn find(path: &str, follow: bool) -> Result<Self, Failure> {
        let what = || format!("copy {path}");
        let follow = follow || path.ends_with('/') || path.ends_with("/.");
        let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) }.attempt(what)?;
        let inside = path.ends_with("/.") || path == ".";
        let real = if follow { fs::canonicalize(path).attempt(what)? } else { std::path::absolute(path).attempt(what)? };
        // The name is the one that was said, also of a link that is followed.
        let said = std::path::absolute(path).attempt(what)?;
        let name = said.file_name().map(|name| name.to_string_lossy().into_owned()).filter(|_| !inside);
        Ok(Self { path: real, is_folder: metadata.is_dir(), name })
    }

    /// A tar of it under `name`, and how many bytes it had so far.
    pub fn pack(self, name: Option<String>) -> (Body, Arc<AtomicU64>) {
        stream(move |out| {
            let mut builder = tar::Builder::new(out);
            builder.follow_symlinks(false);
            match (self.is_folder, name) {
                (true, Some(name)) => builder.append_dir_all(name, &self.path)?,
                (true, None) => builder.append_dir_all(".", &self.path)?,
                (false, name) => builder.append_path_with_name(&self.path, name.unwrap_or_default())?,
            }
            builder.finish()
        })
    }
}

/// A body that `write` makes on a thread of its own, and its bytes so far.
pub fn stream(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> (Body, Arc<AtomicU64>) {
    let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(SLOTS);
    let counted = Arc::new(AtomicU64::new(0));
    let mut out = io::BufWriter::with_capacity(PIECE, Sink { sender: sender.clone(), counted: Arc::clone(&counted) });
    std::thread::spawn(move || {
        if let Err(error) = write(&mut out).and_then(|()| out.flush()) {
            // The request fails with it, so that half an archive is not taken for a whole one.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let pieces = futures_util::stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|piece| (piece, receiver)));
    (Body::wrap_stream(pieces), counted)
}

struct Sink {
    sender: tokio::sync::mpsc::Sender<io::Result<Bytes>>,
    counted: Arc<AtomicU64>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sender.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.counted.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_falls_together_with_what_is_there_and_follows_no_link() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["new/a/b", "old/a", "away"] {
            fs::create_dir_all(path(name)).expect("make a folder");
        }
        fs::write(path("new/a/b/file"), "new").expect("write");
        fs::write(path("old/a/kept"), "kept").expect("write");
        std::os::unix::fs::symlink(path("away"), path("old/link")).expect("link");
        fs::create_dir(path("new/link")).expect("make a folder");
        assert!(settle(&path("new/link"), &path("old/link")).is_err(), "a link is no folder");
        merge(&path("new/a"), &path("old/a")).expect("merged");
        assert_eq!(fs::read_to_string(path("old/a/b/file")).expect("there"), "new");
        assert!(path("old/a/kept").exists());
        assert_eq!(fs::read_dir(path("away")).expect("there").count(), 0);
    }
}
