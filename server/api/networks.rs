//! Networks. Source: Docker Engine API, `/networks`.

use crate::answer::{json, no_content, or_null, time_ms};
use crate::caller::Peer;
use crate::containers::{endpoint_spec, prune_filter};
use crate::error::{ApiError, ApiResult};
use crate::query::{Json, Params};
use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use gantry_engine::{Engine, NetworkDetail, NetworkFilter};
use gantry_model::{Kind, NetworkSpec, Subnet};
use gantry_wire::docker::Filters;
use gantry_wire::docker::network::{Connect, Create, Created, Disconnect, Ipam, IpamConfig, Member, Network, Pruned};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub fn configure(app: &mut ServiceConfig) {
    app.route("/networks", web::get().to(list));
    app.route("/networks/create", web::post().to(create));
    app.route("/networks/prune", web::post().to(prune));
    app.route("/networks/{id}", web::get().to(inspect));
    app.route("/networks/{id}", web::delete().to(remove));
    app.route("/networks/{id}/connect", web::post().to(connect));
    app.route("/networks/{id}/disconnect", web::post().to(disconnect));
}

async fn list(engine: Data<Engine>, Peer(caller): Peer, params: Params) -> ApiResult {
    let filter = filter(&params.filters(&["dangling", "driver", "id", "label", "name", "scope", "type"])?)?;
    let networks = engine.list_networks(&caller, &filter).await?;
    // A list does not tell who is on them.
    Ok(json(&networks.iter().map(|network| Network { containers: BTreeMap::new(), ..show(network) }).collect::<Vec<_>>()))
}

fn filter(filters: &Filters) -> ApiResult<NetworkFilter> {
    let kinds = filters.get("type").iter().map(|kind| match kind.as_str() {
        "custom" => Ok(true),
        "builtin" => Ok(false),
        other => Err(ApiError::invalid(format!("invalid filter: 'type'='{other}'"))),
    });
    let kinds = kinds.collect::<ApiResult<Vec<bool>>>()?;
    let dangling =
        filters.flag("dangling").map_err(|_| ApiError::invalid("invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")"))?;
    Ok(NetworkFilter {
        id: filters.get("id").to_vec(),
        name: filters.get("name").to_vec(),
        driver: filters.get("driver").to_vec(),
        scope: filters.get("scope").to_vec(),
        label: filters.get("label").to_vec(),
        // Both are all.
        custom: if kinds.contains(&true) && kinds.contains(&false) { None } else { kinds.first().copied() },
        dangling,
    })
}

async fn inspect(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    if !matches!(params.text("scope"), "" | "local") {
        return Err(ApiError::new(Kind::NotFound, format!("network {id} not found")));
    }
    Ok(json(&show(&engine.network(&caller, &id).await?)))
}

async fn create(engine: Data<Engine>, Peer(caller): Peer, Json(body): Json<Create>) -> ApiResult {
    let id = engine.create_network(&caller, wish(body)?).await?;
    Ok(HttpResponse::Created().json(Created { id: id.to_string(), warning: String::new() }))
}

/// Every field is taken, or refused with a sentence.
fn wish(body: Create) -> ApiResult<NetworkSpec> {
    let forbidden = |message: &str| Err(ApiError::new(Kind::Forbidden, message));
    match () {
        () if body.ingress => return forbidden("Ingress network can only be global scope network"),
        () if !matches!(body.scope.as_str(), "" | "local") => {
            return forbidden(&format!("cannot create a {} scoped network when swarm is not active", body.scope));
        }
        () if body.enable_ipv6 == Some(true) => {
            return Err(ApiError::unsupported("networks have no IPv6 addresses in this release: leave --ipv6 (EnableIPv6) out"));
        }
        () if body.enable_ipv4 == Some(false) => return Err(ApiError::unsupported("a network without IPv4 addresses is not supported: leave --ipv4 out")),
        () if body.config_only || body.config_from.is_some_and(|from| !from.network.is_empty()) => {
            return Err(ApiError::unsupported("networks that are a configuration for others are not supported: say the configuration in each"));
        }
        () => {}
    }
    let spec = NetworkSpec {
        name: body.name,
        driver: body.driver,
        internal: body.internal,
        attachable: body.attachable,
        options: body.options.unwrap_or_default(),
        labels: body.labels.unwrap_or_default(),
        ..NetworkSpec::default()
    };
    addresses(spec, body.ipam.unwrap_or_default())
}

fn addresses(spec: NetworkSpec, ipam: Ipam) -> ApiResult<NetworkSpec> {
    match ipam.driver.as_str() {
        "" | "default" => {}
        "null" => return Err(ApiError::unsupported("the IPAM driver null is not supported: leave it out")),
        other => return Err(ApiError::new(Kind::NotFound, format!("plugin \"{other}\" not found"))),
    }
    let mut config = ipam.config.unwrap_or_default().into_iter().filter(|config| *config != IpamConfig::default());
    let Some(one) = config.next() else { return Ok(spec) };
    if config.next().is_some() {
        return Err(ApiError::new(Kind::Forbidden, "bridge driver doesn't support multiple subnets"));
    }
    let subnet = |text: &str| match text {
        "" => Ok(None),
        text if text.contains("::") => Err(ApiError::unsupported(format!("{text}: networks have no IPv6 addresses in this release"))),
        text => text.parse::<Subnet>().map(Some).map_err(|error| ApiError::invalid(format!("invalid network config: {error}"))),
    };
    let ip = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| ApiError::invalid(format!("invalid network config: invalid address {text}")));
    let reserved = one.auxiliary_addresses.unwrap_or_default().into_iter().map(|(name, text)| Ok((name, ip(&text)?)));
    Ok(NetworkSpec {
        subnet: subnet(&one.subnet)?,
        ip_range: subnet(&one.ip_range)?,
        gateway: Some(one.gateway.as_str()).filter(|text| !text.is_empty()).map(ip).transpose()?,
        reserved: reserved.collect::<ApiResult<_>>()?,
        ..spec
    })
}

