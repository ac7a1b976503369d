//! One connection to a monitor.

use crate::{EngineError, Result};
use gantry_model::Kind;
use gantry_wire::monitor::{Decoder, Frame, Hello, Reply, Request, encode};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// A monitor answers at once; one that does not within this is stuck.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// A connection that has shaken hands.
pub(crate) struct Client {
    pub(super) stream: UnixStream,
    pub(super) decoder: Decoder,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects and agrees on a protocol.
    pub(crate) async fn connect(socket: &Path) -> Result<Self> {
        let lost = |source: std::io::Error| EngineError::MonitorGone(Some(source));
        // A socket's path has at most 108 bytes; through its folder's descriptor it always fits.
        let folder = std::fs::File::open(socket.parent().unwrap_or(Path::new("/"))).map_err(lost)?;
        let name = socket.file_name().unwrap_or_default();
        let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        let stream = UnixStream::connect(short).await.map_err(lost)?;
        let mut client = Self { stream, decoder: Decoder::default(), buffer: Vec::new() };
        client.send(&Frame::Hello(Hello::OURS)).await?;
        let hello = tokio::time::timeout(HELLO_WITHIN, client.next())
            .await
            .map_err(|_| EngineError::said(Kind::Internal, "the container's monitor does not answer"))??;
        match hello {
            Some(Frame::Hello(theirs)) if Hello::OURS.agree(&theirs).is_some() => Ok(client),
            Some(Frame::Hello(theirs)) => Err(EngineError::said(
                Kind::Unsupported,
                format!("the container's monitor speaks protocol {}, too far from ours: stop the container and start it again", theirs.version),
            )),
            None => Err(EngineError::MonitorGone(None)),
            Some(_) => Err(EngineError::said(Kind::Internal, "the container's monitor does not say hello")),
        }
    }

    /// Asks and waits for the answer; an error answer is an error.
    pub(crate) async fn request(&mut self, request: Request) -> Result<Reply> {
        self.send(&Frame::Request(request)).await?;
        loop {
            match self.next().await? {
                Some(Frame::Reply(Reply::Error { kind, message })) => return Err(EngineError::said(kind, message)),
                Some(Frame::Reply(reply)) => return Ok(reply),
                Some(_) => {}
                None => return Err(EngineError::MonitorGone(None)),
            }
        }
    }

    /// Connects, asks once, and closes.
    pub(crate) async fn once(socket: &Path, request: Request) -> Result<Reply> {
        Self::connect(socket).await?.request(request).await
    }

    pub(super) async fn send(&mut self, frame: &Frame) -> Result<()> {
        self.buffer.clear();
        encode(frame, &mut self.buffer);
        self.stream.write_all(&self.buffer).await.map_err(|source| EngineError::MonitorGone(Some(source)))
    }

    /// The next frame; `None` when the monitor has closed.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>> {
        let mut chunk = [0u8; 16 << 10];
        loop {
            if let Some(frame) = self.decoder.next().map_err(|error| EngineError::caused(Kind::Internal, "understand the container's monitor", error))? {
                return Ok(Some(frame));
            }
            let n = self.stream.read(&mut chunk).await.map_err(|source| EngineError::MonitorGone(Some(source)))?;
            if n == 0 {
                return Ok(None);
            }
            self.decoder.feed(&chunk[..n]);
        }
    }
}

/// What to say about an answer that does not fit the question.
pub(crate) fn refused(reply: &Reply) -> EngineError {
    EngineError::said(Kind::Internal, format!("the container's monitor gave an answer that does not fit: {reply:?}"))
}
