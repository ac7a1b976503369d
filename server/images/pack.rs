//! Writes a tree of files as a tar stream, in one of two forms: as it stands (`docker export`, `docker cp`), or as a layer, where what
//! overlayfs keeps as devices and attributes becomes whiteout files (OCI image specification, "layer.md").
//!
//! The tree belongs to a container and may change at any moment: every name is opened below a held folder, no link is followed, only
//! what has been seen to be a plain file is read, and a file gives exactly the bytes its header promised.

use crate::error::shown;
use crate::{CancelFlag, ImagesError};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Statx, StatxFlags, fgetxattr, flistxattr, makedev, openat, readlinkat, statx};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use tar::{Builder, EntryType, Header};

/// As deep as a layer may be: each folder on the way is held open.
const DEPTH: usize = 255;
const NAME_FIELD: usize = 100;
/// What a runtime makes in a root to mount on. Empty, it is no change of the container's; docker keeps it in a layer of its own.
/// Source: moby `daemon/initlayer`.
pub(crate) const MOUNT_POINTS: [&[u8]; 10] =
    [b"dev", b"dev/console", b"dev/mqueue", b"dev/pts", b"dev/shm", b"etc/hostname", b"etc/hosts", b"etc/resolv.conf", b"proc", b"sys"];
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// How a tree is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackForm {
    /// As seen; what is mounted inside is written too, or only its mount point.
    Tree { into_mounts: bool },
    /// The upper folder of an overlay as a layer.
    Layer,
}

/// Writes everything below `folder`, with names below `prefix` (empty for none; then the folder itself has no entry).
///
/// # Errors
/// When reading or writing fails, or `cancel` is set. The stream is unusable then.
pub fn pack(folder: BorrowedFd<'_>, prefix: &[u8], form: PackForm, to: impl Write, cancel: &CancelFlag) -> Result<(), ImagesError> {
    let mut packer = Packer::new(form, to, cancel);
    let folder = reopen(folder, OFlags::RDONLY | OFlags::DIRECTORY).map_err(|e| ImagesError::io("open the folder", e))?;
    let stat = status(folder.as_fd(), c"").map_err(|e| ImagesError::io("look at the folder", e))?;
    packer.mount = stat.stx_mnt_id;
    if !prefix.is_empty() {
        packer.header(&Item { name: &[prefix, b"/"].concat(), stat: &stat, kind: EntryType::Directory, link: &[], size: 0 }, &xattrs(folder.as_fd()))?;
    }
    packer.folder(&folder, prefix, 0)?;
    packer.finish()
}

/// Writes the one file, link or folder `name` of `parent` under the name `as_name`; a folder with all that is in it.
///
/// # Errors
/// As [`pack`].
pub fn pack_one(parent: BorrowedFd<'_>, name: &CString, as_name: &[u8], to: impl Write, cancel: &CancelFlag) -> Result<(), ImagesError> {
    let mut packer = Packer::new(PackForm::Tree { into_mounts: true }, to, cancel);
    packer.entry(parent, name, as_name, 0)?;
    packer.finish()
}

struct Packer<'a, W: Write> {
    tar: Builder<W>,
    form: PackForm,
    /// The mount that is not left.
    mount: u64,
    /// Files with several names, by the first.
    links: HashMap<(u64, u64), Vec<u8>>,
    cancel: &'a CancelFlag,
}

struct Item<'a> {
    name: &'a [u8],
    stat: &'a Statx,
    kind: EntryType,
    link: &'a [u8],
    size: u64,
}

impl<'a, W: Write> Packer<'a, W> {
    fn new(form: PackForm, to: W, cancel: &'a CancelFlag) -> Self {
        Self { tar: Builder::new(to), form, mount: 0, links: HashMap::new(), cancel }
    }

    fn finish(self) -> Result<(), ImagesError> {
        self.tar.into_inner().and_then(|mut to| to.flush()).map_err(|e| ImagesError::io("write the archive", e))
    }

