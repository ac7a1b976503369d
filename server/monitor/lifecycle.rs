//! One run after another: start, stop, exit, restart.

use crate::error::{Attempt, MonitorError, Result};
use crate::exec::DRAIN;
use crate::files::{self, now_ns};
use crate::ground::Ground;
use crate::log::Log;
use crate::monitor::Monitor;
use crate::network::Place;
use crate::poll::{READ, Timer, Token};
use crate::session::{Input, MAIN, Session, Source, nonblocking};
use gantry_model::{Kind, RestartPolicy, Signal, State, TermSize};
use gantry_plan::restart::{Ended, next_wait_ms};
use gantry_runtime::overlay::OverlayPlan;
use gantry_runtime::process::{self, Gate, Rootfs, Stdio};
use gantry_runtime::user::UserWish;
use gantry_wire::monitor::{EventKind, Exit, Launch, files as names};
use oci_spec::runtime::Spec;
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// After the end, clients have so long to take the rest: briefly if they may lose bytes, long if not.
const LINGER: Duration = Duration::from_secs(10);
const LINGER_LOSSLESS: Duration = Duration::from_secs(300);
/// What is kept for a client that went is kept so long beyond the container's end.
const HELD_AFTER_END: Duration = Duration::from_secs(60);

/// A run that goes on.
#[derive(Debug)]
pub(crate) struct Run {
    pub pid: i32,
    pub ground: Ground,
    /// Keeps the root mounted until the exit is told.
    mounts: Option<OwnedFd>,
    exit: Option<process::Exit>,
}

impl Monitor {
    pub(crate) fn start(&mut self) -> Result<i32> {
        match self.status.state {
            State::Running | State::Paused => return Err(MonitorError::refused(Kind::NotModified, "the container runs already")),
            _ => self.timers.cancel(Timer::Restart),
        }
        self.stay();
        self.stopped = false;
        self.waited_ms = None;
        self.status.restarts = 0;
        self.launch_run().inspect_err(|error| self.not_started(error))
    }

    /// The first start failed: nothing is left, and nothing will be tried again.
    fn not_started(&mut self, error: &MonitorError) {
        let exit = self.failed_exit(error);
        self.status.state = State::Exited;
        self.status.exit = Some(exit);
        self.write_exit();
        if let Err(error) = self.write_state() {
            self.tell(EventKind::Error { message: error.to_string() });
        }
        self.end_clients(MAIN, None, &format!("the container could not be started: {error}"));
        self.leave_after(LINGER);
    }

    fn failed_exit(&self, error: &MonitorError) -> Exit {
        let code = match error.kind() {
            Kind::CommandNotFound => 127,
            Kind::CommandNotExecutable => 126,
            _ => 128,
        };
        Exit {
            run: self.status.run,
            code,
            finished_at_ns: now_ns(),
            restarts: self.status.restarts,
            stopped: self.stopped,
            error: Some(error.failure()),
            ..Exit::default()
        }
    }

    fn launch_run(&mut self) -> Result<i32> {
        let term_size = self.launch.term_size;
        self.launch = Launch::parse(&files::read(&self.folders.data.join(names::LAUNCH))?)?;
        self.launch.term_size = term_size.or(self.launch.term_size);
        self.status.restart = self.launch.restart;
        self.status.run += 1;
        self.log = Some(Log::open(self.launch.log.clone()).attempting("open the log")?);
        self.log_failed = false;
        let launch = &self.launch;
        let json = files::read(&launch.config_path)?;
        let spec: Spec = serde_json::from_slice(&json).map_err(|source| MonitorError::Spec { path: launch.config_path.clone(), source })?;
        drop(json);
        let mut ground = Ground::prepare(launch, &spec)?;
        let place = Place::reserve(launch, &spec).inspect_err(|_| ground.undo())?;
        ground.network = place;
        let (stdio, mut pipes) = Pipes::new(launch.tty, launch.open_stdin, launch.term_size)?;
        let created = process::create(process::Launch {
            id: launch.id.as_str(),
            spec: &spec,
            bundle: &self.folders.data,
            rootfs: rootfs(launch),
            user: Some(UserWish { user: &launch.user, groups: &launch.groups }),
            stdio,
            cgroup: ground.cgroup(),
            extra_fds: Vec::new(),
            no_pivot: false,
            no_new_keyring: false,
            seccomp: ground.seccomp(),
            gate: Gate::Parent,
            hooks: None,
            init: launch.init,
        });
        let created = created.inspect_err(|_| ground.undo())?;
        let pid = created.pid;
        let joined = ground.network.join(launch, pid).and_then(|()| self.serve_names(pid));
        let begun = joined.and_then(|()| Ok(created.start()?));
        let mut running = begun.inspect_err(|_| {
            self.forget_names();
            ground.undo();
        })?;
        drop(spec);
        pipes.take_terminal(running.terminal.take())?;
        self.adopt_run(running, pipes, ground)?;
        gantry_runtime::fork::trim_memory();
        Ok(pid)
    }

