//! Connections of clients that ask by TCP: one question after another, each with its length before it. Source: RFC 1035, 4.2.2; RFC 7766.
//! In: bytes as they come. Out: whole questions, and answers as fast as they are taken.

use super::forward::fill;
use super::{LONGEST, Part};
use crate::poll::{Poll, READ, WRITE};
use rustix::event::epoll::EventFlags;
use std::io::{ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Connections at once.
const MOST: usize = 32;
/// One that does nothing is closed.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Clients {
    list: Vec<Option<Client>>,
    next: u32,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    number: u32,
    input: Vec<u8>,
    output: Vec<u8>,
    /// A question of it is on its way.
    waits: bool,
    until: Instant,
}

impl Clients {
    /// Those that are too many are closed: they can come again.
    pub(super) fn accept(&mut self, listener: &TcpListener, poll: &Poll) {
        while let Ok((stream, _)) = listener.accept() {
            let slot = self.list.iter().position(Option::is_none).unwrap_or(self.list.len());
            if slot == MOST || stream.set_nonblocking(true).is_err() || poll.add(&stream, Part::Client(slot as u16).token(), READ).is_err() {
                continue;
            }
            self.next = self.next.wrapping_add(1);
            let client = Client { stream, number: self.next, input: Vec::new(), output: Vec::new(), waits: false, until: Instant::now() + IDLE };
            if slot == self.list.len() {
                self.list.push(Some(client));
            } else {
                self.list[slot] = Some(client);
            }
        }
    }

    fn get(&mut self, slot: u16) -> Option<&mut Client> {
        self.list.get_mut(usize::from(slot))?.as_mut()
    }

    /// Goes on with a connection: writes what is left, and returns the next question with the connection's number.
    pub(super) fn ready(&mut self, slot: u16, poll: &Poll) -> Option<(u32, Vec<u8>)> {
        let client = self.get(slot)?;
        if !client.output.is_empty() {
            self.write(slot, poll);
        }
        let client = self.get(slot)?;
        if client.waits || !client.output.is_empty() {
            return None;
        }
        match fill(&mut client.stream, &mut client.input, LONGEST) {
            Ok(Some(question)) => {
                client.waits = true;
                client.input = Vec::new();
                // Nothing is read before it has its answer; an end that comes meanwhile is told all the same.
                client.arm(slot, EventFlags::empty(), poll);
                Some((client.number, question))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Ok(None) | Err(_) => {
                self.close(slot);
                None
            }
        }
    }

    /// Sends the answer to a connection's question, if it is the same connection still.
    pub(super) fn answer(&mut self, slot: u16, number: u32, answer: &[u8], poll: &Poll) {
        let Some(client) = self.get(slot).filter(|client| client.number == number) else { return };
        client.waits = false;
        client.output = (answer.len() as u16).to_be_bytes().to_vec();
        client.output.extend_from_slice(answer);
        self.write(slot, poll);
    }

    fn write(&mut self, slot: u16, poll: &Poll) {
        let Some(client) = self.get(slot) else { return };
        client.until = Instant::now() + IDLE;
        while !client.output.is_empty() {
            match client.stream.write(&client.output) {
                Ok(len) if len > 0 => drop(client.output.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return client.arm(slot, WRITE, poll),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return self.close(slot),
            }
        }
        client.output = Vec::new();
        client.arm(slot, READ, poll);
    }

    pub(super) fn close(&mut self, slot: u16) {
        if let Some(client) = self.list.get_mut(usize::from(slot)) {
            *client = None;
        }
        if self.list.iter().all(Option::is_none) {
            self.list = Vec::new();
        }
    }

    /// Of a connection whose question is on its way, the question's own is sooner.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.list.iter().flatten().filter(|client| !client.waits).map(|client| client.until).min()
    }

    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        for slot in 0..self.list.len() {
            if self.list.get(slot).is_some_and(|client| client.as_ref().is_some_and(|client| !client.waits && client.until <= now)) {
                self.close(slot as u16);
            }
        }
    }
}

impl Client {
    fn arm(&self, slot: u16, flags: EventFlags, poll: &Poll) {
        let _ = poll.modify(&self.stream, Part::Client(slot).token(), flags);
    }
}
