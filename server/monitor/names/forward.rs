//! Questions for names outside, on their way: each has a socket of its own to one server at a time, in the network of the host.
//! In: a question and who asked it. Out: the answer of the first server that has one, or that nobody had.
//!
//! An answer counts if it comes from the server that was asked, to a port and with an id that nobody else can know, for the same question.

use super::message::{Query, is_failure};
use super::{Asker, Part};
use crate::poll::{Poll, READ, WRITE};
use rustix::buffer::spare_capacity;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, connect, recv, socket_with};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Questions on their way at once; each holds a descriptor.
const MOST: usize = 256;
/// Servers that are asked. Source: resolv.conf(5), MAXNS.
pub(super) const MOST_SERVERS: usize = 3;
/// All is over before the client gives up, which most do after 5 seconds.
const PATIENCE: Duration = Duration::from_millis(4500);
/// What one answer may have.
const LARGEST: usize = 65_535;
const PORT: u16 = 53;
/// Datagrams looked at in one turn of the loop.
pub(super) const AT_ONCE: usize = 32;

/// An answer to somebody's question.
#[derive(Debug)]
pub(super) struct Done {
    pub asker: Asker,
    pub answer: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Forwards {
    list: Vec<Option<Forward>>,
    random: std::fs::File,
}

#[derive(Debug)]
struct Forward {
    asker: Asker,
    /// As the client asked.
    question: Vec<u8>,
    servers: Vec<IpAddr>,
    /// Tries so far.
    tries: usize,
    id: [u8; 2],
    socket: Socket,
    until: Instant,
}

#[derive(Debug)]
enum Socket {
    Datagram(UdpSocket),
    Stream { stream: TcpStream, output: Vec<u8>, input: Vec<u8> },
}

/// How far an exchange is.
enum Step {
    Wait,
    Answer(Vec<u8>),
    /// Of this server there is nothing to hope for.
    Failed,
}

impl Forwards {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { list: Vec::new(), random: std::fs::File::open("/dev/urandom")? })
    }

    /// Asks the servers, one after the other. `false` if too many are asked already or none could be.
    pub(super) fn ask(&mut self, query: &Query<'_>, asker: Asker, servers: Vec<IpAddr>, poll: &Poll) -> bool {
        let free = self.list.iter().position(Option::is_none).unwrap_or(self.list.len());
        if free == MOST || servers.is_empty() {
            return false;
        }
        let Some((id, socket, tries)) = self.begin(query.message, asker, &servers, 0, free, poll) else { return false };
        let until = Instant::now() + patience(&servers);
        let forward = Forward { asker, question: query.message.to_vec(), servers, tries, id, socket, until };
        if free == self.list.len() {
            self.list.push(Some(forward));
        } else {
            self.list[free] = Some(forward);
        }
        true
    }

    /// Opens a socket to the first server from try `tries` on that takes one. Returns the tries that were made.
    fn begin(&mut self, question: &[u8], asker: Asker, servers: &[IpAddr], tries: usize, slot: usize, poll: &Poll) -> Option<([u8; 2], Socket, usize)> {
        let mut id = [0; 2];
        self.random.read_exact(&mut id).ok()?;
        (tries..tries_of(servers)).find_map(|number| {
            let server = SocketAddr::new(servers[number % servers.len()], PORT);
            let mut message = id.to_vec();
            message.extend_from_slice(&question[2..]);
            let socket = if matches!(asker, Asker::Datagram(_)) { datagram(server, &message) } else { stream(server, message) }.ok()?;
            let part = Part::Forward(slot as u16);
            let added = match &socket {
                Socket::Datagram(socket) => poll.add(socket, part.token(), READ),
                Socket::Stream { stream, .. } => poll.add(stream, part.token(), WRITE),
            };
            added.ok().map(|()| (id, socket, number + 1))
        })
    }

    /// Something came for the question in `slot`, or its time is over.
    pub(super) fn ready(&mut self, slot: u16, poll: &Poll) -> Option<Done> {
        let slot = usize::from(slot);
        let mut forward = self.list.get_mut(slot)?.take()?;
        let query = Query::parse(&forward.question).ok()?;
        let step = forward.socket.step(&query, forward.id, poll, slot);
        match step {
            Step::Wait if forward.until > Instant::now() => self.list[slot] = Some(forward),
            Step::Answer(answer) if !is_failure(&answer) || forward.tries >= forward.servers.len() => {
                return Some(self.done(forward.asker, &query, answer));
            }
            Step::Wait | Step::Failed | Step::Answer(_) => {
                let next = self.begin(&forward.question, forward.asker, &forward.servers, forward.tries, slot, poll);
                let Some((id, socket, tries)) = next else { return Some(self.done(forward.asker, &query, query.failed())) };
                let until = Instant::now() + patience(&forward.servers);
                self.list[slot] = Some(Forward { tries, id, socket, until, ..forward });
            }
        }
        None
    }

    fn done(&mut self, asker: Asker, query: &Query<'_>, mut answer: Vec<u8>) -> Done {
        answer[..2].copy_from_slice(&query.id());
        if matches!(asker, Asker::Datagram(_)) {
            query.fit(&mut answer);
        }
        if self.list.iter().all(Option::is_none) {
            // A monitor at rest holds no memory.
            self.list = Vec::new();
        }
        Done { asker, answer }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.list.iter().flatten().map(|forward| forward.until).min()
    }

    /// Slots whose time is over.
    pub(super) fn overdue(&self) -> Vec<u16> {
        let now = Instant::now();
        (0..).zip(&self.list).filter(|(_, forward)| forward.as_ref().is_some_and(|forward| forward.until <= now)).map(|(slot, _)| slot).collect()
    }
}

