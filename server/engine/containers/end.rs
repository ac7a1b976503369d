//! Stop and remove.

use super::RemoveOptions;
use crate::authorize::authorize;
use crate::registry::Container;
use crate::{Engine, EngineError, Result};
use gantry_model::{Action, Caller, Kind, Signal, State};
use gantry_store::containers::{self, Desired};
use gantry_wire::monitor::{Reply, Request};
use std::sync::Arc;
use std::time::Duration;

impl Engine {
    /// `grace` defaults to the container's stop timeout, 10 s. `Kind::NotModified` if it does not run.
    pub async fn stop_container(&self, caller: &Caller, reference: &str, grace: Option<Duration>) -> Result<()> {
        self.stop_container_by(caller, reference, None, grace).await
    }

    /// As [`Self::stop_container`], asking with `signal` instead of the container's own.
    pub async fn stop_container_by(&self, caller: &Caller, reference: &str, signal: Option<Signal>, grace: Option<Duration>) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        self.stop_by(&container, signal, grace).await?;
        self.tell(&container, "stop", []);
        Ok(())
    }

    /// Stops; the caller holds the container's verb lock.
    pub(crate) async fn stop(&self, container: &Arc<Container>, grace: Option<Duration>) -> Result<()> {
        self.stop_by(container, None, grace).await
    }

    async fn stop_by(&self, container: &Arc<Container>, signal: Option<Signal>, grace: Option<Duration>) -> Result<()> {
        let state = container.state();
        if !state.is_live() && state != State::Restarting {
            return Err(EngineError::said(Kind::NotModified, "the container does not run"));
        }
        self.set_desired(container, Desired::Stopped).await?;
        self.stop_by_monitor(container, signal, grace).await
    }

    /// Returns once the container is down.
    pub(crate) async fn stop_by_monitor(&self, container: &Arc<Container>, signal: Option<Signal>, grace: Option<Duration>) -> Result<()> {
        let grace_ms = grace.map(|grace| grace.as_millis() as u64);
        self.tell_stop(container, signal, grace);
        match self.ask(container, Request::Stop { signal, grace_ms }).await {
            Ok(Reply::Exited(exit)) => self.take_exit(container, &exit).await,
            Ok(_) => {}
            // A monitor that died in the meantime is noticed by its follower; the container is down then.
            Err(error) if container.state().is_live() => return Err(error),
            Err(_) => {}
        }
        if container.state() == State::Restarting {
            container.lock().fact.state = State::Exited;
            self.write_fact(container).await;
        }
        Ok(())
    }

    /// What a stop sends, told as docker tells it: the signal that asks, and at once the one that ends if no time is given.
    fn tell_stop(&self, container: &Arc<Container>, signal: Option<Signal>, grace: Option<Duration>) {
        if !container.state().is_live() {
            return;
        }
        let asks = signal.or(container.lock().spec.stop_signal).unwrap_or(Signal::TERM);
        let ends = (grace == Some(Duration::ZERO) && asks != Signal::KILL).then_some(Signal::KILL);
        for sent in [Some(asks), ends].into_iter().flatten() {
            self.tell(container, "kill", [("signal", sent.number().to_string())]);
        }
    }

    pub async fn remove_container(&self, caller: &Caller, reference: &str, options: RemoveOptions) -> Result<()> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        let state = container.state();
        if state.is_live() || state == State::Restarting {
            if !options.force {
                return Err(EngineError::hinted(
                    Kind::Conflict,
                    format!(
                        "You cannot remove a {state} container {}. {} the container before attempting removal or force remove",
                        container.id,
                        if state == State::Paused { "Unpause and then stop" } else { "Stop" }
                    ),
                    "stop it first, or remove with force",
                ));
            }
            self.set_desired(&container, Desired::Removed).await?;
            match self.stop_by(&container, Some(Signal::KILL), Some(Duration::ZERO)).await {
                Err(error) if error.kind() != Kind::NotModified => return Err(error),
                _ => {}
            }
        }
        self.remove(&container, options.volumes).await
    }

    /// Removes a container that ended by itself (`--rm`).
    pub(crate) async fn remove_ended(&self, container: &Arc<Container>, volumes: bool) -> Result<()> {
        let _verb = container.verbs.lock().await;
        if self.inner.containers.get(&container.id).is_none() || container.state().is_live() {
            return Ok(());
        }
        self.remove(container, volumes).await
    }

    /// Removes a container that does not run. Intent is written first: a server that dies here goes on at its next start.
    pub(crate) async fn remove(&self, container: &Arc<Container>, volumes: bool) -> Result<()> {
        self.set_desired(container, Desired::Removed).await?;
        container.lock().fact.state = State::Removing;
        if container.lock().monitor_pid.is_some() {
            // Refused only while the container runs; a monitor that is gone is what we want.
            let _ = self.ask(container, Request::Shutdown).await;
        }
        let anonymous = if volumes { gantry_store::volumes::anonymous_of(&self.inner.db, &container.id).await? } else { Vec::new() };
        // The row goes last but one: as long as it is there, the rest will be tried again. The folders are renamed away first, so
        // that their removal, which takes time, is not waited for.
        let trash = self.inner.hand.to_trash(&container.id)?;
        containers::delete(&self.inner.db, &container.id).await?;
        self.inner.containers.remove(&container.id);
        for volume in anonymous {
            self.drop_volume(&volume).await?;
        }
        let (exit_code, waiters) = {
            let mut live = container.lock();
            let mut waiters = std::mem::take(&mut live.removal_waiters);
            waiters.append(&mut live.exit_waiters);
            (live.fact.exit_code.unwrap_or(0), waiters)
        };
        self.tell(container, "destroy", []);
        for waiter in waiters {
            let _ = waiter.send(Ok(exit_code));
        }
        // Else they went with the container's namespace.
        let left = if self.network_is_shared(&container.id) { self.places(&container.id, &container.lock()) } else { Vec::new() };
        let (hand, cgroup, id) = (self.inner.hand.clone(), self.cgroup_of(container), container.id.clone());
        let clearing = self.inner.clearing.clone().read_owned().await;
        self.inner.handle.spawn_blocking(move || {
            let _clearing = clearing;
            if let Err(error) = crate::network::forget_places(&id, &left) {
                tracing::warn!(container.id = %id, "remove the links of container {}: {}", id.short(), error.chain());
            }
            hand.empty_trash(&trash);
            if let Err(error) = hand.remove_cgroup(&cgroup) {
                tracing::warn!(container.id = %id, "remove the cgroup of container {}: {}", id.short(), error.chain());
            }
        });
        Ok(())
    }
}
