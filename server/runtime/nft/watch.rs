//! Notices when somebody takes our rules away, as a reload of the host's firewall does. Readable when there is news.

use super::encode::{Family, name};
use super::{DELETE_CHAIN, DELETE_RULE, DELETE_TABLE, NetworkError, Result, failed};
use crate::netlink::{Message, Socket, attribute, buffer, text};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// What happens to one table, and to those whose names are its own, a dash and more.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
    table: String,
}

impl Watch {
    /// # Errors
    /// If the kernel gives no news.
    pub fn open(table: &str) -> Result<Self> {
        // Source: linux/netfilter/nfnetlink.h, `NFNLGRP_NFTABLES`.
        const GROUP: u32 = 7;
        let what = "follow changes of the firewall";
        let socket = Socket::netfilter().map_err(|errno| failed(what, errno))?;
        socket.subscribe(GROUP).map_err(|errno| failed(what, errno))?;
        Ok(Self { socket, table: table.to_owned() })
    }

    /// Takes all news. True if some of the table was deleted, or may have been.
    ///
    /// # Errors
    /// If the socket is broken.
    pub fn is_damaged(&self) -> Result<bool> {
        let (mut damaged, mut buffer) = (false, buffer());
        loop {
            match self.socket.receive(&mut buffer) {
                Ok(news) if news.is_empty() => return Ok(damaged),
                Ok(news) => damaged |= news.iter().any(|message| self.is_loss(message)),
                // There was more than the socket could hold.
                Err(Errno::NOBUFS) => damaged = true,
                Err(errno) => return Err(NetworkError::Step { what: "hear of changes of the firewall".to_owned(), errno }),
            }
        }
    }

    fn is_ours(&self, name: &str) -> bool {
        name.strip_prefix(&self.table).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    fn is_loss(&self, message: &Message) -> bool {
        let Some((header, attributes)) = message.payload.split_first_chunk::<4>() else { return false };
        matches!(message.kind & 0xff, DELETE_TABLE | DELETE_CHAIN | DELETE_RULE)
            && header[0] == Family::Ip as u8
            && attribute(attributes, name::TABLE).map(text).is_some_and(|name| self.is_ours(&name))
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_fd().as_raw_fd()
    }
}
