//! The container's name server at 127.0.0.11: answers for the names of its networks, and asks others for the rest.
//! In: questions by datagram and TCP, the files of the networks. Out: answers. Runs in the loop of the monitor and never waits, so that names
//! hold while the server is away; only for containers on networks of users.
//!
//! `message` reads and writes, `book` knows who has a name, `forward` asks outside, `clients` are the connections.
//! Everything that comes in is hostile: the container may send what it likes, and gets no more memory and time than is written here.

mod book;
mod clients;
mod forward;
mod message;
#[cfg(test)]
mod tests;

use crate::error::{Attempt, Result};
use crate::monitor::Monitor;
use crate::poll::{Poll, READ, Timer, Token};
use book::{Texts, address_of};
use clients::Clients;
use forward::{AT_ONCE, Done, Forwards, MOST_SERVERS};
use gantry_plan::files::name_servers;
use gantry_runtime::nameserver::{Sockets, listen};
use gantry_wire::monitor::{Names as Plan, Outside};
use message::{Query, Record, Refusal, kind};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Bytes of a question: no honest one is longer.
const LONGEST: usize = 4096;
/// Bytes of an answer by TCP.
const WHOLE: usize = 65_535;

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Datagram(SocketAddr),
    /// A connection by its place, and its number, which no later one has.
    Stream {
        slot: u16,
        number: u32,
    },
}

/// What a token of the loop stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Datagrams,
    Listener,
    Client(u16),
    Forward(u16),
}

impl Part {
    fn token(self) -> Token {
        let (tag, slot) = match self {
            Self::Datagrams => (0, 0),
            Self::Listener => (1, 0),
            Self::Client(slot) => (2, slot),
            Self::Forward(slot) => (3, slot),
        };
        Token::Names(tag << 16 | u32::from(slot))
    }

