//! Exec sessions: processes beside the main one, each with streams of its own.

use crate::error::{Attempt, MonitorError, Result};
use crate::files::now_ns;
use crate::lifecycle::{Pipes, send_signal};
use crate::monitor::Monitor;
use crate::poll::{READ, Timer, Token};
use crate::session::{MAIN, Session};
use gantry_model::{ExecId, Kind, Signal, State};
use gantry_runtime::process::{self, ExecLaunch};
use gantry_runtime::user::UserWish;
use gantry_wire::monitor::{EventKind, Exec, ExecStatus, Session as Which};
use oci_spec::runtime::Process;
use std::os::fd::AsFd;
use std::time::Duration;

/// A process that ended while others hold its output open gives them so long.
pub(crate) const DRAIN: Duration = Duration::from_millis(250);
/// From the hangup to the kill.
const CLOSE: Duration = Duration::from_secs(2);
/// An ended session can be asked about for so long, and read from if it kept its output.
const FORGET: Duration = Duration::from_secs(600);
/// More ended sessions than these are forgotten at once, the oldest first.
const MOST_ENDED: usize = 32;
/// Why a session ended that outlived its container's main process.
const STOPPED: &str = "the container stopped";

impl Monitor {
    /// Starts a session's process; its output is not read before the caller is done.
    pub(crate) fn exec(&mut self, exec: Exec) -> Result<i32> {
        match self.status.state {
            State::Running => {}
            State::Paused => return Err(MonitorError::refused(Kind::Conflict, "the container is paused: resume it first")),
            _ => return Err(MonitorError::refused(Kind::Conflict, "the container is not running")),
        }
        let id = exec.id.clone();
        if self.find(&Which::Exec(id.clone())).is_ok() {
            return Err(MonitorError::refused(Kind::Conflict, "the exec session exists already"));
        }
        let key = self.begin_session(exec, Some(id.clone()))?;
        let pid = self.session(key).map_or(0, |session| session.pid);
        self.tell(EventKind::ExecStarted { id, pid });
        Ok(pid)
    }

    /// Starts a session's process in the container that runs. Returns its key.
    pub(crate) fn begin_session(&mut self, exec: Exec, id: Option<ExecId>) -> Result<u32> {
        let description: Process =
            serde_json::from_value(exec.process).map_err(|error| MonitorError::refused(Kind::Invalid, format!("read the process to execute: {error}")))?;
        let Some(run) = &self.run else { return Err(MonitorError::refused(Kind::Conflict, "the container is not running")) };
        let (stdio, mut pipes) = Pipes::new(exec.tty, exec.open_stdin, exec.size)?;
        let running = process::exec(ExecLaunch {
            target_pid: run.pid,
            process: &description,
            user: Some(UserWish { user: &exec.user, groups: &exec.groups }),
            stdio,
            cgroup: run.ground.cgroup(),
            extra_fds: Vec::new(),
            seccomp: run.ground.seccomp(),
        })?;
        let key = self.new_key();
        let keep = exec.keep_bytes.or(exec.tty.then_some(1 << 20));
        let mut session = Session::new(key, id, exec.tty, keep, self.folders.data.clone());
        pipes.take_terminal(running.terminal)?;
        pipes.give(&mut session);
        session.pid = running.pid;
        session.started_at_ns = now_ns();
        self.poll.add(&running.pidfd, Token::Process(key), READ).attempting("watch the process")?;
        session.pidfd = Some(running.pidfd);
        self.sessions.push(session);
        self.balance(key);
        Ok(key)
    }

    pub(crate) fn exec_status(&self, id: &ExecId) -> Result<ExecStatus> {
        let key = self.find(&Which::Exec(id.clone()))?;
        let session = self.sessions.iter().find(|session| session.key == key);
        let clients = self.clients.iter().filter(|client| client.attached.as_ref().is_some_and(|attached| attached.session == key)).count();
        session.map(|session| session.status(id.clone(), clients as u32)).ok_or_else(|| MonitorError::refused(Kind::NotFound, "no such exec session"))
    }

    pub(crate) fn exec_signal(&mut self, id: &ExecId, signal: Signal) -> Result<()> {
        let key = self.find(&Which::Exec(id.clone()))?;
        let pidfd = self.session(key).and_then(|session| session.pidfd.as_ref());
        send_signal(pidfd.ok_or_else(|| MonitorError::refused(Kind::Conflict, "the exec session has ended"))?, signal)
    }

