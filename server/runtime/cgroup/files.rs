//! Reading and writing files of a cgroup.

use super::Folder;
use super::error::{At as _, Result};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Writes `value` in one write, as the kernel wants it. Nothing is made or truncated.
pub(super) fn write(path: &Path, value: &str) -> io::Result<()> {
    let file = open(path, OFlags::WRONLY)?;
    loop {
        match rustix::io::write(&file, value.as_bytes()) {
            Ok(count) if count == value.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

pub(super) fn open(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())?)
}

impl Folder {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn write(&self, name: &str, value: &str) -> Result<()> {
        let path = self.file(name);
        write(&path, value).at(&format!("write {value:?} to"), &path)
    }

    pub(super) fn read(&self, name: &str) -> Result<String> {
        let path = self.file(name);
        std::fs::read_to_string(&path).at("read", &path)
    }

    /// The whole file as a number; `None` for a missing file, `max`, and what v1 writes for "no limit".
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        // v1 rounds the largest number down to a page of up to 64 KiB.
        const UNLIMITED: u64 = i64::MAX as u64 & !0xffff;
        self.read(name).ok()?.trim().parse().ok().filter(|number| *number < UNLIMITED)
    }

    /// The value behind `key` in a file of `key value` lines.
    pub(super) fn field(&self, name: &str, key: &str) -> Option<u64> {
        field(&self.read(name).ok()?, key)
    }
}

pub(super) fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).and_then(|value| value.trim().parse().ok())
}
