//! One page on one terminal: a WebSocket on one side, the joined session on the other.
//! Three tasks: `read` takes messages of the page, `hand_on` gives its input to the process, `write` sends output and news to the page.
//! None waits for another: a process that reads nothing still draws, and a page that draws nothing can still type.

use super::hub::{Seat, View};
use super::protocol::{self, FromPage, INPUT_WINDOW, OUTPUT_WINDOW, ToPage};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Closed};
use bytes::Bytes;
use gantry_engine::{Attached, Engine, EventFilter, Input, JoinedTerminal, Output};
use gantry_model::{Action, Caller, TermSize};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};

/// Each side tells so often that it is there.
const PING: Duration = Duration::from_secs(20);
/// A side that is not heard for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);

/// All that one connection needs.
pub struct Line {
    pub engine: Engine,
    /// The cookie: a person who logs out or loses the role loses the terminal.
    pub token: String,
    pub seat: Seat,
    pub joined: JoinedTerminal,
    pub page: actix_ws::Session,
    pub messages: AggregatedMessageStream,
}

/// What the three tasks tell each other.
struct Shared {
    /// Output before this is drawn.
    acked: Cell<u64>,
    /// Output before this was sent.
    sent: Cell<u64>,
    /// Bytes of input that wait for the process.
    waiting: Cell<u64>,
    /// Input before this was handed on.
    handed: Cell<u64>,
    size: Cell<Option<TermSize>>,
    ack_queued: Cell<bool>,
    size_queued: Cell<bool>,
    pong: Cell<bool>,
    heard: Cell<Instant>,
    /// Rings for the writer.
    news: Notify,
    gone: Notify,
}

enum ForProcess {
    Data(Bytes),
    Ack,
    Size,
}

/// Serves the page until either side is done.
pub fn run(line: Line) {
    let Line { engine, token, seat, joined, page, messages } = line;
    let JoinedTerminal { attached: Attached { output, input, .. }, from, head, epoch } = joined;
    let shared = Rc::new(Shared {
        acked: Cell::new(from),
        sent: Cell::new(from),
        waiting: Cell::new(0),
        handed: Cell::new(seat.received),
        size: Cell::new(None),
        ack_queued: Cell::new(false),
        size_queued: Cell::new(false),
        pong: Cell::new(false),
        heard: Cell::new(Instant::now()),
        news: Notify::new(),
        gone: Notify::new(),
    });
    let (queue, queued) = mpsc::unbounded_channel();
    actix_web::rt::spawn(hand_on(queued, input, shared.clone()));
    let writer = Writer { page, view: seat.view.clone(), connection: seat.connection(), queue: queue.clone(), shared: shared.clone(), engine, token };
    actix_web::rt::spawn(async move {
        let hello = ToPage::Hello { epoch, from, head, received: seat.received };
        let page = writer.page.clone();
        let reason = tokio::select! {
            reason = writer.write(hello, output) => reason,
            reason = read(messages, seat, queue, &shared) => reason,
        };
        shared.gone.notify_one();
        let _ = page.close(reason).await;
    });
}

/// Reads the page until it goes.
async fn read(mut messages: AggregatedMessageStream, mut seat: Seat, queue: mpsc::UnboundedSender<ForProcess>, shared: &Shared) -> Option<CloseReason> {
    while let Some(Ok(message)) = messages.recv().await {
        shared.heard.set(Instant::now());
        match message {
            AggregatedMessage::Binary(bytes) => {
                let Some((offset, bytes)) = protocol::input(&bytes) else { return odd("input without an offset") };
                let Some(skip) = seat.received.checked_sub(offset) else { return odd("input is missing") };
                // What came over a connection before is not typed twice.
                let bytes = bytes.slice(bytes.len().min(skip as usize)..);
                if bytes.is_empty() {
                    continue;
                }
                if !seat.receive(bytes.len() as u64) {
                    return None;
                }
                seat.act();
                shared.waiting.set(shared.waiting.get() + bytes.len() as u64);
                if shared.waiting.get() > 2 * INPUT_WINDOW {
                    return odd("more input than the page may send");
                }
                let _ = queue.send(ForProcess::Data(bytes));
            }
            AggregatedMessage::Text(text) => match FromPage::parse(&text) {
                Ok(FromPage::Ack { offset }) => {
                    shared.acked.set(shared.acked.get().max(offset.min(shared.sent.get())));
                    if !shared.ack_queued.replace(true) {
                        let _ = queue.send(ForProcess::Ack);
                    }
                    shared.news.notify_one();
                }
                Ok(FromPage::Size { cols, rows }) => seat.wish(FromPage::term_size(cols, rows)),
                Ok(FromPage::Active) => seat.act(),
                Ok(FromPage::Ping) => {
                    shared.pong.set(true);
                    shared.news.notify_one();
                }
                Err(error) => return odd(&format!("a message is not understood: {error}")),
            },
            AggregatedMessage::Close(_) => return None,
            AggregatedMessage::Ping(_) | AggregatedMessage::Pong(_) => {}
        }
    }
    None
}

fn odd(why: &str) -> Option<CloseReason> {
    Some(CloseReason { code: CloseCode::Policy, description: Some(why.to_owned()) })
}

