//! Terminals. In: a container's root. Out: a pty of the container's own devpts; sizes of one whose master we hold.

use crate::failure::{Attempt, Failure};
use crate::sys;
use crate::tree::{DEVPTS_SUPER_MAGIC, Tree, is_char_device, magic};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Sets rows and columns; the foreground group gets SIGWINCH.
pub fn resize(master: impl AsFd, rows: u16, cols: u16) -> io::Result<()> {
    rustix::termios::tcsetwinsize(master, rustix::termios::Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }).map_err(Into::into)
}

/// Rows and columns.
pub fn size(terminal: impl AsFd) -> io::Result<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(terminal)?;
    Ok((size.ws_row, size.ws_col))
}

/// Both sides of a terminal.
pub(crate) struct Pty {
    pub(crate) master: OwnedFd,
    pub(crate) slave: OwnedFd,
}

/// Opens a new pty in the devpts mounted in `tree`, so that `tty` in the container knows its name. Nothing else that an image may have put there is taken for it.
pub(crate) fn open(tree: &Tree<'_>, rows: u16, cols: u16) -> Result<Pty, Failure> {
    let what = || "open a terminal in the container's /dev/pts".to_owned();
    let path = Path::new("/dev/pts/ptmx");
    let seen = tree.open_plain(path, OFlags::PATH).attempting(what)?;
    if magic(&seen).attempting(what)? != DEVPTS_SUPER_MAGIC || !is_char_device(&seen, 5, 2).attempting(what)? {
        return Err(Failure::refused("the container has no devpts file system at /dev/pts, which a terminal needs"));
    }
    let master = tree.open_plain(path, OFlags::RDWR | OFlags::NOCTTY).attempting(what)?;
    if magic(&master).attempting(what)? != DEVPTS_SUPER_MAGIC {
        return Err(Failure::refused("the container's /dev/pts changed while its terminal was opened"));
    }
    sys::unlock_pty(master.as_fd()).attempting(what)?;
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).attempting(what)?;
    if rows > 0 && cols > 0 {
        resize(&master, rows, cols).attempting(what)?;
    }
    Ok(Pty { master, slave })
}
