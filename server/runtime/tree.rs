//! Paths in a tree that nobody trusts. In: a directory descriptor and a path as the spec has it. Out: descriptors of what lies beneath.
//!
//! No link leads out: existing paths go through openat2(RESOLVE_IN_ROOT), missing ones are walked name by name on held descriptors.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2, readlinkat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

type Result<T> = std::result::Result<T, Errno>;

/// As the kernel's own limit.
const MAX_LINKS: usize = 40;
/// `proc`'s magic number. Source: statfs(2).
pub(crate) const PROC_SUPER_MAGIC: u64 = 0x9fa0;
pub(crate) const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;

/// A directory that is `/` for every path given.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    root: BorrowedFd<'a>,
}

/// What a missing last component becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Directory,
    File,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(root: BorrowedFd<'a>) -> Self {
        Self { root }
    }

    /// Opens an existing path; links are followed inside the tree, magic links never.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        self.open_with(path, flags, ResolveFlags::empty())
    }

    /// Opens an existing path that has no link in it.
    pub(crate) fn open_plain(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        self.open_with(path, flags, ResolveFlags::NO_SYMLINKS)
    }

    fn open_with(&self, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
        let resolve = resolve | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        // A rename anywhere on the host while the kernel walks `..` gives EAGAIN.
        for _ in 0..64 {
            match openat2(self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens `path` as an O_PATH descriptor and makes what is missing of it.
    pub(crate) fn ensure(&self, path: &Path, make: Make) -> Result<OwnedFd> {
        let flags = if make == Make::Directory { OFlags::PATH | OFlags::DIRECTORY } else { OFlags::PATH };
        match self.open(path, flags) {
            Err(Errno::NOENT) => self.walk(path, make),
            other => other,
        }
    }

    /// The directory that holds `path`'s last name, made if missing, and that name.
    pub(crate) fn parent(&self, path: &Path) -> Result<(OwnedFd, CString)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let folder = self.ensure(path.parent().unwrap_or(Path::new("/")), Make::Directory)?;
        Ok((folder, c_string(name)?))
    }

    fn walk(&self, path: &Path, make: Make) -> Result<OwnedFd> {
        let mut todo: VecDeque<OsString> = names(path);
        let mut above: Vec<OwnedFd> = Vec::new();
        let mut links = 0;
        let mut attempts = 0;
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                above.pop();
                continue;
            }
            let folder = above.last().map_or(self.root, |fd| fd.as_fd());
            let found = match openat(folder, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
                Ok(found) => found,
                Err(Errno::NOENT) => {
                    attempts += 1;
                    if attempts > 4096 {
                        return Err(Errno::AGAIN);
                    }
                    create(folder, &name, if todo.is_empty() { make } else { Make::Directory })?;
                    // Opened like any other name: somebody may have exchanged it meanwhile.
                    todo.push_front(name);
                    continue;
                }
                Err(error) => return Err(error),
            };
            match FileType::from_raw_mode(fstat(&found)?.st_mode) {
                FileType::Directory => above.push(found),
                FileType::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = OsString::from_vec(readlinkat(&found, c"", Vec::new())?.into_bytes());
                    if target.as_bytes().starts_with(b"/") {
                        above.clear();
                    }
                    for part in names(Path::new(&target)).into_iter().rev() {
                        todo.push_front(part);
                    }
                }
                _ if todo.is_empty() && make == Make::File => return Ok(found),
                _ => return Err(Errno::NOTDIR),
            }
        }
        match above.pop() {
            Some(found) => Ok(found),
            None => openat(self.root, c".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()),
        }
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

fn create(folder: BorrowedFd<'_>, name: &OsStr, make: Make) -> Result<()> {
    let made = match make {
        Make::Directory => mkdirat(folder, name, Mode::from_raw_mode(0o755)),
        Make::File => {
            openat(folder, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::from_raw_mode(0o644)).map(drop)
        }
    };
    match made {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

pub(crate) fn c_string(text: &OsStr) -> Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| Errno::INVAL)
}

/// The magic number of the file system that holds `fd`.
pub(crate) fn magic(fd: impl AsFd) -> Result<u64> {
    Ok(rustix::fs::fstatfs(fd)?.f_type as u64)
}

/// Whether `fd` is the character device `major:minor`.
pub(crate) fn is_char_device(fd: impl AsFd, major: u32, minor: u32) -> Result<bool> {
    let stat = fstat(fd)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == rustix::fs::makedev(major, minor))
}

/// A link `name` in `folder` to `target`; the same link being there is success.
pub(crate) fn ensure_link(folder: BorrowedFd<'_>, name: &CStr, target: &CStr) -> Result<()> {
    match rustix::fs::symlinkat(target, folder, name) {
        Err(Errno::EXIST) => match readlinkat(folder, name, Vec::new()) {
            Ok(found) if found.as_c_str() == target => Ok(()),
            _ => {
                rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
                rustix::fs::symlinkat(target, folder, name)
            }
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree(build: impl Fn(&Path)) -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let root = folder.path().join("root");
        std::fs::create_dir(&root).expect("made");
        build(&root);
        let fd = rustix::fs::open(&root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("opened");
        (folder, fd)
    }

    #[test]
    fn a_missing_path_is_made_beneath_the_root_whatever_links_say() {
        let (folder, fd) = tree(|root| {
            symlink("/../../outside", root.join("absolute")).expect("linked");
            symlink("../../../outside", root.join("relative")).expect("linked");
        });
        let tree = Tree::new(fd.as_fd());
        for path in ["/absolute/a/b", "relative/c", "/../../d/../e"] {
            tree.ensure(Path::new(path), Make::Directory).expect(path);
        }
        tree.ensure(Path::new("/absolute/file"), Make::File).expect("a file");
        let root = folder.path().join("root");
        for made in ["outside/a/b", "outside/c", "e", "outside/file"] {
            assert!(root.join(made).exists(), "{made}");
        }
        assert!(!folder.path().join("outside").exists());
    }

    #[test]
    fn links_in_a_circle_are_refused() {
        let (_folder, fd) = tree(|root| {
            symlink("b", root.join("a")).expect("linked");
            symlink("a", root.join("b")).expect("linked");
        });
        let tree = Tree::new(fd.as_fd());
        assert_eq!(tree.ensure(Path::new("/a/x"), Make::Directory).map(drop), Err(Errno::LOOP));
    }

    #[test]
    fn a_plain_path_may_not_contain_links() {
        let (_folder, fd) = tree(|root| symlink("/etc", root.join("dev")).expect("linked"));
        assert_eq!(Tree::new(fd.as_fd()).open_plain(Path::new("/dev"), OFlags::PATH).map(drop), Err(Errno::LOOP));
    }
}
