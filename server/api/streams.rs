//! A client and a process joined: what comes from the process goes out in frames or raw, what the client sends goes in.
//!
//! Both ways are bounded: a client that does not read holds up its own stream, a process that does not read its input holds up the client.
//! A client that goes away takes nothing with it.

use crate::connection::{Client, Connection};
use crate::detach::DetachKeys;
use crate::head::Hijack;
use crate::version::Spoken;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{Error, HttpRequest, HttpResponse};
use futures_util::StreamExt as _;
use gantry_engine::{Attached, Engine, EngineError, Input, Output, OutputStream};
use gantry_model::ExecId;
use gantry_wire::docker::{MULTIPLEXED, RAW, Stream, header};
use std::collections::VecDeque;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a client sent before it went may wait so long for the process.
const LAST_INPUT: Duration = Duration::from_secs(10);
/// The kernel tells within this that a client is gone.
const TOLD_WITHIN: Duration = Duration::from_millis(200);

/// What becomes of the client's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// Not joined.
    No,
    /// The process's input ends when the client says it has sent all.
    Ends,
    /// It stays open; the stream to the client ends instead, as with dockerd.
    Stays,
}

/// How the two are joined.
pub struct Join {
    pub stdin: Stdin,
    pub stdout: bool,
    pub stderr: bool,
    /// Looked for on terminals only.
    pub detach: DetachKeys,
    /// A session that is hung up if its client is gone without a word: nobody can join it again.
    pub hang_up: Option<ExecId>,
}

/// The content type of a stream. Multiplexed has a name of its own since 1.42, where the client could tell (`named`).
pub fn content_type(tty: bool, named: bool, spoken: Spoken) -> &'static str {
    if !tty && named && spoken.from(42) { MULTIPLEXED } else { RAW }
}

/// How long output waits for a client to take the head of its answer.
const HEAD_LIMIT: Duration = Duration::from_secs(2);

/// Takes the connection over at once; the streams are joined when `attached` ends, and why they can't be is told in the stream, as dockerd does.
pub async fn hijack<A>(request: &HttpRequest, spoken: Spoken, engine: &Engine, tty: bool, attached: A, join: Join) -> HttpResponse
where
    A: Future<Output = Result<Attached, EngineError>> + 'static,
{
    let connection = request.conn_data::<Connection>();
    let asked = connection.map(Connection::hijack).unwrap_or_default();
    // A connection that is not handed over has no way in: its request has ended.
    let client = connection.and_then(Connection::client);
    let reads = match connection {
        Some(connection) => connection.reads().await,
        None => None,
    };
    let done = CancellationToken::new();
    let ended = {
        let (done, stop) = (done.clone(), engine.stopping());
        async move {
            tokio::select! {
                () = done.cancelled() => {}
                () = stop => {}
            }
        }
    };
    let hang_up = join.hang_up.map(|id| (engine.clone(), id));
    // A start that has begun ends, whoever waits for it; and then the client's going is noticed.
    let frames = actix_rt::spawn(async move {
        let attached = attached.await;
        // Old clients lose what is there when they read the head: they look for it in a buffer that they throw away.
        match reads {
            Some(reads) => reads.next(HEAD_LIMIT).await,
            None => tokio::task::yield_now().await,
        }
        match attached {
            Ok(Attached { output, input, .. }) => {
                if let Some(client) = client {
                    let keys = if tty { join.detach } else { DetachKeys::none() };
                    let feed = Feed { input, stdin: join.stdin, keys, done: done.clone() };
                    actix_rt::spawn(async move {
                        if pump(client, feed, hang_up.is_some()).await == Way::Vanished
                            && let Some((engine, id)) = hang_up
                            && let Err(error) = engine.hang_up_exec(&id).await
                        {
                            tracing::debug!(exec.id = %id, "hang up a terminal whose client is gone: {error}");
                        }
                    });
                }
                Frames { output, tty, stdout: join.stdout, stderr: join.stderr, queue: VecDeque::new(), _done: Some(done.drop_guard()) }
            }
            Err(error) => Frames::said(tty, format!("{}\r\n", error.chain())),
        }
    });
    let frames = async move { frames.await.unwrap_or_else(|_| Frames::said(tty, "the server could not start this\r\n".to_owned())) };
    let rest = |frames| futures_util::stream::unfold(frames, |mut frames: Frames| async move { frames.next().await.map(|bytes| (bytes, frames)) });
    let body = futures_util::stream::once(frames).flat_map(rest).map(Ok::<_, Error>).take_until(Box::pin(ended));
    answer(asked, content_type(tty, asked == Hijack::Upgrade, spoken), body)
}

