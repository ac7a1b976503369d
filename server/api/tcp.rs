//! The TCP door: TLS is taken off at the door, and what is inside goes through a socket pair into the same server as on the unix socket.
//! So a client over TCP may ask for its connection, and a handler sees it leave, just as there.

use crate::connection::{Hijackable, Remote};
use crate::listen::http;
use crate::tls::{self, TlsError, TlsFiles};
use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_rt::net::{TcpStream, UnixStream};
use actix_server::Server;
use actix_service::{ServiceFactoryExt as _, fn_service};
use actix_web::web;
use gantry_engine::Engine;
use gantry_model::Role;
use rustix::net::sockopt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, Interest, copy};
use tokio_rustls::TlsAcceptor;

/// A client that does not shake hands within this is refused.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take to leave after all is said.
const LINGER: Duration = Duration::from_secs(2);
/// A silent client is asked whether it is still there: first after this, then three times.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Where the door is, and who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpDoor {
    pub address: SocketAddr,
    /// `None`: in clear, with tokens, on loopback alone.
    pub tls: Option<TlsFiles>,
    /// What a client may do whose certificate names no user; `None` refuses it.
    pub role: Option<Role>,
}

#[derive(Debug, thiserror::Error)]
pub enum TcpError {
    #[error("tcp {0}: the Docker API is not served in clear beyond this host: give --tls-cert and --tls-key, and --tls-ca to let clients in by certificate")]
    Clear(SocketAddr),
    #[error("listen on tcp {0}: {1}")]
    Bind(SocketAddr, io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl TcpDoor {
    /// Reads its files, and refuses a door through which anybody on the way could look. Opens nothing.
    pub fn check(&self) -> Result<(), TcpError> {
        self.acceptor().map(drop)
    }

    fn acceptor(&self) -> Result<Option<TlsAcceptor>, TcpError> {
        match &self.tls {
            None if !self.address.ip().is_loopback() => Err(TcpError::Clear(self.address)),
            None => Ok(None),
            Some(files) => Ok(Some(TlsAcceptor::from(Arc::new(tls::config(files)?)))),
        }
    }
}

/// Serves the API over TCP. Returns the address, too: port 0 is any free one.
pub fn listen_tcp(engine: Engine, door: &TcpDoor) -> Result<(Server, SocketAddr), TcpError> {
    let acceptor = door.acceptor()?;
    let failed = |error| TcpError::Bind(door.address, error);
    let listener = TcpListener::bind(door.address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let others = door.role;
    let engine = web::Data::new(engine);
    let serve = move || {
        let acceptor = acceptor.clone();
        let enter = fn_service(move |stream: TcpStream| {
            let acceptor = acceptor.clone();
            async move {
                let (near, remote) = enter(stream, acceptor, others).await.map_err(|error| {
                    tracing::debug!("a client over TCP was refused: {error}");
                    DispatchError::Io(error)
                })?;
                Ok((Hijackable::remote(near, remote), Protocol::Http1, None))
            }
        });
        enter.and_then(http(&engine))
    };
    let built = Server::build().workers(2).disable_signals().shutdown_timeout(5).listen("docker-api-tcp", listener, serve);
    Ok((built.map_err(failed)?.run(), address))
}

/// Shakes hands, and returns our end of the pair on whose other end the client is.
async fn enter(stream: TcpStream, acceptor: Option<TlsAcceptor>, others: Option<Role>) -> io::Result<(UnixStream, Remote)> {
    let address = stream.peer_addr()?;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(&stream, KEEPALIVE / 3)?;
    sockopt::set_tcp_keepcnt(&stream, 3)?;
    let watched = stream.as_fd().try_clone_to_owned()?;
    let (near, far) = UnixStream::pair()?;
    let mut certificate = None;
    match acceptor {
        None => drop(actix_rt::spawn(carry(far, stream, watched))),
        Some(acceptor) => {
            let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|first| tls::common_name(first).unwrap_or_default());
            drop(actix_rt::spawn(carry(far, stream, watched)));
        }
    }
    Ok((near, Remote { address, certificate, others }))
}

/// Carries bytes both ways until one side is gone. A client that has said all may still listen; `watched` tells when it is gone for good.
async fn carry<S: AsyncRead + AsyncWrite>(pair: UnixStream, client: S, watched: OwnedFd) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = pair.into_split();
    let up = async {
        let done = copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
        // Without an orderly end it is gone.
        if done.is_ok() {
            gone(watched).await;
        }
    };
    let down = async {
        let done = copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
        if done.is_ok() {
            tokio::time::sleep(LINGER).await;
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Waits until the connection is reset or timed out.
async fn gone(socket: OwnedFd) {
    let Ok(socket) = TcpStream::from_std(socket.into()) else { return };
    while let Ok(ready) = socket.ready(Interest::WRITABLE | Interest::ERROR).await {
        if ready.is_write_closed() || ready.is_error() {
            return;
        }
        // Nobody writes through this registration: the next news is of a change.
        let _ = socket.try_io(Interest::WRITABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}
