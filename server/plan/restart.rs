//! Decides whether and when a container that ended is started again. In: policy and history. Out: the wait.
//! Source: Docker Engine API, `RestartPolicy`; the wait doubles from 100 ms to a minute and begins anew after ten seconds of running.

use gantry_model::RestartPolicy;

const FIRST_MS: u64 = 100;
const MOST_MS: u64 = 60_000;
const STEADY_MS: u64 = 10_000;

/// A run that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub exit_code: i32,
    /// Somebody asked for it.
    pub stopped: bool,
    pub ran_ms: u64,
    /// Restarts so far.
    pub restarts: u32,
    /// What this function said last time.
    pub waited_ms: Option<u64>,
}

/// Milliseconds to wait before the next start; `None` if there is none.
pub fn next_wait_ms(policy: RestartPolicy, ended: Ended) -> Option<u64> {
    let again = match policy {
        RestartPolicy::No => false,
        RestartPolicy::OnFailure { max_retries } => ended.exit_code != 0 && (max_retries == 0 || ended.restarts < max_retries),
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
    };
    (again && !ended.stopped).then(|| match ended.waited_ms {
        Some(waited) if ended.ran_ms < STEADY_MS => (waited * 2).clamp(FIRST_MS, MOST_MS),
        _ => FIRST_MS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Ended = Ended { exit_code: 1, stopped: false, ran_ms: 5, restarts: 0, waited_ms: None };

    #[test]
    fn the_wait_doubles_to_a_minute_and_begins_anew_after_a_steady_run() {
        let mut ended = FAILED;
        let mut waits = Vec::new();
        for _ in 0..12 {
            ended.waited_ms = next_wait_ms(RestartPolicy::Always, ended);
            waits.extend(ended.waited_ms);
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
        assert_eq!(next_wait_ms(RestartPolicy::Always, Ended { ran_ms: 10_000, ..ended }), Some(100));
    }

    #[test]
    fn policies_follow_docker() {
        let again = |policy: &str, ended| next_wait_ms(policy.parse().expect("a policy"), ended).is_some();
        assert!(!again("no", FAILED));
        assert!(again("on-failure", FAILED));
        assert!(!again("on-failure", Ended { exit_code: 0, ..FAILED }));
        assert!(again("on-failure:2", Ended { restarts: 1, ..FAILED }));
        assert!(!again("on-failure:2", Ended { restarts: 2, ..FAILED }));
        assert!(again("always", Ended { exit_code: 0, ..FAILED }));
        for policy in ["always", "unless-stopped", "on-failure"] {
            assert!(!again(policy, Ended { stopped: true, ..FAILED }), "{policy}");
        }
    }
}