fn answer(asked: Hijack, content_type: &'static str, body: impl futures_util::Stream<Item = Result<Bytes, Error>> + 'static) -> HttpResponse {
    let mut answer = match asked {
        Hijack::Upgrade => HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS),
        Hijack::Plain | Hijack::No => HttpResponse::Ok(),
    };
    if asked == Hijack::Upgrade {
        answer.reason("UPGRADED").upgrade("tcp");
    } else {
        answer.force_close();
    }
    let mut answer = answer.insert_header((CONTENT_TYPE, content_type)).streaming(Box::pin(body));
    // Neither length nor chunks: it ends with the connection.
    answer.head_mut().no_chunking(true);
    answer
}

/// The process's output as the client gets it.
struct Frames {
    output: tokio::sync::mpsc::Receiver<Output>,
    tty: bool,
    stdout: bool,
    stderr: bool,
    /// A frame's header and payload are sent one after the other: nothing is copied.
    queue: VecDeque<Bytes>,
    /// Tells the way in that nobody is there any more.
    _done: Option<tokio_util::sync::DropGuard>,
}

impl Frames {
    /// One text, and the end.
    fn said(tty: bool, text: String) -> Self {
        let mut frames = Self { output: tokio::sync::mpsc::channel(1).1, tty, stdout: true, stderr: true, queue: VecDeque::new(), _done: None };
        frames.put(Stream::Stdout, text.into());
        frames
    }

    fn put(&mut self, stream: Stream, bytes: Bytes) {
        if !self.tty {
            self.queue.push_back(Bytes::copy_from_slice(&header(stream, bytes.len() as u32)));
        }
        self.queue.push_back(bytes);
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.queue.pop_front() {
                return Some(bytes);
            }
            let (stream, wanted, bytes) = match self.output.recv().await? {
                Output::Data { stream: OutputStream::Stdout, bytes, .. } => (Stream::Stdout, self.stdout, bytes),
                Output::Data { stream: OutputStream::Stderr, bytes, .. } => (Stream::Stderr, self.stderr, bytes),
                Output::Gap { from, to } => (Stream::System, !self.tty, Bytes::from(format!("{} bytes of output were lost\n", to - from))),
                Output::Ended { .. } => return None,
            };
            if !wanted || bytes.is_empty() {
                continue;
            }
            self.put(stream, bytes);
        }
    }
}

/// The way in.
struct Feed {
    input: Input,
    stdin: Stdin,
    keys: DetachKeys,
    done: CancellationToken,
}

/// How a client went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It said so, or there was nothing more for it.
    Left,
    Vanished,
}

/// Passes the client's bytes on until it has sent all, is gone, or nothing more comes out. How it went is told if it is of interest.
async fn pump(mut client: Client, mut feed: Feed, how: bool) -> Way {
    let done = feed.done.clone();
    let detached = tokio::select! {
        detached = carry(&mut client, &mut feed) => detached,
        () = done.cancelled() => false,
    };
    // Asked before our own end of the connection is closed: after that it would look the same.
    let vanished = how && !detached && actix_rt::time::timeout(TOLD_WITHIN, client.gone()).await.is_ok();
    done.cancel();
    if vanished { Way::Vanished } else { Way::Left }
}

/// True if the client left by its detach keys.
async fn carry(client: &mut Client, feed: &mut Feed) -> bool {
    while let Some(bytes) = client.next().await {
        let late = async {
            client.gone().await;
            actix_rt::time::sleep(LAST_INPUT).await;
        };
        let detached = tokio::select! {
            passed = feed.pass(bytes) => !passed,
            // The process does not read, and whoever sent this is gone.
            () = late => return false,
        };
        if detached {
            return true;
        }
    }
    match feed.stdin {
        Stdin::Ends => drop(feed.input.close().await),
        Stdin::Stays => return false,
        Stdin::No => {}
    }
    client.gone().await;
    false
}

impl Feed {
    /// False if the client wants to leave or the process takes nothing more. Bytes for a process without input are passed over.
    async fn pass(&mut self, bytes: Bytes) -> bool {
        if self.stdin == Stdin::No || bytes.is_empty() {
            return true;
        }
        match self.keys.filter(bytes) {
            (bytes, true) => {
                self.input.send(bytes).await;
                false
            }
            (bytes, false) => {
                // A process that is gone closes the stream itself, after its last byte.
                let _ = bytes.is_empty() || self.input.send(bytes).await;
                true
            }
        }
    }
}
