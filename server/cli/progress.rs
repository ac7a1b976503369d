//! The server's progress streams: a line for each state on a pipe, moving lines on a terminal.

use crate::client::Client;
use crate::failure::Failure;
use gantry_wire::docker::progress::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use reqwest::Response;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};

/// Longest line that is read.
const LINE: usize = 1 << 20;

/// Shows a stream to its end and returns the texts of its `stream` and last `status` lines. An error in it is the error of the whole.
pub async fn show(client: &Client, response: Response, quiet: bool) -> Result<Vec<String>, Failure> {
    let mut shown = Shown { bars: MultiProgress::new(), by_id: HashMap::new(), terminal: std::io::stderr().is_terminal(), quiet, results: Vec::new() };
    lines(client, response, |line| shown.line(line)).await?;
    shown.by_id.values().for_each(ProgressBar::finish_and_clear);
    Ok(shown.results)
}

/// Calls `each` with every JSON object of a stream.
pub async fn lines<T: serde::de::DeserializeOwned>(
    client: &Client,
    mut response: Response,
    mut each: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut held = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| client.unreachable(&error))? {
        held.extend_from_slice(&part);
        // Objects stand one to a line, but nothing forces a server to end the last line.
        let mut objects = serde_json::Deserializer::from_slice(&held).into_iter::<T>();
        let mut used = 0;
        loop {
            match objects.next() {
                Some(Ok(object)) => {
                    used = objects.byte_offset();
                    each(object)?;
                }
                Some(Err(error)) if error.is_eof() => break,
                Some(Err(error)) => return Err(Failure::new(format!("understand the stream from the server: {error}"))),
                None => {
                    used = held.len();
                    break;
                }
            }
        }
        held.drain(..used);
        if held.len() > LINE {
            return Err(Failure::new("the server sent a line that is too long"));
        }
    }
    if held.iter().all(u8::is_ascii_whitespace) { Ok(()) } else { Err(Failure::new("the stream from the server broke off")) }
}

struct Shown {
    bars: MultiProgress,
    by_id: HashMap<String, ProgressBar>,
    terminal: bool,
    quiet: bool,
    results: Vec<String>,
}

impl Shown {
    fn line(&mut self, line: Progress) -> Result<(), Failure> {
        if let Some(error) = line.error_detail.filter(|error| !error.message.is_empty()) {
            self.by_id.values().for_each(ProgressBar::abandon);
            let code = if (1..=255).contains(&error.code) { error.code as i32 } else { 1 };
            return Err(Failure::new(error.message).code(code));
        }
        if !line.error.is_empty() {
            return Err(Failure::new(line.error));
        }
        if !line.stream.is_empty() {
            self.results.push(line.stream);
            return Ok(());
        }
        if line.status.is_empty() {
            return Ok(());
        }
        if line.id.is_empty() && line.progress_detail.as_ref().is_none_or(|detail| detail.total == 0) {
            self.results.push(format!("{}\n", line.status));
        }
        if self.quiet {
            return Ok(());
        }
        let detail = line.progress_detail.unwrap_or_default();
        if self.terminal {
            if line.id.is_empty() && detail.total == 0 {
                return Ok(());
            }
            let bars = &self.bars;
            let bar = self.by_id.entry(line.id.clone()).or_insert_with(|| bars.add(ProgressBar::no_length()));
            bar.set_style(style(detail.total > 0));
            bar.set_prefix(if line.id.is_empty() { String::new() } else { format!("{}: ", line.id) });
            bar.set_message(line.status);
            if detail.total > 0 {
                bar.set_length(detail.total as u64);
            }
            bar.set_position(detail.current.max(0) as u64);
            bar.tick();
        } else if detail.current == 0 && !line.id.is_empty() {
            // A log wants each state once, not each percent.
            let _ = writeln!(std::io::stderr(), "{}: {}", line.id, line.status);
        }
        Ok(())
    }
}

fn style(known: bool) -> ProgressStyle {
    let template = if known { "{prefix}{msg} [{bar:30}] {bytes}/{total_bytes}" } else { "{prefix}{msg}" };
    ProgressStyle::with_template(template).expect("a valid template").progress_chars("=> ")
}