async fn remove(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    engine.remove_network(&caller, &id).await?;
    Ok(no_content())
}

async fn prune(engine: Data<Engine>, Peer(caller): Peer, params: Params) -> ApiResult {
    let pruned = engine.prune_networks(&caller, &prune_filter(&params, &[])?).await?;
    Ok(json(&Pruned { networks_deleted: or_null(pruned.removed) }))
}

async fn connect(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, Json(body): Json<Connect>) -> ApiResult {
    let spec = endpoint_spec(&id, &body.endpoint_config.unwrap_or_default())?;
    engine.connect_network(&caller, container(&body.container)?, spec).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn disconnect(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, Json(body): Json<Disconnect>) -> ApiResult {
    engine.disconnect_network(&caller, &id, container(&body.container)?, body.force).await?;
    Ok(HttpResponse::Ok().finish())
}

fn container(reference: &str) -> ApiResult<&str> {
    if reference.is_empty() { Err(ApiError::invalid("invalid name or ID supplied: \"\"")) } else { Ok(reference) }
}

fn show(network: &NetworkDetail) -> Network {
    let text = |ip: Option<Ipv4Addr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
    let bits = network.subnet.map_or(0, Subnet::bits);
    let member = |member: &gantry_engine::NetworkMember| Member {
        name: member.name.clone(),
        endpoint_id: member.endpoint.to_string(),
        mac_address: member.mac.clone().unwrap_or_default(),
        ipv4_address: member.ip.map(|ip| format!("{ip}/{bits}")).unwrap_or_default(),
        ..Member::default()
    };
    let config = network.subnet.map(|subnet| IpamConfig {
        subnet: subnet.to_string(),
        ip_range: network.spec.ip_range.map(|range| range.to_string()).unwrap_or_default(),
        gateway: text(network.gateway),
        auxiliary_addresses: Some(network.spec.reserved.iter().map(|(name, ip)| (name.clone(), ip.to_string())).collect())
            .filter(|map: &BTreeMap<_, _>| !map.is_empty()),
    });
    Network {
        name: network.spec.name.clone(),
        id: network.id.to_string(),
        created: time_ms(Some(network.created_at_ms)),
        scope: "local".to_owned(),
        driver: network.spec.driver.clone(),
        enable_ipv4: true,
        ipam: Ipam { driver: "default".to_owned(), options: None, config: Some(config.into_iter().collect()) },
        internal: network.spec.internal,
        attachable: network.spec.attachable,
        containers: network.members.iter().map(|one| (one.container.to_string(), member(one))).collect(),
        options: network.spec.options.clone(),
        labels: network.spec.labels.clone(),
        ..Network::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::read;

    fn check(body: &str, want: Result<&str, &str>) {
        let create: Create = read(body.as_bytes()).expect("well formed");
        let got = wish(create).map(|spec| {
            let subnet = spec.subnet.map(|subnet| subnet.to_string()).unwrap_or_default();
            format!("{} {subnet} {:?} {}", spec.name, spec.gateway, spec.reserved.len())
        });
        assert_eq!(got.map_err(|error| error.message), want.map(str::to_owned).map_err(str::to_owned), "{body}");
    }

    #[test]
    fn a_request_becomes_a_wish_or_is_refused() {
        check(r#"{"Name":"a","CheckDuplicate":true,"IPAM":{"Driver":"default","Options":{},"Config":[]}}"#, Ok("a  None 0"));
        let full =
            r#"{"Name":"a","IPAM":{"Config":[{"Subnet":"10.0.0.0/24","Gateway":"10.0.0.1","IPRange":"10.0.0.128/25","AuxiliaryAddresses":{"x":"10.0.0.2"}}]}}"#;
        check(full, Ok("a 10.0.0.0/24 Some(10.0.0.1) 1"));
        check(r#"{"Name":"a","IPAM":{"Config":[{"Subnet":"bad"}]}}"#, Err("invalid network config: invalid CIDR address: bad"));
        check(r#"{"Name":"a","IPAM":{"Config":[{"Subnet":"10.0.0.0/24"},{"Subnet":"10.1.0.0/24"}]}}"#, Err("bridge driver doesn't support multiple subnets"));
        check(r#"{"Name":"a","IPAM":{"Driver":"foo"}}"#, Err("plugin \"foo\" not found"));
        check(r#"{"Name":"a","Ingress":true}"#, Err("Ingress network can only be global scope network"));
        check(r#"{"Name":"a","Scope":"swarm"}"#, Err("cannot create a swarm scoped network when swarm is not active"));
        check(r#"{"Name":"a","EnableIPv6":true}"#, Err("networks have no IPv6 addresses in this release: leave --ipv6 (EnableIPv6) out"));
    }
}
