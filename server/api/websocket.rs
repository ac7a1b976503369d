//! Attach by WebSocket: output in binary messages without frames of our own, every message of the client is input.

use crate::detach::DetachKeys;
use crate::error::{ApiError, ApiResult};
use crate::streams::{Join, Stdin};
use actix_web::HttpRequest;
use actix_web::web::Payload;
use actix_ws::{AggregatedMessage, Session};
use futures_util::StreamExt as _;
use gantry_engine::{Attached, Engine, Input, Output, OutputStream};
use std::time::Duration;
use tokio::sync::mpsc;

/// A message may be as large as a paste.
const MAX_MESSAGE: usize = 1 << 20;
const PING_EVERY: Duration = Duration::from_secs(15);

pub fn serve(request: &HttpRequest, body: Payload, engine: &Engine, attached: Attached, join: Join) -> ApiResult {
    let (answer, session, messages) = actix_ws::handle(request, body).map_err(|error| ApiError::invalid(format!("this is no WebSocket handshake: {error}")))?;
    let messages = messages.max_frame_size(MAX_MESSAGE).aggregate_continuations().max_continuation_size(MAX_MESSAGE);
    let stop = engine.stopping();
    actix_rt::spawn(async move {
        let Attached { tty, output, input } = attached;
        let keys = if tty { join.detach.clone() } else { DetachKeys::none() };
        let (out, sent) = (session.clone(), give(session.clone(), output, (join.stdout, join.stderr)));
        tokio::select! {
            () = sent => {}
            () = receive(out, messages, input, (join.stdin, keys)) => {}
            () = is_there(session.clone()) => {}
            () = stop => {}
        }
        let _ = session.close(None).await;
    });
    Ok(answer)
}

/// Pings until the client is gone: while its input waits for the process, nothing else tells.
async fn is_there(mut session: Session) {
    loop {
        actix_rt::time::sleep(PING_EVERY).await;
        if session.ping(b"").await.is_err() {
            return;
        }
    }
}

async fn give(mut session: Session, mut output: mpsc::Receiver<Output>, (stdout, stderr): (bool, bool)) {
    while let Some(message) = output.recv().await {
        let Output::Data { stream, bytes, .. } = message else { continue };
        let wanted = if stream == OutputStream::Stderr { stderr } else { stdout };
        if wanted && session.binary(bytes).await.is_err() {
            return;
        }
    }
}

async fn receive(mut session: Session, mut messages: actix_ws::AggregatedMessageStream, input: Input, (stdin, mut keys): (Stdin, DetachKeys)) {
    while let Some(Ok(message)) = messages.next().await {
        let bytes = match message {
            AggregatedMessage::Binary(bytes) => bytes,
            AggregatedMessage::Text(text) => text.into_bytes(),
            AggregatedMessage::Ping(bytes) => {
                let _ = session.pong(&bytes).await;
                continue;
            }
            AggregatedMessage::Pong(_) => continue,
            AggregatedMessage::Close(_) => return,
        };
        let (bytes, left) = keys.filter(bytes);
        if stdin != Stdin::No && !bytes.is_empty() {
            input.send(bytes).await;
        }
        if left {
            return;
        }
    }
}