/// Gives input to the process in order, also the last of it when the page has just gone; a process that takes nothing then loses it.
async fn hand_on(mut queued: mpsc::UnboundedReceiver<ForProcess>, input: Input, shared: Rc<Shared>) {
    let all = async {
        while let Some(item) = queued.recv().await {
            let taken = match item {
                ForProcess::Data(bytes) => {
                    let length = bytes.len() as u64;
                    let taken = input.send(bytes).await;
                    shared.waiting.set(shared.waiting.get() - length);
                    shared.handed.set(shared.handed.get() + length);
                    shared.news.notify_one();
                    taken
                }
                ForProcess::Ack => {
                    shared.ack_queued.set(false);
                    input.ack(shared.acked.get()).await
                }
                ForProcess::Size => {
                    shared.size_queued.set(false);
                    match shared.size.get() {
                        Some(size) => input.resize(size).await,
                        None => true,
                    }
                }
            };
            if !taken {
                return;
            }
        }
    };
    let forgotten = async {
        shared.gone.notified().await;
        tokio::time::sleep(SILENCE).await;
    };
    tokio::select! {
        () = all => {}
        () = forgotten => {}
    }
}

struct Writer {
    page: actix_ws::Session,
    view: watch::Receiver<View>,
    connection: u64,
    queue: mpsc::UnboundedSender<ForProcess>,
    shared: Rc<Shared>,
    engine: Engine,
    token: String,
}

impl Writer {
    /// Writes until the session ended, the page is gone, or its person may not be here any more.
    async fn write(mut self, hello: ToPage, mut output: mpsc::Receiver<Output>) -> Option<CloseReason> {
        let mut told = Told { handed: self.shared.handed.get(), ..Told::default() };
        let mut ping = tokio::time::interval(PING);
        ping.reset();
        let mut stop = std::pin::pin!(server_stops(self.engine.clone()));
        self.view.mark_changed();
        if self.tell(&hello).await.is_err() {
            return None;
        }
        loop {
            let room = self.shared.sent.get() < self.shared.acked.get() + OUTPUT_WINDOW;
            let alive = tokio::select! {
                message = output.recv(), if room => match message {
                    Some(Output::Data { offset, bytes, .. }) => {
                        self.shared.sent.set(offset + bytes.len() as u64);
                        self.within(actix_ws::Session::binary, protocol::output(offset, &bytes)).await
                    }
                    Some(Output::Gap { from, to }) => {
                        self.shared.sent.set(to);
                        self.tell(&ToPage::Gap { from, to }).await
                    }
                    Some(Output::Ended { exit_code, reason }) => return self.end(&reason, exit_code).await,
                    None => return self.end("the stream of the container ended", None).await,
                },
                () = self.shared.news.notified() => self.pass_news(&mut told).await,
                changed = self.view.changed() => {
                    if changed.is_err() { Err(Closed) } else { self.pass_view(&mut told).await }
                }
                // The page comes back by itself.
                () = &mut stop => return Some(CloseReason { code: CloseCode::Restart, description: None }),
                _ = ping.tick() => {
                    if self.shared.heard.get().elapsed() > SILENCE {
                        return None;
                    }
                    if !self.is_welcome().await {
                        return self.end("you are logged out, or may not use terminals any more", None).await;
                    }
                    self.within(ping_page, ()).await
                }
            };
            if alive.is_err() {
                return None;
            }
        }
    }

    async fn is_welcome(&self) -> bool {
        // An engine that can't say is no reason to hang up.
        self.engine.session(&self.token).await.map_or(true, |session| session.is_some_and(|session| session.caller.role.allows(Action::Exec)))
    }

    async fn end(&mut self, reason: &str, code: Option<i32>) -> Option<CloseReason> {
        let _ = self.tell(&ToPage::Ended { reason: reason.to_owned(), code, retry: false }).await;
        Some(CloseReason { code: CloseCode::Normal, description: None })
    }

    async fn pass_news(&mut self, told: &mut Told) -> Result<(), Closed> {
        if self.shared.pong.replace(false) {
            self.tell(&ToPage::Pong).await?;
        }
        let handed = self.shared.handed.get();
        if handed != told.handed {
            told.handed = handed;
            self.tell(&ToPage::Received { offset: handed }).await?;
        }
        Ok(())
    }

    /// The terminal takes the size of the window that was used last; the page of that window asks for it.
    async fn pass_view(&mut self, told: &mut Told) -> Result<(), Closed> {
        let view = self.view.borrow_and_update().clone();
        if view.names != told.view.names {
            self.tell(&ToPage::Viewers { names: view.names.clone() }).await?;
        }
        if view.size != told.view.size
            && let Some((size, by)) = view.size
        {
            let yours = by == self.connection;
            self.shared.size.set(Some(size));
            if yours && !self.shared.size_queued.replace(true) {
                let _ = self.queue.send(ForProcess::Size);
            }
            self.tell(&ToPage::Size { cols: size.cols, rows: size.rows, yours }).await?;
        }
        told.view = view;
        Ok(())
    }

    async fn tell(&mut self, message: &ToPage) -> Result<(), Closed> {
        self.within(actix_ws::Session::text, message.text()).await
    }

    /// A page whose connection takes nothing for long is gone.
    async fn within<T>(&mut self, send: impl AsyncFnOnce(&mut actix_ws::Session, T) -> Result<(), Closed>, what: T) -> Result<(), Closed> {
        tokio::time::timeout(SILENCE, send(&mut self.page, what)).await.unwrap_or(Err(Closed))
    }
}

/// Returns when the engine ends its subscriptions for good.
async fn server_stops(engine: Engine) {
    while let Ok(mut events) = engine.events(&Caller::engine(), EventFilter::default()).await {
        let mut any = false;
        while events.next().await.is_some() {
            any = true;
        }
        if !any {
            return;
        }
    }
}

async fn ping_page(page: &mut actix_ws::Session, (): ()) -> Result<(), Closed> {
    page.ping(b"").await
}

/// What the page was told last.
#[derive(Default)]
struct Told {
    handed: u64,
    view: View,
}
