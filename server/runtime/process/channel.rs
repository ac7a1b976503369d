//! The talk between a parent and its child before execve. In and out: one packet per message; the end of the connection means the program runs.

use crate::failure::Failure;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    recvmsg, sendmsg, socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// One packet.
#[derive(Debug)]
pub(crate) enum Message {
    /// Child: the namespaces exist; waits for [`Message::Go`].
    Namespaces,
    /// Child: everything is mounted; waits for [`Message::Go`].
    Mounted,
    /// Child: all is done but execve; waits at the gate. With the terminal's master.
    Ready(Option<OwnedFd>),
    /// Child: the host could not do something that is not needed.
    Warning(String),
    /// Child: gave up.
    Failed(Failure),
    /// A process in between: the child's pidfd.
    Cloned(OwnedFd),
    /// Child: its filter has a listener, a descriptor of the child by this number; waits for one byte.
    Listener(i32),
    /// Parent: go on.
    Go,
}

/// The longest text sent; a socket's buffer is larger.
const LONGEST: usize = 8192;

/// Two connected ends.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

pub(crate) fn send(socket: BorrowedFd<'_>, message: &Message) -> Result<(), Errno> {
    let (tag, body, fd) = match message {
        Message::Namespaces => (b'N', Vec::new(), None),
        Message::Mounted => (b'M', Vec::new(), None),
        Message::Ready(terminal) => (b'R', Vec::new(), terminal.as_ref()),
        Message::Warning(text) => (b'W', text.clone().into_bytes(), None),
        Message::Failed(failure) => (b'F', failure.encode(), None),
        Message::Cloned(pidfd) => (b'C', Vec::new(), Some(pidfd)),
        Message::Listener(number) => (b'L', number.to_le_bytes().to_vec(), None),
        Message::Go => (b'G', Vec::new(), None),
    };
    let body = &body[..body.len().min(LONGEST)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd.as_fd()]);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(&[tag]), IoSlice::new(body)], &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// [`Message::Listener`] as it is sent, for a child that may do nothing but write.
pub(crate) fn listener_packet(number: i32) -> [u8; 5] {
    let [a, b, c, d] = number.to_le_bytes();
    [b'L', a, b, c, d]
}

/// The next message; `None` when the other end is closed.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> Result<Option<Message>, Errno> {
    let mut buffer = vec![0; LONGEST + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            other => break other?.bytes,
        }
    };
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let Some((tag, body)) = buffer[..length].split_first() else { return Ok(None) };
    Ok(Some(match (tag, fd) {
        (b'N', None) => Message::Namespaces,
        (b'M', None) => Message::Mounted,
        (b'R', terminal) => Message::Ready(terminal),
        (b'W', None) => Message::Warning(String::from_utf8_lossy(body).into_owned()),
        (b'F', None) => Message::Failed(Failure::decode(body).ok_or(Errno::BADMSG)?),
        (b'C', Some(pidfd)) => Message::Cloned(pidfd),
        (b'L', None) => Message::Listener(i32::from_le_bytes(body.try_into().map_err(|_| Errno::BADMSG)?)),
        (b'G', None) => Message::Go,
        _ => return Err(Errno::BADMSG),
    }))
}
