//! Reading a container's log.

use crate::authorize::authorize;
use crate::registry::Container;
use crate::{Engine, EngineError, OutputStream, Result};
use bytes::Bytes;
use gantry_model::{Action, Caller, Kind};
use gantry_wire::logs::{self, Line, Mark, Query, Reader, Stored};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
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

/// One line (or the unfinished rest of one), newline included if there was one. Its bytes lie among those of its batch: whoever keeps
/// few of many copies them.
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
    reader: Reader<Stored<File>>,
    /// The number of the newest full file that was opened, and the inode of the current one.
    newest: u64,
    current: Option<u64>,
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
        let Files { files, marks, newest, current } = Files::open(&folder, 0)?;
        let reader = Reader::open(files, &marks, wanted).map_err(failed)?;
        Ok(Self { folder, reader, newest, current, watch })
    }

    /// Goes on with what came after the file that was current.
    fn follow(&mut self) -> Result<()> {
        let from = self.newest + if self.current.is_some() { 2 } else { 1 };
        let more = Files::open(&self.folder, from)?;
        if more.current != self.current {
            (self.newest, self.current) = (more.newest, more.current);
            more.files.into_iter().for_each(|file| self.reader.push(file));
        }
        Ok(())
    }

    /// Reads on a thread that may block.
    fn read(mut self, sender: &mpsc::Sender<Result<Vec<LogEntry>>>) -> Result<()> {
        loop {
            if !hand_on(&mut self.reader, sender).map_err(failed)? || self.reader.is_done() {
                return Ok(());
            }
            let Some((wake, inotify)) = &self.watch else { break };
            match wait(wake, inotify) {
                Wait::Grown { rotated: true } => self.follow()?,
                Wait::Grown { rotated: false } => {}
                Wait::Ended => {
                    if !hand_on(&mut self.reader, sender).map_err(failed)? {
                        return Ok(());
                    }
                    break;
                }
            }
        }
        let mut rest = Batch::default();
        while let Some(line) = self.reader.next_rest() {
            rest.push(line);
        }
        if !rest.lines.is_empty() {
            let _ = sender.blocking_send(Ok(rest.entries()));
        }
        Ok(())
    }
}

/// Everything that is written now. False once the client is gone.
fn hand_on(reader: &mut Reader<Stored<File>>, sender: &mpsc::Sender<Result<Vec<LogEntry>>>) -> std::result::Result<bool, gantry_wire::logs::LogError> {
    loop {
        let mut batch = Batch::default();
        while batch.bytes.len() < BATCH_BYTES {
            let Some(line) = reader.next_line()? else { break };
            batch.push(line);
        }
        if batch.lines.is_empty() {
            return Ok(true);
        }
        if sender.blocking_send(Ok(batch.entries())).is_err() {
            return Ok(false);
        }
    }
}

/// Lines on their way, in one buffer.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Stream, time and length.
    lines: Vec<(OutputStream, u64, usize)>,
}

impl Batch {
    fn push(&mut self, line: Line<'_>) {
        let stream = if line.stream == 2 { OutputStream::Stderr } else { OutputStream::Stdout };
        self.bytes.extend_from_slice(line.bytes);
        self.lines.push((stream, line.at_ns, line.bytes.len()));
    }

    fn entries(self) -> Vec<LogEntry> {
        let mut bytes = Bytes::from(self.bytes);
        let entry = |(stream, at_ns, len)| LogEntry { stream, at_ns: i128::from(at_ns), bytes: bytes.split_to(len) };
        self.lines.into_iter().map(entry).collect()
    }
}

/// The log's files in the order of their content, and their marks.
struct Files {
    files: Vec<Stored<File>>,
    marks: Vec<Vec<Mark>>,
    /// The number of the newest full one; 0 if none is.
    newest: u64,
    /// The inode of the one that is written, if there is one.
    current: Option<u64>,
}

impl Files {
    /// Opens the full files from number `from` on and the current one. Tries again if the log was rotated meanwhile.
    fn open(folder: &Path, from: u64) -> Result<Self> {
        let failed = |source: io::Error| failed(source.into());
        loop {
            let numbers = numbers(folder).map_err(failed)?;
            let mut opened = Self { files: Vec::new(), marks: Vec::new(), newest: numbers.last().copied().unwrap_or(0), current: None };
            for number in numbers.iter().filter(|number| **number >= from) {
                opened.add(folder, &format!("log.{number}")).map_err(failed)?;
            }
            opened.current = opened.add(folder, "log").map_err(failed)?;
            if self::numbers(folder).map_err(failed)?.last() == numbers.last() {
                return Ok(opened);
            }
        }
    }

    /// Returns its inode. A file that is not there was too old, or never was.
    fn add(&mut self, folder: &Path, name: &str) -> io::Result<Option<u64>> {
        // Packed between the two looks, the plain one is gone.
        for stored in [name.to_owned(), format!("{name}{}", logs::PACKED)] {
            match File::open(folder.join(stored)) {
                Ok(file) => {
                    let inode = file.metadata()?.ino();
                    self.files.push(Stored::open(file)?);
                    let marks = std::fs::read(folder.join(format!("{name}{}", logs::INDEX))).unwrap_or_default();
                    self.marks.push(Mark::parse_all(&marks));
                    return Ok(Some(inode));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// The numbers of the full files, each once and in order.
fn numbers(folder: &Path) -> io::Result<BTreeSet<u64>> {
    let number = |file: io::Result<std::fs::DirEntry>| file.map(|file| logs::number(&file.file_name().to_string_lossy(), "log")).transpose();
    match std::fs::read_dir(folder) {
        // It was removed meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        files => files?.filter_map(number).collect(),
    }
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
