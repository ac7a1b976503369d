//! The user's terminal: its size, and raw mode with the way back.

use crate::failure::Failure;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::os::fd::AsFd;

/// Rows and columns of the terminal at stdout, or `None`.
pub fn size() -> Option<[u16; 2]> {
    let size = tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some([size.ws_row, size.ws_col])
}

pub fn is_terminal(stream: impl AsFd) -> bool {
    isatty(stream)
}

/// Refuses `-t` with a stdin that is no terminal, as docker does: keys would not arrive as the program expects them.
pub fn check_tty(attach_stdin: bool, tty: bool) -> Result<(), Failure> {
    if attach_stdin && tty && !is_terminal(std::io::stdin()) {
        return Err(Failure::new("the input device is not a TTY").hint("leave out -t when stdin is a file or a pipe"));
    }
    Ok(())
}

/// Raw mode of the terminal at stdin, until dropped: keys come one by one and unchanged.
/// Dropping restores it, also when a panic unwinds; signals end the session by its ordinary way out.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// `None` if stdin is no terminal.
    pub fn enter() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Drain: output that is still on its way was made for raw mode.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.before);
    }
}
