//! One connection: the socket as the HTTP decoder sees it, and what handlers may know of it.

use crate::head::{Head, Hijack, examine};
use actix_rt::net::UnixStream;
use std::cell::Cell;
use std::future::Future as _;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// How long a client may go on sending after we have said all: it reads our answer before it sees the connection reset.
const LINGER: Duration = Duration::from_secs(2);

/// What handlers may know of their connection.
pub struct Connection {
    hijack: Rc<Cell<Hijack>>,
    socket: Option<OwnedFd>,
    /// The client's user id.
    pub peer_uid: Option<u32>,
}

impl Connection {
    pub fn hijack(&self) -> Hijack {
        self.hijack.get()
    }

    /// Waits until the client is wholly gone; a client that only sends nothing more is not.
    pub async fn gone(&self) {
        let again = self.socket.as_ref().and_then(|socket| socket.try_clone().ok()).and_then(|socket| UnixStream::from_std(socket.into()).ok());
        let Some(watched) = again else { return std::future::pending().await };
        while let Ok(ready) = watched.ready(Interest::WRITABLE).await {
            if ready.is_write_closed() {
                return;
            }
            // This registration is ours alone: the next news is of a change.
            let _ = watched.try_io(Interest::WRITABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        }
    }
}

/// A socket whose first head is looked at, see [`crate::head`]. After that bytes pass through.
pub struct Hijackable {
    io: UnixStream,
    /// The first head as far as it has come; then what is left to be handed out.
    buffer: Vec<u8>,
    handed: usize,
    examined: bool,
    eof: bool,
    hijack: Rc<Cell<Hijack>>,
    linger: Option<Pin<Box<actix_rt::time::Sleep>>>,
}

impl Hijackable {
    pub fn new(io: UnixStream) -> Self {
        Self { io, buffer: Vec::new(), handed: 0, examined: false, eof: false, hijack: Rc::default(), linger: None }
    }

    pub fn connection(&self) -> Connection {
        Connection { hijack: self.hijack.clone(), socket: self.io.as_fd().try_clone_to_owned().ok(), peer_uid: self.io.peer_cred().ok().map(|peer| peer.uid()) }
    }

    fn poll_examine(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.examined {
            let mut chunk = [0u8; 4096];
            let mut read = ReadBuf::new(&mut chunk);
            match Pin::new(&mut self.io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            if read.filled().is_empty() {
                (self.examined, self.eof) = (true, true);
                break;
            }
            self.buffer.extend_from_slice(read.filled());
            match examine(&self.buffer) {
                Head::Partial => {}
                Head::Untouched => self.examined = true,
                Head::Rewritten(hijack, bytes) => {
                    self.hijack.set(hijack);
                    self.buffer = bytes;
                    self.examined = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// True if the client has closed both ways, as far as is known now.
    fn is_gone(&self, cx: &mut Context<'_>) -> bool {
        let ready = std::pin::pin!(self.io.ready(Interest::WRITABLE));
        matches!(ready.poll(cx), Poll::Ready(Ok(ready)) if ready.is_write_closed())
    }
}

impl AsyncRead for Hijackable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.poll_examine(cx) {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        let left = &self.buffer[self.handed..];
        if !left.is_empty() {
            let n = left.len().min(out.remaining());
            out.put_slice(&left[..n]);
            self.handed += n;
            if self.handed == self.buffer.len() {
                (self.buffer, self.handed) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        if self.eof {
            return Poll::Ready(Ok(()));
        }
        let before = out.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, out) {
            Poll::Ready(Ok(())) if out.filled().len() == before && out.remaining() > 0 => {
                self.eof = true;
                if self.is_gone(cx) { Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) } else { Poll::Ready(Ok(())) }
            }
            other => other,
        }
    }
}

impl AsyncWrite for Hijackable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Tells the client that all is said, and passes over what it still sends: closing with bytes unread would reset the connection.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.linger = Some(Box::pin(actix_rt::time::sleep(LINGER))),
                other => return other,
            }
        }
        let mut chunk = [0u8; 16 << 10];
        while !self.eof {
            let mut read = ReadBuf::new(&mut chunk);
            match Pin::new(&mut self.io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                Poll::Ready(_) => self.eof = true,
                Poll::Pending => match self.linger.as_mut().map(|linger| linger.as_mut().poll(cx)) {
                    Some(Poll::Pending) => return Poll::Pending,
                    _ => break,
                },
            }
        }
        Poll::Ready(Ok(()))
    }
}
