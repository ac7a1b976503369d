//! Images on their way in and out: load, import, save. What comes in is a job: it goes on as it is sent, and its lines are the answer.

use crate::answer::streaming;
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::images::reference;
use crate::query::Params;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt as _;
use gantry_engine::{Download, Engine, ImportOptions, Job, JobBound, JobLine, JobState, JobWatch, Upload};
use gantry_model::{Caller, Kind};
use gantry_wire::docker::progress::{Detail, Progress};
use std::io;
use tokio::sync::{mpsc, oneshot};

/// Pieces of the body waiting to be read: the client is held up beyond.
const SLOTS: usize = 16;

pub async fn load(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, params: Params, body: Payload) -> ApiResult {
    let job = engine.load_images(&caller, upload(&request, body, "the archive")).await?;
    let quiet = params.flag("quiet");
    answer(&engine, job, move |line: &JobLine| match &line.id {
        Some(id) if !quiet => Some(layer(id, line)),
        Some(_) => None,
        None => Some(Progress::stream(format!("{}\n", line.text))),
    })
    .await
}

pub async fn create(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, params: Params, body: Payload) -> ApiResult {
    match (params.text("fromImage"), params.text("fromSrc")) {
        ("", "-") => import(&request, &engine, &caller, &params, body).await,
        ("", "") => Err(ApiError::invalid("name an image with fromImage, or a source with fromSrc")),
        ("", _) => Err(ApiError::unsupported("importing from an address is not supported: fetch the file and send it with fromSrc=-")),
        _ => crate::registry::pull(&request, &engine, &caller, &params).await,
    }
}

async fn import(request: &HttpRequest, engine: &Engine, caller: &Caller, params: &Params, body: Payload) -> ApiResult {
    let name = match params.text("repo") {
        "" => None,
        repo => Some(reference(repo, params.text("tag"))?),
    };
    let options = ImportOptions { reference: name, message: params.text("message").to_owned(), changes: params.each("changes").map(str::to_owned).collect() };
    let job = engine.import_image(caller, upload(request, body, "the root file system"), options).await?;
    answer(engine, job, |line: &JobLine| line.id.is_none().then(|| Progress::status(line.text.clone()))).await
}

/// The body as an upload. It is read on this thread and waits when the job does.
pub fn upload(request: &HttpRequest, mut body: Payload, label: &str) -> Upload {
    let (sender, chunks) = mpsc::channel(SLOTS);
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    actix_rt::spawn(async move {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string()));
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    Upload { chunks, total_bytes: length, label: label.to_owned() }
}

pub fn layer(id: &str, line: &JobLine) -> Progress {
    let detail = line.progress.map(|(current, total)| Detail { current: current as i64, total: total as i64, units: String::new() });
    let bar = line.progress.filter(|progress| *progress != (0, 0)).map(|(current, total)| bar(current, total)).unwrap_or_default();
    Progress { id: id.to_owned(), status: line.text.clone(), progress_detail: Some(detail.unwrap_or_default()), progress: bar, ..Progress::default() }
}

/// `[====>    ]  1.5MB/3MB`. Source: moby `pkg/jsonmessage`.
fn bar(current: u64, total: u64) -> String {
    let done = (current.min(total) * 50).checked_div(total).unwrap_or(0) as usize;
    let (head, rest) = if done < 50 { (">", 49 - done) } else { ("=", 0) };
    let bar = format!("[{}{head}{}]", "=".repeat(done.min(49)), " ".repeat(rest));
    format!("{bar}  {}/{}", size(current), size(total))
}

/// Three digits and a unit of a thousand. Source: docker `go-units`, `HumanSize`.
fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    let digits = if value >= 100.0 || value.fract() == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{}", units[unit])
}

/// The lines of a job as they come, and how it ended. One that fails before its first line is an error with a status of its own.
async fn answer(engine: &Engine, job: JobWatch, show: impl Fn(&JobLine) -> Option<Progress> + 'static) -> ApiResult {
    shown(engine, job, None, show).await
}

