//! Waiting for the end of a container.

use super::{WaitCondition, Waiter};
use crate::authorize::authorize;
use crate::{Engine, Result};
use gantry_model::{Action, Caller, State};
use tokio::sync::oneshot;

impl Engine {
    /// Registers before it returns: whatever happens after is not missed.
    pub async fn wait_container(&self, caller: &Caller, reference: &str, condition: WaitCondition) -> Result<Waiter> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        let (sender, done) = oneshot::channel();
        let mut live = container.lock();
        let running = live.fact.state.is_live() || live.fact.state == State::Restarting;
        match condition {
            WaitCondition::NotRunning if !running => {
                let _ = sender.send(Ok(live.fact.exit_code.unwrap_or(0)));
            }
            WaitCondition::NotRunning | WaitCondition::NextExit => {
                live.exit_waiters.retain(|waiter| !waiter.is_closed());
                live.exit_waiters.push(sender);
            }
            WaitCondition::Removed => {
                live.removal_waiters.retain(|waiter| !waiter.is_closed());
                live.removal_waiters.push(sender);
            }
        }
        Ok(Waiter { done })
    }
}
