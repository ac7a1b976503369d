//! `/containers/{name}/logs`: a window of the log. The server searches and cuts; the browser holds one window.

use super::head::{Head, open};
use crate::ansi::{self, Look, Piece};
use crate::answer::{self, Answer};
use crate::errors::PageError;
use crate::frame::Frame;
use crate::urls::encode;
use crate::visit::Visit;
use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::web::{Bytes, Path, Query};
use askama::Template;
use gantry_engine::{Engine, EngineError, LogEntry, LogQuery, OutputStream};
use gantry_model::{Caller, Kind};
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Lines of a window, unless asked otherwise.
const LINES: usize = 300;
const MOST_LINES: usize = 5000;
/// Bytes of a line that are shown; a download has all.
const LINE_BYTES: usize = 8 << 10;
/// A search that takes longer gives what it has, and says so.
const SEARCH: Duration = Duration::from_secs(5);

/// What the reader wants to see, as the address says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Words that must all be in the line; `-word` must not.
    pub q: String,
    /// `stdout`, `stderr` or nothing for both.
    pub stream: String,
    /// `on` shows when each line was written.
    pub times: String,
    pub lines: Option<usize>,
    /// Nanoseconds: the lines before, or from, that moment.
    pub before: Option<i64>,
    pub after: Option<i64>,
    /// `2026-11-25T09:18` in UTC, of the field "from".
    pub from: String,
}

impl Wanted {
    pub fn query(&self) -> LogQuery {
        LogQuery { stdout: self.stream != "stderr", stderr: self.stream != "stdout", ..LogQuery::default() }
    }

    fn count(&self) -> usize {
        self.lines.unwrap_or(LINES).clamp(1, MOST_LINES)
    }

    fn after_ns(&self) -> Option<i64> {
        let from = || format!("{}Z", if self.from.len() == 16 { format!("{}:00", self.from) } else { self.from.clone() }).parse::<jiff::Timestamp>().ok();
        self.after.or_else(|| from().map(|at| at.as_nanosecond() as i64))
    }

    /// The filter in an address, without a place.
    pub fn filter(&self) -> String {
        let mut query = format!("q={}&stream={}&times={}", encode(&self.q), encode(&self.stream), encode(&self.times));
        if let Some(lines) = self.lines {
            query.push_str(&format!("&lines={lines}"));
        }
        query
    }
}

/// Words that must be in a line, and words that must not.
#[derive(Debug, Clone, Default)]
pub struct Words {
    pub with: Vec<String>,
    without: Vec<String>,
}

impl Words {
    pub fn of(q: &str) -> Self {
        let mut words = Self::default();
        for word in q.split_whitespace().map(str::to_lowercase) {
            match word.strip_prefix('-').filter(|word| !word.is_empty()) {
                Some(word) => words.without.push(word.to_owned()),
                None => words.with.push(word),
            }
        }
        words
    }

    pub fn is_empty(&self) -> bool {
        self.with.is_empty() && self.without.is_empty()
    }

    pub fn fit(&self, bytes: &[u8]) -> bool {
        if self.is_empty() {
            return true;
        }
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        self.with.iter().all(|word| text.contains(word)) && !self.without.iter().any(|word| text.contains(word))
    }
}

/// A line, ready to print.
pub struct LogLine {
    pub id: String,
    pub stream: &'static str,
    pub time: String,
    pub pieces: Vec<Piece>,
    pub cut: bool,
}

/// Makes lines of entries; the look of a colour goes on from line to line.
#[derive(Default)]
pub struct Printer {
    look: [Look; 2],
    words: Words,
    times: bool,
    last: (i128, usize),
}

impl Printer {
    pub fn new(wanted: &Wanted) -> Self {
        Self { words: Words::of(&wanted.q), times: wanted.times == "on", ..Self::default() }
    }

    pub fn fits(&self, entry: &LogEntry) -> bool {
        self.words.fit(&entry.bytes)
    }

