//! Health checks: what the monitor asks, and what it was answered.

use super::Exec;
use gantry_model::{HealthCheck, HealthStatus};
use serde::{Deserialize, Serialize};

/// How a container is asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthPlan {
    pub check: HealthCheck,
    /// The process that asks; its id means nothing.
    pub exec: Exec,
}

/// What the checks of a run say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    pub status: HealthStatus,
    /// Failures since the last success.
    pub failing_streak: u32,
    /// The last answers, the oldest first.
    pub log: Vec<Probe>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// Unix nanoseconds.
    pub started_at_ns: i64,
    pub ended_at_ns: i64,
    /// 0 is healthy; -1 without an answer.
    pub exit_code: i32,
    /// Cut to [`Probe::LONGEST`] bytes.
    pub output: String,
}

impl Health {
    /// Answers kept.
    pub const KEPT: usize = 5;
}

impl Probe {
    pub const LONGEST: usize = 4096;
}
