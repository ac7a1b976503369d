//! Moves bytes between the user and a hijacked connection, and passes on sizes and signals, until one side has enough.

use super::detach::Keys;
use super::signals::{Came, Signals};
use super::stdio::{Input, Output};
use super::terminal::{self, Raw};
use crate::client::Client;
use crate::failure::{Attempt, Failure};
use gantry_wire::docker::{FrameDecoder, Stream};
use reqwest::{Method, Upgraded};
use std::pin::pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

const BUFFER: usize = 64 << 10;

/// A connection that became two streams of bytes.
pub struct Link(Upgraded);

impl Link {
    /// POSTs to `path` and asks for the upgrade; `body` is JSON.
    pub async fn open(client: &Client, path: &str, query: crate::client::Query<'_>, body: Option<Vec<u8>>) -> Result<Self, Failure> {
        let request = client.request(Method::POST, path, query)?.header("Connection", "Upgrade").header("Upgrade", "tcp");
        let request = match body {
            Some(body) => request.header("Content-Type", "application/json").body(body),
            None => request.header("Content-Length", "0"),
        };
        let response = client.answer(request).await?;
        if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new(format!("the server did not open a stream for {path}: it answered {}", response.status())));
        }
        Ok(Self(response.upgrade().await.attempt(|| format!("open the stream of {path}"))?))
    }
}

/// Where new sizes of the terminal go, for example `/exec/ID/resize`.
pub struct Resize<'a> {
    pub client: &'a Client,
    pub path: String,
}

impl Resize<'_> {
    /// Tells the size as it is now. That it can't be told (the process may just have ended) is no reason to stop.
    pub async fn tell(&self) {
        if let Some([rows, columns]) = terminal::size() {
            let _ = self.client.order(&self.path, &[("h", rows.to_string()), ("w", columns.to_string())]).await;
        }
    }
}

/// What a session is made of.
pub struct Session<'a> {
    pub link: Link,
    /// The process has a terminal: bytes are not framed.
    pub tty: bool,
    /// Send what the user types.
    pub stdin: bool,
    pub keys: Keys,
    pub resize: Option<Resize<'a>>,
    /// Where signals go, for example `/containers/ID/kill`; `None` keeps their usual effect.
    pub kill: Option<(&'a Client, String)>,
}

/// Why one direction ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The process closed its output, or the server the stream.
    Closed,
    /// The user typed the detach keys.
    Detached,
}

/// Runs a session to its end and returns the exit code that `ending` tells once the output is closed; 0 if the user left.
/// The terminal is as before when this returns, whatever happens; signals are passed on until then.
pub async fn pump(session: Session<'_>, signals: &mut Signals, ending: impl Future<Output = Result<i32, Failure>>) -> Result<i32, Failure> {
    let Session { link, tty, stdin, keys, resize, kill } = session;
    let raw = if tty && stdin { Raw::enter() } else { None };
    let (from, to) = tokio::io::split(link.0);
    let mut output = pin!(receive(from, tty));
    let mut input = pin!(send(to, stdin, keys, raw.is_some()));
    let mut others = pin!(pass_on(signals, resize, kill));
    let mut typing = true;
    loop {
        tokio::select! {
            // Output first: what the process wrote before the end is shown.
            biased;
            done = &mut output => {
                done?;
                break;
            }
            done = &mut input, if typing => match done? {
                End::Detached => return Ok(0),
                // Stdin ended, or the server takes no more: the output goes on.
                End::Closed => typing = false,
            },
            code = &mut others => return Err(Failure::silent(code)),
        }
    }
    drop(raw);
    // A process may close its output and go on.
    tokio::select! {
        code = ending => code,
        code = &mut others => Err(Failure::silent(code)),
    }
}

async fn receive(mut from: ReadHalf<Upgraded>, tty: bool) -> Result<(), Failure> {
    let mut stdout = Output::new(std::io::stdout);
    let mut stderr = Output::new(std::io::stderr);
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            // A stream that breaks has ended; the exit code is asked for elsewhere.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(Failure::new(format!("the stream from the server broke: {error}"))),
        };
        if tty {
            stdout.write(&buffer[..count]).await?;
            continue;
        }
        let mut pieces = Vec::new();
        let fed = decoder.feed(&buffer[..count], |stream, piece| pieces.push((stream, piece)));
        for (stream, piece) in pieces {
            match stream {
                Stream::Stdout | Stream::Stdin => stdout.write(piece).await?,
                Stream::Stderr | Stream::System => stderr.write(piece).await?,
            }
        }
        fed.attempt(|| "understand the stream from the server".to_owned())?;
    }
}

async fn send(mut to: WriteHalf<Upgraded>, stdin: bool, mut keys: Keys, raw: bool) -> Result<End, Failure> {
    if !stdin {
        // The other side keeps its stdin open as long as we hold ours.
        return std::future::pending().await;
    }
    let input = Input::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = input.read(&mut buffer).await.attempt(|| "read stdin".to_owned())?;
        if count == 0 {
            let _ = to.shutdown().await;
            return Ok(End::Closed);
        }
        let (typed, detached) = if raw { keys.feed(&buffer[..count]) } else { (Vec::new(), false) };
        let typed: &[u8] = if raw { &typed } else { &buffer[..count] };
        // The process may have closed its stdin; its output still counts.
        if !typed.is_empty() && (to.write_all(typed).await.is_err() || to.flush().await.is_err()) {
            return Ok(End::Closed);
        }
        if detached {
            return Ok(End::Detached);
        }
    }
}

/// Returns the exit code when a signal is to end this process.
async fn pass_on(signals: &mut Signals, resize: Option<Resize<'_>>, kill: Option<(&Client, String)>) -> i32 {
    let mut asked_to_end = 0;
    loop {
        match signals.next().await {
            Came::Resized => {
                if let Some(resize) = &resize {
                    resize.tell().await;
                }
            }
            Came::Signal(name, number) => {
                let Some((client, path)) = &kill else { return 128 + number };
                asked_to_end += i32::from(matches!(name, "INT" | "TERM"));
                if asked_to_end > 3 {
                    eprintln!("gantry: signals don't end the container's process; it is left to run");
                    return 128 + number;
                }
                // It may have ended by itself meanwhile.
                let _ = client.order(path, &[("signal", name.to_owned())]).await;
            }
        }
    }
}
