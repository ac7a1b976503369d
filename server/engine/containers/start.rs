//! Start, restart, pause and the small verbs of a running container.

use super::create::name_taken;
use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::monitor::{Client, refused};
use crate::registry::Container;
use crate::{Engine, EngineError, Result};
use gantry_model::{Action, Caller, ContainerId, ContainerName, ContainerSpec, IpcMode, Kind, NetworkMode, PidMode, Signal, State, TermSize};
use gantry_store::containers::{self, Desired};
use gantry_wire::monitor::{Reply, Request, Session, files};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

impl Engine {
    pub async fn start_container(&self, caller: &Caller, reference: &str) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        self.start(&container).await
    }

    /// Starts; the caller holds the container's verb lock.
    pub(crate) async fn start(&self, container: &Arc<Container>) -> Result<()> {
        match container.state() {
            State::Running => return Err(EngineError::said(Kind::NotModified, "the container is running already")),
            State::Paused => return Err(EngineError::said(Kind::Conflict, "cannot start a paused container, try unpause instead")),
            State::Removing | State::Dead => return Err(EngineError::said(Kind::Conflict, "container is marked for removal and cannot be started")),
            State::Created | State::Exited | State::Restarting => {}
        }
        self.set_desired(container, Desired::Running).await?;
        let before = container.state();
        let started = self.start_by_monitor(container).await;
        if let Err(error) = &started {
            let remove = {
                let mut live = container.lock();
                live.starting = false;
                live.fact.state = before;
                live.fact.error = error.to_string();
                live.fact.exit_code = Some(start_failure_code(error.kind()));
                live.spec.auto_remove
            };
            self.write_names_of(container).await;
            if remove {
                if let Err(error) = self.remove(container, true).await {
                    tracing::error!(container.id = %container.id, "remove the container that could not start: {}", error.chain());
                }
            } else {
                self.set_desired(container, Desired::Stopped).await?;
                self.write_fact(container).await;
            }
        }
        started
    }

    async fn start_by_monitor(&self, container: &Arc<Container>) -> Result<()> {
        // From here on its networks are in use.
        container.lock().starting = true;
        self.settle_places(container).await?;
        self.check_ports(container)?;
        let mut client = self.client_for_start(container).await?;
        {
            // A new run begins: what the last one left is old.
            let mut live = container.lock();
            live.fact.state = State::Created;
            live.pid = None;
            live.starting = true;
            live.prepared = false;
        }
        // The first thing a program does may be to ask for a name.
        self.write_names_of(container).await;
        let answer = match client.request(Request::Start).await {
            // The monitor of the run before was on its way out; a new one takes its place.
            Err(EngineError::MonitorGone(_)) => self.new_monitor(container).await?.request(Request::Start).await?,
            other => other?,
        };
        match answer {
            Reply::Started { pid, ports } => {
                // The monitor's own news may have been faster, and the container may be through already.
                self.take_start(container, None, pid, ports, now_ms()).await;
                Ok(())
            }
            other => Err(refused(&other)),
        }
    }

    /// A connection to the container's monitor, with the bundle as it is wished now.
    async fn client_for_start(&self, container: &Arc<Container>) -> Result<Client> {
        let (has_monitor, prepared) = {
            let live = container.lock();
            (live.monitor_pid.is_some(), live.prepared)
        };
        if has_monitor {
            if !prepared {
                self.write_bundle(container).await?;
            }
            if let Ok(client) = Client::connect(&self.socket(&container.id)).await {
                return Ok(client);
            }
        } else {
            self.write_bundle(container).await?;
        }
        self.new_monitor(container).await
    }

    /// A connection to the container's monitor, also for a container that does not run.
    pub(crate) async fn any_monitor(&self, container: &Arc<Container>) -> Result<Client> {
        let socket = self.socket(&container.id);
        let known = || container.lock().monitor_pid.is_some();
        if known()
            && let Ok(client) = Client::connect(&socket).await
        {
            return Ok(client);
        }
        let _verb = container.verbs.lock().await;
        if known()
            && let Ok(client) = Client::connect(&socket).await
        {
            return Ok(client);
        }
        if container.state().is_live() {
            return Err(EngineError::said(Kind::Internal, "the container's monitor does not answer"));
        }
        self.write_bundle(container).await?;
        {
            // What stands for another container's namespaces may change until the start.
            let mut live = container.lock();
            live.prepared = !names_neighbours(&live.spec);
        }
        self.new_monitor(container).await
    }

    /// The bundle is written. A monitor that was there before is about to go, after the run before.
    async fn new_monitor(&self, container: &Arc<Container>) -> Result<Client> {
        container.lock().monitor_pid = None;
        let (engine, id) = (self.clone(), container.id.clone());
        tokio::task::spawn_blocking(move || {
            let (data, run) = (engine.data_dir(&id), engine.run_dir(&id));
            forget_exit(&data)?;
            match engine.inner.spawner.spawn(&data, &run) {
                // The one before is on its way out.
                Err(error) if error.kind() == Kind::Conflict => {
                    wait_for_old_monitor(&run)?;
                    engine.inner.spawner.spawn(&data, &run)
                }
                other => other,
            }
        })
        .await??;
        self.follow(container).await?;
        Client::connect(&self.socket(&container.id)).await
    }

    pub async fn restart_container(&self, caller: &Caller, reference: &str, grace: Option<Duration>) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        match self.stop(&container, grace).await {
            Ok(()) => self.tell(&container, "stop", []),
            Err(error) if error.kind() != Kind::NotModified => return Err(error),
            Err(_) => {}
        }
        self.start(&container).await?;
        self.tell(&container, "restart", []);
        Ok(())
    }

    pub async fn kill_container(&self, caller: &Caller, reference: &str, signal: Signal) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let cannot = |error: EngineError| EngineError::said(error.kind(), format!("Cannot kill container: {reference}: {error}"));
        let container = self.resolve(reference).map_err(cannot)?;
        self.needs_live(&container).map_err(cannot)?;
        let ends = signal == Signal::KILL || signal == container.lock().spec.stop_signal.unwrap_or(Signal::TERM);
        if ends {
            // No restart policy brings it back.
            self.set_desired(&container, Desired::Stopped).await?;
        }
        if signal == Signal::KILL {
            return self.stop_by_monitor(&container, Some(Signal::KILL), Some(Duration::ZERO)).await;
        }
        self.tell(&container, "kill", [("signal", signal.number().to_string())]);
        self.ask(&container, Request::Signal { signal, all: false }).await?;
        Ok(())
    }

    pub async fn pause_container(&self, caller: &Caller, reference: &str) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        self.pause(&container).await
    }

    /// Pauses; the caller holds the container's verb lock.
    pub(crate) async fn pause(&self, container: &Arc<Container>) -> Result<()> {
        if container.state() == State::Paused {
            return Err(EngineError::said(Kind::Conflict, format!("Container {} is already paused", container.id)));
        }
        self.needs_live(container)?;
        self.ask(container, Request::Pause).await?;
        self.take_pause(container, State::Paused, "pause").await;
        Ok(())
    }

    pub async fn unpause_container(&self, caller: &Caller, reference: &str) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        self.unpause(&container).await
    }

    /// Lets it go on; the caller holds the container's verb lock.
    pub(crate) async fn unpause(&self, container: &Arc<Container>) -> Result<()> {
        if container.state() != State::Paused {
            return Err(EngineError::said(Kind::Conflict, format!("Container {} is not paused", container.id)));
        }
        self.ask(container, Request::Resume).await?;
        self.take_pause(container, State::Running, "unpause").await;
        Ok(())
    }

    pub async fn rename_container(&self, caller: &Caller, reference: &str, name: ContainerName) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        let old = container.lock().name.clone();
        if old == name {
            return Err(EngineError::said(Kind::Invalid, "Renaming a container with the same name as its current name"));
        }
        containers::rename(&self.inner.db, &container.id, &name).await.map_err(|error| match error.kind() {
            Kind::Conflict => {
                let taken = name_taken(&name, self.inner.containers.has_name(&name).as_ref().map(ContainerId::as_str));
                EngineError::said(Kind::Conflict, format!("Error when allocating new name: {taken}"))
            }
            _ => error.into(),
        })?;
        container.lock().name = name;
        self.write_names_of(&container).await;
        self.tell(&container, "rename", [("oldName", format!("/{old}"))]);
        Ok(())
    }

    /// New size for the main terminal; before the start it is kept for it.
    pub async fn resize_container(&self, caller: &Caller, reference: &str, size: TermSize) -> Result<()> {
        authorize(caller, Action::Exec)?;
        let container = self.resolve(reference)?;
        let has_monitor = {
            let mut live = container.lock();
            live.spec.term_size = Some(size);
            // Without a terminal there is nothing to do, and docker's clients ask all the same.
            live.spec.tty && live.monitor_pid.is_some()
        };
        if has_monitor {
            self.ask_if_there(&container, Request::Resize { session: Session::Main, size }).await?;
        }
        Ok(())
    }

    /// The same for what is written down anyway: the monitor of a container that is down may go at any moment.
    pub(crate) async fn ask_if_there(&self, container: &Container, request: Request) -> Result<()> {
        match self.ask(container, request).await {
            Err(EngineError::MonitorGone(_)) if !container.state().is_live() => Ok(()),
            other => other.map(drop),
        }
    }

    /// Asks the container's monitor; an answer that is not an error is success.
    pub(crate) async fn ask(&self, container: &Container, request: Request) -> Result<Reply> {
        Client::once(&self.socket(&container.id), request).await
    }

    pub(crate) fn needs_live(&self, container: &Container) -> Result<()> {
        if container.state().is_live() { Ok(()) } else { Err(EngineError::said(Kind::Conflict, format!("Container {} is not running", container.id))) }
    }

    pub(crate) async fn set_desired(&self, container: &Container, desired: Desired) -> Result<()> {
        containers::set_desired(&self.inner.db, &container.id, desired).await?;
        container.lock().desired = desired;
        Ok(())
    }
}

/// What `docker run` exits with. Source: moby `daemon/start_unix.go` and its translation of start errors.
fn start_failure_code(kind: Kind) -> i32 {
    match kind {
        Kind::CommandNotFound => 127,
        Kind::CommandNotExecutable => 126,
        _ => 128,
    }
}

fn names_neighbours(spec: &ContainerSpec) -> bool {
    matches!(spec.network, NetworkMode::Container(_)) || matches!(spec.pid_mode, PidMode::Container(_)) || matches!(spec.ipc_mode, IpcMode::Container(_))
}

/// The last run's exit is known; the file is for the end of the next one, should nobody be there to hear of it.
fn forget_exit(data_dir: &Path) -> Result<()> {
    let path = data_dir.join(files::EXIT);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(EngineError::io(format!("remove {}", path.display()))(error)),
        _ => Ok(()),
    }
}

/// A monitor holds a lock on its pid file until its very end.
fn wait_for_old_monitor(run_dir: &Path) -> Result<()> {
    let path = run_dir.join(files::PID);
    match std::fs::File::open(&path) {
        Ok(file) => file.lock().map_err(EngineError::io(format!("wait for the monitor of {}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(EngineError::io(format!("open {}", path.display()))(error)),
    }
}
