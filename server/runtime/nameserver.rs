//! Sockets for questions in a container's network namespace. They listen at random ports, to which the namespace's own firewall leads port 53:
//! so the container's programs may have that one on all addresses.

use crate::netlink::{Namespace, NetworkError};
use crate::nft::Redirect;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// Where a container asks. Source: docker, `libnetwork/resolver.go`.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// Sockets that do not block. The namespace lives at least as long as they do.
#[derive(Debug)]
pub struct Sockets {
    pub datagrams: UdpSocket,
    pub listener: TcpListener,
    /// What laid the rules. Not needed any more, but closing it may take 10 ms.
    pub redirect: Option<Redirect>,
}

/// Listens in the network namespace of a process, which must not have been reaped. The caller has one thread.
///
/// # Errors
/// If the kernel refuses sockets or the firewall's rules.
pub fn listen(pid: i32) -> Result<Sockets, NetworkError> {
    let failed = |source: io::Error| NetworkError::File { what: format!("listen for questions at {ADDRESS}"), source };
    Namespace::of(pid)?.inside(|| {
        let datagrams = UdpSocket::bind((ADDRESS, 0)).map_err(failed)?;
        let listener = TcpListener::bind((ADDRESS, 0)).map_err(failed)?;
        datagrams.set_nonblocking(true).and_then(|()| listener.set_nonblocking(true)).map_err(failed)?;
        let ports = (datagrams.local_addr().map_err(failed)?.port(), listener.local_addr().map_err(failed)?.port());
        Ok(Sockets { datagrams, listener, redirect: Some(Redirect::questions(ADDRESS, ports)?) })
    })
}
