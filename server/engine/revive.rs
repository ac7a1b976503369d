//! Restart policies of containers whose monitor is gone: after a reboot, or when somebody killed it. While a monitor lives, it restarts by itself.

use crate::registry::Container;
use crate::{Engine, EngineError};
use gantry_model::{Kind, State};
use gantry_plan::restart::{Ended, next_wait_ms};
use gantry_store::containers::Desired;
use std::sync::Arc;
use std::time::Duration;

impl Engine {
    /// Starts a buried container again if its policy says so, and goes on trying as its policy would.
    pub(crate) fn revive(&self, container: &Arc<Container>) {
        let (engine, container) = (self.clone(), container.clone());
        self.inner.handle.spawn(async move {
            let mut waited_ms = None;
            while let Some(wait) = wait_before_start(&container, waited_ms) {
                waited_ms = Some(wait);
                tokio::time::sleep(Duration::from_millis(wait)).await;
                match engine.start_again(&container).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(container.id = %container.id, "restart container {}: {}", container.id.short(), error.chain()),
                }
            }
        });
    }

    async fn start_again(&self, container: &Arc<Container>) -> Result<(), EngineError> {
        let _verb = container.verbs.lock().await;
        // Somebody may have started, stopped or removed it meanwhile.
        let (state, desired) = {
            let live = container.lock();
            (live.fact.state, live.desired)
        };
        if state != State::Exited || desired != Desired::Running || self.inner.containers.get(&container.id).is_none() {
            return Ok(());
        }
        container.lock().fact.restart_count += 1;
        let started = self.start(container).await;
        if started.as_ref().is_err_and(|error| error.kind() != Kind::NotFound) {
            // A failed start forgets the wish; the policy does not.
            self.set_desired(container, Desired::Running).await?;
        }
        started
    }
}

/// Milliseconds until the next start; `None` if there is none.
fn wait_before_start(container: &Container, waited_ms: Option<u64>) -> Option<u64> {
    let live = container.lock();
    let ended = Ended {
        exit_code: live.fact.exit_code.unwrap_or(0),
        stopped: live.desired != Desired::Running,
        ran_ms: 0,
        restarts: live.fact.restart_count,
        waited_ms,
    };
    (live.fact.state == State::Exited).then(|| next_wait_ms(live.spec.restart, ended)).flatten()
}