/// The same, for a job that ends when the client goes.
pub async fn answer_bound(engine: &Engine, job: JobWatch, show: impl Fn(&JobLine) -> Option<Progress> + 'static) -> ApiResult {
    let bound = job.bound();
    shown(engine, job, Some(bound), show).await
}

async fn shown(engine: &Engine, job: JobWatch, bound: Option<JobBound>, show: impl Fn(&JobLine) -> Option<Progress> + 'static) -> ApiResult {
    let (mut lines, end) = job.split();
    let mut first = None;
    while first.is_none() {
        let Some(line) = lines.recv().await else { break };
        first = show(&line);
    }
    let Some(first) = first else {
        return match ended(end).await {
            Some(error) => Err(error),
            None => Ok(HttpResponse::Ok().content_type("application/json").finish()),
        };
    };
    let more = futures_util::stream::unfold((lines, Some(end), show, bound), |(mut lines, end, show, bound)| async move {
        let end = end?;
        while let Some(line) = lines.recv().await {
            if let Some(line) = show(&line) {
                return Some((Some(line), (lines, Some(end), show, bound)));
            }
        }
        Some((ended(end).await.map(|error| Progress::failed(error.message)), (lines, None, show, bound)))
    });
    let all = futures_util::stream::once(std::future::ready(Some(first))).chain(more);
    Ok(streaming(engine, "application/json", all.filter_map(|line| std::future::ready(line.map(|line| Bytes::from(line.line()))))))
}

async fn ended(end: oneshot::Receiver<Job>) -> Option<ApiError> {
    match end.await.map(|job| job.state) {
        Ok(JobState::Failed(why)) => Some(ApiError::invalid(why)),
        Ok(JobState::Cancelled) => Some(ApiError::new(Kind::Cancelled, "the job was cancelled")),
        Ok(JobState::Done | JobState::Running) => None,
        Err(_) => Some(ApiError::new(Kind::Cancelled, "the server is stopping")),
    }
}

pub async fn get(engine: Data<Engine>, Peer(caller): Peer, params: Params) -> ApiResult {
    saved(&engine, &caller, &params.list("names")).await
}

pub async fn get_one(engine: Data<Engine>, Peer(caller): Peer, name: Path<String>) -> ApiResult {
    saved(&engine, &caller, &[name.into_inner()]).await
}

async fn saved(engine: &Engine, caller: &Caller, names: &[String]) -> ApiResult {
    download(engine, engine.save_images(caller, names).await?).await
}

/// A tar on its way out. What fails before the first byte is an error with a status; later the connection breaks, so that nobody takes the half for the whole.
pub async fn download(engine: &Engine, download: Download) -> ApiResult {
    let mut chunks = download.chunks;
    let first = chunks.recv().await.transpose()?;
    let rest = futures_util::stream::unfold(chunks, |mut chunks| async move { chunks.recv().await.map(|chunk| (chunk, chunks)) });
    let all = futures_util::stream::iter(first.map(Ok)).chain(rest).map(|chunk| chunk.map_err(ApiError::from));
    Ok(HttpResponse::Ok().content_type("application/x-tar").streaming(Box::pin(all.take_until(engine.stopping()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_s_progress_has_a_bar() {
        assert_eq!(bar(0, 100), format!("[>{}]  0B/100B", " ".repeat(49)));
        assert_eq!(bar(50, 100), format!("[{}>{}]  50B/100B", "=".repeat(25), " ".repeat(24)));
        assert_eq!(bar(3_000_000, 3_000_000), format!("[{}]  3MB/3MB", "=".repeat(50)));
        assert_eq!((size(1_234_567), size(12_345), size(123_456)), ("1.23MB".to_owned(), "12.3kB".to_owned(), "123kB".to_owned()));
        assert!(bar(5, 0).ends_with("5B/0B"));
    }
}
