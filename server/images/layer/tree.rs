//! A folder held by its descriptor, in which names are looked up without ever leaving it.

use super::names::Name;
use crate::ImagesError;
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, open, openat2};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::rc::Rc;

/// Folders kept open. Archives go depth first, so few are enough.
const KEPT: usize = 64;

pub(super) struct Tree {
    root: Rc<OwnedFd>,
    open: HashMap<Vec<u8>, Rc<OwnedFd>>,
}

impl Tree {
    pub fn new(folder: &Path) -> Result<Self, ImagesError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = open(folder, flags, Mode::empty()).map_err(|e| ImagesError::io(format!("open {}", folder.display()), e))?;
        Ok(Self { root: Rc::new(root), open: HashMap::new() })
    }

    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The folder that holds `name`, made if `make` and it is not there.
    pub fn parent(&mut self, name: &Name, make: bool) -> Result<Rc<OwnedFd>, ImagesError> {
        let (folder, _) = name.split();
        if folder.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some(fd) = self.open.get(folder) {
            return Ok(Rc::clone(fd));
        }
        let fd = match self.folder(folder) {
            Err(Errno::NOENT) if make => self.make(folder),
            other => other,
        };
        let fd = Rc::new(fd.map_err(escape)?);
        if self.open.len() >= KEPT {
            self.open.clear();
        }
        self.open.insert(folder.to_vec(), Rc::clone(&fd));
        Ok(fd)
    }

    /// Opens a folder for its attributes; a link in its last component is an error.
    pub fn open_folder(&self, name: &Name) -> Result<OwnedFd, ImagesError> {
        let path = if name.is_root() { b"." } else { name.bytes() };
        self.lookup(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW).map_err(escape)
    }

    fn folder(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.lookup(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// The kernel refuses, with EXDEV, whatever leads out of the root: absolute links, `..` past it, magic links.
    fn lookup(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        openat2(&*self.root, OsStr::from_bytes(path), flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// Makes a folder and those above it, as docker does for archives that do not name them.
    fn make(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let mut above = Rc::clone(&self.root);
        for end in path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([path.len()]) {
            let start = path[..end].iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
            let fd = match self.folder(&path[..end]) {
                Err(Errno::NOENT) => {
                    mkdirat(&*above, OsStr::from_bytes(&path[start..end]), Mode::from_raw_mode(0o755))?;
                    self.folder(&path[..end])?
                }
                other => other?,
            };
            above = Rc::new(fd);
        }
        self.folder(path)
    }
}

fn escape(error: Errno) -> ImagesError {
    match error {
        Errno::XDEV => ImagesError::invalid("", "a path that leaves the layer through a symbolic link"),
        Errno::LOOP => ImagesError::invalid("", "a path through a symbolic link that leads nowhere"),
        Errno::NOTDIR | Errno::EXIST => ImagesError::invalid("", "a path through something that is no folder"),
        Errno::NOENT => ImagesError::invalid("", "a path through a folder that is not in this layer"),
        _ => ImagesError::io("open its folder", error),
    }
}
