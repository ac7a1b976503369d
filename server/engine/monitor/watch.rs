//! Follows one monitor: its events become facts in memory and in the database.

use super::Client;
use crate::clock::now_ms;
use crate::registry::Container;
use crate::{Engine, Result};
use gantry_model::{Kind, PortBinding, State};
use gantry_store::containers::{self, Desired, Fact};
use gantry_wire::monitor::{Event, EventKind, Exit, Frame, Reply, Request, Status, files};
use std::sync::Arc;

fn ms(ns: i64) -> i64 {
    ns / 1_000_000
}

impl Engine {
    /// Connects to the container's monitor, takes over its state, and follows it until it goes.
    ///
    /// # Errors
    /// If nobody answers at the socket.
    pub(crate) async fn follow(&self, container: &Arc<Container>) -> Result<Status> {
        let mut client = Client::connect(&self.socket(&container.id)).await?;
        let status = match client.request(Request::Subscribe).await? {
            Reply::Status(status) => status,
            other => return Err(super::refused(&other)),
        };
        self.take_status(container, &status).await;
        let (engine, container, monitor) = (self.clone(), container.clone(), status.monitor_pid);
        self.inner.handle.spawn(async move {
            // Once another monitor stands beside the container, this one's news is old.
            let is_current = || container.lock().monitor_pid == Some(monitor);
            while let Ok(Some(frame)) = client.next().await {
                if let Frame::Event(event) = frame
                    && is_current()
                {
                    engine.take_event(&container, event).await;
                }
            }
            if is_current() {
                engine.monitor_gone(&container).await;
            }
        });
        Ok(status)
    }

    async fn take_status(&self, container: &Arc<Container>, status: &Status) {
        let missed = {
            let mut live = container.lock();
            live.monitor_pid = Some(status.monitor_pid);
            live.run = status.run;
            // A monitor that waits for its start knows nothing about the runs before it.
            if status.run == 0 { None } else { Some(live.fact.state) }
        };
        let Some(before) = missed else { return };
        match (&status.exit, status.state) {
            (Some(exit), State::Exited | State::Restarting | State::Created) if before.is_live() => {
                self.take_exit(container, exit).await;
                if status.state == State::Restarting {
                    container.lock().fact.state = State::Restarting;
                }
            }
            _ => {
                let mut live = container.lock();
                live.fact.state = status.state;
                live.pid = status.pid;
                live.fact.restart_count = status.restarts;
                live.fact.oom_killed = status.oom_killed;
                live.fact.ports.clone_from(&status.ports);
                live.fact.started_at_ms = status.started_at_ns.map(ms).or(live.fact.started_at_ms);
                if let Some(exit) = &status.exit {
                    live.fact.exit_code = Some(exit.code);
                    live.fact.finished_at_ms = Some(ms(exit.finished_at_ns));
                    live.fact.error = exit.error.as_ref().filter(|_| !status.state.is_live()).map(|failure| failure.message.clone()).unwrap_or_default();
                }
            }
        }
        container.lock().health.clone_from(&status.health);
        self.write_fact(container).await;
    }

    async fn take_event(&self, container: &Arc<Container>, event: Event) {
        match event.what {
            EventKind::Started { pid, ports } => self.take_start(container, Some(event.run), pid, ports, ms(event.at_ns)).await,
            EventKind::Exited(exit) => self.take_exit(container, &exit).await,
            EventKind::Restarting { .. } => {
                {
                    let mut live = container.lock();
                    live.fact.state = State::Restarting;
                    live.fact.restart_count += 1;
                }
                self.write_fact(container).await;
                self.tell(container, "restart", []);
            }
            EventKind::ExecStarted { id, pid } => {
                if let Some(exec) = container.lock().execs.get_mut(&id) {
                    exec.started(pid, ms(event.at_ns));
                }
            }
            EventKind::ExecExited { id, exit_code, reason } => self.exec_ended(container, &id, Some(exit_code), reason.as_deref()).await,
            EventKind::Health(health) => self.take_health(container, health),
            EventKind::Oom => {
                container.lock().fact.oom_killed = true;
                self.tell(container, "oom", []);
            }
            EventKind::Paused => self.take_pause(container, State::Paused, "pause").await,
            EventKind::Resumed => self.take_pause(container, State::Running, "unpause").await,
            EventKind::Error { message } => tracing::warn!(container.id = %container.id, "container {}: {message}", container.id.short()),
        }
    }

    /// Notes that a run began; called by the start itself and by the monitor's news of it, whichever is first.
    /// `run` is not known to the start. Who is first decides under one lock: counted twice, a run's own end would look like an older one's.
    pub(crate) async fn take_start(&self, container: &Arc<Container>, run: Option<u32>, pid: i32, ports: Vec<PortBinding>, at_ms: i64) {
        {
            let mut live = container.lock();
            let starting = std::mem::take(&mut live.starting);
            let known = !starting && run.is_none_or(|run| live.pid == Some(pid) || run <= live.run);
            live.run = run.map_or(live.run + u32::from(starting), |run| run.max(live.run));
            if known {
                return;
            }
            live.pid = Some(pid);
            live.health = crate::health::starting(live.spec.health.as_ref());
            live.fact = Fact { state: State::Running, started_at_ms: Some(at_ms), restart_count: live.fact.restart_count, ports, ..Fact::default() };
        }
        // At once, so that a short run does not end before it began.
        self.tell_places(container, "connect");
        self.tell(container, "start", []);
        self.write_fact(container).await;
        self.write_names_of(container).await;
    }

