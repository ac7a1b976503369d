//! What a container changed: its upper folder against the layers below, as `docker diff` tells it.

use crate::ImagesError;
use crate::error::shown;
use crate::pack::{MOUNT_POINTS, below, is_bare, is_opaque, names_in, reopen, status};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, StatxFlags, openat, statx};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

const DEPTH: usize = 255;

/// Source: Docker Engine API, `GET /containers/{id}/changes`, `Kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Modified,
    Added,
    Deleted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Absolute, in the container.
    pub path: PathBuf,
    pub kind: ChangeKind,
}

/// Compares `upper` with `lowers`, topmost first. Sorted by path. A folder counts as modified if something in it is.
///
/// # Errors
/// When something cannot be read, or folders lie within each other without end.
pub fn changes(upper: BorrowedFd<'_>, lowers: &[PathBuf]) -> Result<Vec<Change>, ImagesError> {
    let failed = |e: Errno| ImagesError::io("open the layers", e);
    let upper = reopen(upper, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
    let open = |path: &PathBuf| rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let lowers = lowers.iter().map(open).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut found = Vec::new();
    compare(&upper, &lowers, b"", 0, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// True if something below `folder` changed.
fn compare(folder: &OwnedFd, lowers: &[OwnedFd], prefix: &[u8], depth: usize, found: &mut Vec<Change>) -> Result<bool, ImagesError> {
    use std::os::unix::ffi::OsStrExt as _;
    if depth > DEPTH {
        return Err(ImagesError::too_large(shown(prefix), format!("more than {DEPTH} folders within each other")));
    }
    let before = found.len();
    for name in names_in(folder).map_err(|e| ImagesError::io(format!("list {}", shown(prefix)), e))? {
        let path = below(prefix, name.to_bytes());
        let failed = |e: Errno| ImagesError::io(format!("look at {}", shown(&path)), e);
        let fd = match openat(folder, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => continue,
            other => other.map_err(failed)?,
        };
        let stat = status(fd.as_fd(), c"").map_err(failed)?;
        if MOUNT_POINTS.contains(&path.as_slice()) && is_bare(fd.as_fd(), &stat) {
            continue;
        }
        let old = find(lowers, &name).map_err(failed)?;
        let change = |kind| Change { path: PathBuf::from("/").join(std::ffi::OsStr::from_bytes(&path)), kind };
        if is_whiteout(&stat) {
            found.push(change(ChangeKind::Deleted));
            continue;
        }
        let kind = if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Directory {
            found.push(change(kind));
            continue;
        }
        let inner = reopen(fd.as_fd(), OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
        let opaque = is_opaque(inner.as_fd());
        let merged = if opaque { Vec::new() } else { folders(lowers, &name) };
        let changed_inside = compare(&inner, &merged, &path, depth + 1, found)?;
        let same = old.as_ref().is_some_and(|old| is_same_folder(old, &stat));
        if changed_inside || opaque || !same {
            found.push(change(kind));
        }
    }
    Ok(found.len() > before)
}

/// What the layers below show at a name.
fn find(lowers: &[OwnedFd], name: &CString) -> Result<Option<Statx>, Errno> {
    for lower in lowers {
        match statx(lower, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
            Ok(stat) => return Ok((!is_whiteout(&stat)).then_some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The folders of that name which overlayfs merges, topmost first.
fn folders(lowers: &[OwnedFd], name: &CString) -> Vec<OwnedFd> {
    let mut merged = Vec::new();
    for lower in lowers {
        match openat(lower, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(folder) => {
                let ends = is_opaque(folder.as_fd());
                merged.push(folder);
                if ends {
                    break;
                }
            }
            Err(Errno::NOENT) => {}
            // A whiteout or anything else that is no folder hides what lies below.
            Err(_) => break,
        }
    }
    merged
}

fn is_whiteout(stat: &Statx) -> bool {
    FileType::from_raw_mode(stat.stx_mode.into()) == FileType::CharacterDevice && (stat.stx_rdev_major, stat.stx_rdev_minor) == (0, 0)
}

/// Its time moves whenever something in it does, so only its owner and mode tell whether it was changed itself.
fn is_same_folder(old: &Statx, new: &Statx) -> bool {
    (old.stx_mode, old.stx_uid, old.stx_gid) == (new.stx_mode, new.stx_uid, new.stx_gid)
}
