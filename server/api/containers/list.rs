//! `GET /containers/json`.

use super::mounts;
use crate::answer::json;
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::query::Params;
use crate::version::Spoken;
use actix_web::web::Data;
use gantry_engine::{ContainerSummary, Engine, ListFilter, PublishedPort};
use gantry_model::{Caller, PortBinding, State};
use gantry_wire::docker::Filters;
use gantry_wire::docker::list::{Port, Summary, SummaryHostConfig, SummaryNetworks};

const FILTERS: [&str; 14] =
    ["ancestor", "before", "expose", "exited", "health", "id", "isolation", "is-task", "label", "name", "network", "publish", "since", "status"];

pub async fn list(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, params: Params) -> ApiResult {
    let known: Vec<&str> = FILTERS.iter().copied().chain(["volume"]).collect();
    let Some(filter) = filter(&params, &params.filters(&known)?)? else { return Ok(json(&Vec::<Summary>::new())) };
    let mut list = rows(&engine, &caller, &filter, spoken).await?;
    if params.flag("size") {
        for row in &mut list {
            // One that was removed meanwhile has no size.
            if let Ok(size) = engine.container_size(&caller, &row.id).await {
                (row.size_rw, row.size_root_fs) = (size.writable_bytes as i64, size.total_bytes as i64);
            }
        }
    }
    Ok(json(&list))
}

pub async fn rows(engine: &Engine, caller: &Caller, filter: &ListFilter, spoken: Spoken) -> ApiResult<Vec<Summary>> {
    let volumes = engine.volumes_dir();
    Ok(engine.list_containers(caller, filter).await?.iter().map(|container| show(container, &volumes, spoken)).collect())
}

/// `None` if nothing can match.
fn filter(params: &Params, filters: &Filters) -> ApiResult<Option<ListFilter>> {
    let limit: Option<i64> = params.parsed("limit")?;
    // Nothing here is a task of a swarm.
    let nothing = filters.flag("is-task")? == Some(true);
    let states = filters.get("status").iter().map(|text| text.parse::<State>().map_err(|_| ApiError::invalid(format!("Invalid filter 'status={text}'"))));
    let filter = ListFilter {
        all: params.flag("all"),
        limit: limit.filter(|limit| *limit > 0).map(|limit| limit as usize),
        id: filters.get("id").to_vec(),
        name: filters.get("name").to_vec(),
        state: states.collect::<ApiResult<_>>()?,
        label: filters.get("label").to_vec(),
        ancestor: filters.get("ancestor").to_vec(),
        exited: filters.parsed("exited")?,
        health: filters.get("health").iter().map(|text| health(text)).collect::<ApiResult<_>>()?,
        network: filters.get("network").to_vec(),
        volume: filters.get("volume").to_vec(),
        before: filters.get("before").first().cloned(),
        since: filters.get("since").first().cloned(),
        publish: ports(filters.get("publish"))?,
        expose: ports(filters.get("expose"))?,
    };
    Ok(Some(filter).filter(|_| !nothing))
}

fn health(text: &str) -> ApiResult<String> {
    match text {
        "none" | "starting" | "healthy" | "unhealthy" => Ok(text.to_owned()),
        _ => Err(ApiError::invalid(format!("Unrecognised filter value for health: {text}"))),
    }
}

/// `80`, `80/udp`, `8000-8080/tcp`.
fn ports(texts: &[String]) -> ApiResult<Vec<PortBinding>> {
    let read = |text: &String| PortBinding::parse(text).map_err(|error| ApiError::invalid(error.to_string()));
    Ok(texts.iter().map(read).collect::<ApiResult<Vec<_>>>()?.into_iter().flatten().collect())
}

/// `volumes` is the folder of all volumes.
pub fn show(container: &ContainerSummary, volumes: &str, spoken: Spoken) -> Summary {
    Summary {
        id: container.id.to_string(),
        names: vec![format!("/{}", container.name)],
        image: container.image.clone(),
        image_id: container.image_id.to_string(),
        command: command(&container.command),
        created: container.created_at_ms.div_euclid(1000),
        ports: container.ports.iter().flat_map(port).collect(),
        labels: container.labels.clone(),
        state: container.state.to_string(),
        status: container.status.clone(),
        host_config: SummaryHostConfig { network_mode: container.network.clone(), annotations: None },
        network_settings: SummaryNetworks { networks: super::networks::shown(container, spoken) },
        mounts: mounts::points(&container.mount_list, volumes),
        ..Summary::default()
    }
}

/// Words with a space in them stand in quotes, but for the program's name. Source: moby `daemon/list.go`.
fn command(words: &[String]) -> String {
    let quoted = |(number, word): (usize, &String)| if number > 0 && word.contains(' ') { format!("'{word}'") } else { word.clone() };
    words.iter().enumerate().map(quoted).collect::<Vec<_>>().join(" ")
}

fn port(port: &PublishedPort) -> Vec<Port> {
    let kind = port.protocol.to_string();
    match port.host {
        Some((ip, public_port)) => vec![Port { ip: ip.to_string(), private_port: port.container_port, public_port, kind }],
        None => vec![Port { private_port: port.container_port, kind, ..Port::default() }],
    }
}
