//! What clients ask, in the order they ask it.

use crate::client::{Attached, Client};
use crate::error::{MonitorError, Result};
use crate::monitor::Monitor;
use crate::poll::{Ready, Timer, Token, WRITE};
use crate::session::{CHUNK, MAIN, MOST_INPUT, MOST_INPUT_STUCK};
use gantry_model::{ExecId, Kind, State, TermSize};
use gantry_wire::monitor::{Attach, EventKind, Frame, Hello, Reply, Request, Session as Which, Status};
use std::time::Duration;

/// The last input of a client that went is kept so long for a process that does not read.
const UNREAD: Duration = Duration::from_secs(10);

impl Monitor {
    pub(crate) fn client_ready(&mut self, key: u32, ready: Ready) {
        if ready.write {
            self.catch_up(key);
        }
        if self.is_blocked(key) || self.client(key).is_some_and(|client| client.waits && !client.closing) {
            if ready.hung_up {
                self.park(key);
            }
            return;
        }
        if ready.read {
            self.receive(key);
            self.pump(key);
        }
    }

    /// A client that went while its last bytes can't be taken yet: polling it would spin.
    fn park(&mut self, key: u32) {
        let Some(index) = self.clients.iter().position(|client| client.key == key) else { return };
        let client = &mut self.clients[index];
        client.deaf = true;
        // Whoever waits for an answer only is gone for good.
        client.closing |= client.waits;
        client.armed = None;
        self.poll.remove(&client.socket);
        self.timers.set(Timer::Unread(key), UNREAD);
    }

    /// The process does not read what a client sent that is gone.
    pub(crate) fn drop_unread(&mut self, key: u32) {
        let Some(client) = self.client(key) else { return };
        client.closing = true;
        let of = client.attached.as_ref().map(|attached| attached.session);
        if let Some(session) = of.filter(|of| *of != MAIN).and_then(|of| self.session(of)) {
            session.input.give_up();
        }
    }

    /// True while a client's input must stay in its socket because the process does not take it.
    pub(crate) fn is_blocked(&self, key: u32) -> bool {
        let attached = self.clients.iter().find(|client| client.key == key).and_then(|client| client.attached.as_ref());
        let Some(attached) = attached.filter(|attached| attached.stdin) else { return false };
        let Some(session) = self.sessions.iter().find(|session| session.key == attached.session) else { return false };
        let most = if Self::is_held_back(session) { MOST_INPUT_STUCK } else { MOST_INPUT };
        session.input.waiting() >= most
    }

