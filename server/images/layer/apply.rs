//! Makes what an entry describes, relative to held folders and never through a link that leaves the layer.

use super::disk::Budget;
use super::names::{Name, Whiteout};
use super::tree::Tree;
use crate::store::LayerMeta;
use crate::tarball::{Entry, EntryKind, Walker};
use crate::{ImagesError, Limits};
use rustix::fs::{
    AtFlags, Dev, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, fchmod, fchown, fsetxattr, ftruncate, futimens, linkat,
    lsetxattr, major, makedev, minor, mkdirat, mknodat, openat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::{Errno, pwrite};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Character devices that root filesystems carry and that give nothing a container does not have anyway.
pub(crate) const HARMLESS: [(u32, u32); 9] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (4, 0), (5, 0), (5, 1), (5, 2)];

const OPAQUE: &str = "trusted.overlay.opaque";

pub(super) struct Applier<'a> {
    tree: Tree,
    limits: &'a Limits,
    budget: &'a Budget,
    umask: u32,
    buffer: Vec<u8>,
    /// Folders get owner, mode, times and attributes at the end: until then nothing is inherited from them and their times move.
    folders: Vec<(Name, Attributes)>,
    size: u64,
    holes: u64,
    entries: u64,
}

struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
    times: Timestamps,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Attributes {
    fn of(entry: &Entry) -> Self {
        Self { mode: entry.mode, uid: entry.uid, gid: entry.gid, times: times(entry), xattrs: entry.xattrs.clone() }
    }
}

impl<'a> Applier<'a> {
    pub fn new(target: &Path, limits: &'a Limits, budget: &'a Budget) -> Result<Self, ImagesError> {
        let tree = Tree::new(target)?;
        // A folder made inside one with the setgid bit has it too; the root of a layer starts without.
        fchown(tree.root(), Some(Uid::ROOT), Some(Gid::ROOT)).map_err(io("set the owner"))?;
        fchmod(tree.root(), Mode::from_raw_mode(0o755)).map_err(io("set the mode"))?;
        Ok(Self { tree, limits, budget, umask: umask(), buffer: vec![0; 256 << 10], folders: Vec::new(), size: 0, holes: 0, entries: 0 })
    }

