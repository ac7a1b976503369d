//! Stdin and stdout for a single thread: neither a slow terminal nor an idle keyboard stops the other direction.
//! The descriptors stay in blocking mode, since the shell shares them: stdout is opened anew where that is possible; elsewhere each call
//! is made only when it won't block.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Bytes a pipe takes without blocking once it is writable. Source: pipe(7), PIPE_BUF.
const SURE: usize = 4096;

/// Stdin.
pub struct Input {
    /// `None` for files and `/dev/null`, which never block.
    ready: Option<AsyncFd<io::Stdin>>,
}

impl Input {
    /// Must be called within the runtime.
    pub fn new() -> Self {
        Self { ready: watch(io::stdin(), Interest::READABLE).ok() }
    }

    /// Reads what is there, at least a byte; 0 is the end.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(ready) = &self.ready else { return Ok(rustix::io::read(io::stdin(), buffer)?) };
        loop {
            let mut guard = ready.readable().await?;
            if !now(io::stdin().as_fd(), PollFlags::IN)? {
                guard.clear_ready();
                continue;
            }
            match rustix::io::read(io::stdin(), &mut *buffer) {
                Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
                Err(rustix::io::Errno::INTR) => {}
                // A terminal whose other side is gone.
                Err(rustix::io::Errno::IO) => return Ok(0),
                done => return Ok(done?),
            }
        }
    }
}

/// Stdout or stderr.
pub struct Output<F: AsRawFd> {
    make: fn() -> F,
    /// A terminal or pipe, opened anew for us alone, without blocking.
    own: Option<AsyncFd<OwnedFd>>,
    /// Made when the stream is first found full.
    ready: Option<AsyncFd<F>>,
}

impl<F: AsFd + AsRawFd> Output<F> {
    /// `make` is `io::stdout` or `io::stderr`. Must be called within the runtime.
    pub fn new(make: fn() -> F) -> Self {
        let path = format!("/proc/self/fd/{}", make().as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Files can't be waited for, and would be written from their beginning.
        let own = rustix::fs::open(path, flags, Mode::empty()).ok().and_then(|own| watch(own, Interest::WRITABLE).ok());
        Self { make, own, ready: None }
    }

    /// Writes all of `bytes`.
    pub async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if let Some(own) = &self.own {
            while !bytes.is_empty() {
                match rustix::io::write(own, bytes) {
                    Ok(count) => bytes = &bytes[count..],
                    Err(rustix::io::Errno::INTR) => {}
                    Err(rustix::io::Errno::AGAIN) => own.writable().await?.clear_ready(),
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(());
        }
        let stream = (self.make)();
        while !bytes.is_empty() {
            if !now(stream.as_fd(), PollFlags::OUT)? {
                self.wait().await?;
                continue;
            }
            match rustix::io::write(&stream, &bytes[..bytes.len().min(SURE)]) {
                Ok(count) => bytes = &bytes[count..],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => self.wait().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn wait(&mut self) -> io::Result<()> {
        if self.ready.is_none() {
            // Only what can be full can be waited for.
            self.ready = Some(watch((self.make)(), Interest::WRITABLE)?);
        }
        let ready = self.ready.as_ref().expect("set above");
        loop {
            let mut guard = ready.writable().await?;
            if now(ready.get_ref().as_fd(), PollFlags::OUT)? {
                return Ok(());
            }
            guard.clear_ready();
        }
    }
}

/// Waits for a standard stream, or for one that is the `AsyncFd`'s own. Either keeps its descriptor as long as it is waited for, which the new
/// function, being unsafe, asks of its caller.
#[expect(deprecated, reason = "the successor is unsafe, and the streams given keep their descriptors")]
fn watch<F: AsRawFd>(stream: F, interest: Interest) -> io::Result<AsyncFd<F>> {
    AsyncFd::with_interest(stream, interest)
}

/// True if `stream` is ready at this moment, or broken, which the call itself will tell.
fn now(stream: BorrowedFd<'_>, what: PollFlags) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(stream, what)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