    /// Reads the socket once. Returns false when nothing more can come.
    fn receive(&mut self, key: u32) -> bool {
        let mut buffer = self.take_buffer();
        let mut more = false;
        if let Some(client) = self.client(key) {
            buffer.reserve_exact(CHUNK);
            match rustix::io::read(&client.socket, rustix::buffer::spare_capacity(&mut buffer)) {
                Ok(0) => client.leave(),
                Ok(_) => {
                    client.decoder.feed(&buffer);
                    more = true;
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(_) => client.leave(),
            }
        }
        self.buffer = buffer;
        more
    }

    /// Handles the frames that are there, until one must wait.
    pub(crate) fn pump(&mut self, key: u32) {
        while !self.is_blocked(key) {
            let Some(client) = self.client(key).filter(|client| !client.waits) else { break };
            match client.decoder.next() {
                Ok(Some(frame)) => self.handle(key, frame),
                Ok(None) => break,
                Err(error) => {
                    client.reply(Reply::Error { kind: error.kind(), message: error.to_string() });
                    client.leave();
                }
            }
        }
        self.rearm(key);
    }

    /// Goes on with clients whose input waited for the process.
    pub(crate) fn feed_input(&mut self, session_key: u32) {
        if let Some(session) = self.session(session_key) {
            session.input.flush();
        }
        self.arm_input(session_key);
        let of_session = |client: &&Client| client.attached.as_ref().is_some_and(|attached| attached.session == session_key && attached.stdin);
        let keys: Vec<(u32, bool)> = self.clients.iter().filter(of_session).map(|client| (client.key, client.armed.is_none())).collect();
        for (key, parked) in keys {
            self.pump(key);
            while parked && !self.is_blocked(key) && self.receive(key) {
                self.pump(key);
            }
        }
    }

    fn arm_input(&mut self, key: u32) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.key == key) else { return };
        let input = &mut session.input;
        let Some(fd) = &input.fd else { return };
        let waits = input.waiting() > 0;
        if waits && !input.armed {
            input.armed = self.poll.add(fd, Token::Stdin(key), WRITE).is_ok();
        } else if !waits && input.armed {
            self.poll.remove(fd);
            input.armed = false;
        }
    }

    fn handle(&mut self, key: u32, frame: Frame) {
        let Some(client) = self.client(key) else { return };
        match frame {
            Frame::Hello(theirs) => match Hello::OURS.agree(&theirs) {
                Some(version) => {
                    client.greeted = true;
                    client.push(&Frame::Hello(Hello { version, min: Hello::OURS.min }));
                }
                None => {
                    client.push(&Frame::Hello(Hello::OURS));
                    client.closing = true;
                }
            },
            _ if !client.greeted => {
                client.reply(Reply::Error { kind: Kind::Invalid, message: "say hello first".to_owned() });
                client.closing = true;
            }
            Frame::Request(request) => {
                if client.attached.is_none()
                    && let Err(error) = self.request(key, request)
                    && let Some(client) = self.client(key)
                {
                    client.reply(error.reply());
                }
            }
            Frame::Input(bytes) => self.input(key, |input| input.push(bytes)),
            Frame::CloseInput => self.input(key, crate::session::Input::close),
            Frame::Resize(size) => {
                if let Some(session) = client.attached.as_ref().map(|attached| attached.session) {
                    let _ = self.resize(session, size);
                }
            }
            Frame::Ack { offset } => {
                if let Some(attached) = &mut client.attached {
                    attached.acked = attached.acked.max(offset.min(attached.position));
                    let session = attached.session;
                    self.note_caught_up(key, session);
                    self.balance(session);
                }
            }
            Frame::Unknown { reason, .. } if client.attached.is_none() => client.reply(Reply::Error { kind: Kind::Unsupported, message: reason }),
            _ => {}
        }
    }

    fn input(&mut self, key: u32, act: impl FnOnce(&mut crate::session::Input)) {
        let session_key = self.client(key).and_then(|client| client.attached.as_ref()).filter(|attached| attached.stdin).map(|attached| attached.session);
        if let Some(session) = session_key.and_then(|session| self.session(session)) {
            act(&mut session.input);
            let session = session.key;
            self.arm_input(session);
        }
    }

    fn request(&mut self, key: u32, request: Request) -> Result<()> {
        let reply = match request {
            Request::State => Reply::Status(Status { head: self.sessions[0].head, ..self.status.clone() }),
            Request::Start => Reply::Started { pid: self.start()?, ports: self.status.ports.clone() },
            Request::Signal { signal, all } => self.signal(signal, all).map(|()| Reply::Done)?,
            Request::Stop { signal, grace_ms } => {
                self.stop(signal, grace_ms)?;
                return self.answer_when_down(key);
            }
            Request::Wait => return self.answer_when_down(key),
            Request::Pause => self.pause().map(|()| Reply::Done)?,
            Request::Resume => self.resume().map(|()| Reply::Done)?,
            Request::Resize { session, size } => {
                let session = self.find(&session)?;
                self.resize(session, size).map(|()| Reply::Done)?
            }
            Request::Update { resources, restart } => self.update(resources, restart).map(|()| Reply::Done)?,
            Request::Rewire => self.rewire().map(|()| Reply::Done)?,
            Request::Exec(exec) => {
                let (attach, id) = (exec.attach.clone(), exec.id.clone());
                let pid = self.exec(exec)?;
                self.answer(key, Reply::Started { pid, ports: Vec::new() });
                if let Some(attach) = attach {
                    self.attach(key, Attach { session: Which::Exec(id), ..attach })?;
                }
                return Ok(());
            }
            Request::ExecState { id } => Reply::Exec(self.exec_status(&id)?),
            Request::ExecSignal { id, signal } => self.exec_signal(&id, signal).map(|()| Reply::Done)?,
            Request::ExecClose { id } => self.exec_close(&id).map(|()| Reply::Done)?,
            Request::Execs => {
                let ids: Vec<ExecId> = self.sessions.iter().filter_map(|session| session.id.clone()).collect();
                Reply::Execs(ids.iter().filter_map(|id| self.exec_status(id).ok()).collect())
            }
            Request::Attach(attach) => {
                self.find(&attach.session)?;
                self.answer(key, Reply::Done);
                return self.attach(key, attach);
            }
            Request::Subscribe => {
                let status = self.status.clone();
                self.answer(key, Reply::Status(status));
                if let Some(client) = self.client(key) {
                    client.subscribed = true;
                }
                return Ok(());
            }
            Request::Shutdown if self.is_live() => return Err(MonitorError::refused(Kind::Conflict, "the container runs: stop it first")),
            Request::Shutdown => {
                self.give_up_restart();
                self.sessions.iter_mut().for_each(|session| session.held = None);
                self.leave_after(Duration::from_millis(200));
                Reply::Done
            }
        };
        self.answer(key, reply);
        Ok(())
    }

    fn answer(&mut self, key: u32, reply: Reply) {
        if let Some(client) = self.client(key) {
            client.reply(reply);
        }
    }

    fn answer_when_down(&mut self, key: u32) -> Result<()> {
        if let State::Running | State::Paused | State::Restarting = self.status.state {
            if let Some(client) = self.client(key) {
                client.waits = true;
            }
            return Ok(());
        }
        let exit = self.last_exit().cloned().ok_or_else(|| MonitorError::refused(Kind::NotModified, "the container has not been started"))?;
        self.answer(key, Reply::Exited(exit));
        Ok(())
    }

    /// The container is down for good: tells those who waited, and takes up what they asked next.
    pub(crate) fn answer_waiting(&mut self) {
        let exit = self.last_exit().cloned().unwrap_or_default();
        let keys: Vec<u32> = self.clients.iter().filter(|client| client.waits).map(|client| client.key).collect();
        for key in keys {
            if let Some(client) = self.client(key) {
                client.waits = false;
                client.reply(Reply::Exited(exit.clone()));
            }
            self.pump(key);
        }
    }

    pub(crate) fn find(&self, which: &Which) -> Result<u32> {
        match which {
            Which::Main => Ok(MAIN),
            Which::Exec(id) => {
                let session = self.sessions.iter().find(|session| session.id.as_ref() == Some(id));
                session.map(|session| session.key).ok_or_else(|| MonitorError::refused(Kind::NotFound, format!("no such exec session: {id}")))
            }
        }
    }

    fn attach(&mut self, key: u32, attach: Attach) -> Result<()> {
        let session_key = self.find(&attach.session)?;
        let Some(session) = self.sessions.iter_mut().find(|session| session.key == session_key) else { return Ok(()) };
        let position = attach.from_offset.map_or(session.head, |from| from.min(session.head));
        let patient = session_key != MAIN || self.run.is_none();
        if attach.acks {
            session.held = None;
            self.timers.cancel(Timer::Release(session_key));
        }
        let ended = session.ended.clone().filter(|_| session_key != MAIN).map(|reason| (session.exit_code, reason));
        if let Some(client) = self.client(key) {
            client.attached = Some(Attached {
                session: session_key,
                stdin: attach.stdin,
                stdout: attach.stdout,
                stderr: attach.stderr,
                position,
                acked: position,
                lossless: attach.lossless,
                acks: attach.acks,
                patient,
                late: None,
                end: None,
            });
        }
        if let Some((exit_code, reason)) = ended {
            self.end_clients(session_key, exit_code, &reason);
        }
        self.catch_up(key);
        Ok(())
    }

    pub(crate) fn resize(&mut self, key: u32, size: TermSize) -> Result<()> {
        let refused = || MonitorError::refused(Kind::Conflict, "the session has no terminal, or it has ended");
        if key == MAIN && self.run.is_none() {
            // Told before the start: the terminal begins with it.
            self.launch.term_size = Some(size);
            return Ok(());
        }
        let session = self.session(key).filter(|session| session.tty).ok_or_else(refused)?;
        let master = session.sources[0].fd.as_ref().ok_or_else(refused)?;
        gantry_runtime::pty::resize(master, size.rows, size.cols).map_err(|source| MonitorError::System { what: "resize the terminal", source })
    }

    pub(crate) fn pause(&mut self) -> Result<()> {
        if self.status.state != State::Running {
            return Err(MonitorError::refused(Kind::Conflict, format!("the container is {}", self.status.state)));
        }
        self.freeze()?;
        self.status.state = State::Paused;
        self.announce(EventKind::Paused);
        Ok(())
    }

    pub(crate) fn resume(&mut self) -> Result<()> {
        if self.status.state != State::Paused {
            return Err(MonitorError::refused(Kind::Conflict, "the container is not paused"));
        }
        self.thaw()?;
        self.status.state = State::Running;
        self.announce(EventKind::Resumed);
        Ok(())
    }

    /// Lets go of clients that are through.
    pub(crate) fn drop_gone(&mut self) {
        while let Some(index) = self.clients.iter().position(|client| client.closing && client.deaf) {
            let client = self.clients.swap_remove(index);
            self.detached(&client);
            if client.armed.is_none() {
                // It left much unread.
                drop(client);
                gantry_runtime::fork::trim_memory();
            }
        }
    }
}

impl Client {
    /// The other side is gone.
    fn leave(&mut self) {
        self.closing = true;
        self.deaf = true;
    }
}