    /// The program runs: from here on it is this monitor's.
    fn adopt_run(&mut self, running: process::Running, pipes: Pipes, mut ground: Ground) -> Result<()> {
        let (pid, tty, now) = (running.pid, self.launch.tty, now_ns());
        self.poll.add(&running.pidfd, Token::Process(MAIN), READ).attempting("watch the process")?;
        let Some(session) = self.sessions.iter_mut().find(|session| session.key == MAIN) else { return Ok(()) };
        session.tty = tty;
        pipes.give(session);
        (session.pid, session.pidfd, session.exit_code, session.ended, session.started_at_ns) = (pid, Some(running.pidfd), None, None, now);
        self.watch_memory(&mut ground);
        self.status.ports = ground.network.ports().to_vec();
        let told = ground.network.take_told();
        self.run = Some(Run { pid, ground, mounts: running.mounts, exit: None });
        self.status.state = State::Running;
        self.status.pid = Some(pid);
        self.status.pid_started = files::start_time(pid);
        self.status.started_at_ns = Some(now);
        self.status.oom_killed = false;
        self.begin_checks();
        self.announce(EventKind::Started { pid, ports: self.status.ports.clone() });
        self.timers.set(Timer::Tidy, Duration::ZERO);
        for message in running.warnings.into_iter().chain(told) {
            self.tell(EventKind::Error { message });
        }
        self.balance(MAIN);
        self.feed_input(MAIN);
        Ok(())
    }

    /// What may take its time, after everybody knows that the run began or ended.
    pub(crate) fn tidy(&mut self) {
        self.left = None;
        if let Some(names) = &mut self.names {
            names.settle();
        }
        if let Some(Err(error)) = self.run.as_ref().map(|run| run.ground.network.tidy()) {
            self.tell(EventKind::Error { message: error.to_string() });
        }
    }

    pub(crate) fn signal(&mut self, signal: Signal, all: bool) -> Result<()> {
        let Some(run) = &self.run else { return Err(MonitorError::refused(Kind::Conflict, "the container is not running")) };
        if signal == Signal::KILL || signal == self.launch.stop_signal {
            self.stopped = true;
        }
        if all {
            run.ground.signal_all(signal)?;
        }
        let pidfd = self.sessions[0].pidfd.as_ref().ok_or_else(|| MonitorError::refused(Kind::Conflict, "the container is not running"))?;
        send_signal(pidfd, signal)?;
        if signal == Signal::KILL && self.status.state == State::Paused {
            self.thaw()?;
        }
        Ok(())
    }

    pub(crate) fn stop(&mut self, signal: Option<Signal>, grace_ms: Option<u64>) -> Result<()> {
        self.stopped = true;
        if self.status.state == State::Restarting {
            self.give_up_restart();
        }
        if !self.is_live() {
            return Ok(());
        }
        let grace = grace_ms.unwrap_or(self.launch.stop_timeout_ms);
        let asks = signal.unwrap_or(self.launch.stop_signal);
        if grace == 0 {
            // As docker: asked, and ended at once.
            if asks != Signal::KILL {
                let _ = self.signal(asks, false);
            }
            self.kill();
            return Ok(());
        }
        self.signal(asks, false)?;
        self.timers.set(Timer::Kill, Duration::from_millis(grace));
        if self.status.state == State::Paused {
            self.resume()?;
        }
        Ok(())
    }

    pub(crate) fn kill(&mut self) {
        if let Some(pidfd) = &self.sessions[0].pidfd {
            let _ = send_signal(pidfd, Signal::KILL);
        }
        if self.status.state == State::Paused {
            let _ = self.thaw();
        }
    }

    /// The main process is reaped.
    pub(crate) fn main_ended(&mut self, exit: process::Exit) {
        self.timers.cancel(Timer::Kill);
        let Some(run) = &mut self.run else { return };
        run.exit = Some(exit);
        let killed = run.ground.kill_all();
        self.complain(killed);
        self.read_rest(MAIN);
        if self.sessions[0].is_drained() || Self::is_held_back(&self.sessions[0]) {
            self.conclude();
        } else {
            self.timers.set(Timer::Drain(MAIN), DRAIN);
        }
    }

