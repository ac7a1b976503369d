//! Reading a container's log.

use crate::authorize::authorize;
use crate::registry::Container;
use crate::{Engine, EngineError, OutputStream, Result};
use bytes::Bytes;
use gantry_model::{Action, Caller, Kind};
use gantry_wire::logs::{Line, Query, Reader};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

/// Lines are handed on in batches of about this many bytes.
const BATCH_BYTES: usize = 64 << 10;
const BATCHES: usize = 8;

#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    pub stdout: bool,
    pub stderr: bool,
    pub follow: bool,
    /// Unix nanoseconds.
    pub since_ns: Option<i128>,
    pub until_ns: Option<i128>,
    /// The last N lines; `None` is all.
    pub tail: Option<u64>,
}

/// One line (or the unfinished rest of one), newline included if there was one.
#[derive(Debug, Clone)]
pub struct LogEntry {
    pub stream: OutputStream,
    pub at_ns: i128,
    pub bytes: Bytes,
}

/// Batches of lines; ends with the container if following. Dropping it stops the reading.
pub struct LogStream {
    pub tty: bool,
    pub entries: mpsc::Receiver<Result<Vec<LogEntry>>>,
}

impl Engine {
    pub async fn logs(&self, caller: &Caller, reference: &str, query: LogQuery) -> Result<LogStream> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        let (tty, driver) = {
            let live = container.lock();
            (live.spec.tty, live.spec.log_driver.clone())
        };
        if driver == "none" {
            return Err(EngineError::said(Kind::Invalid, "configured logging driver does not support reading"));
        }
        let (sender, entries) = mpsc::channel(BATCHES);
        let wake = if query.follow { self.wake_at_end(&container, &sender)? } else { None };
        let folder = self.data_dir(&container.id);
        // What is open can be read to its end, also when the container is removed meanwhile.
        let open = self.inner.handle.spawn_blocking(move || Open::new(folder, &query, wake)).await??;
        self.inner.handle.spawn_blocking(move || {
            if let Err(error) = open.read(&sender) {
                let _ = sender.blocking_send(Err(error));
            }
        });
        Ok(LogStream { tty, entries })
    }

    /// A pipe that becomes readable when the container ends or the reader goes; `None` if the container does not run.
    fn wake_at_end(&self, container: &Container, sender: &mpsc::Sender<Result<Vec<LogEntry>>>) -> Result<Option<OwnedFd>> {
        let (ended_sender, ended) = oneshot::channel();
        {
            let mut live = container.lock();
            if !live.fact.state.is_live() {
                return Ok(None);
            }
            live.exit_waiters.push(ended_sender);
        }
        let (read, write) = nix::unistd::pipe().map_err(|source| EngineError::caused(Kind::Internal, "make a pipe", source))?;
        let sender = sender.downgrade();
        self.inner.handle.spawn(async move {
            let closed = async {
                match sender.upgrade() {
                    Some(sender) => sender.closed().await,
                    None => {}
                }
            };
            tokio::select! {
                _ = ended => {}
                () = closed => {}
            }
            drop(write);
        });
        Ok(Some(read))
    }
}

/// A log that is open.
struct Open {
    folder: PathBuf,
    reader: Reader<File>,
    /// What wakes a reader that follows: the end, and the folder.
    watch: Option<(OwnedFd, Inotify)>,
}

fn failed(source: gantry_wire::logs::LogError) -> EngineError {
    EngineError::caused(Kind::Internal, "read the container's log", source)
}

impl Open {
    /// `wake` is there for a reader that follows.
    fn new(folder: PathBuf, query: &LogQuery, wake: Option<OwnedFd>) -> Result<Self> {
        // Before the files are opened, so that nothing between is missed.
        let watch = wake.map(|wake| Ok::<_, EngineError>((wake, watch(&folder)?))).transpose()?;
        let ns = |at: i128| u64::try_from(at).unwrap_or(0);
        let wanted = Query { stdout: query.stdout, stderr: query.stderr, since_ns: query.since_ns.map(ns), until_ns: query.until_ns.map(ns), tail: query.tail };
        let reader = Reader::open(files(&folder), wanted).map_err(failed)?;
        Ok(Self { folder, reader, watch })
    }

    /// Reads on a thread that may block.
    fn read(mut self, sender: &mpsc::Sender<Result<Vec<LogEntry>>>) -> Result<()> {
        loop {
            if !hand_on(&mut self.reader, sender).map_err(failed)? || self.reader.is_done() {
                return Ok(());
            }
            let Some((wake, inotify)) = &self.watch else { break };
            match wait(wake, inotify) {
                Wait::Grown { rotated: true } => files(&self.folder).pop().into_iter().for_each(|file| self.reader.push(file)),
                Wait::Grown { rotated: false } => {}
                Wait::Ended => {
                    if !hand_on(&mut self.reader, sender).map_err(failed)? {
                        return Ok(());
                    }
                    break;
                }
            }
        }
        let mut rest = Vec::new();
        while let Some(line) = self.reader.next_rest() {
            rest.push(entry(line));
        }
        if !rest.is_empty() {
            let _ = sender.blocking_send(Ok(rest));
        }
        Ok(())
    }
}

/// Everything that is written now. False once the client is gone.
fn hand_on(reader: &mut Reader<File>, sender: &mpsc::Sender<Result<Vec<LogEntry>>>) -> std::result::Result<bool, gantry_wire::logs::LogError> {
    loop {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES {
            let Some(line) = reader.next_line()? else { break };
            bytes += line.bytes.len() + 32;
            batch.push(entry(line));
        }
        if batch.is_empty() {
            return Ok(true);
        }
        if sender.blocking_send(Ok(batch)).is_err() {
            return Ok(false);
        }
    }
}

fn entry(line: Line<'_>) -> LogEntry {
    let stream = if line.stream == 2 { OutputStream::Stderr } else { OutputStream::Stdout };
    LogEntry { stream, at_ns: i128::from(line.at_ns), bytes: Bytes::copy_from_slice(line.bytes) }
}

/// The log's files in the order of their content.
fn files(folder: &Path) -> Vec<File> {
    let paths: [PathBuf; 2] = [folder.join("log.1"), folder.join("log")];
    paths.iter().filter_map(|path| File::open(path).ok()).collect()
}

fn watch(folder: &Path) -> Result<Inotify> {
    let failed = |source: nix::Error| EngineError::caused(Kind::Internal, "watch the container's log", source);
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(failed)?;
    inotify.add_watch(folder, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE).map_err(failed)?;
    Ok(inotify)
}

enum Wait {
    Grown { rotated: bool },
    Ended,
}

fn wait(wake: &OwnedFd, inotify: &Inotify) -> Wait {
    loop {
        let mut fds = [PollFd::new(wake.as_fd(), PollFlags::POLLIN), PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::NONE).is_err_and(|error| error != nix::Error::EINTR) {
            return Wait::Ended;
        }
        let woken = fds[0].revents().is_some_and(|events| !events.is_empty());
        let events = inotify.read_events().unwrap_or_default();
        let of_log = |name: &Option<std::ffi::OsString>| name.as_deref().is_some_and(|name| name == "log");
        let rotated = events.iter().any(|event| of_log(&event.name) && event.mask.contains(AddWatchFlags::IN_CREATE));
        if events.iter().any(|event| of_log(&event.name)) {
            return Wait::Grown { rotated };
        }
        if woken {
            return Wait::Ended;
        }
    }
}
