//! Moves output: from a process to the log, the ring and the clients; and back-pressure the other way.

use crate::client::{Client, Late, Sent};
use crate::files::now_ns;
use crate::log::{Log, pack};
use crate::monitor::Monitor;
use crate::poll::{READ, Timer, Token};
use crate::session::{CHUNK, Got, MAIN, Session, read};
use gantry_wire::monitor::{Ended, EventKind, Frame};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

/// What a client that acknowledges has not got is kept so long after it went.
const HELD: Duration = Duration::from_secs(300);
/// A process that others listen to waits so long for a client that falls behind.
const WAIT_FOR_LATE: Duration = Duration::from_secs(3);
/// The same for the only listener, a visitor who takes nothing.
const WAIT_FOR_STILL: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_secs(1);

fn token(key: u32, which: usize) -> Token {
    if which == 0 { Token::Stdout(key) } else { Token::Stderr(key) }
}

impl Monitor {
    /// Reads one of a session's sources once.
    pub(crate) fn read_output(&mut self, key: u32, which: usize) {
        let _ = self.read_source(key, which);
        self.check_end(key);
    }

    /// Reads everything that is there, as long as the process need not wait for a client.
    pub(crate) fn read_rest(&mut self, key: u32) {
        for which in 0..2 {
            while self.read_source(key, which) == Got::Some {}
        }
    }

    fn read_source(&mut self, key: u32, which: usize) -> Got {
        let mut buffer = self.take_buffer();
        let Some(session) = self.session(key) else { return Got::End };
        let source = &session.sources[which];
        let Some(fd) = source.fd.as_ref().filter(|_| source.armed) else { return Got::Empty };
        let got = read(fd, &mut buffer);
        if got == Got::End {
            session.sources[which].fd = None;
        }
        if !buffer.is_empty() {
            let stream = which as u8 + 1;
            if key == MAIN {
                self.write_log(stream, &buffer);
            }
            self.hear(key, &buffer);
            self.deliver(key, stream, &buffer);
        }
        self.buffer = buffer;
        got
    }