    fn folder(&mut self, folder: &OwnedFd, prefix: &[u8], depth: usize) -> Result<(), ImagesError> {
        if depth > DEPTH {
            return Err(ImagesError::too_large(shown(prefix), format!("more than {DEPTH} folders within each other")));
        }
        if self.form == PackForm::Layer && is_opaque(folder.as_fd()) {
            self.mark(&below(prefix, b".wh..wh..opq"))?;
        }
        let names = names_in(folder).map_err(|e| ImagesError::io(format!("list {}", shown(prefix)), e))?;
        for name in names {
            self.entry(folder.as_fd(), &name, &below(prefix, name.to_bytes()), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, parent: BorrowedFd<'_>, name: &CString, path: &[u8], depth: usize) -> Result<(), ImagesError> {
        self.cancel.check()?;
        let failed = |what: &str, e: Errno| ImagesError::io(format!("{what} {}", shown(path)), e);
        let fd = match openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            // It went while we looked.
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|e| failed("open", e))?,
        };
        let stat = status(fd.as_fd(), c"").map_err(|e| failed("look at", e))?;
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        let device = (stat.stx_rdev_major, stat.stx_rdev_minor);
        if self.form == PackForm::Layer && kind == FileType::CharacterDevice && device == (0, 0) {
            let hidden = [b".wh.", name.to_bytes()].concat();
            return self.mark(&below(path.rsplitn(2, |b| *b == b'/').nth(1).unwrap_or_default(), &hidden));
        }
        if self.form == PackForm::Layer && MOUNT_POINTS.contains(&path) && is_bare(fd.as_fd(), &stat) {
            return Ok(());
        }
        let elsewhere = self.mount != 0 && stat.stx_mnt_id != self.mount && self.form != PackForm::Tree { into_mounts: true };
        match kind {
            FileType::Directory => {
                let folder = reopen(fd.as_fd(), OFlags::RDONLY | OFlags::DIRECTORY).map_err(|e| failed("open", e))?;
                let name = [path, b"/"].concat();
                self.header(&Item { name: &name, stat: &stat, kind: EntryType::Directory, link: &[], size: 0 }, &xattrs(folder.as_fd()))?;
                if elsewhere { Ok(()) } else { self.folder(&folder, path, depth + 1) }
            }
            FileType::RegularFile if elsewhere => self.header(&Item { name: path, stat: &stat, kind: EntryType::Regular, link: &[], size: 0 }, &[]),
            FileType::RegularFile => self.file(fd.as_fd(), path, &stat),
            FileType::Symlink => {
                let target = readlinkat(&fd, c"", Vec::new()).map_err(|e| failed("read the link", e))?;
                self.header(&Item { name: path, stat: &stat, kind: EntryType::Symlink, link: target.as_bytes(), size: 0 }, &[])
            }
            FileType::CharacterDevice => self.header(&Item { name: path, stat: &stat, kind: EntryType::Char, link: &[], size: 0 }, &[]),
            FileType::BlockDevice => self.header(&Item { name: path, stat: &stat, kind: EntryType::Block, link: &[], size: 0 }, &[]),
            FileType::Fifo => self.header(&Item { name: path, stat: &stat, kind: EntryType::Fifo, link: &[], size: 0 }, &[]),
            // A socket means nothing without the process that listens.
            _ => Ok(()),
        }
    }

    fn file(&mut self, fd: BorrowedFd<'_>, path: &[u8], stat: &Statx) -> Result<(), ImagesError> {
        if stat.stx_nlink > 1 {
            let id = (makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino);
            if let Some(first) = self.links.get(&id) {
                let link = first.clone();
                return self.header(&Item { name: path, stat, kind: EntryType::Link, link: &link, size: 0 }, &[]);
            }
            self.links.insert(id, path.to_vec());
        }
        let file = reopen(fd, OFlags::RDONLY | OFlags::NONBLOCK).map_err(|e| ImagesError::io(format!("open {}", shown(path)), e))?;
        let xattrs = xattrs(file.as_fd());
        let item = Item { name: path, stat, kind: EntryType::Regular, link: &[], size: stat.stx_size };
        // A file that shrinks meanwhile is filled up, one that grows is cut: the header has gone out.
        let content = File::from(file).chain(io::repeat(0)).take(stat.stx_size);
        self.write(&item, &xattrs, Watched { source: content, cancel: self.cancel })
    }

