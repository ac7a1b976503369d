//! Asks the container whether it is well, beside whatever else happens. In: the launch description's check. Out: `Status::health`, told
//! with each answer.

use crate::error::Result;
use crate::files::now_ns;
use crate::monitor::Monitor;
use crate::poll::Timer;
use gantry_model::State;
use gantry_plan::health::Rules;
use gantry_wire::monitor::{EventKind, Exec, Health, Probe};
use std::time::Duration;

/// A check of the container that runs.
#[derive(Debug)]
pub(crate) struct Checks {
    rules: Rules,
    exec: Exec,
    asked: Option<Asked>,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Asked {
    session: u32,
    at_ns: i64,
    said: Vec<u8>,
    /// More was said than is kept.
    cut: bool,
    /// It took too long.
    late: bool,
}

impl Monitor {
    /// A run begins.
    pub(crate) fn begin_checks(&mut self) {
        self.end_checks();
        let plan = self.launch.health.as_ref().and_then(|plan| Some((Rules::of(&plan.check)?, plan.exec.clone())));
        self.status.health = plan.is_some().then(Health::default);
        self.checks = plan.map(|(rules, exec)| Checks { rules, exec, asked: None });
        self.set_next_check();
    }

    pub(crate) fn end_checks(&mut self) {
        self.checks = None;
        self.timers.cancel(Timer::Check);
        self.timers.cancel(Timer::CheckLate);
    }

    fn ran_ms(&self, at_ns: i64) -> u64 {
        self.status.started_at_ns.map_or(0, |started| ((at_ns - started) / 1_000_000).max(0) as u64)
    }

    fn set_next_check(&mut self) {
        let Some((checks, health)) = self.checks.as_ref().zip(self.status.health.as_ref()) else { return };
        let wait = checks.rules.wait_ms(health.status, self.ran_ms(now_ns()));
        self.timers.set(Timer::Check, Duration::from_millis(wait));
    }

    pub(crate) fn check_health(&mut self) {
        let Some(checks) = &self.checks else { return };
        if self.status.state != State::Running {
            // Whoever is paused is not asked.
            return self.set_next_check();
        }
        let (exec, at_ns) = (checks.exec.clone(), now_ns());
        match self.begin_question(exec, at_ns) {
            Ok(()) => {}
            Err(error) => self.note_answer(Probe { started_at_ns: at_ns, ended_at_ns: now_ns(), exit_code: -1, output: error.to_string() }),
        }
    }

    fn begin_question(&mut self, exec: Exec, at_ns: i64) -> Result<()> {
        let session = self.begin_session(exec, None)?;
        let Some(checks) = &mut self.checks else { return Ok(()) };
        checks.asked = Some(Asked { session, at_ns, said: Vec::new(), cut: false, late: false });
        self.timers.set(Timer::CheckLate, Duration::from_millis(checks.rules.timeout_ms));
        Ok(())
    }

    fn asked(&mut self, session: u32) -> Option<&mut Asked> {
        self.checks.as_mut()?.asked.as_mut().filter(|asked| asked.session == session)
    }

    /// Output of a session, which may be the answer.
    pub(crate) fn hear(&mut self, session: u32, bytes: &[u8]) {
        let Some(asked) = self.asked(session) else { return };
        let room = bytes.len().min(Probe::LONGEST - asked.said.len());
        asked.said.extend_from_slice(&bytes[..room]);
        asked.cut |= room < bytes.len();
    }

    pub(crate) fn check_is_late(&mut self) {
        let Some(asked) = self.checks.as_mut().and_then(|checks| checks.asked.as_mut()) else { return };
        asked.late = true;
        let session = asked.session;
        self.kill_session(session);
    }

    /// True if the session that ended was a question: then it is forgotten at once.
    pub(crate) fn take_answer(&mut self, session: u32, exit_code: i32) -> bool {
        if self.asked(session).is_none() {
            return false;
        }
        let Some((asked, timeout_ms)) = self.checks.as_mut().and_then(|checks| Some((checks.asked.take()?, checks.rules.timeout_ms))) else { return false };
        self.timers.cancel(Timer::CheckLate);
        self.timers.cancel(Timer::Drain(session));
        self.sessions.retain(|other| other.key != session);
        let mut output = String::from_utf8_lossy(&asked.said).into_owned();
        if asked.cut {
            output.push_str("...");
        }
        let late = format!("Health check exceeded timeout ({})", go_duration(timeout_ms));
        let (exit_code, output) = match (asked.late, output.is_empty()) {
            (false, _) => (exit_code, output),
            (true, true) => (-1, late),
            (true, false) => (-1, format!("{late}: {output}")),
        };
        // The kernel kills all of a process namespace before its first process is gone.
        if !self.main_is_ending() {
            self.note_answer(Probe { started_at_ns: asked.at_ns, ended_at_ns: now_ns(), exit_code, output });
            gantry_runtime::fork::trim_memory();
        }
        true
    }

    fn note_answer(&mut self, probe: Probe) {
        let ran_ms = self.ran_ms(probe.started_at_ns);
        let Some((checks, health)) = self.checks.as_ref().zip(self.status.health.as_mut()) else { return };
        (health.status, health.failing_streak) = checks.rules.after(health.status, health.failing_streak, probe.exit_code == 0, ran_ms);
        let surplus = (health.log.len() + 1).saturating_sub(Health::KEPT);
        health.log.drain(..surplus);
        health.log.push(probe);
        let health = health.clone();
        self.announce(EventKind::Health(health));
        self.set_next_check();
    }
}

/// As Go prints it: `1m30s`, `500ms`.
fn go_duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms}ms"),
        _ => {
            let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, (ms % 60_000) as f64 / 1000.0);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, _) => format!("{minutes}m{seconds}s"),
                _ => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_go_does() {
        assert_eq!([200, 1500, 30_000, 90_000, 3_600_000].map(go_duration), ["200ms", "1.5s", "30s", "1m30s", "1h0m0s"]);
    }
}
