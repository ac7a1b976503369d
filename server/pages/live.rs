//! Live pages: one stream of server-sent events per page, opened by `web/scripts/live.ts` from the address in `data-live` of
//! `<body>`. Every page is whole without it.
//!
//! The stream sends pieces of HTML that the server rendered; the script only puts them in place. Events:
//!
//! | event   | data | what the script does |
//! |---------|------|----------------------|
//! | `swap`  | HTML of one or more elements, each with an `id` | replaces the element of that id; one that is not on the page is ignored. Keeps what the reader does: the checked state of boxes (by `name` and `value`), the focus, open `<details>` |
//! | `add`   | first line: `LIST first`, `LIST last` or `LIST after ID`; then HTML of one or more elements with an `id` | like `swap` if an element of that id is there, else puts it at that end of the element with the id `LIST` (or after its child `ID`, or last if there is none). If `LIST` has `data-most="N"`, children beyond N go from the other end; if it has `data-follow`, it is scrolled to the new end unless the reader scrolled away |
//! | `drop`  | an id | removes that element |
//! | `stale` | – | the stream lost events: loads the page anew |
//! | `end`   | – | nothing more will come (the job or container ended): closes the stream for good |
//!
//! Table rows come as `<tr id=…>`, so the script parses them in a `<template>`. Lines of the data are parted as SSE asks (`data:` each).
//! A comment is sent every 15 seconds. Logs carry an `id:` (a moment in nanoseconds), so that `Last-Event-ID` goes on after it; all
//! other streams begin with the present state, so a broken connection is just opened again. The script closes the stream while the page is
//! hidden (browsers allow six connections to a host) and opens it again when it is shown. When the server stops or the session ends the
//! stream ends; opening it again is answered by 401 once the session is gone, and then the script loads the page anew.

use crate::answer::Answer;
use crate::errors::PageError;
use crate::session;
use crate::visit::Visit;
use actix_web::http::header::{self, ContentEncoding};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use gantry_engine::{EventFilter, EventKind, Events};
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events that come together are told together.
const GATHER: Duration = Duration::from_millis(60);
/// Messages a slow browser may be behind; after that its stream waits.
const BEHIND: usize = 32;

/// A piece of a page that may change.
pub struct Piece {
    pub id: String,
    pub html: String,
    /// Where it goes if the page does not have it; such a piece is also taken away.
    place: Option<String>,
    key: u64,
}

impl Piece {
    /// One that is always on the page.
    pub fn swap(id: &str, part: &impl Template) -> Result<Self, PageError> {
        let html = part.render().map_err(PageError::Render)?;
        let key = fingerprint(&html);
        Ok(Self { id: id.to_owned(), html, place: None, key })
    }

    /// One that changed only if `key` did.
    pub fn keyed(id: String, part: &impl Template, key: impl Hash) -> Result<Self, PageError> {
        Ok(Self { id, html: part.render().map_err(PageError::Render)?, place: None, key: fingerprint(key) })
    }

    /// An entry of the list with the id `list`; `place` is `first`, `last` or `after ID`.
    pub fn add(id: String, list: &str, place: &str, part: &impl Template, key: impl Hash) -> Result<Self, PageError> {
        Ok(Self { place: Some(format!("{list} {place}")), ..Self::keyed(id, part, key)? })
    }
}

fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// All pieces of a page as they are now.
pub trait View: 'static {
    async fn pieces(&self) -> Result<Vec<Piece>, PageError>;
    /// True once nothing will change any more.
    fn ended(&self) -> bool {
        false
    }
}

/// Knows what a browser has, and tells only what it has not.
#[derive(Default)]
pub struct Teller {
    known: HashMap<String, (u64, bool)>,
}

impl Teller {
    /// For a page that has these pieces.
    pub fn knowing(pieces: &[Piece]) -> Self {
        Self { known: pieces.iter().map(|piece| (piece.id.clone(), (piece.key, piece.place.is_some()))).collect() }
    }

    /// The events that bring a browser from what it has to `pieces`.
    fn tell(&mut self, pieces: Vec<Piece>) -> Vec<Bytes> {
        let mut out = Vec::new();
        let mut swaps = String::new();
        let mut now = HashMap::with_capacity(pieces.len());
        for piece in pieces {
            if self.known.remove(&piece.id).is_none_or(|(key, _)| key != piece.key) {
                match &piece.place {
                    Some(place) => out.push(event("add", &format!("{place}\n{}", piece.html))),
                    None => swaps.push_str(&piece.html),
                }
            }
            now.insert(piece.id, (piece.key, piece.place.is_some()));
        }
        if !swaps.is_empty() {
            out.push(event("swap", &swaps));
        }
        let gone = std::mem::replace(&mut self.known, now);
        out.extend(gone.into_iter().filter(|(_, (_, listed))| *listed).map(|(id, _)| event("drop", &id)));
        out
    }
}

/// One event. Source: HTML Standard, "Server-sent events".
pub fn event(name: &str, data: &str) -> Bytes {
    let mut text = format!("event: {name}\n");
    for line in data.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    if data.is_empty() {
        text.push_str("data:\n");
    }
    text.push('\n');
    Bytes::from(text)
}

/// An event a broken stream can go on after.
pub fn event_with_id(name: &str, data: &str, id: i128) -> Bytes {
    Bytes::from([format!("id: {id}\n").as_bytes(), &event(name, data)].concat())
}

