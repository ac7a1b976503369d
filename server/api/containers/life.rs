//! From create to remove.

use super::{host, spec};
use crate::answer::{json, line, no_content, or_null, streaming};
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::query::{Json, Params};
use crate::version::Spoken;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use futures_util::StreamExt as _;
use gantry_engine::{Engine, PruneFilter, RemoveOptions, WaitCondition};
use gantry_model::{ContainerName, Signal, TermSize};
use gantry_wire::docker::container::{Create, Created, Pruned, Updated, Waited};
use gantry_wire::docker::host_config::HostConfig;
use std::time::Duration;

pub async fn create(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, params: Params, Json(body): Json<Create>) -> ApiResult {
    let name = Some(params.text("name")).filter(|name| !name.is_empty()).map(str::parse::<ContainerName>);
    let name = name.transpose().map_err(|error| ApiError::invalid(error.to_string()))?;
    platform(params.text("platform"))?;
    let wish = spec::wish(&body, spoken)?;
    let created = engine.create_container(&caller, name, wish.spec).await?;
    let warnings = wish.warnings.into_iter().chain(created.warnings).collect();
    Ok(HttpResponse::Created().json(Created { id: created.id.to_string(), warnings }))
}

/// A platform that is not this host's own is refused: nothing here emulates another.
fn platform(text: &str) -> ApiResult<()> {
    let own = crate::system::go_arch(std::env::consts::ARCH);
    let mut parts = text.split('/');
    let (os, arch) = (parts.next().unwrap_or_default(), parts.next());
    let arch = arch.or_else(|| Some(os).filter(|word| !matches!(*word, "" | "linux")));
    let foreign = !matches!(os, "" | "linux") && arch != Some(os);
    match arch {
        Some(arch) if foreign || crate::system::go_arch(arch) != own => {
            Err(ApiError::unsupported(format!("platform {text} can't run here: this host is linux/{own}")))
        }
        None if foreign => Err(ApiError::unsupported(format!("platform {text} can't run here: this host is linux/{own}"))),
        _ => Ok(()),
    }
}

pub async fn start(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, body: actix_web::web::Bytes) -> ApiResult {
    // Docker once took a HostConfig here; one that is still sent would be passed over.
    if body.len() > 7 {
        return Err(ApiError::invalid("starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"));
    }
    engine.start_container(&caller, &id).await?;
    Ok(no_content())
}

pub async fn stop(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    engine.stop_container_by(&caller, &id, signal(&params)?, grace(&params)?).await?;
    Ok(no_content())
}

pub async fn restart(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    if let Some(signal) = signal(&params)? {
        match engine.stop_container_by(&caller, &id, Some(signal), grace(&params)?).await {
            Err(error) if error.kind() != gantry_model::Kind::NotModified => return Err(error.into()),
            _ => {}
        }
    }
    engine.restart_container(&caller, &id, grace(&params)?).await?;
    Ok(no_content())
}

pub async fn kill(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    let unknown = |text: &str| text.parse::<u32>().is_ok_and(|number| number > 0) && text.parse::<Signal>().is_err();
    if unknown(params.text("signal")) {
        return Err(ApiError::invalid(format!("Cannot kill container: {id}: The linux daemon does not support signal {}", params.text("signal"))));
    }
    engine.kill_container(&caller, &id, signal(&params)?.unwrap_or(Signal::KILL)).await?;
    Ok(no_content())
}

pub async fn pause(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    engine.pause_container(&caller, &id).await?;
    Ok(no_content())
}

pub async fn unpause(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    engine.unpause_container(&caller, &id).await?;
    Ok(no_content())
}

pub async fn rename(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    let text = params.text("name");
    // The slash that it would have.
    let slashed = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
    let name = slashed.parse().map_err(|error: gantry_model::NameError| ApiError::invalid(format!("Error when allocating new name: {error}")))?;
    engine.rename_container(&caller, &id, name).await?;
    Ok(no_content())
}

pub async fn resize(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    engine.resize_container(&caller, &id, size(&params)?).await?;
    Ok(HttpResponse::Ok().finish())
}

pub async fn update(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, Json(body): Json<HostConfig>) -> ApiResult {
    let policy = Some(&body.restart_policy).filter(|policy| !policy.name.is_empty()).map(host::restart).transpose()?;
    let warnings = engine.update_container(&caller, &id, host::limits(&body)?, policy).await?;
    Ok(json(&Updated { warnings: or_null(warnings) }))
}

/// The head is sent at once: the client starts the container when it has it.
pub async fn wait(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    let condition = match params.text("condition") {
        "" | "not-running" => WaitCondition::NotRunning,
        "next-exit" => WaitCondition::NextExit,
        "removed" => WaitCondition::Removed,
        other => return Err(ApiError::invalid(format!("invalid condition: {other:?}"))),
    };
    let waiter = engine.wait_container(&caller, &id, condition).await?;
    // The client is told nothing rather than a wrong code if the server stops first.
    let ended = async move { waiter.exit_code().await.ok().map(|code| line(&Waited { status_code: i64::from(code), error: None })) };
    Ok(streaming(&engine, "application/json", futures_util::stream::once(ended).filter_map(std::future::ready)))
}

pub async fn remove(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    if params.flag("link") {
        return Err(ApiError::unsupported("links are not supported, so none can be removed"));
    }
    engine.remove_container(&caller, &id, RemoveOptions { force: params.flag("force"), volumes: params.flag("v") }).await?;
    Ok(no_content())
}

pub async fn prune(engine: Data<Engine>, Peer(caller): Peer, params: Params) -> ApiResult {
    let filter = prune_filter(&params, &[])?;
    let pruned = engine.prune_containers(&caller, &filter).await?;
    Ok(json(&Pruned { containers_deleted: or_null(pruned.removed), space_reclaimed: pruned.bytes }))
}

/// `until`, `label` and `label!` of prunes, and what else is `known`.
pub fn prune_filter(params: &Params, known: &[&str]) -> ApiResult<PruneFilter> {
    let all: Vec<&str> = ["until", "label", "label!"].iter().chain(known).copied().collect();
    let filters = params.filters(&all)?;
    let until_ms = filters.get("until").first().map(|text| crate::query::until_ms(text)).transpose()?;
    Ok(PruneFilter { until_ms, label: filters.get("label").to_vec(), no_label: filters.get("label!").to_vec() })
}

fn signal(params: &Params) -> ApiResult<Option<Signal>> {
    match params.text("signal") {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| ApiError::invalid(format!("Invalid signal: {text}"))),
    }
}

/// `t` in seconds; a negative one waits without end.
fn grace(params: &Params) -> ApiResult<Option<Duration>> {
    let secs: Option<i64> = params.parsed("t")?;
    Ok(secs.map(|secs| Duration::from_secs(u64::try_from(secs).unwrap_or(u64::from(u32::MAX)))))
}

/// `h` and `w`.
pub fn size(params: &Params) -> ApiResult<TermSize> {
    let side = |name| params.parsed::<u16>(name)?.ok_or_else(|| ApiError::invalid(format!("invalid resize: {name} is missing")));
    Ok(TermSize { rows: side("h")?, cols: side("w")? })
}
