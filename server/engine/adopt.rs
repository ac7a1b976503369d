//! Makes what the database wants and what really runs agree: at each start, after whatever end the last server had.
//! Every step may be repeated; a server that dies in the middle finds the rest to do at its next start.

use crate::clock::now_ms;
use crate::exec::ExecEntry;
use crate::registry::Container;
use crate::{Engine, EngineError, Result};
use gantry_model::{ContainerId, ExecSpec, State};
use gantry_store::containers::{self, Desired};
use gantry_store::{jobs, terminals, volumes};
use gantry_wire::monitor::{Reply, Request};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Adopts containers, terminals and leftovers.
pub(crate) async fn everything(engine: &Engine) -> Result<()> {
    let interrupted = jobs::fail_running(&engine.inner.db, "the server ended while it ran", now_ms()).await?;
    if interrupted > 0 {
        tracing::warn!("{interrupted} jobs were cut off by the end of the last server");
    }
    let containers: Vec<Arc<Container>> = containers::all(&engine.inner.db).await?.into_iter().map(Container::from_row).collect();
    for container in &containers {
        engine.inner.containers.add(container.clone());
    }
    engine.load_networks().await?;
    adopt_terminals(engine).await?;
    for container in &containers {
        if let Err(error) = adopt(engine, container).await {
            tracing::error!(container.id = %container.id, "adopt container {}: {}", container.id.short(), error.chain());
        }
    }
    remove_strangers(engine, &containers).await?;
    // Containers go on without: it must not keep the server from starting.
    if let Err(error) = engine.restore_network().await {
        tracing::error!("restore the network of the containers: {}", error.chain());
    }
    engine.restore_names().await;
    for volume in volumes::orphans(&engine.inner.db).await? {
        engine.drop_volume(&volume).await?;
    }
    let hand = engine.inner.hand.clone();
    engine.inner.handle.spawn_blocking(move || hand.empty_all_trash());
    Ok(())
}

async fn adopt(engine: &Engine, container: &Arc<Container>) -> Result<()> {
    let (state, desired) = {
        let live = container.lock();
        (live.fact.state, live.desired)
    };
    let followed = engine.follow(container).await;
    if let Ok(status) = &followed {
        tracing::info!(container.id = %container.id, "container {} is {}", container.id.short(), status.state);
        adopt_sessions(engine, container).await?;
        if let Err(error) = engine.rewire_if_changed(container).await {
            tracing::error!(container.id = %container.id, "wire container {}: {}", container.id.short(), error.chain());
        }
    } else if state.is_live() || state == State::Restarting || (state == State::Created && desired == Desired::Running) {
        // Its monitor is gone: it ended while no server ran, or somebody killed it.
        {
            let mut live = container.lock();
            if state == State::Created {
                live.fact.started_at_ms = None;
            }
        }
        if state == State::Created && engine.written_exit(container).is_none() {
            engine.set_desired(container, Desired::Stopped).await?;
        } else {
            engine.without_monitor(container, "its monitor was gone when the server started").await;
        }
    }
    let ended = !container.state().is_live() && container.state() != State::Restarting;
    let doomed = desired == Desired::Removed || state == State::Removing || (ended && container.lock().spec.auto_remove && container.state() == State::Exited);
    if doomed {
        if container.state().is_live() {
            let _ = engine.stop(container, Some(std::time::Duration::ZERO)).await;
        }
        if engine.inner.containers.get(&container.id).is_some() {
            engine.remove(container, true).await?;
        }
    }
    Ok(())
}

/// Exec sessions the monitor knows: running terminals go on, those that ended meanwhile are told.
async fn adopt_sessions(engine: &Engine, container: &Arc<Container>) -> Result<()> {
    let Reply::Execs(sessions) = engine.ask(container, Request::Execs).await? else { return Ok(()) };
    for session in &sessions {
        let spec = ExecSpec { tty: session.tty, ..ExecSpec::default() };
        let mut entry = ExecEntry::new(spec);
        entry.started(session.pid, session.started_at_ns / 1_000_000);
        entry.exit_code = session.exit_code;
        entry.running = session.running;
        engine.remember_exec(container, &session.id, entry);
    }
    for id in engine.inner.terminals.of(&container.id) {
        match sessions.iter().find(|session| session.id == id) {
            Some(session) if session.running => {}
            Some(session) => engine.end_terminal(&id, session.ended.as_deref().unwrap_or("the shell ended")).await,
            None => engine.end_terminal(&id, "it ended while the server was down").await,
        }
    }
    Ok(())
}

async fn adopt_terminals(engine: &Engine) -> Result<()> {
    terminals::forget_ended(&engine.inner.db, now_ms() - 10 * 60_000).await?;
    for row in terminals::all(&engine.inner.db).await? {
        let live = engine.inner.containers.get(&row.container_id).is_some_and(|container| container.state().is_live());
        let (id, open) = (row.id.clone(), row.ended.is_none());
        engine.inner.terminals.add(row);
        if open && !live {
            engine.end_terminal(&id, "the container stopped").await;
        }
    }
    Ok(())
}

/// Folders, cgroups and monitors without a row: half-made containers of a server that died.
async fn remove_strangers(engine: &Engine, known: &[Arc<Container>]) -> Result<()> {
    let known: HashSet<ContainerId> = known.iter().map(|container| container.id.clone()).collect();
    let engine = engine.clone();
    tokio::task::spawn_blocking(move || {
        let config = &engine.inner.config;
        let mut strangers = HashSet::new();
        for folder in [config.data_dir.join("containers"), config.run_dir.join("containers")] {
            strangers.extend(ids_in(&folder).filter(|id| !known.contains(id)));
        }
        for id in strangers {
            tracing::warn!(container.id = %id, "removing what is left of an unknown container {}", id.short());
            engine.inner.hand.kill_leftovers(&id, &engine.cgroup_of_stranger(&id))?;
            let trash = engine.inner.hand.to_trash(&id)?;
            engine.inner.hand.empty_trash(&trash);
        }
        Ok::<_, EngineError>(())
    })
    .await?
}

fn ids_in(folder: &Path) -> impl Iterator<Item = ContainerId> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
