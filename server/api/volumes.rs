//! Volumes.

use crate::answer::{json, no_content, or_null, time_ms};
use crate::caller::Peer;
use crate::containers::prune_filter;
use crate::error::{ApiError, ApiResult};
use crate::query::{Json, Params};
use crate::version::Spoken;
use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use gantry_engine::{Engine, Volume};
use gantry_model::Kind;
use gantry_wire::docker::Filters;
use gantry_wire::docker::volume::{Create, List, Pruned, Volume as WireVolume};

pub fn configure(app: &mut ServiceConfig) {
    app.route("/volumes", web::get().to(list));
    app.route("/volumes/create", web::post().to(create));
    app.route("/volumes/prune", web::post().to(prune));
    app.route("/volumes/{name}", web::get().to(inspect));
    app.route("/volumes/{name}", web::delete().to(remove));
}

pub fn show(volume: &Volume) -> WireVolume {
    WireVolume {
        created_at: time_ms(Some(volume.created_at_ms)),
        driver: "local".to_owned(),
        labels: Some(volume.labels.clone()).filter(|labels| !labels.is_empty()),
        mountpoint: volume.folder.display().to_string(),
        name: volume.name.clone(),
        scope: "local".to_owned(),
        ..WireVolume::default()
    }
}

async fn list(engine: Data<Engine>, Peer(caller): Peer, params: Params) -> ApiResult {
    let filters = params.filters(&["dangling", "driver", "label", "name"])?;
    let dangling = filters.flag("dangling")?;
    let volumes = engine.volumes(&caller).await?;
    let shown = volumes.iter().filter(|volume| dangling.is_none_or(|dangling| dangling == (volume.containers == 0)) && passes(volume, &filters)).map(show);
    Ok(json(&List { volumes: shown.collect(), warnings: None }))
}

fn passes(volume: &Volume, filters: &Filters) -> bool {
    let any = |key: &str, hit: &dyn Fn(&str) -> bool| filters.get(key).is_empty() || filters.get(key).iter().any(|value| hit(value));
    any("name", &|name| volume.name.contains(name))
        && any("driver", &|driver| driver == "local")
        && filters.get("label").iter().all(|label| match label.split_once('=') {
            Some((key, value)) => volume.labels.get(key).is_some_and(|known| known == value),
            None => volume.labels.contains_key(label.as_str()),
        })
}

async fn create(engine: Data<Engine>, Peer(caller): Peer, Json(body): Json<Create>) -> ApiResult {
    if !matches!(body.driver.as_str(), "" | "local") {
        return Err(ApiError::new(Kind::NotFound, format!("create {}: error looking up volume plugin {1}: plugin \"{1}\" not found", body.name, body.driver)));
    }
    if body.driver_opts.is_some_and(|options| !options.is_empty()) {
        return Err(ApiError::unsupported("options of the local volume driver are not supported yet"));
    }
    let volume = engine.create_volume(&caller, &body.name, &body.labels.unwrap_or_default()).await?;
    Ok(HttpResponse::Created().json(show(&volume)))
}

async fn inspect(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>) -> ApiResult {
    Ok(json(&show(&engine.volume(&caller, &name).await?)))
}

async fn remove(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>, params: Params) -> ApiResult {
    match engine.remove_volume(&caller, &name).await {
        Err(error) if params.flag("force") && error.kind() == Kind::NotFound => Ok(no_content()),
        done => done.map(|()| no_content()).map_err(ApiError::from),
    }
}

async fn prune(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, params: Params) -> ApiResult {
    let filter = prune_filter(&params, &["all"])?;
    // Before 1.42 a prune took named volumes too.
    let all = params.filters(&["all", "label", "label!", "until"])?.flag("all")?.unwrap_or(!spoken.from(42));
    let pruned = engine.prune_volumes(&caller, all, &filter).await?;
    Ok(json(&Pruned { volumes_deleted: or_null(pruned.removed), space_reclaimed: pruned.bytes }))
}
