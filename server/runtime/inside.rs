//! Looks into containers and layers from outside, without running anything of theirs.

use crate::tree::Tree;
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown, fgetxattr, fstat, futimens, mkdirat, open, openat,
    readlinkat, statat, symlinkat,
};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The root folder as process `pid` sees it, as a path descriptor.
///
/// # Errors
/// If there is no such process.
pub fn root(pid: i32) -> io::Result<OwnedFd> {
    Ok(open(format!("/proc/{pid}/root"), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The first of these paths that is an executable file in the root of process `pid`. No link leads out of that root.
pub fn first_executable<'a>(pid: i32, candidates: &[&'a str]) -> Option<&'a str> {
    let root = root(pid).ok()?;
    let tree = Tree::new(root.as_fd());
    candidates.iter().copied().find(|path| {
        let stat = tree.open(Path::new(path), OFlags::PATH).and_then(|file| fstat(&file));
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_mode & 0o111 != 0)
    })
}

/// Copies what stacked layers (topmost first) show at `path` into the empty folder `target`: owner and mode always, files if `content`.
/// A path that no layer has, or that is no folder, copies nothing.
///
/// # Errors
/// When reading or writing fails; what was copied so far stays.
pub fn copy_out(layers: &[PathBuf], path: &str, target: &Path, content: bool) -> io::Result<()> {
    let mut stack = Vec::new();
    for layer in layers {
        let root = open(layer, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        match Tree::new(root.as_fd()).open(Path::new(path), OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(folder) => {
                let opaque = is_opaque(folder.as_fd());
                stack.push(folder);
                if opaque {
                    break;
                }
            }
            Err(Errno::NOENT) => {}
            // A file or a whiteout hides what lies below.
            Err(Errno::NOTDIR | Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let Some(top) = stack.first() else { return Ok(()) };
    let target = open(target, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    if content {
        copy_folder(&stack, target.as_fd())?;
    }
    copy_marks(top.as_fd(), target.as_fd())
}

/// Bytes that the files below `folder` have, as their sizes tell; a file with several names counts once, links and devices not.
pub fn used_bytes(folder: &Path) -> io::Result<u64> {
    let root = open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let tree = Tree::new(root.as_fd());
    let (mut seen, mut bytes, mut todo) = (BTreeSet::new(), 0, vec![PathBuf::new()]);
    while let Some(path) = todo.pop() {
        // Containers go on working below us: what is gone by now takes nothing.
        let Ok(folder) = tree.open_plain(&path, OFlags::RDONLY | OFlags::DIRECTORY) else { continue };
        for entry in Dir::read_from(&folder)? {
            let name = entry?.file_name().to_owned();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(stat) = statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => todo.push(path.join(OsStr::from_bytes(name.to_bytes()))),
                FileType::RegularFile if stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)) => bytes += stat.st_size as u64,
                _ => {}
            }
        }
    }
    Ok(bytes)
}

fn is_opaque(folder: BorrowedFd<'_>) -> bool {
    let mut value = [0u8; 4];
    fgetxattr(folder, "trusted.overlay.opaque", &mut value).is_ok_and(|n| n == 1 && value[0] == b'y')
}

/// Copies the union of `stack` (topmost first) into `target`.
fn copy_folder(stack: &[OwnedFd], target: BorrowedFd<'_>) -> io::Result<()> {
    let mut seen = BTreeSet::new();
    for (depth, layer) in stack.iter().enumerate() {
        for entry in Dir::read_from(layer)? {
            let name = entry?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") && seen.insert(name.clone()) {
                copy_entry(&stack[depth..], &name, target)?;
            }
        }
    }
    Ok(())
}

fn copy_entry(stack: &[OwnedFd], name: &CString, target: BorrowedFd<'_>) -> io::Result<()> {
    let from = &stack[0];
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let mut below = Vec::new();
            for layer in stack {
                match openat(layer, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
                    Ok(folder) => {
                        let opaque = is_opaque(folder.as_fd());
                        below.push(folder);
                        if opaque {
                            break;
                        }
                    }
                    Err(Errno::NOENT) => {}
                    Err(_) => break,
                }
            }
            mkdirat(target, name, Mode::RWXU)?;
            let made = openat(target, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            copy_folder(&below, made.as_fd())?;
            copy_marks(below[0].as_fd(), made.as_fd())
        }
        FileType::RegularFile => {
            let source = openat(from, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            let made = openat(target, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::RWXU)?;
            let (mut source, mut made) = (File::from(source), File::from(made));
            io::copy(&mut source, &mut made)?;
            copy_marks(source.as_fd(), made.as_fd())
        }
        FileType::Symlink => {
            let link = readlinkat(from, name, Vec::new())?;
            symlinkat(&link, target, name)?;
            chownat(target, name, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)), AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(())
        }
        // Whiteouts hide, and devices and sockets are not copied into volumes.
        _ => Ok(()),
    }
}

/// Owner, mode and times.
fn copy_marks(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let stat = fstat(from)?;
    fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    let time = |secs: i64, nanos: u64| Timespec { tv_sec: secs, tv_nsec: nanos as i64 };
    futimens(to, &Timestamps { last_access: time(stat.st_atime, stat.st_atime_nsec), last_modification: time(stat.st_mtime, stat.st_mtime_nsec) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_file_with_two_names_is_counted_once_and_a_link_leads_nowhere() {
        let base = std::env::temp_dir().join(format!("gantry-used-{}", std::process::id()));
        std::fs::create_dir_all(base.join("a/b")).expect("make folders");
        std::fs::write(base.join("a/b/file"), [0; 1000]).expect("write");
        std::fs::hard_link(base.join("a/b/file"), base.join("again")).expect("link");
        symlink("/usr", base.join("out")).expect("link");
        assert_eq!(used_bytes(&base).expect("readable"), 1000);
        std::fs::remove_dir_all(base).expect("clean up");
    }

    #[test]
    fn a_new_volume_takes_what_the_layers_show_together() {
        let base = std::env::temp_dir().join(format!("gantry-copy-{}", std::process::id()));
        let (low, top, target) = (base.join("low"), base.join("top"), base.join("target"));
        for folder in [low.join("data/sub"), top.join("data/sub"), target.clone()] {
            std::fs::create_dir_all(folder).expect("make folders");
        }
        std::fs::write(low.join("data/sub/old"), "low").expect("write");
        std::fs::write(low.join("data/both"), "low").expect("write");
        std::fs::write(top.join("data/both"), "top").expect("write");
        symlink("/etc/passwd", top.join("data/link")).expect("link");
        std::fs::set_permissions(top.join("data"), std::fs::Permissions::from_mode(0o750)).expect("chmod");
        copy_out(&[top, low], "/data", &target, true).expect("copies");
        let read = |name: &str| std::fs::read_to_string(target.join(name)).expect("was copied");
        assert_eq!((read("both").as_str(), read("sub/old").as_str()), ("top", "low"));
        assert_eq!(std::fs::read_link(target.join("link")).expect("a link"), Path::new("/etc/passwd"));
        assert_eq!(std::fs::metadata(&target).expect("there").permissions().mode() & 0o7777, 0o750);
        std::fs::remove_dir_all(base).expect("clean up");
    }
}
