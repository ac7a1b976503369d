//! Exec sessions.

use crate::answer::json;
use crate::caller::Peer;
use crate::containers::size;
use crate::detach::DetachKeys;
use crate::error::{ApiError, ApiResult};
use crate::query::{Json, MAX_BODY, Params, read};
use crate::streams::{Join, Stdin, hijack, take, take_all};
use crate::version::Spoken;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{self, Bytes, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use gantry_engine::Engine;
use gantry_model::{ExecId, ExecSpec, TermSize};
use gantry_wire::docker::exec::{CreateExec, ExecId as WireId, ExecInspect, ProcessConfig, StartExec};

pub fn configure(app: &mut ServiceConfig) {
    app.route("/containers/{id}/exec", web::post().to(create));
    app.route("/exec/{id}/start", web::post().to(start));
    app.route("/exec/{id}/resize", web::post().to(resize));
    app.route("/exec/{id}/json", web::get().to(inspect));
}

async fn create(engine: Data<Engine>, Peer(caller): Peer, container: Path<String>, Json(body): Json<CreateExec>) -> ApiResult {
    DetachKeys::parse(&body.detach_keys)?;
    let spec = ExecSpec {
        args: body.cmd.unwrap_or_default(),
        env: body.env.unwrap_or_default(),
        user: body.user,
        working_dir: body.working_dir,
        tty: body.tty,
        open_stdin: body.attach_stdin,
        mute_stdout: !body.attach_stdout,
        mute_stderr: !body.attach_stderr,
        privileged: body.privileged,
        term_size: console(body.console_size),
        keep_bytes: None,
    };
    let id = engine.create_exec(&caller, &container, spec).await?;
    Ok(HttpResponse::Created().json(WireId { id: id.to_string() }))
}

fn console(size: Option<[u16; 2]>) -> Option<TermSize> {
    size.filter(|size| *size != [0, 0]).map(|[rows, cols]| TermSize { rows, cols })
}

fn id(text: &str) -> ApiResult<ExecId> {
    text.parse().map_err(|_| ApiError::new(gantry_model::Kind::NotFound, format!("No such exec instance: {}", text.chars().take(80).collect::<String>())))
}

async fn start(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, path: Path<String>, mut body: Payload) -> ApiResult {
    let id = id(&path)?;
    let (options, rest) = options(&request, &mut body).await?;
    if options.detach {
        engine.start_exec_detached(&caller, &id).await?;
        return Ok(HttpResponse::Ok().finish());
    }
    let spec = engine.exec_state(&caller, &id).await?.spec;
    let attached = engine.start_exec(&caller, &id, console(options.console_size)).await?;
    let stdin = if spec.open_stdin { Stdin::Ends } else { Stdin::No };
    let join = Join { stdin, stdout: true, stderr: true, detach: DetachKeys::parse("")? };
    Ok(hijack(&request, spoken, &engine, attached, join, body, rest))
}

/// The JSON at the front of a connection that is input from there on, and what came behind it already.
async fn options(request: &HttpRequest, body: &mut Payload) -> ApiResult<(StartExec, Bytes)> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).map(str::trim).map(str::parse::<usize>);
    match length {
        Some(Ok(length)) if length <= MAX_BODY => {
            let (json, rest) = take(body, length).await.ok_or_else(|| ApiError::invalid("the request was cut short"))?;
            Ok((read(&json)?, rest))
        }
        Some(_) => Err(ApiError::invalid("the Content-Length is no length of a request")),
        // Chunked: the connection is not taken over, the body ends.
        None if request.headers().contains_key("transfer-encoding") => {
            let json = take_all(body, MAX_BODY).await.ok_or_else(|| ApiError::invalid("the request is cut short or too large"))?;
            Ok((read(&json)?, Bytes::new()))
        }
        None => Ok((StartExec::default(), Bytes::new())),
    }
}

async fn resize(engine: Data<Engine>, Peer(caller): Peer, path: Path<String>, params: Params) -> ApiResult {
    engine.resize_exec(&caller, &id(&path)?, size(&params)?).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn inspect(engine: Data<Engine>, Peer(caller): Peer, path: Path<String>) -> ApiResult {
    let exec = engine.exec_state(&caller, &id(&path)?).await?;
    let mut words = exec.spec.args.into_iter();
    Ok(json(&ExecInspect {
        id: exec.id.to_string(),
        running: exec.running,
        exit_code: exec.exit_code,
        process_config: ProcessConfig {
            tty: exec.spec.tty,
            entrypoint: words.next().unwrap_or_default(),
            arguments: words.collect(),
            privileged: exec.spec.privileged,
            user: exec.spec.user,
        },
        open_stdin: exec.spec.open_stdin,
        open_stdout: !exec.spec.mute_stdout,
        open_stderr: !exec.spec.mute_stderr,
        can_remove: !exec.running && exec.exit_code.is_some(),
        container_id: exec.container.to_string(),
        detach_keys: String::new(),
        pid: exec.pid.unwrap_or(0),
    }))
}
