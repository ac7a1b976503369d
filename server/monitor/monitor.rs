//! The loop: waits, hands what is ready to whoever it concerns, leaves when nothing is left to do.

use crate::client::Client;
use crate::error::{Attempt, Result};
use crate::files::{self, now_ns};
use crate::health::Checks;
use crate::lifecycle::Run;
use crate::log::Log;
use crate::names;
use crate::network::Place;
use crate::poll::{Poll, READ, Ready, Timer, Timers, Token, WRITE};
use crate::session::{CHUNK, MAIN, Session};
use gantry_model::State;
use gantry_wire::monitor::{Event, EventKind, Exit, Launch, Status, files as file};
use rustix::event::epoll::EventFlags;
use rustix::net::{SocketFlags, accept_with};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// A monitor that nobody asks to start goes.
const IDLE: Duration = Duration::from_secs(300);

/// The two folders of a container.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    pub data: PathBuf,
    pub run: PathBuf,
}

/// What the spawner prepared before the fork.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub folders: Folders,
    pub listener: OwnedFd,
    /// Locked: there is one monitor for a container.
    pub pid_file: std::fs::File,
}

#[derive(Debug)]
pub(crate) struct Monitor {
    pub folders: Folders,
    pub launch: Launch,
    pub status: Status,
    pub poll: Poll,
    pub timers: Timers,
    pub sessions: Vec<Session>,
    pub clients: Vec<Client>,
    pub run: Option<Run>,
    pub log: Option<Log>,
    /// A copy of this process that packs a full file of the log.
    pub packer: Option<OwnedFd>,
    pub checks: Option<Checks>,
    /// The network of a run that has ended: letting go of it takes time.
    pub left: Option<Place>,
    /// Answers questions for names, for a run on networks of users.
    pub names: Option<names::Server>,
    /// Shared by all reading and sending; empty between the turns.
    pub buffer: Vec<u8>,
    /// A stop was asked for: no restart follows.
    pub stopped: bool,
    /// The wait before the last restart.
    pub waited_ms: Option<u64>,
    /// Told once in a run.
    pub log_failed: bool,
    listener: OwnedFd,
    next_key: u32,
    leaving: bool,
    _pid_file: std::fs::File,
}

impl Monitor {
    pub(crate) fn new(inherited: Inherited) -> Result<Self> {
        let Inherited { folders, listener, pid_file } = inherited;
        let launch = Launch::parse(&files::read(&folders.data.join(file::LAUNCH))?)?;
        let poll = Poll::new().attempting("make an epoll descriptor")?;
        poll.add(&listener, Token::Listener, READ).attempting("wait for clients")?;
        let status = Status { monitor_pid: std::process::id() as i32, restart: launch.restart, ..Status::default() };
        let main = Session::new(MAIN, None, launch.tty, launch.tty.then_some(launch.keep_bytes), folders.data.clone());
        let mut monitor = Self {
            folders,
            launch,
            status,
            poll,
            timers: Timers::default(),
            sessions: vec![main],
            clients: Vec::new(),
            run: None,
            log: None,
            packer: None,
            checks: None,
            left: None,
            names: None,
            buffer: Vec::new(),
            stopped: false,
            waited_ms: None,
            log_failed: false,
            listener,
            next_key: MAIN + 1,
            leaving: false,
            _pid_file: pid_file,
        };
        monitor.write_state()?;
        monitor.timers.set(Timer::Idle, IDLE);
        gantry_runtime::fork::trim_memory();
        Ok(monitor)
    }

    /// Runs until nothing is left to do.
    pub(crate) fn run(&mut self) -> Result<()> {
        while !self.may_leave() {
            for ready in self.poll.wait(self.timers.next_in()).attempting("wait for something to happen")? {
                self.dispatch(ready);
            }
            while let Some(timer) = self.timers.due() {
                self.expired(timer);
            }
            self.clients.iter_mut().filter(|client| client.closing && !client.has_unsent()).for_each(|client| client.deaf = true);
            self.drop_gone();
        }
        let _ = std::fs::remove_file(self.folders.run.join(file::SOCKET));
        let _ = std::fs::remove_file(self.folders.run.join(file::PID));
        Ok(())
    }

    fn dispatch(&mut self, ready: Ready) {
        match ready.token {
            Token::Listener => self.accept(),
            Token::Client(key) => self.client_ready(key, ready),
            Token::Stdout(key) => self.read_output(key, 0),
            Token::Stderr(key) => self.read_output(key, 1),
            Token::Stdin(key) => self.feed_input(key),
            Token::Process(key) => self.process_ended(key),
            Token::Oom => self.out_of_memory(),
            Token::Names(part) => self.names_ready(part, ready.hung_up),
            Token::Packer => self.packed(),
        }
    }

