//! Health checks decided: what is asked, when, and what the answers make of a container.
//! Source: moby `daemon/health.go`.

use gantry_model::{HealthCheck, HealthStatus};

const DEFAULT_MS: u64 = 30_000;
const DEFAULT_START_INTERVAL_MS: u64 = 5000;
const DEFAULT_RETRIES: u32 = 3;

/// A check with docker's defaults where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub args: Vec<String>,
    interval_ms: u64,
    pub timeout_ms: u64,
    start_period_ms: u64,
    start_interval_ms: u64,
    retries: u32,
}

impl Rules {
    /// `None` if nothing is asked.
    pub fn of(check: &HealthCheck) -> Option<Self> {
        let args = match check.test.split_first() {
            Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => rest.to_vec(),
            Some((kind, [text])) if kind == "CMD-SHELL" && check.shell.is_empty() => vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()],
            Some((kind, [text])) if kind == "CMD-SHELL" => check.shell.iter().chain([text]).cloned().collect(),
            _ => return None,
        };
        let or = |ms: u64, default: u64| if ms == 0 { default } else { ms };
        Some(Self {
            args,
            interval_ms: or(check.interval_ms, DEFAULT_MS),
            timeout_ms: or(check.timeout_ms, DEFAULT_MS),
            start_period_ms: check.start_period_ms,
            start_interval_ms: or(check.start_interval_ms, DEFAULT_START_INTERVAL_MS),
            retries: if check.retries == 0 { DEFAULT_RETRIES } else { check.retries },
        })
    }

    /// The wait before the next question, of a container that has run for so long.
    pub fn wait_ms(&self, status: HealthStatus, ran_ms: u64) -> u64 {
        if status == HealthStatus::Starting && ran_ms < self.start_period_ms { self.start_interval_ms } else { self.interval_ms }
    }

    /// Status and failures in a row after an answer to a question that was asked when the container had run for so long.
    pub fn after(&self, status: HealthStatus, streak: u32, healthy: bool, ran_ms: u64) -> (HealthStatus, u32) {
        match (healthy, status) {
            (true, _) => (HealthStatus::Healthy, 0),
            (false, HealthStatus::Starting) if ran_ms < self.start_period_ms => (status, streak),
            (false, _) if streak + 1 >= self.retries => (HealthStatus::Unhealthy, streak + 1),
            (false, _) => (status, streak + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthStatus::{Healthy, Starting, Unhealthy};

    fn check(test: &[&str]) -> HealthCheck {
        HealthCheck { test: test.iter().map(ToString::to_string).collect(), ..HealthCheck::default() }
    }

    #[test]
    fn a_text_is_run_by_the_images_shell_and_none_by_nobody() {
        let args = |check: HealthCheck| Rules::of(&check).map(|rules| rules.args.join("|"));
        assert_eq!(args(check(&["CMD", "curl", "-f"])).as_deref(), Some("curl|-f"));
        assert_eq!(args(check(&["CMD-SHELL", "a b"])).as_deref(), Some("/bin/sh|-c|a b"));
        let shell = vec!["/bin/bash".to_owned(), "-ec".to_owned()];
        assert_eq!(args(HealthCheck { shell, ..check(&["CMD-SHELL", "a b"]) }).as_deref(), Some("/bin/bash|-ec|a b"));
        for none in [&["NONE"][..], &[], &["CMD"], &["CMD-SHELL"]] {
            assert_eq!(args(check(none)), None, "{none:?}");
        }
    }

    #[test]
    fn failures_count_after_the_start_period_or_the_first_success() {
        let rules = Rules::of(&HealthCheck { start_period_ms: 1000, retries: 2, ..check(&["CMD", "x"]) }).expect("a check");
        assert_eq!(rules.after(Starting, 0, false, 999), (Starting, 0));
        assert_eq!(rules.after(Starting, 0, false, 1000), (Starting, 1));
        assert_eq!(rules.after(Starting, 1, false, 1000), (Unhealthy, 2));
        assert_eq!(rules.after(Unhealthy, 2, false, 1000), (Unhealthy, 3));
        assert_eq!(rules.after(Unhealthy, 3, true, 1000), (Healthy, 0));
        assert_eq!(rules.after(Healthy, 0, false, 10), (Healthy, 1));
    }

    #[test]
    fn a_container_that_starts_is_asked_more_often() {
        let rules = Rules::of(&HealthCheck { start_period_ms: 60_000, ..check(&["CMD", "x"]) }).expect("a check");
        assert_eq!([rules.wait_ms(Starting, 0), rules.wait_ms(Starting, 60_000), rules.wait_ms(Healthy, 0)], [5000, 30_000, 30_000]);
    }
}
