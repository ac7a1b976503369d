//! Unpacks an archive into a container's tree.

use super::Root;
use crate::compress;
use crate::error::shown;
use crate::layer::{HARMLESS, Name, times, write_content, xattrs};
use crate::tarball::{Entry, EntryKind, Walker};
use crate::{CancelFlag, ImagesError, Limits};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags, chownat, fchmod, fchown, fsetxattr, fstat, futimens, linkat, makedev, mkdirat, mknodat, openat,
    statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

/// Source: Docker Engine API, `PUT /containers/{id}/archive`.
#[derive(Debug, Clone, Copy, Default)]
pub struct PutOptions {
    /// A folder is not replaced by something else, nor the other way round.
    pub no_overwrite_dir_non_dir: bool,
    /// Owner of everything; the archive's own numbers otherwise.
    pub owner: Option<(u32, u32)>,
}

impl Root<'_> {
    /// Unpacks `archive` (plain, gzip or zstd) into the folder at `path`, following links to it.
    ///
    /// # Errors
    /// `Kind::NotFound` if the folder is not there; `Kind::Invalid` if it is none, or for a hostile archive. What was unpacked stays.
    pub fn copy_in(self, path: &str, archive: impl Read + Send, options: PutOptions, cancel: &CancelFlag, limits: &Limits) -> Result<(), ImagesError> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(_) => {}
            Err(Errno::NOTDIR) => return Err(ImagesError::NoFolder),
            Err(error) => return Err(super::missing(path, error)),
        }
        let plain = compress::open("archive", archive, cancel, limits)?;
        let mut walker = Walker::new(plain.reader, limits.layer_entries);
        let mut put = Put { root: self, base: path.trim_end_matches('/').as_bytes(), options, buffer: vec![0; 256 << 10], parent: None };
        while let Some(entry) = walker.next()? {
            cancel.check()?;
            put.entry(&entry, &mut walker).map_err(|e| e.within(&shown(&entry.name)))?;
        }
        Ok(())
    }
}

struct Put<'a> {
    root: Root<'a>,
    base: &'a [u8],
    options: PutOptions,
    buffer: Vec<u8>,
    /// The folder of the last entry: archives name neighbours one after another.
    parent: Option<(Vec<u8>, OwnedFd)>,
}

fn failed(what: &'static str) -> impl Fn(Errno) -> ImagesError {
    move |e| match e {
        Errno::ROFS => ImagesError::Refused("the file system there is read-only".to_owned()),
        e => ImagesError::io(what, e),
    }
}

