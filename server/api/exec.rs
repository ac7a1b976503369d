//! Exec sessions.

use crate::answer::json;
use crate::caller::Peer;
use crate::containers::size;
use crate::detach::DetachKeys;
use crate::error::{ApiError, ApiResult};
use crate::query::{Json, Params};
use crate::streams::{Join, Stdin, hijack};
use crate::version::Spoken;
use actix_web::web::{self, Data, Path, ServiceConfig};
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
    DetachKeys::parse(&body.detach_keys).map_err(|_| ApiError::invalid(format!("Invalid escape keys ({}) provided", body.detach_keys)))?;
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

async fn start(
    request: HttpRequest,
    engine: Data<Engine>,
    Peer(caller): Peer,
    spoken: Spoken,
    path: Path<String>,
    Json(options): Json<StartExec>,
) -> ApiResult {
    let id = id(&path)?;
    if options.detach {
        engine.start_exec_detached(&caller, &id).await?;
        return Ok(HttpResponse::Ok().finish());
    }
    let spec = engine.exec_state(&caller, &id).await?.spec;
    let attached = engine.begin_exec(&caller, &id, console(options.console_size))?;
    let stdin = match spec.open_stdin {
        false => Stdin::No,
        // The end of a terminal's input is typed, not sent.
        true if spec.tty => Stdin::Stays,
        true => Stdin::Ends,
    };
    let join = Join { stdin, stdout: true, stderr: true, detach: DetachKeys::parse("")?, hang_up: spec.tty.then_some(id) };
    Ok(hijack(&request, spoken, &engine, spec.tty, attached, join).await)
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