    /// The main process's output is at its end.
    pub(crate) fn main_drained(&mut self) {
        if self.run.is_some() {
            return self.conclude();
        }
        self.end_main_clients();
    }

    fn end_main_clients(&mut self) {
        let Some(code) = self.sessions[0].exit_code else { return };
        let reason = if self.status.oom_killed { "the container ran out of memory" } else { "the container stopped" };
        self.sessions[0].ended = Some(reason.to_owned());
        self.end_clients(MAIN, Some(code), &format!("{reason} with exit code {code}"));
    }

    /// Persists the exit, tells it, and decides what comes next. Streams that a slow client holds back go on.
    fn conclude(&mut self) {
        self.timers.cancel(Timer::Drain(MAIN));
        let Some(mut run) = self.run.take() else { return };
        self.end_checks();
        self.sessions[0].input.reset();
        self.check_memory(&run.ground);
        self.forget_names();
        let mut place = std::mem::take(&mut run.ground.network);
        if let Err(error) = place.leave() {
            self.tell(EventKind::Error { message: error.to_string() });
        }
        self.left = Some(place);
        self.timers.set(Timer::Tidy, Duration::ZERO);
        let now = now_ns();
        let exit = run.exit.unwrap_or(process::Exit { code: 255, signal: None });
        let exit = Exit {
            run: self.status.run,
            code: exit.code,
            signal: exit.signal,
            oom_killed: self.status.oom_killed,
            started_at_ns: self.status.started_at_ns,
            finished_at_ns: now,
            restarts: self.status.restarts,
            stopped: self.stopped,
            error: None,
        };
        let ran_ms = self.status.started_at_ns.map_or(0, |started| ((now - started) / 1_000_000).max(0) as u64);
        let wait = self.after(&exit, ran_ms);
        if self.sessions[0].is_drained() {
            self.end_main_clients();
        }
        self.end_execs();
        // What takes its time comes after everybody knows.
        drop(run.mounts);
        let removed = run.ground.remove();
        self.complain(removed);
        self.next(wait);
    }

    /// What goes wrong after the end is told and changes nothing.
    fn complain(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.tell(EventKind::Error { message: error.to_string() });
        }
    }

    /// Writes and tells an exit. Returns the wait before the next start.
    fn after(&mut self, exit: &Exit, ran_ms: u64) -> Option<u64> {
        let ended = Ended { exit_code: exit.code, stopped: self.stopped, ran_ms, restarts: self.status.restarts, waited_ms: self.waited_ms };
        let wait = next_wait_ms(self.status.restart, ended);
        self.waited_ms = wait;
        self.status.state = if wait.is_some() { State::Restarting } else { State::Exited };
        self.status.pid = None;
        self.status.pid_started = None;
        self.status.ports = Vec::new();
        self.status.exit = Some(exit.clone());
        self.write_exit();
        self.announce(EventKind::Exited(exit.clone()));
        wait
    }

    fn next(&mut self, wait: Option<u64>) {
        match wait {
            Some(in_ms) => {
                self.timers.set(Timer::Restart, Duration::from_millis(in_ms));
                self.tell(EventKind::Restarting { in_ms });
            }
            None => self.end(),
        }
    }

    /// Down for good.
    fn end(&mut self) {
        for index in 0..self.sessions.len() {
            if self.sessions[index].held.is_some() {
                self.timers.set(Timer::Release(self.sessions[index].key), HELD_AFTER_END);
            }
        }
        let lossless = self.clients.iter().any(|client| client.attached.as_ref().is_some_and(|attached| attached.lossless));
        self.leave_after(if lossless { LINGER_LOSSLESS } else { LINGER });
        self.answer_waiting();
    }

    pub(crate) fn restart(&mut self) {
        if self.status.state != State::Restarting {
            return;
        }
        // What a slow client has not taken of the last run is given up.
        self.sessions[0].sources = [Source::default(), Source::default()];
        self.end_main_clients();
        self.status.restarts += 1;
        if let Err(error) = self.launch_run() {
            let exit = self.failed_exit(&error);
            let wait = self.after(&exit, 0);
            self.next(wait);
        }
    }

    /// A container that waits for its restart will not be restarted.
    pub(crate) fn give_up_restart(&mut self) {
        if self.status.state != State::Restarting {
            return;
        }
        self.timers.cancel(Timer::Restart);
        self.status.state = State::Exited;
        if let Some(exit) = &mut self.status.exit {
            exit.stopped = true;
        }
        self.write_exit();
        if let Some(exit) = self.status.exit.clone() {
            self.announce(EventKind::Exited(exit));
        }
        self.end();
    }

    fn write_exit(&mut self) {
        if let Some(exit) = &self.status.exit
            && let Err(error) = files::replace(&self.folders.data, names::EXIT, exit)
        {
            self.tell(EventKind::Error { message: error.to_string() });
        }
    }

    pub(crate) fn update(&mut self, resources: Option<serde_json::Value>, restart: Option<RestartPolicy>) -> Result<()> {
        if let Some(resources) = resources {
            let run = self.run.as_ref().ok_or_else(|| MonitorError::refused(Kind::Conflict, "the container is not running"))?;
            run.ground.update(resources)?;
        }
        if let Some(restart) = restart {
            self.status.restart = restart;
            self.write_state()?;
        }
        Ok(())
    }
}