    pub fn line(&mut self, entry: &LogEntry) -> LogLine {
        let second = entry.stream == OutputStream::Stderr;
        let cut = entry.bytes.len() > LINE_BYTES;
        let text = String::from_utf8_lossy(&entry.bytes[..entry.bytes.len().min(LINE_BYTES)]);
        // Lines of one moment get a number each.
        self.last = if self.last.0 == entry.at_ns { (entry.at_ns, self.last.1 + 1) } else { (entry.at_ns, 0) };
        LogLine {
            id: if self.last.1 == 0 { format!("l{}", entry.at_ns) } else { format!("l{}-{}", entry.at_ns, self.last.1) },
            stream: if second { "stderr" } else { "stdout" },
            time: if self.times { clock(entry.at_ns) } else { String::new() },
            pieces: ansi::mark(ansi::pieces(&text, &mut self.look[usize::from(second)]), &self.words.with),
            cut,
        }
    }
}

fn clock(at_ns: i128) -> String {
    jiff::Timestamp::from_nanosecond(at_ns).map_or_else(|_| String::new(), |at| at.strftime("%m-%d %H:%M:%S%.3f").to_string())
}

/// The lines a page shows, and whether there are more on either side.
#[derive(Default)]
struct Window {
    entries: Vec<LogEntry>,
    /// True if the search ran out of time.
    unfinished: bool,
    filled: bool,
}

async fn window(engine: &Engine, caller: &Caller, name: &str, wanted: &Wanted) -> Result<Window, EngineError> {
    let words = Words::of(&wanted.q);
    let count = wanted.count();
    let after = wanted.after_ns();
    // Without a search, the log itself finds its last lines.
    let tail = (words.is_empty() && after.is_none()).then_some(count as u64);
    let query = LogQuery { tail, until_ns: wanted.before.map(|at| i128::from(at) - 1), since_ns: after.map(i128::from), ..wanted.query() };
    let mut log = engine.logs(caller, name, query).await?;
    let (mut kept, mut window, begun) = (VecDeque::new(), Window::default(), Instant::now());
    'read: while let Some(batch) = log.entries.recv().await {
        for entry in batch?.into_iter().filter(|entry| words.fit(&entry.bytes)) {
            if kept.len() == count {
                window.filled = true;
                if after.is_some() {
                    break 'read;
                }
                kept.pop_front();
            }
            // A line found among many must not keep them.
            let bytes = if words.is_empty() { entry.bytes } else { Bytes::copy_from_slice(&entry.bytes) };
            kept.push_back(LogEntry { bytes, ..entry });
        }
        if begun.elapsed() > SEARCH {
            window.unfinished = true;
            break;
        }
    }
    window.filled |= kept.len() == count;
    window.entries = kept.into();
    Ok(window)
}

#[derive(Template)]
#[template(path = "containers/logs.html")]
struct LogsPage {
    frame: Frame,
    head: Head,
    wanted: Wanted,
    lines: Vec<LogLine>,
    older: Option<String>,
    newer: Option<String>,
    latest: String,
    download: String,
    unfinished: bool,
    unreadable: Option<String>,
    following: bool,
}

