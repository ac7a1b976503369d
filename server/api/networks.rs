//! The three predefined networks.

use crate::answer::{json, time_ms};
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::names::{endpoint_id, network_id};
use crate::query::Params;
use actix_web::web::{self, Data, Path, ServiceConfig};
use gantry_engine::{ContainerSummary, Engine, ListFilter};
use gantry_model::{Caller, Kind};
use gantry_wire::docker::Filters;
use gantry_wire::docker::network::{Ipam, IpamConfig, Member, Network, Pruned};
use std::collections::BTreeMap;

pub fn configure(app: &mut ServiceConfig) {
    app.route("/networks", web::get().to(list));
    app.route("/networks/prune", web::post().to(prune));
    app.route("/networks/{id}", web::get().to(inspect));
    app.route("/networks/{id}", web::delete().to(remove));
}

/// Name and driver.
const PREDEFINED: [(&str, &str); 3] = [("bridge", "bridge"), ("host", "host"), ("none", "null")];

async fn list(engine: Data<Engine>, Peer(caller): Peer, params: Params) -> ApiResult {
    let filters = params.filters(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
    let mut rows = Vec::new();
    for (name, driver) in PREDEFINED {
        let network = Network { containers: BTreeMap::new(), ..network(&engine, &caller, name, driver).await? };
        if passes(&network, &filters)? {
            rows.push(network);
        }
    }
    Ok(json(&rows))
}

fn passes(network: &Network, filters: &Filters) -> ApiResult<bool> {
    let any = |key: &str, hit: &dyn Fn(&str) -> bool| filters.get(key).is_empty() || filters.get(key).iter().any(|value| hit(value));
    Ok(any("name", &|name| network.name.contains(name))
        && any("id", &|id| network.id.starts_with(id))
        && any("driver", &|driver| network.driver == driver)
        && any("scope", &|scope| network.scope == scope)
        && any("type", &|kind| kind == "builtin")
        && filters.get("label").is_empty()
        && filters.flag("dangling")? != Some(true))
}

async fn inspect(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    let (name, driver) = find(&id)?;
    Ok(json(&network(&engine, &caller, name, driver).await?))
}

fn find(reference: &str) -> ApiResult<(&'static str, &'static str)> {
    let named = PREDEFINED.into_iter().find(|(name, _)| *name == reference);
    let by_id = || PREDEFINED.into_iter().find(|(name, _)| reference.len() >= 4 && network_id(name).starts_with(reference));
    named.or_else(by_id).ok_or_else(|| ApiError::new(Kind::NotFound, format!("network {} not found", reference.chars().take(200).collect::<String>())))
}

async fn remove(id: Path<String>) -> ApiResult {
    let (name, _) = find(&id)?;
    Err(ApiError::new(Kind::Forbidden, format!("{name} is a pre-defined network and cannot be removed")))
}

async fn prune() -> ApiResult {
    Ok(json(&Pruned { networks_deleted: None }))
}

async fn network(engine: &Engine, caller: &Caller, name: &str, driver: &str) -> ApiResult<Network> {
    let on_it = engine.list_containers(caller, &ListFilter { network: vec![name.to_owned()], ..ListFilter::default() }).await?;
    let (subnet, gateway) = engine.default_bridge();
    let config = IpamConfig { subnet, gateway: gateway.to_string(), ..IpamConfig::default() };
    let bits = config.subnet.rsplit_once('/').map(|(_, bits)| bits.to_owned()).unwrap_or_default();
    Ok(Network {
        name: name.to_owned(),
        id: network_id(name),
        created: time_ms(Some(0)),
        scope: "local".to_owned(),
        driver: driver.to_owned(),
        enable_ipv4: true,
        ipam: Ipam { driver: "default".to_owned(), options: None, config: Some(if name == "bridge" { vec![config] } else { Vec::new() }) },
        containers: on_it.iter().map(|container| (container.id.to_string(), member(container, name, &bits))).collect(),
        options: if name == "bridge" { BTreeMap::from([("com.docker.network.bridge.default_bridge".to_owned(), "true".to_owned())]) } else { BTreeMap::new() },
        ..Network::default()
    })
}

fn member(container: &ContainerSummary, network: &str, bits: &str) -> Member {
    Member {
        name: container.name.to_string(),
        endpoint_id: endpoint_id(&container.id, network),
        ipv4_address: container.ip.map(|ip| format!("{ip}/{bits}")).unwrap_or_default(),
        ..Member::default()
    }
}