    fn of(number: u32) -> Self {
        let slot = number as u16;
        match number >> 16 {
            0 => Self::Datagrams,
            1 => Self::Listener,
            2 => Self::Client(slot),
            _ => Self::Forward(slot),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Server {
    plan: Plan,
    sockets: Sockets,
    clients: Clients,
    forwards: Forwards,
    /// Move on with each question, so that those who share a name take turns. Clients ask for both families at once, so each has its own.
    turns: [usize; 2],
}

/// What to do with a question.
enum Verdict {
    Answer(Vec<u8>),
    Ask(Vec<IpAddr>),
}

impl Server {
    /// Listens in the network namespace of a container's process.
    pub(crate) fn open(plan: &Plan, pid: i32, poll: &Poll) -> Result<Self> {
        let sockets = listen(pid)?;
        poll.add(&sockets.datagrams, Part::Datagrams.token(), READ).attempting("wait for questions")?;
        poll.add(&sockets.listener, Part::Listener.token(), READ).attempting("wait for questions")?;
        let forwards = Forwards::new().attempting("open /dev/urandom")?;
        Ok(Self { plan: plan.clone(), sockets, clients: Clients::default(), forwards, turns: [0; 2] })
    }

    /// Lets go of what was needed to begin and takes its time to close.
    pub(crate) fn settle(&mut self) {
        self.sockets.redirect = None;
    }

    fn ready(&mut self, part: Part, hung_up: bool, poll: &Poll) {
        match part {
            Part::Datagrams => self.datagrams(poll),
            Part::Listener => self.clients.accept(&self.sockets.listener, poll),
            Part::Client(slot) if hung_up => self.clients.close(slot),
            Part::Client(slot) => self.client(slot, poll),
            Part::Forward(slot) => {
                if let Some(done) = self.forwards.ready(slot, poll) {
                    self.deliver(done, poll);
                }
            }
        }
    }

    fn datagrams(&mut self, poll: &Poll) {
        let mut questions = Vec::new();
        for _ in 0..AT_ONCE {
            let mut buffer = [0; LONGEST + 1];
            match self.sockets.datagrams.recv_from(&mut buffer) {
                Ok((len, from)) => questions.push((buffer[..len].to_vec(), from)),
                Err(_) => break,
            }
        }
        // Names are looked at after the last question came: who has an answer may change them and ask again at once.
        let texts = Texts::read(&self.plan);
        for (question, from) in questions {
            if let Some(answer) = self.take(&question, Asker::Datagram(from), &texts, poll) {
                // A client whose buffer is full asks again.
                let _ = self.sockets.datagrams.send_to(&answer, from);
            }
        }
    }

    fn client(&mut self, slot: u16, poll: &Poll) {
        for _ in 0..AT_ONCE {
            let Some((number, question)) = self.clients.ready(slot, poll) else { return };
            let texts = Texts::read(&self.plan);
            let answer = self.take(&question, Asker::Stream { slot, number }, &texts, poll);
            match answer {
                Some(answer) => self.clients.answer(slot, number, &answer, poll),
                None if Query::parse(&question).is_err() => return self.clients.close(slot),
                None => return,
            }
        }
    }

    /// Returns the answer, if there is one now.
    fn take(&mut self, question: &[u8], asker: Asker, texts: &Texts, poll: &Poll) -> Option<Vec<u8>> {
        if question.len() > LONGEST {
            return None;
        }
        let query = match Query::parse(question) {
            Ok(query) => query,
            Err(Refusal::Silent) => return None,
            Err(Refusal::Told(answer)) => return Some(answer),
        };
        let turn = &mut self.turns[usize::from(query.kind == kind::AAAA)];
        *turn = turn.wrapping_add(1);
        match decide(&query, &self.plan, texts, *turn, matches!(asker, Asker::Datagram(_))) {
            Verdict::Answer(answer) => Some(answer),
            Verdict::Ask(servers) => (!self.forwards.ask(&query, asker, servers, poll)).then(|| query.failed()),
        }
    }

    fn deliver(&mut self, done: Done, poll: &Poll) {
        match done.asker {
            Asker::Datagram(to) => drop(self.sockets.datagrams.send_to(&done.answer, to)),
            Asker::Stream { slot, number } => {
                self.clients.answer(slot, number, &done.answer, poll);
                // It may have sent the next question meanwhile.
                self.client(slot, poll);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.forwards.deadline(), self.clients.deadline()].into_iter().flatten().min()
    }

    fn expired(&mut self, poll: &Poll) {
        self.clients.expire();
        for slot in self.forwards.overdue() {
            self.ready(Part::Forward(slot), false, poll);
        }
    }
}

/// Looks a question up. Kinds that nobody here has are answered by nothing, for a name outside may be the same.
fn decide(query: &Query<'_>, plan: &Plan, texts: &Texts, turn: usize, by_datagram: bool) -> Verdict {
    let limit = if by_datagram { query.limit() } else { WHOLE };
    if let Some(name) = query.name().filter(|_| query.is_internet()) {
        let owner = address_of(&name).filter(|_| matches!(query.kind, kind::PTR | kind::ANY)).and_then(|ip| texts.owner(ip));
        if let Some((name, network)) = owner {
            return Verdict::Answer(query.answer([Record::Ptr(name, network)], limit));
        }
        let mut all = texts.addresses(plan, &name);
        if !all.is_empty() {
            let first = turn % all.len();
            all.rotate_left(first);
            let wants = |kind| query.kind == kind || query.kind == kind::ANY;
            let v4 = all.iter().filter_map(|(ip, _)| ip.filter(|_| wants(kind::A)).map(Record::A));
            let v6 = all.iter().filter_map(|(_, ip)| ip.filter(|_| wants(kind::AAAA)).map(Record::Aaaa));
            return Verdict::Answer(query.answer(v4.chain(v6), limit));
        }
    }
    match servers(&plan.outside) {
        servers if servers.is_empty() => Verdict::Answer(query.failed()),
        servers => Verdict::Ask(servers),
    }
}

/// The servers outside, as they are now.
fn servers(outside: &Outside) -> Vec<IpAddr> {
    let mut servers = match outside {
        Outside::Nobody => Vec::new(),
        Outside::Host => name_servers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
        Outside::Servers(servers) => servers.clone(),
    };
    servers.truncate(MOST_SERVERS);
    servers
}

impl Monitor {
    /// Before the program begins: it may ask at once.
    pub(crate) fn serve_names(&mut self, pid: i32) -> Result<()> {
        self.names = self.launch.names.as_ref().map(|plan| Server::open(plan, pid, &self.poll)).transpose()?;
        Ok(())
    }

    /// Other networks may have come, or gone: who asks goes on asking.
    pub(crate) fn rename_networks(&mut self, pid: i32) -> Result<()> {
        match (&mut self.names, &self.launch.names) {
            (Some(server), Some(plan)) => server.plan.clone_from(plan),
            (None, Some(_)) => {
                self.serve_names(pid)?;
                self.names.iter_mut().for_each(Server::settle);
            }
            (_, None) => self.forget_names(),
        }
        Ok(())
    }

    /// With the run, whose network namespace the sockets would keep.
    pub(crate) fn forget_names(&mut self) {
        self.names = None;
        self.timers.cancel(Timer::Names);
    }

    pub(crate) fn names_ready(&mut self, number: u32, hung_up: bool) {
        let Some(server) = &mut self.names else { return };
        server.ready(Part::of(number), hung_up, &self.poll);
        self.await_names();
    }

    pub(crate) fn names_expired(&mut self) {
        let Some(server) = &mut self.names else { return };
        server.expired(&self.poll);
        self.await_names();
    }

    fn await_names(&mut self) {
        match self.names.as_ref().and_then(Server::deadline) {
            Some(at) => self.timers.set(Timer::Names, at.saturating_duration_since(Instant::now())),
            None => self.timers.cancel(Timer::Names),
        }
    }
}