pub async fn show(visit: Visit, name: Path<String>, wanted: Query<Wanted>) -> Answer {
    let (frame, head, _) = open(&visit, &name, "logs").await?;
    let (window, unreadable) = match window(&visit.engine, visit.caller(), &name, &wanted).await {
        Ok(window) => (window, None),
        Err(error) if error.kind() == Kind::Invalid => (Window::default(), Some(crate::errors::sentence(&error.chain()))),
        Err(error) => return Err(error.into()),
    };
    let mut printer = Printer::new(&wanted);
    let at_end = wanted.before.is_none() && wanted.after_ns().is_none();
    let (first, last) = (window.entries.first().map(|entry| entry.at_ns), window.entries.last().map(|entry| entry.at_ns));
    let base = format!("{}/logs?{}", head.path, wanted.filter());
    let full = window.filled;
    let follow = format!("/live/logs/{}?{}&after={}", head.id, wanted.filter(), last.map_or(0, |last| last + 1));
    let following = at_end && head.live && unreadable.is_none();
    let page = LogsPage {
        older: first.filter(|_| full || !at_end && wanted.before.is_none()).map(|first| format!("{base}&before={first}")),
        newer: last.filter(|_| !at_end).map(|last| format!("{base}&after={}", last + 1)),
        latest: base.clone(),
        download: format!("{}/logs/download?{}", head.path, wanted.filter()),
        lines: window.entries.iter().map(|entry| printer.line(entry)).collect(),
        unfinished: window.unfinished,
        unreadable,
        following,
        frame: frame.command(format!("gantry logs -f --tail {}{} {}", wanted.count(), if wanted.times == "on" { " -t" } else { "" }, head.name)),
        head,
        wanted: wanted.into_inner(),
    };
    let page = if following { LogsPage { frame: page.frame.live(follow), ..page } } else { page };
    answer::html(&page)
}

/// The whole log, or all lines of it that fit, as a file.
pub async fn download(visit: Visit, name: Path<String>, wanted: Query<Wanted>) -> Answer {
    let query = LogQuery { until_ns: wanted.before.map(i128::from), since_ns: wanted.after_ns().map(i128::from), ..wanted.query() };
    let log = visit.engine.logs(visit.caller(), &name, query).await?;
    let (words, times) = (Words::of(&wanted.q), wanted.times == "on");
    let body = futures_util::stream::unfold(log.entries, move |mut entries| {
        let words = words.clone();
        async move {
            let batch = match entries.recv().await? {
                Ok(batch) => batch,
                Err(error) => return Some((Err(PageError::Engine(error)), entries)),
            };
            let mut text = Vec::new();
            for entry in batch.iter().filter(|entry| words.fit(&entry.bytes)) {
                if times {
                    let at = jiff::Timestamp::from_nanosecond(entry.at_ns).unwrap_or_default();
                    text.extend_from_slice(at.strftime("%Y-%m-%dT%H:%M:%S%.9fZ ").to_string().as_bytes());
                }
                text.extend_from_slice(&entry.bytes);
            }
            Some((Ok(Bytes::from(text)), entries))
        }
    });
    let file = ContentDisposition { disposition: DispositionType::Attachment, parameters: vec![DispositionParam::Filename(format!("{name}.log"))] };
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").insert_header((header::CONTENT_DISPOSITION, file)).streaming(body))
}

/// Lines for the page and for its live stream.
#[derive(Template)]
#[template(path = "containers/log-lines.html")]
pub struct LinesPart<'a> {
    pub lines: &'a [LogLine],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_must_be_in_a_line_and_none_with_a_dash() {
        let words = Words::of("Error db -retry");
        assert!(words.fit(b"DB error 3") && !words.fit(b"db error, retry") && !words.fit(b"db"));
        assert!(Words::of("").fit(b"anything"));
    }

    #[test]
    fn a_time_without_seconds_is_understood() {
        let wanted = Wanted { from: "1970-01-01T00:01".to_owned(), ..Wanted::default() };
        assert_eq!(wanted.after_ns(), Some(60_000_000_000));
        assert_eq!(Wanted { from: "yesterday".to_owned(), ..Wanted::default() }.after_ns(), None);
    }

    #[test]
    fn lines_of_one_moment_have_names_of_their_own() {
        let mut printer = Printer::default();
        let entry = LogEntry { stream: OutputStream::Stdout, at_ns: 5, bytes: Bytes::from_static(b"<b>x") };
        assert_eq!((printer.line(&entry).id, printer.line(&entry).id), ("l5".to_owned(), "l5-1".to_owned()));
        let lines = [printer.line(&entry)];
        let html = LinesPart { lines: &lines }.render().expect("rendered");
        assert!(html.contains("&#60;b&#62;x") && !html.contains("<b>x"), "{html}");
    }
}
