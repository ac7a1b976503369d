//! A netlink socket. The kernel works a request off while it is sent: answers are there at once, and nothing here waits.
#![expect(unsafe_code, reason = "one socket option that no crate offers safely")]

use super::message::{Batch, Message, messages};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send, socket_with};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Set in a list's messages if the list changed while it was made.
const INTERRUPTED: u16 = 0x10;
/// Large enough for any message the kernel makes.
const BUFFER: usize = 32 << 10;

pub(crate) fn buffer() -> Vec<u8> {
    vec![0; BUFFER]
}

#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// Links, addresses and routes of the caller's network namespace.
    pub(crate) fn route() -> Result<Self, Errno> {
        let socket = Self::open(None)?;
        socket.filter_lists();
        Ok(socket)
    }

    /// The firewall of the caller's network namespace.
    pub(crate) fn netfilter() -> Result<Self, Errno> {
        Self::open(Some(netlink::NETFILTER))
    }

    fn open(protocol: Option<rustix::net::Protocol>) -> Result<Self, Errno> {
        Ok(Self { fd: socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)? })
    }

    /// Lists hold only what the request names. A kernel before 4.20 lists all; callers look at what they get.
    fn filter_lists(&self) {
        const SOL_NETLINK: i32 = 270;
        const GET_STRICT_CHK: i32 = 12;
        let on: i32 = 1;
        // SAFETY: the option is an int, and `on` is one that outlives the call.
        unsafe { libc::setsockopt(self.fd.as_raw_fd(), SOL_NETLINK, GET_STRICT_CHK, (&raw const on).cast(), size_of::<i32>() as u32) };
    }

    /// Makes it hear of what happens to others' requests, too.
    pub(crate) fn subscribe(&self, group: u32) -> Result<(), Errno> {
        bind(&self.fd, &netlink::SocketAddrNetlink::new(0, 1 << (group - 1)))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn send(&self, batch: &Batch) -> Result<(), Errno> {
        send(&self.fd, &batch.bytes, SendFlags::empty()).map(drop)
    }

    /// What is there now. Empty at the end.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<Vec<Message>, Errno> {
        match recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, len)) => Ok(messages(buffer.get(..len).unwrap_or_default())),
            Err(Errno::AGAIN) => Ok(Vec::new()),
            Err(errno) => Err(errno),
        }
    }

    /// Sends messages that each ask for an acknowledgement, and returns how each one went.
    pub(crate) fn each(&self, batch: &Batch) -> Result<Vec<Result<(), Errno>>, Errno> {
        if batch.count == 0 {
            return Ok(Vec::new());
        }
        self.send(batch)?;
        let (mut results, mut buffer) = (vec![None; batch.count as usize], buffer());
        while results.iter().any(Option::is_none) {
            let answers = self.receive(&mut buffer)?;
            if answers.is_empty() {
                break;
            }
            for answer in answers.iter().filter(|answer| answer.kind == ERROR) {
                if let Some(result) = (answer.sequence as usize).checked_sub(1).and_then(|index| results.get_mut(index)) {
                    *result = Some(error_of(answer));
                }
            }
        }
        Ok(results.into_iter().map(|result| result.unwrap_or(Err(Errno::PROTO))).collect())
    }

    /// Sends messages that must all do.
    pub(crate) fn all(&self, batch: &Batch) -> Result<(), Errno> {
        self.each(batch)?.into_iter().collect()
    }

    /// Sends one request for a list, and returns it; again if it changed meanwhile.
    pub(crate) fn list(&self, request: &Batch) -> Result<Vec<Message>, Errno> {
        for _ in 0..16 {
            if let Some(list) = self.try_list(request)? {
                return Ok(list);
            }
        }
        Err(Errno::AGAIN)
    }

    fn try_list(&self, request: &Batch) -> Result<Option<Vec<Message>>, Errno> {
        self.send(request)?;
        let (mut list, mut buffer, mut interrupted) = (Vec::new(), buffer(), false);
        loop {
            let answers = self.receive(&mut buffer)?;
            if answers.is_empty() {
                return Err(Errno::PROTO);
            }
            for answer in answers {
                interrupted |= answer.flags & INTERRUPTED != 0;
                match answer.kind {
                    DONE => return Ok((!interrupted).then_some(list)),
                    ERROR => return error_of(&answer).map(|()| Some(list)),
                    _ => list.push(answer),
                }
            }
        }
    }

    /// Sends one question with one answer.
    pub(crate) fn one(&self, question: &Batch) -> Result<Message, Errno> {
        self.send(question)?;
        let answer = self.receive(&mut buffer())?.into_iter().next().ok_or(Errno::PROTO)?;
        if answer.kind == ERROR { Err(error_of(&answer).err().unwrap_or(Errno::PROTO)) } else { Ok(answer) }
    }
}

/// `struct nlmsgerr`: a negative errno, 0 for success.
pub(crate) fn error_of(answer: &Message) -> Result<(), Errno> {
    let code = answer.payload.first_chunk::<4>().map_or(-libc::EPROTO, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(code.saturating_neg())) }
}

pub(crate) fn is_error(answer: &Message) -> bool {
    answer.kind == ERROR
}
