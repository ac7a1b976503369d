//! Images: lists, details, names, removal. `transfer` has the ways in and out.

use crate::answer::{json, or_null, time_ms};
use crate::caller::Peer;
use crate::containers::prune_filter;
use crate::error::{ApiError, ApiResult};
use crate::query::{Params, until_ms};
use crate::version::Spoken;
use crate::{registry, transfer};
use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use gantry_engine::{Engine, ImageDetail, ImageFilter, ImageSummary, Removed};
use gantry_model::ImageRef;
use gantry_wire::docker::container::Config;
use gantry_wire::docker::image::{History, Inspect, Metadata, Pruned, Removed as WireRemoved, RootFs, Summary};
use gantry_wire::docker::inspect::GraphDriver;

pub fn configure(app: &mut ServiceConfig) {
    app.route("/images/json", web::get().to(list));
    app.route("/images/create", web::post().to(transfer::create));
    app.route("/images/load", web::post().to(transfer::load));
    app.route("/images/get", web::get().to(transfer::get));
    app.route("/images/prune", web::post().to(prune));
    app.route("/images/search", web::get().to(registry::search));
    app.route("/images/{name:.+}/json", web::get().to(inspect));
    app.route("/images/{name:.+}/history", web::get().to(history));
    app.route("/images/{name:.+}/get", web::get().to(transfer::get_one));
    app.route("/images/{name:.+}/tag", web::post().to(tag));
    app.route("/images/{name:.+}/push", web::post().to(registry::push));
    app.route("/images/{name:.+}", web::delete().to(remove));
}

async fn list(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, params: Params) -> ApiResult {
    let filters = params.filters(&["before", "dangling", "label", "reference", "since", "until"])?;
    let filter = ImageFilter {
        dangling: filters.flag("dangling")?,
        label: filters.get("label").to_vec(),
        // What was a parameter of its own until 1.40.
        reference: filters.get("reference").iter().cloned().chain(params.get("filter").map(str::to_owned)).collect(),
        before: filters.get("before").first().cloned(),
        since: filters.get("since").first().cloned(),
        until_ms: filters.get("until").first().map(|text| until_ms(text)).transpose()?,
    };
    let images = engine.find_images(&caller, &filter).await?;
    let shared = params.flag("shared-size");
    let known = |image: &ImageSummary| Summary { shared_size: if shared { image.shared_bytes as i64 } else { -1 }, containers: -1, ..row(image, spoken) };
    Ok(json(&images.iter().map(known).collect::<Vec<_>>()))
}

pub fn row(image: &ImageSummary, spoken: Spoken) -> Summary {
    let none = |list: &[String], text: &str| if list.is_empty() && !spoken.from(43) { vec![text.to_owned()] } else { list.to_vec() };
    Summary {
        id: image.id.to_string(),
        repo_tags: none(&image.tags, "<none>:<none>"),
        repo_digests: none(&image.repo_digests, "<none>@<none>"),
        created: image.created_at_ms.div_euclid(1000),
        size: image.size_bytes as i64,
        shared_size: image.shared_bytes as i64,
        virtual_size: (!spoken.from(44)).then_some(image.size_bytes as i64),
        labels: Some(image.labels.clone()).filter(|labels| !labels.is_empty()),
        containers: image.containers as i64,
        ..Summary::default()
    }
}

async fn inspect(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, name: Path<String>) -> ApiResult {
    Ok(json(&show(&engine.image(&caller, &name).await?, spoken)?))
}

/// Docker dropped it with 1.45; docker-compose 1.29 looks into it whatever is spoken, and can't make a container anew without it.
fn container_config(stored: &serde_json::Value, spoken: Spoken) -> serde_json::Value {
    match &stored["container_config"] {
        config if config.is_object() && !spoken.from(45) => config.clone(),
        _ => serde_json::Value::Object(serde_json::Map::new()),
    }
}

fn show(image: &ImageDetail, spoken: Spoken) -> ApiResult<Inspect> {
    let stored: serde_json::Value = serde_json::from_str(&image.config_json).unwrap_or_default();
    let text = |name: &str| stored[name].as_str().unwrap_or_default().to_owned();
    let config: Config = serde_json::from_value(stored["config"].clone()).unwrap_or_default();
    let size = image.summary.size_bytes as i64;
    Ok(Inspect {
        id: image.summary.id.to_string(),
        repo_tags: image.summary.tags.clone(),
        repo_digests: image.summary.repo_digests.clone(),
        comment: image.comment.clone(),
        created: text("created"),
        docker_version: text("docker_version"),
        author: image.author.clone(),
        config,
        container_config: container_config(&stored, spoken),
        architecture: image.architecture.clone(),
        variant: text("variant"),
        os: image.os.clone(),
        size,
        virtual_size: (!spoken.from(44)).then_some(size),
        graph_driver: GraphDriver { name: "overlay2".to_owned(), data: None },
        root_fs: RootFs { kind: "layers".to_owned(), layers: or_null(image.layers.iter().map(|layer| layer.diff_id.to_string()).collect()) },
        metadata: Metadata { last_tag_time: time_ms(None) },
        ..Inspect::default()
    })
}

async fn history(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>) -> ApiResult {
    let image = engine.image(&caller, &name).await?;
    let rows = image.history.iter().rev().enumerate().map(|(number, step)| History {
        id: if number == 0 { image.summary.id.to_string() } else { "<missing>".to_owned() },
        created: step.created_at_ms.unwrap_or(0).div_euclid(1000),
        created_by: step.created_by.clone(),
        tags: or_null(image.summary.tags.clone()).filter(|_| number == 0),
        size: step.size_bytes as i64,
        comment: step.comment.clone(),
    });
    Ok(json(&rows.collect::<Vec<_>>()))
}

/// `repo` and `tag` of a query as one reference.
pub fn reference(repo: &str, tag: &str) -> ApiResult<ImageRef> {
    let text = match tag {
        "" => repo.to_owned(),
        tag if tag.contains(':') => format!("{repo}@{tag}"),
        tag => format!("{repo}:{tag}"),
    };
    text.parse().map_err(|error: gantry_model::ImageRefError| ApiError::invalid(error.to_string()))
}

async fn tag(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>, params: Params) -> ApiResult {
    engine.tag_image(&caller, &name, reference(params.text("repo"), params.text("tag"))?).await?;
    Ok(HttpResponse::Created().finish())
}

async fn remove(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>, params: Params) -> ApiResult {
    let removed = engine.remove_image(&caller, &name, params.flag("force")).await?;
    Ok(json(&gone(&removed)))
}

fn gone(removed: &Removed) -> Vec<WireRemoved> {
    let untagged = removed.untagged.iter().map(|name| WireRemoved { untagged: name.clone(), ..WireRemoved::default() });
    untagged.chain(removed.deleted.iter().map(|id| WireRemoved { deleted: id.to_string(), ..WireRemoved::default() })).collect()
}

async fn prune(engine: Data<Engine>, Peer(caller): Peer, params: Params) -> ApiResult {
    let filter = prune_filter(&params, &["dangling"])?;
    let all = params.filters(&["dangling", "until", "label", "label!"])?.flag("dangling")? == Some(false);
    let (removed, pruned) = engine.prune_images(&caller, all, &filter).await?;
    Ok(json(&Pruned { images_deleted: or_null(removed.iter().flat_map(gone).collect()), space_reclaimed: pruned.bytes }))
}
