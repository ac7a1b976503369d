//! Start, restart, pause and the small verbs of a running container.

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::monitor::{Client, refused};
use crate::registry::Container;
use crate::{Engine, EngineError, Result};
use gantry_model::{Action, Caller, ContainerName, Kind, Signal, State, TermSize};
use gantry_store::containers::{self, Desired};
use gantry_wire::monitor::{Reply, Request, Session};
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
        let started = self.start_by_monitor(container).await;
        if let Err(error) = &started {
            let mut live = container.lock();
            live.fact.error = error.to_string();
            live.fact.exit_code = Some(if error.kind() == Kind::CommandNotFound { 127 } else { 126 });
            live.desired = Desired::Stopped;
            drop(live);
            self.write_fact(container).await;
        }
        started
    }

    async fn start_by_monitor(&self, container: &Arc<Container>) -> Result<()> {
        self.ensure_monitor(container).await?;
        {
            // A new run begins: what the last one left is old.
            let mut live = container.lock();
            live.fact.state = State::Created;
            live.pid = None;
        }
        match Client::once(&self.socket(&container.id), Request::Start).await? {
            Reply::Started { pid } => {
                let run = container.lock().run.max(1);
                self.take_start(container, pid, run, now_ms()).await;
                Ok(())
            }
            other => Err(refused(&other)),
        }
    }

    /// Makes sure that a monitor stands beside the container, with the bundle as it is wished now.
    pub(crate) async fn ensure_monitor(&self, container: &Arc<Container>) -> Result<()> {
        if container.lock().monitor_pid.is_some() {
            return Ok(());
        }
        self.write_bundle(container).await?;
        let (engine, id) = (self.clone(), container.id.clone());
        tokio::task::spawn_blocking(move || engine.inner.spawner.spawn(&engine.data_dir(&id), &engine.run_dir(&id))).await??;
        self.follow(container).await?;
        Ok(())
    }

    pub async fn restart_container(&self, caller: &Caller, reference: &str, grace: Option<Duration>) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        match self.stop(&container, grace).await {
            Err(error) if error.kind() != Kind::NotModified => return Err(error),
            _ => {}
        }
        self.start(&container).await?;
        self.tell(&container, "restart", []);
        Ok(())
    }

    pub async fn kill_container(&self, caller: &Caller, reference: &str, signal: Signal) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        self.needs_live(&container)?;
        self.ask(&container, Request::Signal { signal, all: false }).await?;
        self.tell(&container, "kill", [("signal", signal.number().to_string())]);
        Ok(())
    }

    pub async fn pause_container(&self, caller: &Caller, reference: &str) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        if container.state() == State::Paused {
            return Err(EngineError::said(Kind::Conflict, format!("Container {} is already paused", container.id)));
        }
        self.needs_live(&container)?;
        self.ask(&container, Request::Pause).await?;
        self.take_pause(&container, State::Paused, "pause").await;
        Ok(())
    }

    pub async fn unpause_container(&self, caller: &Caller, reference: &str) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        if container.state() != State::Paused {
            return Err(EngineError::said(Kind::Conflict, format!("Container {} is not paused", container.id)));
        }
        self.ask(&container, Request::Resume).await?;
        self.take_pause(&container, State::Running, "unpause").await;
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
            Kind::Conflict => EngineError::said(Kind::Conflict, format!("Conflict. The container name \"/{name}\" is already in use.")),
            _ => error.into(),
        })?;
        container.lock().name = name;
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
            live.monitor_pid.is_some()
        };
        if has_monitor {
            self.ask(&container, Request::Resize { session: Session::Main, size }).await?;
        }
        Ok(())
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
