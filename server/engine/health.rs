//! Health checks. In: a container's check. Out: the process that asks, for its monitor, and what the monitor was answered: told as an event
//! when it changes. Source: Docker Engine API, `HealthConfig`.

use crate::registry::Container;
use crate::{Engine, Result};
use gantry_model::{ExecId, ExecSpec, HealthCheck, HealthStatus};
use gantry_plan::health::Rules;
use gantry_wire::monitor::{Health, HealthPlan};
use std::sync::Arc;

/// The image's check where the user gave none, or only times. `NONE` is no check.
pub(crate) fn merged(wish: Option<HealthCheck>, image: Option<HealthCheck>, shell: Option<&[String]>) -> Option<HealthCheck> {
    let mut check = match (wish, image) {
        (Some(check), Some(image)) => completed(check, image),
        (wish, image) => wish.or(image)?,
    };
    if check.shell.is_empty() {
        check.shell = shell.unwrap_or_default().to_vec();
    }
    Some(check)
}

fn completed(mut check: HealthCheck, image: HealthCheck) -> HealthCheck {
    let or = |own: u64, other: u64| if own == 0 { other } else { own };
    if check.test.is_empty() {
        check.test = image.test;
    }
    check.interval_ms = or(check.interval_ms, image.interval_ms);
    check.timeout_ms = or(check.timeout_ms, image.timeout_ms);
    check.start_period_ms = or(check.start_period_ms, image.start_period_ms);
    check.start_interval_ms = or(check.start_interval_ms, image.start_interval_ms);
    check.retries = if check.retries == 0 { image.retries } else { check.retries };
    check
}

/// Of a run that begins; `None` for a container without a check.
pub(crate) fn starting(check: Option<&HealthCheck>) -> Option<Health> {
    check.and_then(Rules::of).map(|_| Health::default())
}

impl Engine {
    /// The question for a container's monitor: asked as its main process's user, with its rights.
    pub(crate) fn health_plan(&self, container: &Container) -> Result<Option<HealthPlan>> {
        let Some(check) = container.lock().spec.health.clone() else { return Ok(None) };
        let Some(rules) = Rules::of(&check) else { return Ok(None) };
        let exec = self.exec_request(container, &ExecId::from_bytes([0; 32]), &ExecSpec { args: rules.args, ..ExecSpec::default() })?;
        Ok(Some(HealthPlan { check, exec }))
    }

    /// The monitor was answered.
    pub(crate) fn take_health(&self, container: &Arc<Container>, health: Health) {
        let status = health.status;
        let before = container.lock().health.replace(health).map(|before| before.status);
        if before.unwrap_or(HealthStatus::Starting) != status {
            self.tell(container, format!("health_status: {}", status.as_str()), []);
        }
    }
}
