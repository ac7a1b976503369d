//! The state of a container in docker's words: `Up 3 minutes (Paused)`, `Exited (137) 2 hours ago`.

use gantry_model::State;

/// Source: moby `container/state.go`, `String`.
pub fn text(state: State, exit_code: Option<i32>, started_at_ms: Option<i64>, finished_at_ms: Option<i64>, now_ms: i64) -> String {
    let since = |at: Option<i64>| duration((now_ms - at.unwrap_or(now_ms)).max(0) / 1000);
    match state {
        State::Created => "Created".to_owned(),
        State::Running => format!("Up {}", since(started_at_ms)),
        State::Paused => format!("Up {} (Paused)", since(started_at_ms)),
        State::Restarting => format!("Restarting ({}) {} ago", exit_code.unwrap_or(0), since(finished_at_ms)),
        State::Removing => "Removal In Progress".to_owned(),
        State::Exited => format!("Exited ({}) {} ago", exit_code.unwrap_or(0), since(finished_at_ms)),
        State::Dead => "Dead".to_owned(),
    }
}

/// `Up 3 seconds (healthy)`. Source: moby `container/health.go`.
pub fn with_health(text: String, health: Option<&crate::Health>) -> String {
    use crate::HealthStatus as H;
    match health.map(|health| health.status) {
        None => text,
        Some(H::Starting) => text + " (health: starting)",
        Some(H::Healthy) => text + " (healthy)",
        Some(H::Unhealthy) => text + " (unhealthy)",
    }
}

/// Source: docker `go-units`, `HumanDuration`.
fn duration(secs: i64) -> String {
    let (minutes, hours) = (secs / 60, (secs + 1800) / 3600);
    match () {
        () if secs < 1 => "Less than a second".to_owned(),
        () if secs == 1 => "1 second".to_owned(),
        () if secs < 60 => format!("{secs} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_as_docker_writes_them() {
        let at = |state, code, secs: i64| text(state, code, Some(0), Some(0), secs * 1000);
        assert_eq!(at(State::Running, None, 0), "Up Less than a second");
        assert_eq!(at(State::Running, None, 3), "Up 3 seconds");
        assert_eq!(at(State::Paused, None, 75), "Up About a minute (Paused)");
        assert_eq!(at(State::Exited, Some(137), 7300), "Exited (137) 2 hours ago");
        assert_eq!(at(State::Exited, Some(0), 86400 * 3), "Exited (0) 3 days ago");
        assert_eq!(at(State::Restarting, Some(1), 59), "Restarting (1) 59 seconds ago");
    }
}
