//! Terminals of the command line: handing a master to a console socket, raw mode, sizes. In: descriptors. Out: the same, set.

use super::error::{During, Result};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, sendmsg, socket_with,
};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Sends the master as runc does: one message with the descriptor and a name.
pub(super) fn send(path: &Path, master: &OwnedFd) -> Result<()> {
    let what = || format!("send the terminal to the console socket {}", path.display());
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).during(what)?;
    connect(&socket, &SocketAddrUnix::new(path).during(what)?).during(what)?;
    let fds = [master.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(&socket, &[IoSlice::new(b"/dev/ptmx")], &mut control, SendFlags::NOSIGNAL).during(what)?;
    Ok(())
}

/// Stdin without line editing; as it was when dropped.
#[derive(Debug)]
pub(super) struct Raw(Termios);

impl Raw {
    /// `None` if stdin is no terminal.
    pub(super) fn enter() -> Option<Self> {
        let stdin = rustix::stdio::stdin();
        if !isatty(stdin) {
            return None;
        }
        let before = tcgetattr(stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin, OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Rows and columns of our own terminal; 0 and 0 without one.
pub(super) fn own_size() -> (u16, u16) {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()].into_iter().find_map(|fd| crate::pty::size(fd).ok()).unwrap_or((0, 0))
}