impl Put<'_> {
    fn entry<R: Read>(&mut self, entry: &Entry, content: &mut Walker<R>) -> Result<(), ImagesError> {
        let name = Name::parse(&entry.name, true)?;
        if name.is_root() {
            return Ok(());
        }
        let (folder, last) = name.split();
        let parent = self.folder(folder)?;
        let last = OsStr::from_bytes(last);
        let kept = self.make_room(parent.as_fd(), last, entry.kind)?;
        let (uid, gid) = self.options.owner.unwrap_or((entry.uid, entry.gid));
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let made = match entry.kind {
            EntryKind::Folder => folder_entry(parent.as_fd(), last, entry, owner, kept),
            EntryKind::File => self.file(parent.as_fd(), last, entry, owner, content),
            EntryKind::HardLink => self.hard_link(parent.as_fd(), last, entry),
            EntryKind::SymLink => {
                symlinkat(OsStr::from_bytes(&entry.link), &parent, last).map_err(failed("make the symbolic link"))?;
                chownat(&parent, last, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("set the owner"))?;
                utimensat(&parent, last, &times(entry), AtFlags::SYMLINK_NOFOLLOW).map_err(failed("set the time"))
            }
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => special(parent.as_fd(), last, entry, owner),
        };
        self.parent = Some((folder.to_vec(), parent));
        made
    }

    /// The folder an entry goes to, made with those above it if it is not there.
    fn folder(&mut self, folder: &[u8]) -> Result<OwnedFd, ImagesError> {
        if let Some((known, fd)) = self.parent.take()
            && known == folder
        {
            return Ok(fd);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let full = |part: &[u8]| [self.base, b"/", part].concat();
        match self.root.open(OsStr::from_bytes(&full(folder)), flags) {
            Err(Errno::NOENT) => {}
            other => return other.map_err(failed("open its folder")),
        }
        let mut above = self.root.open(OsStr::from_bytes(&full(b"")), flags).map_err(failed("open the target"))?;
        for end in folder.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([folder.len()]) {
            let start = folder[..end].iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
            above = match self.root.open(OsStr::from_bytes(&full(&folder[..end])), flags) {
                Err(Errno::NOENT) => {
                    let name = OsStr::from_bytes(&folder[start..end]);
                    mkdirat(&above, name, Mode::from_raw_mode(0o755)).map_err(failed("make its folder"))?;
                    let made = openat(&above, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
                    let made = made.map_err(failed("open its folder"))?;
                    // Whatever the umask of this process took away.
                    fchmod(&made, Mode::from_raw_mode(0o755)).map_err(failed("set the mode"))?;
                    made
                }
                other => other.map_err(failed("open its folder"))?,
            };
        }
        Ok(above)
    }

    /// Takes away what is in the way. True if a folder is there and is to be kept.
    fn make_room(&self, parent: BorrowedFd<'_>, last: &OsStr, kind: EntryKind) -> Result<bool, ImagesError> {
        let there = match statat(parent, last, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            other => FileType::from_raw_mode(other.map_err(failed("look at what is there"))?.st_mode) == FileType::Directory,
        };
        let comes = kind == EntryKind::Folder;
        match (there, comes) {
            (true, true) => return Ok(true),
            (true, false) if self.options.no_overwrite_dir_non_dir => return Err(ImagesError::invalid("", "cannot overwrite directory with non-directory")),
            (false, true) if self.options.no_overwrite_dir_non_dir => return Err(ImagesError::invalid("", "cannot overwrite non-directory with directory")),
            _ => {}
        }
        let flags = if there { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(parent, last, flags).map_err(failed("take away what is there"))?;
        Ok(false)
    }

    fn file<R: Read>(
        &mut self,
        parent: BorrowedFd<'_>,
        last: &OsStr,
        entry: &Entry,
        owner: (Option<Uid>, Option<Gid>),
        content: &mut Walker<R>,
    ) -> Result<(), ImagesError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(parent, last, flags, Mode::RUSR | Mode::WUSR).map_err(failed("make the file"))?;
        write_content(&fd, entry, content, &mut self.buffer)?;
        fchown(&fd, owner.0, owner.1).map_err(failed("set the owner"))?;
        fchmod(&fd, Mode::from_raw_mode(entry.mode)).map_err(failed("set the mode"))?;
        xattrs(&entry.xattrs, |name, value| fsetxattr(&fd, name, value, XattrFlags::empty()))?;
        futimens(&fd, &times(entry)).map_err(failed("set the time"))
    }

    /// Links to a file below the target folder.
    fn hard_link(&self, parent: BorrowedFd<'_>, last: &OsStr, entry: &Entry) -> Result<(), ImagesError> {
        let target = Name::parse(&entry.link, true)?;
        let bad = || ImagesError::invalid("", format!("a hard link to {}, which is not there", shown(&entry.link)));
        let (folder, name) = target.split();
        if name.is_empty() {
            return Err(bad());
        }
        let folder = self.root.open(OsStr::from_bytes(&[self.base, b"/", folder].concat()), OFlags::PATH | OFlags::DIRECTORY).map_err(|_| bad())?;
        linkat(&folder, OsStr::from_bytes(name), parent, last, AtFlags::empty())
            .map_err(|e| if e == Errno::NOENT { bad() } else { failed("make the hard link")(e) })
    }
}

fn folder_entry(parent: BorrowedFd<'_>, last: &OsStr, entry: &Entry, owner: (Option<Uid>, Option<Gid>), kept: bool) -> Result<(), ImagesError> {
    if !kept {
        mkdirat(parent, last, Mode::RWXU).map_err(failed("make the folder"))?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(parent, last, flags, Mode::empty()).map_err(failed("open the folder"))?;
    fchown(&fd, owner.0, owner.1).map_err(failed("set the owner"))?;
    fchmod(&fd, Mode::from_raw_mode(entry.mode)).map_err(failed("set the mode"))?;
    xattrs(&entry.xattrs, |name, value| fsetxattr(&fd, name, value, XattrFlags::empty()))?;
    futimens(&fd, &times(entry)).map_err(failed("set the time"))
}

/// A fifo or one of the few devices that may be. The container may exchange the name at any moment, so all but making it goes by descriptor.
fn special(parent: BorrowedFd<'_>, last: &OsStr, entry: &Entry, owner: (Option<Uid>, Option<Gid>)) -> Result<(), ImagesError> {
    let (kind, device) = match entry.kind {
        EntryKind::Fifo => (FileType::Fifo, 0),
        EntryKind::CharDevice if HARMLESS.contains(&entry.device) => (FileType::CharacterDevice, makedev(entry.device.0, entry.device.1)),
        _ => return Err(ImagesError::invalid("", format!("a device {}:{}, which may not be copied", entry.device.0, entry.device.1))),
    };
    mknodat(parent, last, kind, Mode::RUSR | Mode::WUSR, device).map_err(failed("make the device"))?;
    let fd = openat(parent, last, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(failed("open the device"))?;
    if FileType::from_raw_mode(fstat(&fd).map_err(failed("look at the device"))?.st_mode) != kind {
        return Err(ImagesError::invalid("", "somebody exchanged it meanwhile"));
    }
    chownat(&fd, c"", owner.0, owner.1, AtFlags::EMPTY_PATH).map_err(failed("set the owner"))?;
    rustix::fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), Mode::from_raw_mode(entry.mode)).map_err(failed("set the mode"))
}