/// The id of the last event the browser got before its stream broke.
pub fn last_id(request: &HttpRequest) -> Option<i64> {
    request.headers().get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// The way to one browser. Beats in the background; all ends when the browser goes, the session ends or the server stops.
pub struct Sender {
    to_browser: mpsc::Sender<Bytes>,
}

impl Sender {
    /// False once nobody listens.
    pub async fn send(&self, event: Bytes) -> bool {
        self.to_browser.send(event).await.is_ok()
    }
}

/// Opens a stream to the browser for a page that feeds it itself.
pub async fn open(visit: &Visit) -> Result<(Sender, HttpResponse), PageError> {
    let events = visit.engine.events(visit.caller(), EventFilter::default()).await?;
    let (to_browser, receiver) = mpsc::channel(BEHIND);
    actix_web::rt::spawn(beat(visit.clone(), events, to_browser.downgrade()));
    Ok((Sender { to_browser }, response(receiver)))
}

/// Keeps a quiet stream alive, and ends it with the session or the server. Holds the stream only weakly.
async fn beat(visit: Visit, mut events: Events, to_browser: mpsc::WeakSender<Bytes>) {
    let mut next = Instant::now() + HEARTBEAT;
    loop {
        tokio::select! {
            event = events.next() => if event.is_none() { return },
            () = sleep_until(next) => {
                next += HEARTBEAT;
                let Some(sender) = to_browser.upgrade() else { return };
                if !alive(&visit).await || sender.send(Bytes::from_static(b": beat\n\n")).await.is_err() { return }
            }
        }
    }
}

/// A session that ended, or lost its role, ends its streams too.
async fn alive(visit: &Visit) -> bool {
    let Some(token) = session::token(&visit.request) else { return false };
    matches!(visit.engine.session(&token).await, Ok(Some(session)) if session.caller.role == visit.caller().role)
}

/// A stream that tells the pieces of `view` whenever something happens; with `stats`, also when new samples are there.
pub async fn stream<V: View>(visit: Visit, view: V, teller: Teller, stats: bool) -> Answer {
    let events = visit.engine.events(visit.caller(), EventFilter { stats, ..EventFilter::default() }).await?;
    let (to_browser, receiver) = mpsc::channel(BEHIND);
    actix_web::rt::spawn(feed(visit, view, teller, events, to_browser));
    Ok(response(receiver))
}

async fn feed<V: View>(visit: Visit, view: V, mut teller: Teller, mut events: Events, to_browser: mpsc::Sender<Bytes>) {
    let mut beat = Instant::now() + HEARTBEAT;
    loop {
        match view.pieces().await {
            Ok(pieces) => {
                for event in teller.tell(pieces) {
                    if to_browser.send(event).await.is_err() {
                        return;
                    }
                }
            }
            // What the page shows is gone: loading it anew tells why.
            Err(_) => return drop(to_browser.send(event("stale", "")).await),
        }
        if view.ended() {
            return drop(to_browser.send(event("end", "")).await);
        }
        loop {
            tokio::select! {
                event = events.next() => match event {
                    None => return,
                    Some(event) if event.kind == EventKind::Stats => break,
                    Some(_) => {
                        gather(&mut events).await;
                        break;
                    }
                },
                () = to_browser.closed() => return,
                () = sleep_until(beat) => {
                    beat += HEARTBEAT;
                    if !alive(&visit).await || to_browser.send(Bytes::from_static(b": beat\n\n")).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Takes what comes within a moment, so that fifty starts are one message.
async fn gather(events: &mut Events) {
    let end = Instant::now() + GATHER;
    while let Ok(Some(_)) = tokio::time::timeout_at(end, events.next()).await {}
}

fn response(receiver: mpsc::Receiver<Bytes>) -> HttpResponse {
    let body = futures_util::stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|bytes| (Ok::<_, Infallible>(bytes), receiver)) });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        // Set, so that the compressing layer leaves it alone: a compressed event waits for more.
        .insert_header(ContentEncoding::Identity)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Template)]
    #[template(source = "<p id=\"{{ id }}\">{{ text }}</p>", ext = "html")]
    struct Part<'a> {
        id: &'a str,
        text: &'a str,
    }

    fn row(id: &str, text: &str) -> Piece {
        Piece::add(id.to_owned(), "rows", "last", &Part { id, text }, text).expect("rendered")
    }

    fn told(teller: &mut Teller, pieces: Vec<Piece>) -> String {
        teller.tell(pieces).iter().map(|event| String::from_utf8_lossy(event).into_owned()).collect()
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut teller = Teller::knowing(&[row("a", "1"), row("b", "1")]);
        assert_eq!(told(&mut teller, vec![row("a", "1"), row("b", "1")]), "");
        assert_eq!(told(&mut teller, vec![row("a", "2"), row("b", "1")]), "event: add\ndata: rows last\ndata: <p id=\"a\">2</p>\n\n");
        assert_eq!(told(&mut teller, vec![row("b", "1")]), "event: drop\ndata: a\n\n");
    }

    #[test]
    fn a_line_break_in_the_data_can_not_end_the_event() {
        assert_eq!(event("swap", "a\n\nevent: x\rb"), Bytes::from_static(b"event: swap\ndata: a\ndata: event: x\ndata: b\n\n"));
        assert_eq!(event("end", ""), Bytes::from_static(b"event: end\ndata:\n\n"));
    }
}
