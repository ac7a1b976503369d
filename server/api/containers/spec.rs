//! `POST /containers/create` in our words. Every field is taken, refused with a sentence, or answered with a warning; none is passed over.

use super::host;
use super::mounts;
use super::networks::{Joined, joined};
use crate::error::{ApiError, ApiResult};
use crate::version::Spoken;
use gantry_model::{ContainerSpec, HealthCheck, Mount, MountKind, PortBinding, Protocol, TermSize};
use gantry_wire::docker::container::{Config, Create, HealthConfig};
use gantry_wire::docker::host_config::{PortBinding as WirePort, PortMap};
use std::net::IpAddr;

/// A wish and what the caller should know about it.
pub struct Wish {
    pub spec: ContainerSpec,
    pub warnings: Vec<String>,
}

pub fn wish(create: &Create, spoken: Spoken) -> ApiResult<Wish> {
    let (config, host_config) = (&create.config, &create.host_config);
    let mut warnings = Vec::new();
    if config.image.is_empty() {
        return Err(ApiError::invalid("config.Image: no image was given"));
    }
    let mut mounts = mounts::mounts(host_config, &mut warnings)?;
    for target in config.volumes.iter().flatten().map(|(target, _)| target) {
        if !mounts.iter().any(|mount: &Mount| mount.target.trim_end_matches('/') == target.trim_end_matches('/')) {
            mounts.push(Mount {
                kind: MountKind::Volume { name: String::new(), no_copy: false },
                target: target.clone(),
                read_only: false,
                ..Mount::default()
            });
        }
    }
    let Joined { network, endpoints, mac } = joined(create, spoken)?;
    let mut spec = ContainerSpec {
        image: config.image.clone(),
        entrypoint: config.entrypoint.clone().map(|words| words.0),
        cmd: config.cmd.clone().map(|words| words.0),
        env: config.env.clone().unwrap_or_default(),
        user: config.user.clone(),
        working_dir: config.working_dir.clone(),
        hostname: config.hostname.clone(),
        domainname: config.domainname.clone(),
        tty: config.tty,
        attach_stdin: config.attach_stdin,
        attach_stdout: config.attach_stdout,
        attach_stderr: config.attach_stderr,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        labels: config.labels.clone().unwrap_or_default(),
        stop_signal: signal(&config.stop_signal)?,
        stop_timeout_secs: config.stop_timeout.map(stop_timeout),
        health: config.healthcheck.as_ref().map(health).transpose()?,
        exposed_ports: exposed(config)?,
        mounts,
        network,
        endpoints,
        mac,
        ports: host_config.port_bindings.as_ref().map(ports).transpose()?.unwrap_or_default(),
        term_size: host_config.console_size.filter(|size| *size != [0, 0]).map(|[rows, cols]| TermSize { rows, cols }),
        ..ContainerSpec::default()
    };
    if let (Some(shell), Some(check)) = (&config.shell, &mut spec.health) {
        check.shell = shell.0.clone();
    }
    host::apply(host_config, &mut spec, &mut warnings)?;
    Ok(Wish { spec, warnings })
}

fn signal(text: &str) -> ApiResult<Option<gantry_model::Signal>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| ApiError::invalid(format!("invalid signal: {text}")))
}

/// A negative one waits without end.
fn stop_timeout(secs: i64) -> u32 {
    u32::try_from(secs).unwrap_or(u32::MAX)
}

fn health(from: &HealthConfig) -> ApiResult<HealthCheck> {
    let ms = |name: &str, ns: i64| match ns {
        0 => Ok(0),
        1_000_000.. => Ok((ns / 1_000_000) as u64),
        _ => Err(ApiError::invalid(format!("{name} in Healthcheck cannot be less than 1ms"))),
    };
    Ok(HealthCheck {
        test: from.test.clone(),
        interval_ms: ms("Interval", from.interval)?,
        timeout_ms: ms("Timeout", from.timeout)?,
        start_period_ms: ms("StartPeriod", from.start_period)?,
        start_interval_ms: ms("StartInterval", from.start_interval)?,
        retries: u32::try_from(from.retries).map_err(|_| ApiError::invalid("Retries in Healthcheck cannot be negative"))?,
        ..HealthCheck::default()
    })
}

fn exposed(config: &Config) -> ApiResult<Vec<String>> {
    let mut list = Vec::new();
    for text in config.exposed_ports.iter().flatten().map(|(port, _)| port) {
        let ports = PortBinding::parse(text).map_err(|error| ApiError::invalid(format!("ExposedPorts: {error}")))?;
        list.extend(ports.iter().map(|port| format!("{}/{}", port.container_port, port.protocol)));
    }
    Ok(list)
}

fn ports(map: &PortMap) -> ApiResult<Vec<PortBinding>> {
    let mut list = Vec::new();
    for (port, bindings) in map {
        let (number, protocol) = container_port(port)?;
        for binding in bindings.iter().flatten() {
            list.push(PortBinding { host_ip: host_ip(binding)?, host_port: host_port(binding)?, container_port: number, protocol });
        }
    }
    Ok(list)
}

/// `80/tcp`.
fn container_port(text: &str) -> ApiResult<(u16, Protocol)> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let bad = || ApiError::invalid(format!("invalid port specification: {text:?}"));
    let protocol = protocol.parse().map_err(|_| ApiError::invalid(format!("port {text}: only tcp and udp can be published")))?;
    Ok((number.parse().ok().filter(|number| *number > 0).ok_or_else(bad)?, protocol))
}

fn host_ip(binding: &WirePort) -> ApiResult<Option<IpAddr>> {
    match binding.host_ip.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| ApiError::invalid(format!("invalid IP address: {text}"))),
    }
}

fn host_port(binding: &WirePort) -> ApiResult<u16> {
    match binding.host_port.as_str() {
        "" => Ok(0),
        text if text.contains('-') => Err(ApiError::unsupported(format!("a free port out of the range {text} can't be chosen yet: give one port, or none"))),
        text => text.parse().map_err(|_| ApiError::invalid(format!("invalid port specification: {text:?}"))),
    }
}