    pub fn apply<R: Read>(&mut self, entry: &Entry, content: &mut Walker<R>) -> Result<(), ImagesError> {
        let name = Name::parse(&entry.name, self.limits.absolute_names)?;
        self.entries += 1;
        self.count(entry)?;
        if name.in_aufs_folder() {
            return Ok(());
        }
        match name.whiteout()? {
            Some(Whiteout::Aufs) => return Ok(()),
            Some(Whiteout::Opaque) => return self.opaque(&name),
            Some(Whiteout::Of(hidden)) => return self.whiteout(&name, hidden),
            None => {}
        }
        if name.is_root() {
            if entry.kind != EntryKind::Folder {
                return Err(ImagesError::invalid("", "the root is not a folder"));
            }
            self.folders.push((name, Attributes::of(entry)));
            return Ok(());
        }
        let parent = self.tree.parent(&name, true)?;
        let (parent, last) = (parent.as_fd(), OsStr::from_bytes(name.split().1));
        match entry.kind {
            EntryKind::Folder => {
                Self::folder(parent, last)?;
                self.folders.push((name, Attributes::of(entry)));
                Ok(())
            }
            EntryKind::File => self.file(parent, last, entry, content),
            EntryKind::HardLink => self.hard_link(parent, last, entry),
            EntryKind::SymLink => {
                if entry.link.is_empty() {
                    return Err(ImagesError::invalid("", "a symbolic link to nothing"));
                }
                let make = || symlinkat(OsStr::from_bytes(&entry.link), parent, last);
                once(parent, last, make).map_err(|e| match e {
                    Failed::Kernel(Errno::NAMETOOLONG) => ImagesError::invalid("", "a symbolic link with a target longer than 4095 bytes"),
                    other => other.into_error("make the symbolic link"),
                })?;
                chownat(parent, last, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(io("set the owner"))?;
                special_xattrs(parent, last, &entry.xattrs)?;
                utimensat(parent, last, &times(entry), AtFlags::SYMLINK_NOFOLLOW).map_err(io("set the time"))
            }
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => special(parent, last, entry),
        }
    }

    /// Gives the folders their attributes and tells what was made.
    pub fn finish(self) -> Result<LayerMeta, ImagesError> {
        for (name, attributes) in &self.folders {
            let fd = self.tree.open_folder(name)?;
            fchown(&fd, Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid))).map_err(io("set the owner"))?;
            fchmod(&fd, Mode::from_raw_mode(attributes.mode)).map_err(io("set the mode"))?;
            xattrs(&attributes.xattrs, |name, value| fsetxattr(&fd, name, value, XattrFlags::empty()))?;
            futimens(&fd, &attributes.times).map_err(io("set the time"))?;
        }
        Ok(LayerMeta { size_bytes: self.size, entries: self.entries })
    }

    fn count(&mut self, entry: &Entry) -> Result<(), ImagesError> {
        self.size = self.size.saturating_add(entry.size);
        if self.size > self.limits.layer_bytes {
            return Err(ImagesError::too_large("", format!("the layer unpacks to more than {} bytes", self.limits.layer_bytes)));
        }
        let stored = entry.sparse.as_ref().map_or(entry.size, |extents| extents.iter().map(|e| e.length).sum());
        self.holes = self.holes.saturating_add(entry.size.saturating_sub(stored));
        if self.holes > self.limits.hole_bytes {
            return Err(ImagesError::too_large("", format!("the layer has more than {} bytes of holes", self.limits.hole_bytes)));
        }
        self.budget.file(entry.size, stored)
    }

    fn folder(parent: BorrowedFd<'_>, last: &OsStr) -> Result<(), ImagesError> {
        match mkdirat(parent, last, Mode::from_raw_mode(0o700)) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => match existing(parent, last)? {
                Existing::Folder => Ok(()),
                Existing::Other => Err(duplicate()),
                // The folder of the layers below is hidden and this is a new one: nothing of the old may show through.
                Existing::Whiteout => {
                    unlinkat(parent, last, AtFlags::empty()).map_err(io("replace a whiteout"))?;
                    mkdirat(parent, last, Mode::from_raw_mode(0o700)).map_err(io("make the folder"))?;
                    set_opaque(parent, last)
                }
            },
            Err(e) => Err(ImagesError::io("make the folder", e)),
        }
    }

    fn file<R: Read>(&mut self, parent: BorrowedFd<'_>, last: &OsStr, entry: &Entry, content: &mut Walker<R>) -> Result<(), ImagesError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Permissions that the umask leaves alone are right from the start; setuid and the like wait for the owner.
        let plain = entry.mode & 0o7000 == 0 && entry.mode & self.umask == 0;
        let first = if plain { entry.mode } else { 0o600 };
        let fd = once(parent, last, || openat(parent, last, flags, Mode::from_raw_mode(first))).map_err(|e| e.into_error("make the file"))?;
        write_content(&fd, entry, content, &mut self.buffer)?;
        if (entry.uid, entry.gid) != (0, 0) {
            fchown(&fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid))).map_err(io("set the owner"))?;
        }
        if !plain {
            fchmod(&fd, Mode::from_raw_mode(entry.mode)).map_err(io("set the mode"))?;
        }
        xattrs(&entry.xattrs, |name, value| fsetxattr(&fd, name, value, XattrFlags::empty()))?;
        futimens(&fd, &times(entry)).map_err(io("set the time"))
    }

    fn hard_link(&mut self, parent: BorrowedFd<'_>, last: &OsStr, entry: &Entry) -> Result<(), ImagesError> {
        let bad = |reason: &str| ImagesError::invalid("", format!("a hard link to {}: {reason}", crate::error::shown(&entry.link)));
        let target = Name::parse(&entry.link, self.limits.absolute_names).map_err(|e| match e {
            ImagesError::Invalid { reason, .. } => bad(&reason),
            other => other,
        })?;
        if target.is_root() {
            return Err(bad("the root cannot be linked"));
        }
        let folder = self.tree.parent(&target, false).map_err(|e| match e {
            ImagesError::Invalid { reason, .. } => bad(&reason),
            other => other,
        })?;
        let target = OsStr::from_bytes(target.split().1);
        // Without SYMLINK_FOLLOW a symbolic link is linked itself.
        once(parent, last, || linkat(&*folder, target, parent, last, AtFlags::empty())).map_err(|e| match e {
            Failed::Kernel(Errno::NOENT) => bad("it is not in this layer"),
            Failed::Kernel(Errno::PERM) => bad("a folder cannot be linked"),
            Failed::Kernel(Errno::MLINK) => bad("it has too many links"),
            other => other.into_error("make the hard link"),
        })
    }

    fn whiteout(&mut self, name: &Name, hidden: &[u8]) -> Result<(), ImagesError> {
        let parent = self.tree.parent(name, true)?;
        let (parent, last) = (parent.as_fd(), OsStr::from_bytes(hidden));
        match mknodat(parent, last, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => Ok(()),
            // The layer brings its own: a folder hides what lies below it, anything else does so anyway.
            Err(Errno::EXIST) => match existing(parent, last)? {
                Existing::Folder => set_opaque(parent, last),
                Existing::Whiteout | Existing::Other => Ok(()),
            },
            Err(e) => Err(ImagesError::io("make the whiteout", e)),
        }
    }

    fn opaque(&mut self, name: &Name) -> Result<(), ImagesError> {
        // Looked up as the parent, so that the folder is made if the archive names it later.
        self.tree.parent(name, true)?;
        let fd = self.tree.open_folder(&Name::parse(name.split().0, false)?)?;
        fsetxattr(&fd, OPAQUE, b"y", XattrFlags::empty()).map_err(io("mark the folder as opaque"))
    }
}

