//! Health checks. In: a container's check and its running processes. Out: healthy or not, with the last answers; told as an event when it changes.
//! They are asked by the server, through exec sessions of the container. Source: Docker Engine API, `HealthConfig`; moby `daemon/health.go`.

use crate::clock::now_ms;
use crate::registry::Container;
use crate::{Engine, Output};
use gantry_model::{Caller, Door, ExecSpec, HealthCheck, Role, Signal, State};
use gantry_wire::monitor::Request;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Answers kept, and bytes of each.
const KEPT: usize = 5;
const LONGEST: usize = 4096;
const DEFAULT_MS: u64 = 30_000;
const DEFAULT_RETRIES: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What the checks of this run say.
#[derive(Debug, Clone)]
pub struct Health {
    pub status: HealthStatus,
    /// Failures since the last success.
    pub failing_streak: u32,
    /// Oldest first.
    pub log: VecDeque<Probe>,
    /// The process that is asked about: another one is another run.
    pub(crate) pid: i32,
    /// Somebody asks.
    watched: bool,
}

impl Health {
    /// Of a run that begins; `None` for a container without a check.
    pub(crate) fn starting(check: Option<&HealthCheck>, pid: i32) -> Option<Self> {
        check.and_then(Plan::of)?;
        Some(Self { status: HealthStatus::Starting, failing_streak: 0, log: VecDeque::new(), pid, watched: false })
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Probe {
    pub started_at_ms: i64,
    pub ended_at_ms: i64,
    /// 0 is healthy; -1 without an answer.
    pub exit_code: i32,
    pub output: String,
}

/// A check with docker's defaults where it says nothing.
struct Plan {
    args: Vec<String>,
    interval: Duration,
    timeout: Duration,
    grace_ms: i64,
    retries: u32,
}

impl Plan {
    fn of(check: &HealthCheck) -> Option<Self> {
        let args = match check.test.split_first() {
            Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => rest.to_vec(),
            Some((kind, [text])) if kind == "CMD-SHELL" => vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()],
            _ => return None,
        };
        let time = |ms: u64| Duration::from_millis(if ms == 0 { DEFAULT_MS } else { ms });
        let retries = if check.retries == 0 { DEFAULT_RETRIES } else { check.retries };
        Some(Self { args, interval: time(check.interval_ms), timeout: time(check.timeout_ms), grace_ms: check.start_period_ms as i64, retries })
    }
}

/// The image's check where the user gave none, or only times. `NONE` is no check.
pub(crate) fn merged(wish: Option<HealthCheck>, image: Option<HealthCheck>) -> Option<HealthCheck> {
    let (Some(mut check), Some(image)) = (wish.clone(), image.clone()) else { return wish.or(image) };
    let or = |own: u64, other: u64| if own == 0 { other } else { own };
    if check.test.is_empty() {
        check.test = image.test;
    }
    check.interval_ms = or(check.interval_ms, image.interval_ms);
    check.timeout_ms = or(check.timeout_ms, image.timeout_ms);
    check.start_period_ms = or(check.start_period_ms, image.start_period_ms);
    check.retries = if check.retries == 0 { image.retries } else { check.retries };
    Some(check)
}

impl Engine {
    /// Asks the container that runs now, until its end. Calling it twice for one run is calling it once.
    pub(crate) fn watch_health(&self, container: &Arc<Container>) {
        let (plan, pid) = {
            let mut live = container.lock();
            let Some(pid) = live.pid.filter(|_| live.fact.state.is_live()) else { return };
            let Some(plan) = live.spec.health.as_ref().and_then(Plan::of) else { return };
            if live.health.as_ref().is_none_or(|health| health.pid != pid) {
                live.health = Health::starting(live.spec.health.as_ref(), pid);
            }
            let Some(health) = live.health.as_mut().filter(|health| !health.watched) else { return };
            health.watched = true;
            (plan, pid)
        };
        let (engine, container) = (self.clone(), container.clone());
        self.inner.handle.spawn(async move {
            let begun = now_ms();
            loop {
                tokio::time::sleep(plan.interval).await;
                match container.state() {
                    State::Running if container.lock().pid == Some(pid) => {}
                    State::Paused => continue,
                    _ => return,
                }
                let probe = engine.probe(&container, &plan).await;
                engine.note_probe(&container, pid, probe, &plan, begun);
            }
        });
    }

    async fn probe(&self, container: &Arc<Container>, plan: &Plan) -> Probe {
        let started_at_ms = now_ms();
        let (exit_code, output) = match tokio::time::timeout(plan.timeout, self.ask_health(container, plan)).await {
            Ok(answer) => answer,
            Err(_) => (-1, format!("Health check exceeded timeout ({}ms)", plan.timeout.as_millis())),
        };
        Probe { started_at_ms, ended_at_ms: now_ms(), exit_code, output }
    }

    async fn ask_health(&self, container: &Arc<Container>, plan: &Plan) -> (i32, String) {
        // The server asks for itself: whoever made the container was allowed to.
        let caller = Caller { user: "health".to_owned(), role: Role::Admin, door: Door::Api };
        let spec = ExecSpec { args: plan.args.clone(), ..ExecSpec::default() };
        let session = async {
            let id = self.create_exec(&caller, container.id.as_str(), spec).await?;
            self.start_exec(&caller, &id, None).await.map(|attached| (id, attached))
        };
        let (id, mut attached) = match session.await {
            Ok(session) => session,
            Err(error) => return (-1, error.to_string()),
        };
        // One that is given up is killed.
        let mut kill = KillOnDrop { engine: self.clone(), container: container.clone(), id: Some(id) };
        let mut text = Vec::new();
        while let Some(output) = attached.output.recv().await {
            match output {
                Output::Data { bytes, offset, .. } => {
                    let room = LONGEST - text.len();
                    text.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    attached.input.ack(offset + bytes.len() as u64).await;
                }
                Output::Gap { .. } => {}
                Output::Ended { exit_code, .. } => {
                    kill.id = None;
                    return (exit_code.unwrap_or(-1), String::from_utf8_lossy(&text).into_owned());
                }
            }
        }
        (-1, String::from_utf8_lossy(&text).into_owned())
    }

    fn note_probe(&self, container: &Arc<Container>, pid: i32, probe: Probe, plan: &Plan, begun: i64) {
        let changed = {
            let mut live = container.lock();
            let Some(health) = live.health.as_mut().filter(|health| health.pid == pid) else { return };
            let before = health.status;
            if probe.exit_code == 0 {
                (health.status, health.failing_streak) = (HealthStatus::Healthy, 0);
            } else if before != HealthStatus::Starting || now_ms() - begun > plan.grace_ms {
                health.failing_streak += 1;
                if health.failing_streak >= plan.retries {
                    health.status = HealthStatus::Unhealthy;
                }
            }
            health.log.push_back(probe);
            if health.log.len() > KEPT {
                health.log.pop_front();
            }
            (health.status != before).then_some(health.status)
        };
        if let Some(status) = changed {
            self.tell(container, format!("health_status: {}", status.as_str()), []);
        }
    }
}

struct KillOnDrop {
    engine: Engine,
    container: Arc<Container>,
    id: Option<gantry_model::ExecId>,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (engine, container) = (self.engine.clone(), self.container.clone());
        self.engine.inner.handle.spawn(async move {
            // It may have ended meanwhile, and the container with it.
            let _ = engine.ask(&container, Request::ExecSignal { id, signal: Signal::KILL }).await;
        });
    }
}
