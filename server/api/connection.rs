//! One connection: the socket as the HTTP decoder sees it, and what handlers may know of it.

use crate::head::{Head, Hijack, examine};
use crate::query::MAX_BODY;
use actix_rt::net::UnixStream;
use actix_web::web::Bytes;
use bytes::BytesMut;
use gantry_model::Role;
use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf};

/// How long a client may go on sending after we have said all: it reads our answer before it sees the connection reset.
const LINGER: Duration = Duration::from_secs(2);
/// Bytes of the client read at once.
const PIECE: usize = 64 << 10;

/// Told by the socket's reader to the request's handler.
#[derive(Default)]
struct Told {
    hijack: Cell<Hijack>,
    /// What came behind the request already.
    surplus: RefCell<Vec<u8>>,
}

/// What handlers may know of their connection.
pub struct Connection {
    told: Rc<Told>,
    socket: Option<OwnedFd>,
    pub from: Origin,
}

/// Where a client is.
#[derive(Debug, Clone)]
pub enum Origin {
    /// On this host, at the unix socket; its user id.
    Local(Option<u32>),
    Remote(Rc<Remote>),
}

/// A client over TCP, as far as its connection tells.
#[derive(Debug)]
pub struct Remote {
    pub address: SocketAddr,
    /// The name in the certificate that it proved; "" if there is none in it.
    pub certificate: Option<String>,
    /// What a certificate may do that names no user.
    pub others: Option<Role>,
}

impl Connection {
    pub fn hijack(&self) -> Hijack {
        self.told.hijack.get()
    }

    /// The client's bytes after its request, if it asked for the connection.
    pub fn client(&self) -> Option<Client> {
        if self.hijack() == Hijack::No {
            return None;
        }
        let socket = self.socket.as_ref()?.try_clone().ok()?;
        let buffer = BytesMut::from(self.told.surplus.take().as_slice());
        Some(Client { buffer, socket: UnixStream::from_std(socket.into()).ok()? })
    }

    /// Only a unix socket tells its reads.
    pub async fn reads(&self) -> Option<Reads> {
        let socket = self.socket.as_ref().filter(|_| matches!(self.from, Origin::Local(_)))?.try_clone().ok()?;
        let socket = UnixStream::from_std(socket.into()).ok()?;
        socket.writable().await.ok()?;
        forget_writable(&socket);
        Some(Reads(socket))
    }
}

/// Nobody writes through this registration, so it may forget that it could: the next news is of a change. The peer took bytes and made room,
/// or went away.
fn forget_writable(socket: &UnixStream) {
    let _ = socket.try_io(Interest::WRITABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
}

/// Hears when a client reads what was sent to it.
pub struct Reads(UnixStream);

impl Reads {
    /// Waits until the client has read something that was sent since this was made, or is gone; not longer than `limit`.
    pub async fn next(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.0.writable()).await;
    }
}

/// What a client sends on a connection that it asked for.
pub struct Client {
    /// What came behind the request at first; later where the next bytes are read to.
    buffer: BytesMut,
    socket: UnixStream,
}

impl Client {
    /// The next bytes; `None` once the client has sent all.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.buffer.is_empty() {
            self.buffer.reserve(PIECE);
            self.socket.read_buf(&mut self.buffer).await.ok()?;
        }
        Some(self.buffer.split().freeze()).filter(|bytes| !bytes.is_empty())
    }

    /// Waits until the client is wholly gone; one that only sends nothing more is not.
    pub async fn gone(&self) {
        while let Ok(ready) = self.socket.ready(Interest::WRITABLE).await {
            if ready.is_write_closed() {
                return;
            }
            forget_writable(&self.socket);
        }
    }
}

/// A socket whose first head is looked at, see [`crate::head`]. A request for the connection is handed on alone: what comes behind it
/// is left to its handler.
pub struct Hijackable {
    io: UnixStream,
    /// The first request as far as it has come; then what is left to be handed out.
    buffer: Vec<u8>,
    handed: usize,
    examined: bool,
    eof: bool,
    told: Rc<Told>,
    remote: Option<Rc<Remote>>,
    linger: Option<Pin<Box<actix_rt::time::Sleep>>>,
}

impl Hijackable {
    pub fn new(io: UnixStream) -> Self {
        Self { io, buffer: Vec::new(), handed: 0, examined: false, eof: false, told: Rc::default(), remote: None, linger: None }
    }

    /// For a client over TCP; `io` is our end of the pair that carries its bytes.
    pub fn remote(io: UnixStream, remote: Remote) -> Self {
        Self { remote: Some(Rc::new(remote)), ..Self::new(io) }
    }

    pub fn connection(&self) -> Connection {
        let from = match &self.remote {
            Some(remote) => Origin::Remote(remote.clone()),
            None => Origin::Local(self.io.peer_cred().ok().map(|peer| peer.uid())),
        };
        Connection { told: self.told.clone(), socket: self.io.as_fd().try_clone_to_owned().ok(), from }
    }

    fn poll_examine(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wanted = None;
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
            // Looked at once: while its body comes, a request stays what it is.
            wanted = wanted.or_else(|| match examine(&self.buffer, MAX_BODY) {
                Head::Partial => None,
                Head::Other => Some((Hijack::No, 0)),
                Head::Asks(hijack, length) => Some((hijack, length)),
            });
            if let Some((hijack, length)) = wanted.filter(|(_, length)| self.buffer.len() >= *length) {
                self.examined = true;
                if hijack != Hijack::No {
                    self.told.hijack.set(hijack);
                    self.told.surplus.replace(self.buffer.split_off(length));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// True if the client has closed both ways, as far as is known now.
    fn is_gone(&self, cx: &mut Context<'_>) -> bool {
        // TCP does not tell an end of what is sent from an end of the client; only who asks for the connection ends it by halves.
        if self.remote.is_some() {
            return true;
        }
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
        if self.told.hijack.get() != Hijack::No {
            return Poll::Pending;
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
            // A client that sends without end is held to the time too.
            if self.linger.as_ref().is_some_and(|linger| linger.is_elapsed()) {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
