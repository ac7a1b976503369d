//! Terminals: sizes of a pty whose master we hold.

use std::io;
use std::os::fd::AsFd;

/// Sets rows and columns; the foreground group gets SIGWINCH.
pub fn resize(master: impl AsFd, rows: u16, cols: u16) -> io::Result<()> {
    rustix::termios::tcsetwinsize(master, rustix::termios::Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }).map_err(Into::into)
}

/// Rows and columns.
pub fn size(terminal: impl AsFd) -> io::Result<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(terminal)?;
    Ok((size.ws_row, size.ws_col))
}
