//! Namespaces that stand for a host, its neighbours and its containers, each test with its own.

use super::{Namespace, apply_host_sysctls, ensure_bridge, join, settle};
use crate::nft::Firewall;
use gantry_model::PortBinding;
use gantry_plan::network::{Plan, Wish, plan, published};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Output};
use std::time::Duration;

/// A network namespace with threads of its own for what runs in it.
#[derive(Debug)]
pub(crate) struct Net {
    fd: OwnedFd,
}

impl Net {
    pub(crate) fn new() -> Self {
        let make = || {
            #[expect(unsafe_code, reason = "a thread of its own leaves the others' namespace")]
            // SAFETY: a network namespace is a thread's own matter.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.expect("root");
            crate::sys::loopback_up().expect("there is one");
            File::open("/proc/thread-self/ns/net").expect("ours").into()
        };
        Self { fd: std::thread::spawn(make).join().expect("made") }
    }

    /// Runs `act` there.
    pub(crate) fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = || {
                move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network)).expect("entered");
                act()
            };
            scope.spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::new(self.fd.try_clone().expect("copied"))
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        let output: Output = self.run(|| Command::new("sh").args(["-ec", script]).output().expect("started"));
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// A host with a bridge, and a neighbour on another link: 192.0.2.1 here, 192.0.2.2 there, which routes to our containers if it can.
pub(crate) struct Host {
    pub(crate) net: Net,
    pub(crate) remote: Net,
}

/// What a test changes about its host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) bridge: &'static str,
    pub(crate) table: &'static str,
    /// Third byte of the subnet.
    pub(crate) subnet: u8,
    pub(crate) inter_container: bool,
    pub(crate) masquerade: bool,
}

pub(crate) const USUAL: Choice = Choice { bridge: "br-a", table: "table-a", subnet: 0, inter_container: true, masquerade: true };

impl Choice {
    pub(crate) fn ip(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.subnet, last)
    }

    /// The plan for the container with this last byte.
    pub(crate) fn plan(&self, last: u8) -> Plan {
        let mac = gantry_plan::network::mac_of(self.ip(last)).map(|byte| format!("{byte:02x}")).join(":");
        let wish = Wish {
            bridge: self.bridge,
            addresses: &[(IpAddr::V4(self.ip(1)), 24)],
            mtu: None,
            masquerade: self.masquerade,
            inter_container: self.inter_container,
            internal: false,
            table: self.table,
            interface: "eth0",
            host_interface: &format!("gv{}x{last}", self.subnet),
            mac: &mac,
            container_addresses: &[(IpAddr::V4(self.ip(last)), 24)],
            gateways: &[IpAddr::V4(self.ip(1))],
            publishes: true,
        };
        plan(&wish).expect("possible")
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        let (net, remote) = (Net::new(), Net::new());
        let there = format!("/proc/{}/fd/{}", std::process::id(), remote.fd.as_raw_fd());
        net.sh(&format!("ip link add up0 type veth peer name eth0 netns {there}; ip addr add 192.0.2.1/24 dev up0; ip link set up0 up"));
        remote.sh("ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up; ip route add 10.99.0.0/16 via 192.0.2.1");
        Self { net, remote }
    }

    /// A container, joined as the monitor does it.
    pub(crate) fn container(&self, choice: Choice, last: u8, ports: &[&str]) -> Net {
        let container = Net::new();
        self.join(choice, last, &container);
        self.publish(choice, last, ports);
        container
    }

    pub(crate) fn join(&self, choice: Choice, last: u8, container: &Net) -> String {
        let (plan, namespace) = (choice.plan(last), container.namespace());
        self.net.run(|| {
            let bridge = ensure_bridge(&plan.bridge).expect("a bridge");
            Firewall::open(choice.table).and_then(|firewall| firewall.ensure(&plan.rules)).expect("rules");
            apply_host_sysctls(&plan.host_sysctls).expect("settings");
            let link = join(&plan, bridge, &namespace).expect("joined");
            settle(&plan.veth, &link).expect("settled");
            link
        })
    }

    pub(crate) fn publish(&self, choice: Choice, last: u8, ports: &[&str]) {
        let ports: Vec<PortBinding> = ports.iter().flat_map(|text| PortBinding::parse(text).expect("a port")).collect();
        let elements = published(&format!("owner-{last}"), choice.ip(last), &ports);
        self.net.run(|| Firewall::open(choice.table).and_then(|firewall| firewall.publish(&elements)).expect("published"));
    }
}

const PATIENCE: Duration = Duration::from_millis(700);

/// Answers each connection with who it came from, as long as the test runs.
pub(crate) fn serve_tcp(net: &Net, port: u16) {
    let listener = net.run(|| TcpListener::bind(("0.0.0.0", port)).expect("free"));
    std::thread::spawn(move || {
        while let Ok((mut connection, peer)) = listener.accept() {
            let _ = connection.write_all(peer.ip().to_string().as_bytes());
        }
    });
}

pub(crate) fn serve_udp(net: &Net, port: u16) {
    let socket = net.run(|| UdpSocket::bind(("0.0.0.0", port)).expect("free"));
    std::thread::spawn(move || {
        while let Ok((_, peer)) = socket.recv_from(&mut [0; 16]) {
            let _ = socket.send_to(peer.ip().to_string().as_bytes(), peer);
        }
    });
}

/// Who the server took us for; `None` if nobody answers.
pub(crate) fn ask_tcp(net: &Net, to: Ipv4Addr, port: u16) -> Option<String> {
    let address = SocketAddr::new(IpAddr::V4(to), port);
    net.run(|| {
        let mut connection = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        connection.set_read_timeout(Some(PATIENCE)).expect("possible");
        let mut text = String::new();
        connection.read_to_string(&mut text).ok().map(|_| text)
    })
}

pub(crate) fn ask_udp(net: &Net, to: Ipv4Addr, port: u16) -> Option<String> {
    let address = SocketAddr::new(IpAddr::V4(to), port);
    net.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("free");
        socket.set_read_timeout(Some(PATIENCE)).expect("possible");
        socket.connect(address).ok()?;
        socket.send(b"?").ok()?;
        let mut buffer = [0; 64];
        let len = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
    })
}
