//! Files of a container, from outside: looked at, copied out and copied in (`docker cp`).
//!
//! The tree may be running and hostile, so nothing is done by path: every lookup is `openat2` below the root's descriptor with no magic
//! links (docker CVE-2018-15664, CVE-2026-41568), and what was opened is what is read or written. Nothing of the container is executed
//! and decompression happens here (CVE-2019-14271, CVE-2026-41567).

mod put;

use crate::error::shown;
use crate::pack::{PackForm, pack, pack_one};
use crate::{CancelFlag, ImagesError};
pub use put::PutOptions;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, readlinkat, statat};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::io::Write;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

/// What lies at a path, its last name not followed if it is a link. Source: Docker Engine API, `X-Docker-Container-Path-Stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// Last name of the path as asked for; `/` for the root.
    pub name: String,
    pub size_bytes: u64,
    /// `st_mode`, kind and permissions.
    pub mode: u32,
    pub modified_at_ns: i128,
    /// Where a link leads, as written in it; empty otherwise.
    pub link_target: String,
}

/// A container's root, held.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a>(pub BorrowedFd<'a>);

/// A path's folder and its last name there.
struct Place {
    folder: OwnedFd,
    /// `.` if the path is the root or asks for what is in a folder.
    name: CString,
    shown_name: String,
}

impl Root<'_> {
    /// Looks at a path.
    ///
    /// # Errors
    /// `Kind::NotFound` if it is not there.
    pub fn stat(self, path: &str) -> Result<PathStat, ImagesError> {
        let place = self.place(path)?;
        let stat = place.stat(path)?;
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let link = if is_link { readlinkat(&place.folder, &place.name, Vec::new()).ok() } else { None };
        Ok(PathStat {
            name: place.shown_name,
            size_bytes: stat.st_size.try_into().unwrap_or(0),
            mode: stat.st_mode,
            modified_at_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            link_target: link.map(|target| target.to_string_lossy().into_owned()).unwrap_or_default(),
        })
    }

    /// Writes what lies at a path as a tar stream, its names beginning with `name`, or with the path's last name. A folder with all that
    /// is in it.
    ///
    /// # Errors
    /// `Kind::NotFound` if it is not there, and as [`pack`].
    pub fn copy_out(self, path: &str, name: Option<&str>, to: impl Write, cancel: &CancelFlag) -> Result<(), ImagesError> {
        let place = self.place(path)?;
        let stat = place.stat(path)?;
        let name = name.unwrap_or(&place.shown_name).as_bytes();
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = rustix::fs::openat(&place.folder, &place.name, flags, Mode::empty()).map_err(|e| missing(path, e))?;
            return pack(folder.as_fd(), name, PackForm::Tree { into_mounts: true }, to, cancel);
        }
        pack_one(place.folder.as_fd(), &place.name, name, to, cancel)
    }

    /// Follows links in all but the last name; in that too if the path ends with `/` or `/.`.
    fn place(self, path: &str) -> Result<Place, ImagesError> {
        if path.as_bytes().contains(&0) {
            return Err(ImagesError::invalid(shown(path.as_bytes()), "a path with a zero byte"));
        }
        let trimmed = path.trim_end_matches('/');
        let (folder, name) = match trimmed.rsplit_once('/') {
            _ if trimmed.is_empty() => ("/", "."),
            Some((folder, name)) => (folder, name),
            None => ("/", trimmed),
        };
        // `..` as the last name, and a slash at the end, mean the folder that the whole path leads to.
        let into = trimmed.is_empty() || matches!(name, "." | "..") || trimmed.len() < path.len();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let folder = self.open(if into { path } else { folder }, flags).map_err(|e| missing(path, e))?;
        let held = if into { "." } else { name };
        let shown_name = match (trimmed.is_empty(), name) {
            (true, _) => "/".to_owned(),
            (_, name) => name.to_owned(),
        };
        Ok(Place { folder, name: CString::new(held).expect("looked at above"), shown_name })
    }

    fn open(self, path: impl AsRef<OsStr>, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = path.as_ref();
        let path = if path.is_empty() { OsStr::from_bytes(b".") } else { path };
        // A rename anywhere on the host while the kernel walks `..` gives EAGAIN.
        for _ in 0..64 {
            match openat2(self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }
}

impl Place {
    fn stat(&self, path: &str) -> Result<Stat, ImagesError> {
        statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| missing(path, e))
    }
}

/// Docker's words, which its command line looks for.
fn missing(path: &str, error: Errno) -> ImagesError {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => ImagesError::NoSuchPath(path.chars().take(400).collect()),
        error => ImagesError::io(format!("open {}", shown(path.as_bytes())), error),
    }
}