    /// Hangs up. Nothing is typed into the terminal.
    pub(crate) fn exec_close(&mut self, id: &ExecId) -> Result<()> {
        let key = self.find(&Which::Exec(id.clone()))?;
        let Some(session) = self.session(key) else { return Ok(()) };
        session.held = None;
        session.keep = false;
        session.reason.get_or_insert_with(|| "the terminal was closed".to_owned());
        let head = session.head;
        session.ring.clear(head);
        if let Some(pidfd) = &session.pidfd {
            let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::HUP);
            // The kernel hangs up on everybody else who has the terminal.
            session.sources.iter_mut().for_each(|source| source.fd = None);
            session.input.reset();
            self.timers.set(Timer::Close(key), CLOSE);
        }
        self.timers.cancel(Timer::Release(key));
        Ok(())
    }

    pub(crate) fn kill_session(&mut self, key: u32) {
        if let Some(pidfd) = self.session(key).and_then(|session| session.pidfd.as_ref()) {
            let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
        }
    }

    /// A process ended: main or exec.
    pub(crate) fn process_ended(&mut self, key: u32) {
        let Some(session) = self.session(key) else { return };
        let Some(pidfd) = &session.pidfd else { return };
        let exit = match process::try_exit(pidfd.as_fd()) {
            Ok(None) => return,
            Ok(Some(exit)) => exit,
            Err(_) => process::Exit { code: 255, signal: None },
        };
        session.pidfd = None;
        session.exit_code = Some(exit.code);
        if key == MAIN {
            return self.main_ended(exit);
        }
        if exit.signal == Some(rustix::process::Signal::KILL.as_raw()) && self.main_is_ending() {
            // The kernel kills all of a process namespace before its first process is gone.
            if let Some(session) = self.session(key) {
                session.reason.get_or_insert_with(|| STOPPED.to_owned());
            }
        }
        self.timers.cancel(Timer::Close(key));
        self.read_rest(key);
        self.timers.set(Timer::Drain(key), DRAIN);
        self.check_end(key);
    }

    pub(crate) fn main_is_ending(&self) -> bool {
        self.run.as_ref().is_none_or(|run| crate::files::is_exiting(run.pid))
    }

    /// Ends a session whose process is gone and whose output is at its end.
    pub(crate) fn check_end(&mut self, key: u32) {
        let Some(session) = self.session(key) else { return };
        let Some(exit_code) = session.exit_code else { return };
        if !session.is_drained() || session.ended.is_some() {
            return;
        }
        if key == MAIN {
            return self.main_drained();
        }
        if self.take_answer(key, exit_code) {
            return;
        }
        let Some(session) = self.session(key) else { return };
        let why = session.reason.clone();
        let reason = why.clone().unwrap_or_else(|| format!("the process exited with code {exit_code}"));
        session.ended = Some(reason.clone());
        session.input.reset();
        let id = session.id.clone();
        self.timers.cancel(Timer::Drain(key));
        self.timers.set(Timer::Forget(key), FORGET);
        if let Some(id) = id {
            self.tell(EventKind::ExecExited { id, exit_code, reason: why });
        }
        self.end_clients(key, Some(exit_code), &reason);
        self.forget_oldest();
    }

    /// The time for others to close the output of a process that ended is over.
    pub(crate) fn drained(&mut self, key: u32) {
        let Some(session) = self.session(key) else { return };
        if Self::is_held_back(session) {
            // Its client has not taken everything yet.
            self.timers.set(Timer::Drain(key), DRAIN);
            return;
        }
        session.sources.iter_mut().for_each(|source| source.fd = None);
        self.check_end(key);
    }

    fn forget_oldest(&mut self) {
        let ended: Vec<u32> = self.sessions.iter().filter(|session| session.id.is_some() && session.ended.is_some() && !session.keep).map(|s| s.key).collect();
        let surplus = ended.len().saturating_sub(MOST_ENDED);
        for key in &ended[..surplus] {
            self.timers.cancel(Timer::Forget(*key));
            self.sessions.retain(|session| session.key != *key);
        }
    }

    /// The container is down: nothing of it may go on.
    pub(crate) fn end_execs(&mut self) {
        let keys: Vec<u32> = self.sessions.iter().filter(|session| session.key != MAIN && session.pidfd.is_some()).map(|session| session.key).collect();
        for key in keys {
            if let Some(session) = self.session(key) {
                session.reason.get_or_insert_with(|| STOPPED.to_owned());
            }
            self.kill_session(key);
            self.process_ended(key);
        }
    }
}
