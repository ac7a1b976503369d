//! Changing limits and the restart policy of a container that exists, running or not.

use crate::authorize::authorize;
use crate::registry::Container;
use crate::{Engine, EngineError, Result};
use gantry_model::{Action, Caller, Kind, Limits, RestartPolicy, State};
use gantry_plan::limits::merged;
use gantry_store::containers;
use gantry_wire::monitor::{Launch, Request, files};
use oci_spec::runtime::{LinuxResources, Spec};
use std::path::Path;
use std::sync::Arc;

impl Engine {
    /// Sets what `change` and `restart` name; the rest stays. What runs is limited at once, and so is every later start. Returns warnings.
    ///
    /// # Errors
    /// [`Kind::Invalid`] in docker's words for limits that can't be; nothing has changed then.
    pub async fn update_container(&self, caller: &Caller, reference: &str, change: Limits, restart: Option<RestartPolicy>) -> Result<Vec<String>> {
        authorize(caller, Action::Operate)?;
        let container = self.resolve(reference)?;
        let _verb = container.verbs.lock().await;
        if matches!(container.state(), State::Removing | State::Dead) {
            return Err(EngineError::said(Kind::Conflict, "Container is marked for removal and cannot be \"update\"."));
        }
        let old = container.lock().spec.clone();
        if old.auto_remove && restart.is_some_and(|policy| policy != RestartPolicy::No) {
            return Err(EngineError::said(Kind::Invalid, "Restart policy cannot be updated because AutoRemove is enabled for the container"));
        }
        let mut new = old.clone();
        new.limits =
            merged(&old.limits, &change).map_err(|error| EngineError::said(error.kind(), format!("Cannot update container {}: {error}", container.id)))?;
        new.restart = restart.unwrap_or(old.restart);
        let (hand, limits) = (self.inner.hand.clone(), new.limits.clone());
        let (resources, warnings) = tokio::task::spawn_blocking(move || hand.resources(&limits)).await??;
        if new == old {
            return Ok(warnings);
        }
        // Intent first; if the kernel refuses, the old one comes back.
        self.keep_spec(&container, new.clone()).await?;
        let limited = (new.limits != old.limits).then_some(resources);
        if let Err(error) = self.apply(&container, limited, restart).await {
            self.keep_spec(&container, old).await?;
            return Err(error);
        }
        self.tell(&container, "update", []);
        Ok(warnings)
    }

    async fn keep_spec(&self, container: &Container, spec: gantry_model::ContainerSpec) -> Result<()> {
        containers::set_spec(&self.inner.db, &container.id, &spec).await?;
        container.lock().spec = spec;
        Ok(())
    }

    /// Tells the monitor, and writes what it reads at a restart.
    async fn apply(&self, container: &Arc<Container>, resources: Option<LinuxResources>, restart: Option<RestartPolicy>) -> Result<()> {
        let (live, has_monitor) = (container.state().is_live(), container.lock().monitor_pid.is_some());
        let now = resources.clone().filter(|_| live).map(|mut resources| {
            // Rather an error than a process killed to get below the new limit.
            if let Some(memory) = resources.memory_mut() {
                memory.set_check_before_update(Some(true));
            }
            serde_json::to_value(resources).map_err(|source| EngineError::caused(Kind::Internal, "write down the limits", source))
        });
        let now = now.transpose()?;
        if has_monitor && (now.is_some() || restart.is_some()) {
            self.ask_if_there(container, Request::Update { resources: now, restart }).await?;
        }
        let folder = self.data_dir(&container.id);
        tokio::task::spawn_blocking(move || rewrite_bundle(&folder, resources, restart)).await?
    }
}

/// The files of the last start, if there are some: the monitor starts a container again by them.
fn rewrite_bundle(folder: &Path, resources: Option<LinuxResources>, restart: Option<RestartPolicy>) -> Result<()> {
    if let Some(mut resources) = resources {
        change::<Spec>(&folder.join("config.json"), |spec| {
            if let Some(linux) = spec.linux_mut() {
                let devices = linux.resources().as_ref().and_then(|resources| resources.devices().clone());
                resources.set_devices(devices);
                linux.set_resources(Some(resources));
            }
        })?;
    }
    match restart {
        Some(policy) => change::<Launch>(&folder.join(files::LAUNCH), |launch| launch.restart = policy),
        None => Ok(()),
    }
}

/// Writes by rename: a monitor that reads meanwhile has the old or the new file.
fn change<T: serde::de::DeserializeOwned + serde::Serialize>(path: &Path, act: impl FnOnce(&mut T)) -> Result<()> {
    let what = || format!("change {}", path.display());
    let json = |source| EngineError::caused(Kind::Internal, what(), source);
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(EngineError::io(what()))?,
    };
    let mut value: T = serde_json::from_slice(&text).map_err(json)?;
    act(&mut value);
    let new = path.with_extension("new");
    let text = serde_json::to_vec(&value).map_err(json)?;
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path)).map_err(EngineError::io(what()))
}
