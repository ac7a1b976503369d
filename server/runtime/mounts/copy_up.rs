//! Copies what a tmpfs covers into it, for the option `tmpcopyup`. In: two directory descriptors. Out: the same files, owners and modes.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, chmodat, chownat, mkdirat, openat, readlinkat, statat, symlinkat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

/// Copies the contents of `from` into `to`. Links are copied, never followed; devices, pipes and sockets are left out.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open_folder = |at: BorrowedFd<'_>, name: &std::ffi::CStr| openat(at, name, flags | OFlags::DIRECTORY, Mode::empty());
    let from = open_folder(from, c".")?;
    for entry in Dir::read_from(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = statat(&from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Directory => {
                mkdirat(to, name, mode)?;
                copy(open_folder(from.as_fd(), name)?.as_fd(), open_folder(to, name)?.as_fd())?;
            }
            FileType::Symlink => symlinkat(readlinkat(&from, name, Vec::new())?, to, name)?,
            FileType::RegularFile => {
                let mut source = File::from(openat(&from, name, flags | OFlags::RDONLY, Mode::empty())?);
                let mut target = File::from(openat(to, name, flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode)?);
                std::io::copy(&mut source, &mut target).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            }
            _ => continue,
        }
        chownat(to, name, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)), AtFlags::SYMLINK_NOFOLLOW)?;
        if kind != FileType::Symlink {
            chmodat(to, name, mode, AtFlags::empty())?;
        }
    }
    Ok(())
}