    fn expired(&mut self, timer: Timer) {
        match timer {
            Timer::Idle | Timer::Leave => self.leave_now(),
            Timer::Kill => self.kill(),
            Timer::Restart => self.restart(),
            Timer::Names => self.names_expired(),
            Timer::Check => self.check_health(),
            Timer::CheckLate => self.check_is_late(),
            Timer::Tidy => self.tidy(),
            Timer::Drain(key) => self.drained(key),
            Timer::Close(key) => self.kill_session(key),
            Timer::Release(key) => self.release(key),
            Timer::Late(key) => self.pass_over(key),
            Timer::Unread(key) => self.drop_unread(key),
            Timer::Forget(key) => self.sessions.retain(|session| session.key != key),
        }
    }

    fn accept(&mut self) {
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            let key = self.new_key();
            let mut client = Client::new(key, socket);
            if self.poll.add(&client.socket, Token::Client(key), READ).is_ok() {
                client.armed = Some(READ);
                self.clients.push(client);
            }
        }
    }

    pub(crate) fn new_key(&mut self) -> u32 {
        let key = self.next_key;
        self.next_key += 1;
        key
    }

    pub(crate) fn session(&mut self, key: u32) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.key == key)
    }

    pub(crate) fn client(&mut self, key: u32) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.key == key)
    }

    /// Polls a client for what can be done with it now.
    pub(crate) fn rearm(&mut self, key: u32) {
        let blocked = self.is_blocked(key);
        let Some(index) = self.clients.iter().position(|client| client.key == key) else { return };
        let head = |session: u32| self.sessions.iter().find(|other| other.key == session).map_or(0, |session| session.head);
        let client = &self.clients[index];
        let behind = client.attached.as_ref().is_some_and(|attached| attached.end.is_some() || attached.position < head(attached.session));
        let mut flags = EventFlags::empty();
        flags.set(READ, !blocked && !client.waits);
        flags.set(WRITE, !client.deaf && (client.has_unsent() || behind));
        if client.armed.is_some_and(|armed| armed != flags) && self.poll.modify(&client.socket, Token::Client(key), flags).is_ok() {
            self.clients[index].armed = Some(flags);
        }
    }

    /// Writes `state.json` before anybody is told.
    pub(crate) fn write_state(&self) -> Result<()> {
        files::replace(&self.folders.run, file::STATE, &self.status)
    }

    /// Tells subscribers. What can't be written is told too: the container goes on.
    pub(crate) fn announce(&mut self, what: EventKind) {
        if let Err(error) = self.write_state() {
            self.tell(EventKind::Error { message: error.to_string() });
        }
        self.tell(what);
    }

    pub(crate) fn tell(&mut self, what: EventKind) {
        let event = Event { at_ns: now_ns(), run: self.status.run, what };
        let mut full = Vec::new();
        for client in self.clients.iter_mut().filter(|client| client.subscribed) {
            client.tell(&event);
            full.extend(client.has_unsent().then_some(client.key));
        }
        full.into_iter().for_each(|key| self.rearm(key));
    }

    pub(crate) fn is_live(&self) -> bool {
        self.status.state.is_live()
    }

    /// Nothing is left to do but to let the clients have the rest.
    pub(crate) fn leave_after(&mut self, within: Duration) {
        self.leaving = true;
        self.timers.set(Timer::Leave, within);
    }

    pub(crate) fn stay(&mut self) {
        self.leaving = false;
        self.timers.cancel(Timer::Leave);
        self.timers.cancel(Timer::Idle);
    }

    fn leave_now(&mut self) {
        self.leaving = true;
        self.clients.clear();
        self.sessions.iter_mut().for_each(|session| session.held = None);
    }

    fn may_leave(&self) -> bool {
        let owed = |client: &Client| !client.deaf && (client.has_unsent() || client.attached.is_some());
        self.leaving
            && !matches!(self.status.state, State::Running | State::Paused | State::Restarting)
            && !self.clients.iter().any(owed)
            && self.sessions.iter().all(|session| session.held.is_none())
    }

    pub(crate) fn last_exit(&self) -> Option<&Exit> {
        self.status.exit.as_ref()
    }

    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        if buffer.capacity() < CHUNK {
            buffer.reserve_exact(CHUNK);
        }
        buffer
    }
}
