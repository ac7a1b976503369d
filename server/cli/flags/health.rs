//! `--health-*` and `--no-healthcheck`.

use super::container::HealthFlags;
use crate::failure::Failure;
use gantry_wire::docker::container::HealthConfig;

/// The health check that the flags describe, if they describe one.
pub fn health(flags: &HealthFlags) -> Result<Option<HealthConfig>, Failure> {
    let retries = flags.health_retries.unwrap_or_default();
    let times = [flags.health_interval, flags.health_timeout, flags.health_start_period, flags.health_start_interval].map(Option::unwrap_or_default);
    let command = flags.health_cmd.as_deref().unwrap_or_default();
    let asked = !command.is_empty() || retries != 0 || times.iter().any(|time| *time != 0);
    if flags.no_healthcheck {
        return if asked {
            Err(Failure::usage("--no-healthcheck conflicts with --health-* options"))
        } else {
            Ok(Some(HealthConfig { test: vec!["NONE".to_owned()], ..HealthConfig::default() }))
        };
    }
    if !asked {
        return Ok(None);
    }
    let names = ["interval", "timeout", "start-period", "start-interval"];
    if let Some((name, _)) = names.iter().zip(times).find(|(_, time)| *time < 0) {
        return Err(Failure::usage(format!("--health-{name} cannot be negative")));
    }
    if retries < 0 {
        return Err(Failure::usage("--health-retries cannot be negative"));
    }
    let test = if command.is_empty() { Vec::new() } else { vec!["CMD-SHELL".to_owned(), command.to_owned()] };
    let [interval, timeout, start_period, start_interval] = times;
    Ok(Some(HealthConfig { test, interval, timeout, start_period, start_interval, retries }))
}