    fn write_log(&mut self, stream: u8, bytes: &[u8]) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = log.write(stream, now_ns() as u64, bytes)
            && !std::mem::replace(&mut self.log_failed, true)
        {
            self.tell(EventKind::Error { message: format!("write the log: {error}; output is lost to it") });
        }
        self.pack_full();
    }

    /// Has full files of the log packed, one at a time and when nobody else wants the processor. One that is not packed is read as it is.
    fn pack_full(&mut self) {
        if self.packer.is_some() {
            return;
        }
        let Some(path) = self.log.as_mut().and_then(Log::take_full) else { return };
        let packer = gantry_runtime::fork::aside(|| {
            let _ = rustix::process::setpriority_process(None, 19);
            pack(&path).is_ok()
        });
        self.packer = packer.ok().filter(|packer| self.poll.add(packer, Token::Packer, READ).is_ok());
    }

    pub(crate) fn packed(&mut self) {
        if let Some(packer) = self.packer.take() {
            let _ = waitid(WaitId::PidFd(packer.as_fd()), WaitIdOptions::EXITED);
        }
        self.pack_full();
    }

    /// Gives new bytes to the clients that are up to date, and to the ring if somebody may need them later.
    fn deliver(&mut self, key: u32, stream: u8, bytes: &[u8]) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.key == key) else { return };
        let offset = session.head;
        session.head += bytes.len() as u64;
        let mut keep = session.keep || session.held.is_some();
        let mut behind = Vec::new();
        for client in attached(&mut self.clients, key) {
            if !give(client, offset, stream, bytes) {
                keep = true;
                behind.push(client.key);
            } else if client.has_unsent() {
                behind.push(client.key);
            }
        }
        if keep && let Err(error) = session.ring.append(offset, stream, bytes) {
            let message = format!("keep output for clients: {error}");
            self.tell(EventKind::Error { message });
        }
        behind.into_iter().for_each(|client| self.rearm(client));
        self.balance(key);
    }

    /// Stops reading a process when a client that must not lose bytes is far behind, and goes on when it is not.
    pub(crate) fn balance(&mut self, key: u32) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.key == key) else { return };
        let needed = self.clients.iter().filter_map(|client| client.attached.as_ref()).filter(|attached| attached.session == key);
        let needed = needed.filter_map(|attached| attached.needs_from()).chain(session.held).min();
        let (head, cap) = (session.head, session.ring.cap());
        let is_far = |from: u64| head + CHUNK as u64 > from + cap;
        let wait = needed.is_some_and(is_far);
        if wait {
            attached(&mut self.clients, key).for_each(|client| client.note_late(is_far));
            if !self.timers.is_set(Timer::Late(key)) {
                self.timers.set(Timer::Late(key), WAIT_FOR_LATE);
            }
        }
        for which in 0..2 {
            let source = &mut session.sources[which];
            let Some(fd) = &source.fd else { continue };
            if source.armed && wait {
                // Not just without flags: the end of the process would be told again and again.
                self.poll.remove(fd);
                source.armed = false;
            } else if !source.armed && !wait {
                source.armed = self.poll.add(fd, token(key, which), READ).is_ok();
            }
        }
    }

    /// A process waits for clients that are late. Where another one waits for output, they are passed over after a while; a visitor who
    /// is alone is if nothing moves at all. Whoever came before the start, or has the session to itself, is waited for as a pipe would.
    pub(crate) fn pass_over(&mut self, key: u32) {
        let Some(session) = self.session(key) else { return };
        let (head, held) = (session.head, session.held.is_some());
        let up_to_date = attached(&mut self.clients, key).filter(|client| is_at(client, head) && !client.deaf).count();
        let mut passed = Vec::new();
        for client in attached(&mut self.clients, key) {
            if client.is_given_up(up_to_date > 0) {
                passed.push(client.key);
            }
        }
        if held && up_to_date > 0 {
            self.release(key);
        }
        if !passed.is_empty() {
            self.tell(EventKind::Error { message: format!("{} attached client(s) stopped reading and miss output from here on", passed.len()) });
        }
        self.balance(key);
        if attached(&mut self.clients, key).any(|client| client.attached.as_ref().is_some_and(|attached| attached.late.is_some())) {
            self.timers.set(Timer::Late(key), LOOK_AGAIN);
        }
    }

    pub(crate) fn is_held_back(session: &Session) -> bool {
        session.sources.iter().any(|source| source.fd.is_some() && !source.armed)
    }

    /// Sends an attached client what it has not got, as far as its socket takes it.
    pub(crate) fn catch_up(&mut self, key: u32) {
        let mut buffer = self.take_buffer();
        let mut session_key = None;
        if let Some(client) = self.clients.iter_mut().find(|client| client.key == key) {
            client.flush();
            session_key = client.attached.as_ref().map(|attached| attached.session);
            let session = self.sessions.iter_mut().find(|session| Some(session.key) == session_key);
            while !client.has_unsent() && !client.deaf {
                let Some(session) = &session else { break };
                if !step(client, session, &mut buffer) {
                    break;
                }
            }
        }
        self.buffer = buffer;
        if let Some(session_key) = session_key {
            self.note_caught_up(key, session_key);
            self.let_go_if_unneeded(session_key);
            self.balance(session_key);
        }
        self.rearm(key);
    }

    pub(crate) fn note_caught_up(&mut self, key: u32, session_key: u32) {
        let head = self.session(session_key).map_or(0, |session| session.head);
        if let Some(attached) = self.client(key).and_then(|client| client.attached.as_mut())
            && attached.has() == head
        {
            attached.late = None;
        }
    }

    /// A session that keeps nothing gives its ring back when all are up to date.
    fn let_go_if_unneeded(&mut self, key: u32) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.key == key) else { return };
        let head = session.head;
        if !session.keep && session.held.is_none() && attached(&mut self.clients, key).all(|client| is_at(client, head)) {
            session.ring.clear(head);
        }
    }

    /// Ends the streams of all who listen; what they have not got yet comes first.
    pub(crate) fn end_clients(&mut self, key: u32, exit_code: Option<i32>, reason: &str) {
        let Some(session) = self.session(key) else { return };
        let head = session.head;
        let mut keys = Vec::new();
        for client in attached(&mut self.clients, key) {
            if let Some(attached) = &mut client.attached {
                attached.end.get_or_insert_with(|| (head, Ended { exit_code, reason: reason.to_owned() }));
            }
            keys.push(client.key);
        }
        keys.into_iter().for_each(|key| self.catch_up(key));
    }

    /// An attached client went: bytes it had not acknowledged are kept for a while.
    pub(crate) fn detached(&mut self, client: &Client) {
        let Some(attached) = &client.attached else { return };
        let key = attached.session;
        let (stdin_once, others) = (self.launch.stdin_once, attached_inputs(&self.clients, key));
        let Some(session) = self.session(key) else { return };
        if attached.lossless && attached.acks && attached.end.is_none() && session.ended.is_none() {
            session.held = Some(session.held.map_or(attached.acked, |held| held.min(attached.acked)));
            self.timers.set(Timer::Release(key), HELD);
        } else if attached.stdin && others == 0 && !session.tty && (key != MAIN || stdin_once) {
            session.input.close();
        }
        self.let_go_if_unneeded(key);
        self.balance(key);
    }

    /// Nobody came back: its bytes are not kept for it any longer.
    pub(crate) fn release(&mut self, key: u32) {
        self.timers.cancel(Timer::Release(key));
        if let Some(session) = self.session(key) {
            session.held = None;
        }
        self.let_go_if_unneeded(key);
        self.balance(key);
    }
}

