//! `logs`: what a container wrote.

use crate::client::{Client, segment};
use crate::failure::{Attempt, Failure};
use crate::flags::instant;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::inspect::Inspect;
use gantry_wire::docker::{FrameDecoder, Stream};
use reqwest::Method;
use rustix::fd::AsFd;
use std::io;

#[derive(Args)]
pub struct Logs {
    /// Show extra details
    #[arg(long)]
    details: bool,
    /// Go on with what it writes from now on
    #[arg(short, long)]
    follow: bool,
    /// Begin here: 10m, 2026-01-02T13:23:37Z or Unix seconds
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// End here
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Show the last lines only
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all")]
    tail: String,
    /// Show the time of each line
    #[arg(short, long)]
    timestamps: bool,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Logs {
    const USAGE: &'static str = "[OPTIONS] CONTAINER";
    const ABOUT: &'static str = "Show what a container wrote";
    const EXAMPLE: &'static str = "logs -f --tail 100 web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let (now, zone) = (jiff::Timestamp::now(), jiff::tz::TimeZone::system());
        let mut query = vec![("stdout", "1".to_owned()), ("stderr", "1".to_owned()), ("tail", self.tail.clone())];
        for (name, wanted) in [("follow", self.follow), ("timestamps", self.timestamps), ("details", self.details)] {
            query.extend(wanted.then(|| (name, "1".to_owned())));
        }
        for (name, time) in [("since", &self.since), ("until", &self.until)] {
            if let Some(time) = time {
                query.push((name, instant(time, now, &zone)?));
            }
        }
        let inspect: Inspect = client.get(&format!("/containers/{}/json", segment(&self.container)), &[]).await?;
        let mut response = client.send(Method::GET, &format!("/containers/{}/logs", inspect.id), &query, None).await?;
        let (mut decoder, mut lines) = (FrameDecoder::default(), Lines::default());
        while let Some(part) = response.chunk().await.map_err(|error| client.unreachable(&error))? {
            if inspect.config.tty {
                write(std::io::stdout(), &part)?;
                continue;
            }
            let mut written = Ok(());
            let fed = decoder.feed(&part, |stream, piece| {
                if written.is_ok() {
                    written = lines.push(matches!(stream, Stream::Stderr | Stream::System), piece);
                }
            });
            written.and_then(|()| lines.flush())?;
            fed.attempt(|| "understand the log".to_owned())?;
        }
        Ok(0)
    }
}

/// Lines that are written together as long as they are for the same stream: a call for each would cost more than the rest.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    stderr: bool,
}

impl Lines {
    fn push(&mut self, stderr: bool, piece: &[u8]) -> io::Result<()> {
        if stderr != self.stderr {
            self.flush()?;
            self.stderr = stderr;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = if self.stderr { write(std::io::stderr(), &self.bytes) } else { write(std::io::stdout(), &self.bytes) };
        self.bytes.clear();
        done
    }
}

/// Writes past the buffer that cuts stdout into lines: pieces come large, and nothing else is to be done meanwhile.
fn write(stream: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::retry_on_intr(|| rustix::io::write(&stream, bytes)) {
            Ok(count) => bytes = &bytes[count..],
            // Somebody else made the shared descriptor non-blocking.
            Err(rustix::io::Errno::AGAIN) => {
                let mut fds = [rustix::event::PollFd::new(&stream, rustix::event::PollFlags::OUT)];
                rustix::event::poll(&mut fds, None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
