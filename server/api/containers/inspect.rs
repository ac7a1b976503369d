//! `GET /containers/{id}/json`.

use super::{mounts, shown};
use crate::answer::{json, or_null, time_ms};
use crate::caller::Peer;
use crate::error::ApiResult;
use crate::query::Params;
use crate::version::Spoken;
use actix_web::web::{Data, Path};
use gantry_engine::{ContainerDetail, Engine, ImageRuntimeConfig};
use gantry_model::{NetworkMode, State};
use gantry_wire::docker::host_config::{HostConfig, PortBinding, PortMap};
use gantry_wire::docker::inspect::{GraphDriver, Health, HealthResult, Inspect, NetworkSettings, State as WireState};
use std::collections::BTreeMap;

pub async fn inspect(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, id: Path<String>, params: Params) -> ApiResult {
    let detail = engine.container(&caller, &id).await?;
    // A container keeps its image; its configuration has what the wish left to it.
    let image = engine.image(&caller, detail.summary.image_id.as_str()).await.map(|image| image.config).unwrap_or_default();
    let mut shown = show(&detail, &image, &engine.volumes_dir(), spoken);
    if params.flag("size") {
        let size = engine.container_size(&caller, detail.summary.id.as_str()).await?;
        (shown.size_rw, shown.size_root_fs) = (Some(size.writable_bytes as i64), Some(size.total_bytes as i64));
    }
    Ok(json(&shown))
}

/// `volumes` is the folder of all volumes.
pub fn show(detail: &ContainerDetail, image: &ImageRuntimeConfig, volumes: &str, spoken: Spoken) -> Inspect {
    let summary = &detail.summary;
    Inspect {
        id: summary.id.to_string(),
        created: time_ms(Some(summary.created_at_ms)),
        path: detail.path.clone(),
        args: detail.args.clone(),
        state: state(detail),
        image: summary.image_id.to_string(),
        resolv_conf_path: detail.resolv_conf_path.clone(),
        hostname_path: detail.hostname_path.clone(),
        hosts_path: detail.hosts_path.clone(),
        log_path: detail.log_path.clone(),
        name: format!("/{}", summary.name),
        restart_count: detail.restart_count,
        driver: "overlay2".to_owned(),
        platform: "linux".to_owned(),
        app_armor_profile: detail.spec.security.apparmor.clone().unwrap_or_default(),
        exec_ids: or_null(detail.execs.iter().map(ToString::to_string).collect()),
        host_config: host_config(detail),
        graph_driver: GraphDriver { name: "overlay2".to_owned(), data: Some(BTreeMap::from([("UpperDir".to_owned(), detail.upper_dir.clone())])) },
        mounts: mounts::points(&detail.spec.mounts, volumes),
        config: shown::config(detail, image),
        network_settings: network_settings(detail, spoken),
        ..Inspect::default()
    }
}

/// The wish, and what the host made of what it left open.
fn host_config(detail: &ContainerDetail) -> HostConfig {
    let closed = |paths: &Vec<String>| Some(paths.clone()).filter(|paths| !paths.is_empty() || !detail.spec.security.privileged);
    HostConfig {
        cgroupns_mode: if detail.host_cgroupns { "host" } else { "private" }.to_owned(),
        masked_paths: closed(&detail.masked_paths),
        readonly_paths: closed(&detail.readonly_paths),
        ..shown::host_config(&detail.spec)
    }
}

fn state(detail: &ContainerDetail) -> WireState {
    let summary = &detail.summary;
    let is = |state: State| summary.state == state;
    WireState {
        status: summary.state.to_string(),
        running: summary.state.is_live() || is(State::Restarting),
        paused: is(State::Paused),
        restarting: is(State::Restarting),
        oom_killed: summary.oom_killed,
        dead: is(State::Dead),
        pid: summary.pid.unwrap_or(0),
        exit_code: summary.exit_code.unwrap_or(0),
        error: detail.error.clone(),
        started_at: time_ms(summary.started_at_ms),
        finished_at: time_ms(summary.finished_at_ms),
        health: detail.health.as_ref().map(health),
    }
}

fn health(health: &gantry_engine::Health) -> Health {
    let probe = |probe: &gantry_engine::Probe| HealthResult {
        start: time_ms(Some(probe.started_at_ns / 1_000_000)),
        end: time_ms(Some(probe.ended_at_ns / 1_000_000)),
        exit_code: probe.exit_code,
        output: probe.output.clone(),
        ..HealthResult::default()
    };
    Health {
        status: health.status.as_str().to_owned(),
        failing_streak: health.failing_streak,
        log: Some(health.log.iter().map(probe).collect()),
        ..Health::default()
    }
}

fn network_settings(detail: &ContainerDetail, spoken: Spoken) -> NetworkSettings {
    let (summary, spec) = (&detail.summary, &detail.spec);
    if let NetworkMode::Container(_) = spec.network {
        return NetworkSettings::default();
    }
    let settings = NetworkSettings {
        sandbox_key: summary.pid.map(|pid| format!("/proc/{pid}/ns/net")).unwrap_or_default(),
        sandbox_id: if summary.pid.is_some() { summary.id.to_string() } else { String::new() },
        ports: ports(detail),
        networks: super::networks::shown(summary, spoken),
        ..NetworkSettings::default()
    };
    let Some(endpoint) = settings.networks.get("bridge").cloned().filter(|_| !spoken.from(52)) else { return settings };
    // The default bridge once more, for clients from before there were others.
    NetworkSettings {
        endpoint_id: endpoint.endpoint_id,
        gateway: endpoint.gateway,
        ip_address: endpoint.ip_address,
        ip_prefix_len: endpoint.ip_prefix_len,
        mac_address: endpoint.mac_address,
        ..settings
    }
}

/// What is published; `null` for what is only exposed. Empty while it does not run.
fn ports(detail: &ContainerDetail) -> PortMap {
    let mut map = PortMap::new();
    for port in &detail.summary.ports {
        let bindings = map.entry(format!("{}/{}", port.container_port, port.protocol)).or_default();
        if let Some((ip, number)) = port.host {
            bindings.get_or_insert_default().push(PortBinding { host_ip: ip.to_string(), host_port: number.to_string() });
        }
    }
    map
}