    pub(crate) async fn take_pause(&self, container: &Arc<Container>, state: State, action: &str) {
        // The verb and the monitor's news of it both come here; the first one tells.
        if std::mem::replace(&mut container.lock().fact.state, state) == state {
            return;
        }
        self.write_fact(container).await;
        self.tell(container, action, []);
    }

    pub(crate) async fn take_exit(&self, container: &Arc<Container>, exit: &Exit) {
        let waiters = {
            let mut live = container.lock();
            // A restart that failed is a run that never began.
            let awaited = live.fact.state.is_live() || live.fact.state == State::Created || (live.fact.state == State::Restarting && exit.run > live.run);
            if exit.run < live.run || !awaited {
                return;
            }
            live.pid = None;
            live.fact.state = State::Exited;
            live.fact.exit_code = Some(exit.code);
            live.fact.oom_killed = exit.oom_killed;
            live.fact.finished_at_ms = Some(ms(exit.finished_at_ns));
            live.fact.restart_count = exit.restarts;
            live.fact.error = exit.error.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
            std::mem::take(&mut live.exit_waiters)
        };
        self.tell(container, "die", [("exitCode", exit.code.to_string())]);
        tracing::info!(container.id = %container.id, exit.code = exit.code, "container {} exited with code {}", container.id.short(), exit.code);
        self.tell_places(container, "disconnect");
        for waiter in waiters {
            let _ = waiter.send(Ok(exit.code));
        }
        self.write_names_of(container).await;
        self.end_execs(container).await;
        let (remove, wanted) = {
            let live = container.lock();
            (live.spec.auto_remove, live.desired)
        };
        if remove && wanted != Desired::Removed {
            let (engine, container) = (self.clone(), container.clone());
            self.inner.handle.spawn(async move {
                if let Err(error) = engine.remove_ended(&container, true).await {
                    tracing::error!(container.id = %container.id, "remove the ended container: {}", error.chain());
                }
            });
        } else {
            self.write_fact(container).await;
        }
    }

    /// The monitor closed the connection: it is done, or it died.
    async fn monitor_gone(&self, container: &Arc<Container>) {
        let was_live = {
            let mut live = container.lock();
            live.monitor_pid = None;
            live.fact.state.is_live() || live.fact.state == State::Restarting
        };
        if !was_live {
            return;
        }
        self.without_monitor(container, "its monitor was killed, so the container was stopped").await;
    }

    pub(crate) async fn without_monitor(&self, container: &Arc<Container>, why: &str) {
        let stopped = match self.written_exit(container) {
            Some(exit) => {
                self.take_exit(container, &exit).await;
                exit.stopped
            }
            None => {
                self.bury(container, why).await;
                false
            }
        };
        if container.state() == State::Restarting {
            // It died between two runs.
            container.lock().fact.state = State::Exited;
            self.write_fact(container).await;
        }
        if !stopped {
            self.revive(container);
        }
    }

    /// The exit that the monitor wrote for the current run, if it did.
    pub(crate) fn written_exit(&self, container: &Container) -> Option<Exit> {
        let run = container.lock().run;
        let path = self.data_dir(&container.id).join(files::EXIT);
        let exit: Exit = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        // What an earlier monitor wrote was taken away before this one came; an older run of this one has a lower number.
        (exit.run >= run).then_some(exit)
    }

    /// Ends what is left of a container whose monitor is gone, and writes down why.
    pub(crate) async fn bury(&self, container: &Arc<Container>, why: &str) {
        let path = self.cgroup_of(container);
        let places = self.places(&container.id, &container.lock());
        let (id, engine) = (container.id.clone(), self.clone());
        let killed = tokio::task::spawn_blocking(move || {
            engine.inner.hand.kill_leftovers(&id, &path)?;
            crate::network::forget_places(&id, &places)
        })
        .await;
        if let Ok(Err(error)) = killed {
            tracing::error!(container.id = %container.id, "clean up after a dead monitor: {}", error.chain());
        }
        let run = container.lock().run;
        let error = Some(gantry_wire::monitor::Failure { kind: Kind::Internal, message: why.to_owned() });
        self.take_exit(container, &Exit { run, code: 137, signal: Some(9), finished_at_ns: now_ms() * 1_000_000, error, ..Exit::default() }).await;
    }

    pub(crate) async fn write_fact(&self, container: &Container) {
        let _turn = container.writing.lock().await;
        let fact = container.lock().fact.clone();
        if let Err(error) = containers::set_fact(&self.inner.db, &container.id, &fact).await {
            tracing::error!(container.id = %container.id, "write down the state of container {}: {error}", container.id.short());
        }
    }
}
