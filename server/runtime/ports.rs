//! Ports of the host, held by sockets: as long as one is held, nobody else gets it. In: wishes. Out: the ports in use, and what holds them.

use crate::netlink::NetworkError;
use gantry_model::{PortBinding, Protocol};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// Ports that are ours until this is dropped.
#[derive(Debug, Default)]
pub struct Reservation {
    /// With the numbers that were free where 0 was asked for.
    pub ports: Vec<PortBinding>,
    sockets: Vec<OwnedFd>,
}

impl Reservation {
    /// Takes all of them or none.
    ///
    /// # Errors
    /// [`NetworkError::Taken`] if somebody has one already, in docker's words.
    pub fn take(wanted: &[PortBinding], endpoint: &str) -> Result<Self, NetworkError> {
        let mut taken = Self::default();
        for port in wanted {
            let address = SocketAddr::new(port.host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port.host_port);
            let (socket, host_port) = hold(address, port.protocol).map_err(|errno| refused(errno, address, endpoint))?;
            taken.sockets.push(socket);
            taken.ports.push(PortBinding { host_port, ..port.clone() });
        }
        Ok(taken)
    }
}

fn hold(address: SocketAddr, protocol: Protocol) -> Result<(OwnedFd, u16), Errno> {
    let kind = if protocol == Protocol::Tcp { SocketType::STREAM } else { SocketType::DGRAM };
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let open = || socket_with(family, kind, SocketFlags::CLOEXEC, None);
    let mut socket = open()?;
    if let Err(errno) = bind(&socket, &address) {
        if errno != Errno::ADDRINUSE || protocol != Protocol::Tcp {
            return Err(errno);
        }
        // Perhaps only connections of an earlier server linger there. To share with those and nobody else, a socket has to listen.
        socket = open()?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)?;
        listen(&socket, 0)?;
    }
    let port = SocketAddr::try_from(getsockname(&socket)?).map_err(|_| Errno::AFNOSUPPORT)?.port();
    Ok((socket, port))
}

fn refused(errno: Errno, address: SocketAddr, endpoint: &str) -> NetworkError {
    let start = format!("driver failed programming external connectivity on endpoint {endpoint}: Bind for {address} failed");
    match errno {
        Errno::ADDRINUSE => NetworkError::Taken(format!("{start}: port is already allocated")),
        Errno::ADDRNOTAVAIL => NetworkError::Taken(format!("{start}: {} is no address of this host", address.ip())),
        errno => NetworkError::Step { what: start, errno },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    fn ports(text: &str) -> Vec<PortBinding> {
        PortBinding::parse(text).expect("a port")
    }

    #[test]
    fn a_held_port_is_nobody_elses_until_it_is_given_back() {
        for protocol in ["tcp", "udp"] {
            let held = Reservation::take(&ports(&format!("127.0.0.1::80/{protocol}")), "a").expect("one is free");
            let number = held.ports[0].host_port;
            assert_ne!(number, 0);
            let again = Reservation::take(&ports(&format!("{number}:81/{protocol}")), "b").expect_err("it is taken").to_string();
            assert!(again.contains("endpoint b") && again.ends_with(&format!("Bind for 0.0.0.0:{number} failed: port is already allocated")), "{again}");
            let bind = || if protocol == "tcp" { TcpListener::bind(("127.0.0.1", number)).map(drop) } else { UdpSocket::bind(("127.0.0.1", number)).map(drop) };
            assert!(bind().is_err(), "{protocol}");
            drop(held);
            bind().expect("free again");
        }
    }

    #[test]
    fn connections_that_linger_do_not_keep_a_port() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = server.local_addr().expect("bound").port();
        let client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        // The side that closes first lingers.
        drop(server.accept().expect("one waits"));
        drop(client);
        drop(server);
        let held = Reservation::take(&ports(&format!("127.0.0.1:{port}:80")), "a").expect("nobody listens");
        assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
        drop(held);
    }

    #[test]
    fn an_address_of_another_host_is_refused() {
        let error = Reservation::take(&ports("192.0.2.77:8080:80"), "a").expect_err("not ours").to_string();
        assert!(error.ends_with("192.0.2.77 is no address of this host"), "{error}");
    }

    #[test]
    fn all_are_taken_or_none() {
        let blocker = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let taken = blocker.local_addr().expect("bound").port();
        let free = Reservation::take(&ports("127.0.0.1::1"), "a").expect("one is free").ports[0].host_port;
        let mut both = ports(&format!("127.0.0.1:{free}:1"));
        both.extend(ports(&format!("127.0.0.1:{taken}:1")));
        Reservation::take(&both, "a").expect_err("the second is taken");
        TcpListener::bind(("127.0.0.1", free)).expect("the first was given back");
    }
}