/// Writes the bytes of a file, leaving out its holes.
pub(crate) fn write_content<R: Read>(fd: impl AsFd, entry: &Entry, content: &mut Walker<R>, buffer: &mut [u8]) -> Result<(), ImagesError> {
    let Some(extents) = &entry.sparse else { return write_at(&fd, 0, entry.size, content, buffer) };
    ftruncate(&fd, entry.size).map_err(|e| match e {
        Errno::FBIG => ImagesError::too_large("", format!("a file of {} bytes", entry.size)),
        e => ImagesError::io("set the size", e),
    })?;
    extents.iter().try_for_each(|extent| write_at(&fd, extent.offset, extent.length, content, buffer))
}

/// Writes the next `left` stored bytes at `offset`.
fn write_at<R: Read>(fd: impl AsFd, mut offset: u64, mut left: u64, content: &mut Walker<R>, buffer: &mut [u8]) -> Result<(), ImagesError> {
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let got = content.read(&mut buffer[..want])?;
        let mut bytes = &buffer[..got];
        while !bytes.is_empty() {
            match pwrite(&fd, bytes, offset) {
                Ok(written) => {
                    offset += written as u64;
                    bytes = &bytes[written..];
                }
                Err(Errno::INTR) => {}
                Err(Errno::FBIG) => return Err(ImagesError::too_large("", "the file is larger than the file system takes")),
                Err(e) => return Err(ImagesError::io("write the file", e)),
            }
        }
        left -= got as u64;
    }
    Ok(())
}

fn set_opaque(parent: BorrowedFd<'_>, last: &OsStr) -> Result<(), ImagesError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(parent, last, flags, Mode::empty()).map_err(io("open the folder"))?;
    fsetxattr(&fd, OPAQUE, b"y", XattrFlags::empty()).map_err(io("mark the folder as opaque"))
}

/// Fifos and the few devices that may be.
fn special(parent: BorrowedFd<'_>, last: &OsStr, entry: &Entry) -> Result<(), ImagesError> {
    let (kind, device): (FileType, Dev) = match entry.kind {
        EntryKind::Fifo => (FileType::Fifo, 0),
        EntryKind::CharDevice if HARMLESS.contains(&entry.device) => (FileType::CharacterDevice, makedev(entry.device.0, entry.device.1)),
        kind => {
            let word = if kind == EntryKind::BlockDevice { "block" } else { "character" };
            return Err(ImagesError::invalid("", format!("a {word} device {}:{}, which images may not bring", entry.device.0, entry.device.1)));
        }
    };
    once(parent, last, || mknodat(parent, last, kind, Mode::from_raw_mode(0o600), device)).map_err(|e| e.into_error("make the device"))?;
    chownat(parent, last, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)), AtFlags::SYMLINK_NOFOLLOW).map_err(io("set the owner"))?;
    // Just made, in a folder nobody else writes to: it is no link.
    chmodat(parent, last, Mode::from_raw_mode(entry.mode), AtFlags::empty()).map_err(io("set the mode"))?;
    special_xattrs(parent, last, &entry.xattrs)?;
    utimensat(parent, last, &times(entry), AtFlags::SYMLINK_NOFOLLOW).map_err(io("set the time"))
}