    /// An empty file that says something about the layers below.
    fn mark(&mut self, path: &[u8]) -> Result<(), ImagesError> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        self.append(path, &[], &mut header, &[], io::empty())
    }

    fn header(&mut self, item: &Item<'_>, xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<(), ImagesError> {
        self.write(item, xattrs, io::empty())
    }

    fn write(&mut self, item: &Item<'_>, xattrs: &[(Vec<u8>, Vec<u8>)], content: impl Read) -> Result<(), ImagesError> {
        let stat = item.stat;
        let mut header = Header::new_ustar();
        header.set_entry_type(item.kind);
        header.set_mode(u32::from(stat.stx_mode) & 0o7777);
        header.set_uid(stat.stx_uid.into());
        header.set_gid(stat.stx_gid.into());
        // Seconds, as docker's layers have them; a time before 1970 is 1970.
        header.set_mtime(stat.stx_mtime.tv_sec.try_into().unwrap_or(0));
        header.set_size(item.size);
        if matches!(item.kind, EntryType::Char | EntryType::Block) {
            let device = header.set_device_major(stat.stx_rdev_major).and_then(|()| header.set_device_minor(stat.stx_rdev_minor));
            device.map_err(|e| ImagesError::io("write the device", e))?;
        }
        self.append(item.name, item.link, &mut header, xattrs, content)
    }

    /// What does not fit the old header goes into an extended one.
    fn append(&mut self, name: &[u8], link: &[u8], header: &mut Header, xattrs: &[(Vec<u8>, Vec<u8>)], content: impl Read) -> Result<(), ImagesError> {
        let failed = |cancel: &CancelFlag, e| match cancel.check() {
            Ok(()) => ImagesError::io(format!("write {}", shown(name)), e),
            Err(cancelled) => cancelled,
        };
        let mut records: Vec<(String, Vec<u8>)> = Vec::new();
        for (field, value) in [("path", name), ("linkpath", link)] {
            if value.len() > NAME_FIELD {
                records.push((field.to_owned(), value.to_vec()));
            }
        }
        records.extend(xattrs.iter().filter_map(|(key, value)| Some((format!("SCHILY.xattr.{}", std::str::from_utf8(key).ok()?), value.clone()))));
        if !records.is_empty() {
            self.tar.append_pax_extensions(records.iter().map(|(key, value)| (key.as_str(), value.as_slice()))).map_err(|e| failed(self.cancel, e))?;
        }
        let old = header.as_old_mut();
        put(&mut old.name, name);
        put(&mut old.linkname, link);
        header.set_cksum();
        self.tar.append(header, content).map_err(|e| failed(self.cancel, e))
    }
}

fn put(field: &mut [u8; NAME_FIELD], value: &[u8]) {
    let length = value.len().min(NAME_FIELD);
    field.fill(0);
    field[..length].copy_from_slice(&value[..length]);
}

pub(crate) fn below(prefix: &[u8], name: &[u8]) -> Vec<u8> {
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

pub(crate) fn status(fd: BorrowedFd<'_>, path: &std::ffi::CStr) -> Result<Statx, Errno> {
    statx(fd, path, AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// Opens what a path descriptor stands for: the very thing that was looked at, whatever its name leads to by now.
pub(crate) fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags | OFlags::CLOEXEC, Mode::empty())
}

pub(crate) fn is_opaque(folder: BorrowedFd<'_>) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|name| {
        let mut value = [0_u8; 4];
        fgetxattr(folder, *name, &mut value[..]).is_ok_and(|length| length == 1 && value[0] == b'y')
    })
}

/// An empty file, or a folder with nothing in it.
pub(crate) fn is_bare(fd: BorrowedFd<'_>, stat: &Statx) -> bool {
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => stat.stx_size == 0,
        FileType::Directory => reopen(fd, OFlags::RDONLY | OFlags::DIRECTORY).and_then(|folder| names_in(&folder)).is_ok_and(|names| names.is_empty()),
        _ => false,
    }
}

/// Sorted, without `.` and `..`.
pub(crate) fn names_in(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Extended attributes without overlayfs's own. What can't be read is left out, as other packers do.
fn xattrs(fd: BorrowedFd<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0_u8; 64 << 10];
    let Ok(length) = flistxattr(fd, &mut names[..]) else { return Vec::new() };
    let names = names[..length].split(|b| *b == 0).filter(|name| !name.is_empty() && !OVERLAY.iter().any(|own| name.starts_with(own)));
    let read = |name: &[u8]| {
        let mut value = vec![0_u8; 64 << 10];
        let length = fgetxattr(fd, std::str::from_utf8(name).ok()?, &mut value[..]).ok()?;
        value.truncate(length);
        Some((name.to_vec(), value))
    };
    names.filter_map(read).collect()
}

struct Watched<'a, R> {
    source: R,
    cancel: &'a CancelFlag,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.source.read(buffer)
    }
}
