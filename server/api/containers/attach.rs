//! Attach: by taking the connection over, and by WebSocket.

use crate::caller::Peer;
use crate::detach::DetachKeys;
use crate::error::{ApiError, ApiResult};
use crate::query::Params;
use crate::streams::{Join, Stdin, hijack};
use crate::version::Spoken;
use crate::websocket;
use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Payload};
use gantry_engine::{AttachOptions, Attached, Engine};
use gantry_model::{Caller, Kind};

/// Client and container, joined as the query says.
async fn join(engine: &Engine, caller: &Caller, id: &str, params: &Params) -> ApiResult<(Attached, Join)> {
    let spec = engine.container(caller, id).await?.spec;
    let stdin = params.flag("stdin") && spec.open_stdin;
    let options =
        AttachOptions { stdin, stdout: params.flag("stdout"), stderr: params.flag("stderr"), logs: params.flag("logs"), stream: params.flag("stream") };
    if !options.logs && !options.stream {
        return Err(ApiError::invalid("ask for logs, for the stream, or for both"));
    }
    let detach = DetachKeys::parse(params.text("detachKeys"))?;
    let attached = match engine.attach(caller, id, options).await {
        // Nothing is kept, so there is nothing to show before the stream.
        Err(error) if options.logs && options.stream && error.kind() == Kind::Invalid => {
            engine.attach(caller, id, AttachOptions { logs: false, ..options }).await?
        }
        attached => attached?,
    };
    let stdin = match stdin && options.stream {
        false => Stdin::No,
        true if spec.stdin_once && !spec.tty => Stdin::Ends,
        true => Stdin::Stays,
    };
    Ok((attached, Join { stdin, stdout: options.stdout, stderr: options.stderr, detach, hang_up: None }))
}

pub async fn attach(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, id: Path<String>, params: Params) -> ApiResult {
    let (attached, join) = join(&engine, &caller, &id, &params).await?;
    Ok(hijack(&request, spoken, &engine, attached.tty, std::future::ready(Ok(attached)), join).await)
}

pub async fn attach_ws(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, id: Path<String>, params: Params, body: Payload) -> ApiResult {
    let (attached, join) = join(&engine, &caller, &id, &params).await?;
    websocket::serve(&request, body, &engine, attached, join)
}