/// A server alone is asked twice: a datagram may be lost.
fn tries_of(servers: &[IpAddr]) -> usize {
    servers.len().clamp(2, MOST_SERVERS)
}

fn patience(servers: &[IpAddr]) -> Duration {
    PATIENCE / tries_of(servers) as u32
}

fn datagram(server: SocketAddr, message: &[u8]) -> std::io::Result<Socket> {
    // The kernel chooses a port by chance.
    let any = if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(server)?;
    socket.send(message)?;
    Ok(Socket::Datagram(socket))
}

fn stream(server: SocketAddr, message: Vec<u8>) -> std::io::Result<Socket> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match connect(&socket, &server) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let mut output = (message.len() as u16).to_be_bytes().to_vec();
    output.extend_from_slice(&message);
    Ok(Socket::Stream { stream: socket.into(), output, input: Vec::new() })
}

impl Socket {
    fn step(&mut self, query: &Query<'_>, id: [u8; 2], poll: &Poll, slot: usize) -> Step {
        match self {
            Self::Datagram(socket) => {
                // Only what is written to takes memory.
                let mut buffer = Vec::with_capacity(LARGEST);
                for _ in 0..AT_ONCE {
                    buffer.clear();
                    match recv(&*socket, spare_capacity(&mut buffer), RecvFlags::empty()) {
                        Ok(_) if query.is_answered_by(id, &buffer) => return Step::Answer(buffer.as_slice().to_vec()),
                        // What does not fit the question is somebody's try to be the server; the right answer may still come.
                        Ok(_) => {}
                        Err(error) => return waits(&error.into()),
                    }
                }
                Step::Wait
            }
            Self::Stream { stream, output, input } => {
                while !output.is_empty() {
                    match stream.write(output) {
                        Ok(0) => return Step::Failed,
                        Ok(len) => drop(output.drain(..len)),
                        Err(error) => return waits(&error),
                    }
                    if output.is_empty() && poll.modify(stream.as_fd(), Part::Forward(slot as u16).token(), READ).is_err() {
                        return Step::Failed;
                    }
                }
                match fill(stream, input, LARGEST) {
                    Ok(Some(answer)) if query.is_answered_by(id, &answer) => Step::Answer(answer),
                    Ok(_) => Step::Failed,
                    Err(error) => waits(&error),
                }
            }
        }
    }
}

fn waits(error: &std::io::Error) -> Step {
    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) { Step::Wait } else { Step::Failed }
}

/// Reads on at a message with its length before it, of `most` bytes at most. `None`: the other side has no more, or says too much.
pub(super) fn fill(stream: &mut impl Read, input: &mut Vec<u8>, most: usize) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        let wanted = match input.first_chunk::<2>() {
            None => 2,
            Some(len) => 2 + usize::from(u16::from_be_bytes(*len)),
        };
        if wanted > 2 + most {
            return Ok(None);
        }
        if input.len() >= 2 && input.len() == wanted {
            return Ok(Some(input.split_off(2)));
        }
        let mut buffer = [0; 512];
        let space = (wanted - input.len()).min(buffer.len());
        match stream.read(&mut buffer[..space]) {
            Ok(0) => return Ok(None),
            Ok(len) => input.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