impl Monitor {
    /// Takes the networks of the launch description for those of the run.
    pub(crate) fn rewire(&mut self) -> Result<()> {
        let Some(run) = &mut self.run else { return Ok(()) };
        let launch = Launch::parse(&files::read(&self.folders.data.join(names::LAUNCH))?)?;
        let pid = run.pid;
        run.ground.network.rewire(&launch, pid)?;
        let told = run.ground.network.take_told();
        (self.launch.network, self.launch.more_bridges, self.launch.names) = (launch.network, launch.more_bridges, launch.names);
        self.status.ports = run.ground.network.ports().to_vec();
        self.rename_networks(pid)?;
        self.write_state()?;
        for message in told {
            self.tell(EventKind::Error { message });
        }
        Ok(())
    }
}

fn rootfs(launch: &Launch) -> Rootfs {
    match &launch.overlay {
        None => Rootfs::Path(launch.rootfs.clone()),
        Some(overlay) => Rootfs::Overlay(OverlayPlan {
            lowers: overlay.lowers.clone(),
            upper: overlay.upper.clone(),
            work: overlay.work.clone(),
            volatile: overlay.volatile,
        }),
    }
}

/// Sends any signal, realtime ones too.
pub(crate) fn send_signal(pidfd: &OwnedFd, signal: Signal) -> Result<()> {
    match gantry_runtime::fork::send_signal(pidfd, signal.number()) {
        // It ended and is not reaped yet.
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::SRCH.raw_os_error()) => Err(error).attempting("send the signal"),
        _ => Ok(()),
    }
}

/// Our ends of a process's streams.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    sources: [Option<OwnedFd>; 2],
    input: Option<OwnedFd>,
}

impl Pipes {
    /// Makes both sides: the process's as `Stdio`.
    pub(crate) fn new(tty: bool, open_stdin: bool, size: Option<TermSize>) -> Result<(Stdio, Self)> {
        if tty {
            let size = size.unwrap_or(TermSize { rows: 0, cols: 0 });
            return Ok((Stdio::Terminal { rows: size.rows, cols: size.cols }, Self::default()));
        }
        let pipe = || pipe_with(PipeFlags::CLOEXEC).attempting("make a pipe");
        let (stdin, input) = if open_stdin {
            let (read, write) = pipe()?;
            (read, Some(write))
        } else {
            (std::fs::File::open("/dev/null").attempting("open /dev/null")?.into(), None)
        };
        let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
        for ours in [Some(&out), Some(&err), input.as_ref()].into_iter().flatten() {
            nonblocking(ours).attempting("set up a pipe")?;
        }
        Ok((Stdio::Fds([stdin, stdout, stderr]), Self { sources: [Some(out), Some(err)], input }))
    }

    /// Takes the master of a terminal: it is read, and a copy of it is written, so that each can be waited for by itself.
    pub(crate) fn take_terminal(&mut self, master: Option<OwnedFd>) -> Result<()> {
        let Some(master) = master else { return Ok(()) };
        nonblocking(&master).attempting("set up the terminal")?;
        self.input = Some(master.try_clone().attempting("copy the terminal's descriptor")?);
        self.sources = [Some(master), None];
        Ok(())
    }

    /// Hands them to a session. Input that came before is written first.
    pub(crate) fn give(self, session: &mut Session) {
        session.sources = self.sources.map(|fd| Source { fd, armed: false });
        Input::set(&mut session.input, self.input);
    }
}