/// Attributes of what cannot be opened: by the name below the held folder.
fn special_xattrs(parent: BorrowedFd<'_>, last: &OsStr, list: &[(Vec<u8>, Vec<u8>)]) -> Result<(), ImagesError> {
    if list.is_empty() {
        return Ok(());
    }
    let path = Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string()).join(last);
    xattrs(list, |name, value| lsetxattr(&path, name, value, XattrFlags::empty()))
}

pub(crate) fn xattrs(list: &[(Vec<u8>, Vec<u8>)], set: impl Fn(&OsStr, &[u8]) -> Result<(), Errno>) -> Result<(), ImagesError> {
    let wanted: HashSet<&[u8]> = list.iter().map(|(name, _)| name.as_slice()).filter(|name| is_kept(name)).collect();
    for (name, value) in list.iter().filter(|(name, _)| wanted.contains(name.as_slice())) {
        match set(OsStr::from_bytes(name), value) {
            // Not every file system or kind of file has every attribute; docker lets them go too.
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(Errno::NOSPC | Errno::TOOBIG | Errno::RANGE | Errno::INVAL) => {
                let reason = format!("an attribute {} that the file system does not take", crate::error::shown(name));
                return Err(ImagesError::invalid("", reason));
            }
            Err(e) => return Err(ImagesError::io("set an attribute", e)),
        }
    }
    Ok(())
}

/// False for attributes that say something to this host's kernel: overlay's own, and labels of the machine the image was made on.
fn is_kept(name: &[u8]) -> bool {
    let hosts: [&[u8]; 5] = [b"trusted.", b"user.overlay.", b"security.selinux", b"security.ima", b"security.evm"];
    !hosts.iter().any(|prefix| name.starts_with(prefix))
}

enum Existing {
    Folder,
    Whiteout,
    Other,
}

fn existing(parent: BorrowedFd<'_>, last: &OsStr) -> Result<Existing, ImagesError> {
    let stat = statat(parent, last, AtFlags::SYMLINK_NOFOLLOW).map_err(io("look at what is there"))?;
    let device = (major(stat.st_rdev), minor(stat.st_rdev));
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Existing::Folder,
        FileType::CharacterDevice if device == (0, 0) => Existing::Whiteout,
        _ => Existing::Other,
    })
}

enum Failed {
    Duplicate,
    Kernel(Errno),
    Other(ImagesError),
}

impl Failed {
    fn into_error(self, what: &str) -> ImagesError {
        match self {
            Self::Duplicate => duplicate(),
            Self::Kernel(Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ) => ImagesError::invalid("", "a name that the file system does not take"),
            Self::Kernel(e) => ImagesError::io(what, e),
            Self::Other(e) => e,
        }
    }
}

/// Makes something new at a name, in place of this layer's own whiteout if need be; anything else there is a duplicate.
fn once<T>(parent: BorrowedFd<'_>, last: &OsStr, make: impl Fn() -> Result<T, Errno>) -> Result<T, Failed> {
    match make() {
        Err(Errno::EXIST) => match existing(parent, last).map_err(Failed::Other)? {
            Existing::Whiteout => {
                unlinkat(parent, last, AtFlags::empty()).map_err(Failed::Kernel)?;
                make().map_err(Failed::Kernel)
            }
            Existing::Folder | Existing::Other => Err(Failed::Duplicate),
        },
        other => other.map_err(Failed::Kernel),
    }
}

fn duplicate() -> ImagesError {
    ImagesError::invalid("", "a second entry of this name in one layer")
}

fn io(what: &'static str) -> impl Fn(Errno) -> ImagesError {
    move |e| ImagesError::io(what, e)
}

pub(crate) fn times(entry: &Entry) -> Timestamps {
    let time = Timespec { tv_sec: entry.mtime_secs, tv_nsec: entry.mtime_nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// The umask of this process, read without changing it for other threads. Unknown counts as taking everything.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok()).unwrap_or(0o777)
}
