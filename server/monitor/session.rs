//! A process with its streams: the container's main process or an exec session.
//! In: open descriptors, later bytes. Out: bytes numbered from the session's beginning.

use crate::ring::Ring;
use gantry_model::ExecId;
use gantry_wire::monitor::ExecStatus;
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Key of the main process's session.
pub(crate) const MAIN: u32 = 0;
/// Input that waits for the process; more is left in the client's socket.
pub(crate) const MOST_INPUT: usize = 64 << 10;
/// The same while the process waits for that client: its acknowledgements stand behind its input.
pub(crate) const MOST_INPUT_STUCK: usize = 16 << 20;
/// Most bytes handled at once.
pub(crate) const CHUNK: usize = 64 << 10;

/// A descriptor that is read.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub fd: Option<OwnedFd>,
    pub armed: bool,
}

/// The way to the process's stdin or terminal.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub fd: Option<OwnedFd>,
    queue: Vec<u8>,
    used: usize,
    /// Closes when the queue is written.
    close: bool,
    /// Nobody will read it: input is dropped.
    absent: bool,
    pub armed: bool,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub key: u32,
    pub id: Option<ExecId>,
    pub tty: bool,
    pub sources: [Source; 2],
    pub input: Input,
    /// Bytes that came so far.
    pub head: u64,
    pub ring: Ring,
    /// Output is kept for clients that come later.
    pub keep: bool,
    /// A client that acknowledges went: from here on bytes are kept for it.
    pub held: Option<u64>,
    pub pid: i32,
    pub pidfd: Option<OwnedFd>,
    pub exit_code: Option<i32>,
    /// Ended for all: why.
    pub ended: Option<String>,
    /// Why it ended, known before it did.
    pub reason: Option<String>,
    pub started_at_ns: i64,
}

impl Session {
    pub(crate) fn new(key: u32, id: Option<ExecId>, tty: bool, keep: Option<u64>, folder: PathBuf) -> Self {
        Self {
            key,
            id,
            tty,
            sources: [Source::default(), Source::default()],
            input: Input::default(),
            head: 0,
            ring: Ring::new(folder, keep.unwrap_or(1 << 20)),
            keep: keep.is_some(),
            held: None,
            pid: 0,
            pidfd: None,
            exit_code: None,
            ended: None,
            reason: None,
            started_at_ns: 0,
        }
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.sources.iter().all(|source| source.fd.is_none())
    }

    pub(crate) fn kept_from(&self) -> u64 {
        self.ring.kept_from(self.head)
    }

    pub(crate) fn status(&self, id: ExecId, clients: u32) -> ExecStatus {
        ExecStatus {
            id,
            pid: self.pid,
            tty: self.tty,
            running: self.exit_code.is_none(),
            exit_code: self.exit_code,
            ended: self.ended.clone(),
            started_at_ns: self.started_at_ns,
            kept_from: self.kept_from(),
            head: self.head,
            clients,
        }
    }
}

impl Input {
    pub(crate) fn set(&mut self, fd: Option<OwnedFd>) {
        self.absent = fd.is_none();
        self.armed = false;
        self.fd = fd;
    }

    /// No process yet, or none any more: what comes is kept for the next one.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len() - self.used
    }

    pub(crate) fn push(&mut self, bytes: Vec<u8>) {
        if self.absent || self.close {
            return;
        }
        if self.waiting() == 0 {
            self.queue = bytes;
            self.used = 0;
        } else {
            self.queue.extend_from_slice(&bytes);
        }
        self.flush();
    }

    pub(crate) fn close(&mut self) {
        self.close = true;
        self.flush();
    }

    /// Drops what was not read, and closes.
    pub(crate) fn give_up(&mut self) {
        *self = Self { absent: true, ..Self::default() };
    }

    /// Writes what the process takes.
    pub(crate) fn flush(&mut self) {
        let Some(fd) = &self.fd else {
            return;
        };
        while self.waiting() > 0 {
            match rustix::io::write(fd, &self.queue[self.used..]) {
                Ok(count) => self.used += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.absent = true;
                    self.used = self.queue.len();
                }
            }
        }
        self.queue = Vec::new();
        self.used = 0;
        if self.close || self.absent {
            self.fd = None;
            self.absent = true;
            self.armed = false;
        }
    }
}

/// What reading a source gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Got {
    /// There may be more.
    Some,
    /// Nothing more for now.
    Empty,
    /// Nothing more ever.
    End,
}

/// Fills `buffer` with what is there, at most [`CHUNK`] bytes. A terminal gives little at a time, so it is read repeatedly.
pub(crate) fn read(fd: &OwnedFd, buffer: &mut Vec<u8>) -> Got {
    buffer.clear();
    while buffer.len() < CHUNK {
        let left = CHUNK - buffer.len();
        buffer.reserve_exact(left);
        match rustix::io::read(fd, rustix::buffer::spare_capacity(buffer)) {
            // EIO: no process has the terminal open any more.
            Ok(0) | Err(Errno::IO) => return Got::End,
            Ok(_) => {}
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Got::Empty,
            Err(_) => return Got::End,
        }
    }
    Got::Some
}

/// Makes reads and writes return at once.
pub(crate) fn nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    #[test]
    fn input_waits_for_the_process_and_closes_behind_the_last_byte() {
        let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        let mut input = Input::default();
        let bytes: Vec<u8> = (0..200_000u32).map(|index| index as u8).collect();
        input.push(bytes[..10].to_vec());
        assert_eq!(input.waiting(), 10, "kept until there is a process");
        input.set(Some(write_end));
        input.push(bytes[10..].to_vec());
        input.close();
        let (mut got, mut buffer) = (Vec::new(), Vec::new());
        loop {
            let state = read(&read_end, &mut buffer);
            got.extend_from_slice(&buffer);
            if state == Got::End {
                break;
            }
            input.flush();
        }
        assert!(got == bytes, "{} bytes", got.len());
    }

    #[test]
    fn input_for_a_process_without_stdin_is_dropped() {
        let mut input = Input::default();
        input.set(None);
        input.push(vec![1; 100]);
        assert_eq!(input.waiting(), 0);
    }
}
