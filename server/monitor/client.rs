//! One connection. In: bytes of a client. Out: frames to it, as far as it takes them; the loop never waits for it.

use gantry_wire::monitor::{Decoder, Ended, Event, Frame, Reply, encode, output_header};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::time::Instant;

/// A subscriber that lets so many bytes of events pile up is dropped.
const MOST_EVENTS: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Client {
    pub key: u32,
    pub socket: OwnedFd,
    pub decoder: Decoder,
    /// Bytes the socket did not take yet.
    out: Vec<u8>,
    sent: usize,
    pub greeted: bool,
    /// Its last request is answered when the container is down.
    pub waits: bool,
    pub subscribed: bool,
    pub attached: Option<Attached>,
    /// Goes when everything is sent.
    pub closing: bool,
    /// Takes no more output; its input may still come.
    pub deaf: bool,
    /// Registered flags; `None` while it is not polled.
    pub armed: Option<EventFlags>,
}

/// A client on a session's streams.
#[derive(Debug)]
pub(crate) struct Attached {
    pub session: u32,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// The next byte to send.
    pub position: u64,
    /// Everything before it arrived.
    pub acked: u64,
    pub lossless: bool,
    pub acks: bool,
    /// Nobody else is served by going on without it: it came before the start, or the session is its own.
    pub patient: bool,
    /// The process waits for it.
    pub late: Option<Late>,
    /// Told when `position` is here.
    pub end: Option<(u64, Ended)>,
}

/// Since when a client has been behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Late {
    pub since: Instant,
    /// What it had when it was looked at last, and since when it has had that.
    pub had: u64,
    pub still_since: Instant,
}

impl Attached {
    pub(crate) fn wants(&self, stream: u8) -> bool {
        if stream == 1 { self.stdout } else { self.stderr }
    }

    /// What it has for certain.
    pub(crate) fn has(&self) -> u64 {
        if self.acks { self.acked } else { self.position }
    }

    /// The oldest byte that must be kept for it.
    pub(crate) fn needs_from(&self) -> Option<u64> {
        (self.lossless && self.end.is_none()).then(|| self.has())
    }
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Sent, or its rest is queued.
    Taken,
    /// The socket is full, nothing was sent.
    Full,
}

impl Client {
    pub(crate) fn new(key: u32, socket: OwnedFd) -> Self {
        Self {
            key,
            socket,
            decoder: Decoder::default(),
            out: Vec::new(),
            sent: 0,
            greeted: false,
            waits: false,
            subscribed: false,
            attached: None,
            closing: false,
            deaf: false,
            armed: None,
        }
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.deaf && self.sent < self.out.len()
    }

    pub(crate) fn reply(&mut self, reply: Reply) {
        self.push(&Frame::Reply(reply));
    }

    pub(crate) fn tell(&mut self, event: &Event) {
        self.push(&Frame::Event(event.clone()));
        if self.out.len() - self.sent > MOST_EVENTS {
            self.closing = true;
            self.deaf = true;
        }
    }

    /// Queues a frame and sends what the socket takes.
    pub(crate) fn push(&mut self, frame: &Frame) {
        encode(frame, &mut self.out);
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        while self.has_unsent() {
            match send(&self.socket, &[IoSlice::new(&self.out[self.sent..])]) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => return,
                Err(_) => self.deaf = true,
            }
        }
        self.out = Vec::new();
        self.sent = 0;
    }

    /// Sends output straight from where it is. Only with nothing unsent.
    pub(crate) fn output(&mut self, offset: u64, stream: u8, bytes: &[u8]) -> Sent {
        let head = output_header(offset, stream, bytes.len());
        match send(&self.socket, &[IoSlice::new(&head), IoSlice::new(bytes)]) {
            Err(Errno::AGAIN) => return Sent::Full,
            Err(_) => self.deaf = true,
            Ok(count) if count < head.len() => {
                self.out.extend_from_slice(&head[count..]);
                self.out.extend_from_slice(bytes);
            }
            Ok(count) => self.out.extend_from_slice(&bytes[count - head.len()..]),
        }
        Sent::Taken
    }
}

fn send(socket: &OwnedFd, parts: &[IoSlice<'_>]) -> Result<usize, Errno> {
    loop {
        match sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