impl Client {
    /// Begins to count the time if the process waits for this one.
    fn note_late(&mut self, is_far: impl Fn(u64) -> bool) {
        let Some(attached) = &mut self.attached else { return };
        if attached.late.is_none() && attached.needs_from().is_some_and(is_far) {
            let now = Instant::now();
            attached.late = Some(Late { since: now, had: attached.has(), still_since: now });
        }
    }

    /// Looks at one that was late. True if nobody waits for it any longer: it will miss bytes, and is told how many.
    fn is_given_up(&mut self, others_wait: bool) -> bool {
        let Some(attached) = &mut self.attached else { return false };
        let (has, now) = (attached.has(), Instant::now());
        let Some(late) = &mut attached.late else { return false };
        if late.had != has {
            (late.had, late.still_since) = (has, now);
        }
        let late_for = now - if others_wait { late.since } else { late.still_since };
        if late_for < if others_wait { WAIT_FOR_LATE } else { WAIT_FOR_STILL } || (attached.patient && !others_wait) {
            return false;
        }
        (attached.lossless, attached.late) = (false, None);
        true
    }
}

fn attached(clients: &mut [Client], key: u32) -> impl Iterator<Item = &mut Client> {
    clients.iter_mut().filter(move |client| client.attached.as_ref().is_some_and(|attached| attached.session == key))
}

fn attached_inputs(clients: &[Client], key: u32) -> usize {
    clients.iter().filter(|client| client.attached.as_ref().is_some_and(|attached| attached.session == key && attached.stdin)).count()
}

/// True if nothing up to `head` is owed.
fn is_at(client: &Client, head: u64) -> bool {
    client.deaf || client.attached.as_ref().is_none_or(|attached| attached.position == head)
}

/// False if the client is behind and needs these bytes later.
fn give(client: &mut Client, offset: u64, stream: u8, bytes: &[u8]) -> bool {
    let busy = client.has_unsent();
    let Some(attached) = &mut client.attached else { return true };
    if client.deaf || attached.end.is_some() {
        return true;
    }
    if attached.position != offset || (busy && attached.wants(stream)) {
        return false;
    }
    if attached.wants(stream) && client.output(offset, stream, bytes) == Sent::Full {
        return false;
    }
    if let Some(attached) = &mut client.attached {
        attached.position = offset + bytes.len() as u64;
    }
    true
}

/// Sends one piece out of the ring, or the end. False if there is nothing more to do.
fn step(client: &mut Client, session: &Session, buffer: &mut Vec<u8>) -> bool {
    let Some(attached) = &mut client.attached else { return false };
    let until = attached.end.as_ref().map_or(session.head, |(until, _)| *until);
    let kept = session.kept_from().min(until);
    if attached.position >= until {
        let Some((_, ended)) = attached.end.take() else { return false };
        client.attached = None;
        client.closing = true;
        client.push(&Frame::Ended(ended));
        return false;
    }
    if attached.position < kept {
        let from = std::mem::replace(&mut attached.position, kept);
        client.push(&Frame::Gap { from, to: kept });
        return true;
    }
    let most = CHUNK.min((until - attached.position) as usize);
    let Ok(stream) = session.ring.read(attached.position, buffer, most) else {
        let from = std::mem::replace(&mut attached.position, until);
        client.push(&Frame::Gap { from, to: until });
        return true;
    };
    let offset = attached.position;
    if attached.wants(stream) && client.output(offset, stream, buffer) == Sent::Full {
        return false;
    }
    if let Some(attached) = &mut client.attached {
        attached.position = offset + buffer.len() as u64;
    }
    true
}
