//! A container's files: `archive`, `export`, `changes`, and `POST /commit`.

use crate::answer::{json, or_null, time_ns};
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::images::reference;
use crate::query::{Json, Params};
use crate::transfer::{download, upload};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gantry_engine::{Change, ChangeKind, CommitWish, Engine, PathStat};
use gantry_wire::docker::container::{Change as WireChange, Config, PathStat as WireStat};
use gantry_wire::docker::image::Committed;
use gantry_wire::docker::json::{Empty, Words};
use std::collections::BTreeMap;

const STAT: &str = "X-Docker-Container-Path-Stat";

fn path(params: &Params) -> ApiResult<&str> {
    match params.text("path") {
        "" => Err(ApiError::invalid("missing parameter path")),
        path => Ok(path),
    }
}

pub async fn head(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    let stat = engine.stat_path(&caller, &id, path(&params)?).await?;
    Ok(HttpResponse::Ok().insert_header((STAT, stat_header(&stat))).finish())
}

pub async fn get(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params) -> ApiResult {
    let (stat, tar) = engine.copy_out(&caller, &id, path(&params)?).await?;
    let mut answer = download(&engine, tar).await?;
    answer.headers_mut().insert(
        actix_web::http::header::HeaderName::from_static("x-docker-container-path-stat"),
        stat_header(&stat).parse().map_err(|_| ApiError::invalid("the path has no name"))?,
    );
    Ok(answer)
}

pub async fn put(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params, body: Payload) -> ApiResult {
    let archive = upload(&request, body, "the files");
    let (careful, as_user) = (params.flag("noOverwriteDirNonDir"), params.flag("copyUIDGID"));
    engine.copy_in(&caller, &id, path(&params)?, archive, careful, as_user).await?;
    Ok(HttpResponse::Ok().finish())
}

pub async fn export(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    download(&engine, engine.export_container(&caller, &id).await?).await
}

pub async fn changes(engine: Data<Engine>, Peer(caller): Peer, id: Path<String>) -> ApiResult {
    let changes = engine.container_changes(&caller, &id).await?;
    Ok(json(&or_null(changes.iter().map(change).collect())))
}

fn change(change: &Change) -> WireChange {
    let kind = match change.kind {
        ChangeKind::Modified => 0,
        ChangeKind::Added => 1,
        ChangeKind::Deleted => 2,
    };
    WireChange { path: change.path.to_string_lossy().into_owned(), kind }
}

pub async fn commit(engine: Data<Engine>, Peer(caller): Peer, params: Params, Json(config): Json<Config>) -> ApiResult {
    let name = match params.text("repo") {
        "" => None,
        repo => Some(reference(repo, params.text("tag"))?),
    };
    let lines = params.each("changes").flat_map(str::lines).map(str::to_owned).filter(|line| !line.trim().is_empty());
    let changes = as_changes(&config)?.into_iter().chain(lines).collect();
    let wish = CommitWish {
        reference: name,
        author: params.text("author").to_owned(),
        comment: params.text("comment").to_owned(),
        changes,
        pause: params.flag_or("pause", true),
    };
    let id = engine.commit_container(&caller, params.text("container"), wish).await?;
    Ok(HttpResponse::Created().json(Committed { id: id.to_string() }))
}

/// What an image keeps of a configuration, as a Dockerfile would say it; the rest is a container's own.
fn as_changes(config: &Config) -> ApiResult<Vec<String>> {
    if config.healthcheck.is_some() || config.shell.is_some() {
        return Err(ApiError::unsupported("a health check or shell can't be sent with commit yet: name it in a Dockerfile"));
    }
    let words = |name: &str, words: &Option<Words>| words.as_ref().map(|words| format!("{name} {}", serde_json::Value::from(words.0.clone())));
    let text = |name: &str, value: &str| Some(format!("{name} {value}")).filter(|_| !value.is_empty());
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let keys = |name: &str, map: &Option<BTreeMap<String, Empty>>| map.iter().flatten().map(|(key, _)| format!("{name} {}", quoted(key))).collect::<Vec<_>>();
    let mut list: Vec<String> =
        [words("ENTRYPOINT", &config.entrypoint), words("CMD", &config.cmd), text("USER", &config.user)].into_iter().flatten().collect();
    list.extend(text("WORKDIR", &config.working_dir).into_iter().chain(text("STOPSIGNAL", &config.stop_signal)));
    list.extend(config.env.iter().flatten().filter(|pair| pair.contains('=')).map(|pair| format!("ENV {}", quoted(pair))));
    list.extend(config.labels.iter().flatten().map(|(name, value)| format!("LABEL {}", quoted(&format!("{name}={value}")))));
    list.extend(keys("EXPOSE", &config.exposed_ports));
    list.extend(keys("VOLUME", &config.volumes));
    list.extend(config.on_build.iter().flatten().map(|line| format!("ONBUILD {line}")));
    Ok(list)
}

fn stat_header(stat: &PathStat) -> String {
    let shown = WireStat {
        name: stat.name.clone(),
        size: stat.size_bytes as i64,
        mode: go_mode(stat.mode),
        mtime: time_ns(stat.modified_at_ns),
        link_target: stat.link_target.clone(),
    };
    BASE64_STANDARD.encode(serde_json::to_vec(&shown).expect("text and numbers are JSON"))
}

/// `st_mode` as Go's `os.FileMode`: other bits for kinds, and for setuid, setgid and sticky. Source: Go `os/types.go`.
fn go_mode(mode: u32) -> u32 {
    let kind = match mode & 0o170_000 {
        0o040_000 => 1 << 31,
        0o120_000 => 1 << 27,
        0o060_000 => 1 << 26,
        0o020_000 => (1 << 26) | (1 << 21),
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        _ => 0,
    };
    let bit = |ours: u32, theirs: u32| if mode & ours != 0 { theirs } else { 0 };
    kind | bit(0o4000, 1 << 23) | bit(0o2000, 1 << 22) | bit(0o1000, 1 << 20) | (mode & 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_go_s() {
        assert_eq!(go_mode(0o100_644), 0o644);
        assert_eq!(go_mode(0o041_777), (1 << 31) | (1 << 20) | 0o777);
        assert_eq!(go_mode(0o120_777), (1 << 27) | 0o777);
        assert_eq!(go_mode(0o104_755), (1 << 23) | 0o755);
        assert_eq!(go_mode(0o020_620), (1 << 26) | (1 << 21) | 0o620);
    }
}
