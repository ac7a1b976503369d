//! What the loop waits for: descriptors by token, and moments. In: registrations. Out: what is due.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// What a descriptor is to us; numbers are keys of clients and sessions, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Listener,
    Client(u32),
    Stdout(u32),
    Stderr(u32),
    Stdin(u32),
    Process(u32),
    Oom,
    /// A part of the name server.
    Names(u32),
    Packer,
}

impl Token {
    fn number(self) -> u64 {
        let (tag, key) = match self {
            Self::Listener => (0, 0),
            Self::Client(key) => (1, key),
            Self::Stdout(key) => (2, key),
            Self::Stderr(key) => (3, key),
            Self::Stdin(key) => (4, key),
            Self::Process(key) => (5, key),
            Self::Oom => (6, 0),
            Self::Names(part) => (7, part),
            Self::Packer => (8, 0),
        };
        (tag << 32) | u64::from(key)
    }

    fn of(number: u64) -> Self {
        let key = number as u32;
        match number >> 32 {
            0 => Self::Listener,
            1 => Self::Client(key),
            2 => Self::Stdout(key),
            3 => Self::Stderr(key),
            4 => Self::Stdin(key),
            5 => Self::Process(key),
            6 => Self::Oom,
            7 => Self::Names(key),
            _ => Self::Packer,
        }
    }
}

/// What happened to a descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub token: Token,
    pub read: bool,
    pub write: bool,
    /// The other side is gone.
    pub hung_up: bool,
}

#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
}

pub(crate) const READ: EventFlags = EventFlags::IN;
pub(crate) const WRITE: EventFlags = EventFlags::OUT;

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    pub(crate) fn add(&self, fd: impl AsFd, token: Token, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token.number()), flags)?)
    }

    pub(crate) fn modify(&self, fd: impl AsFd, token: Token, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(token.number()), flags)?)
    }

    /// A descriptor must be removed before it is closed only if a copy of it lives on.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<impl Iterator<Item = Ready> + use<>> {
        let timeout = timeout.map(|wait| Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) });
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 16];
        let count = match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(events.into_iter().take(count).map(|event| {
            let flags = event.flags;
            let hung_up = flags.intersects(EventFlags::HUP | EventFlags::ERR);
            Ready { token: Token::of(event.data.u64()), read: flags.contains(READ) || hung_up, write: flags.contains(WRITE), hung_up }
        }))
    }
}

/// What happens later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Nobody asked for a start.
    Idle,
    /// The time to stop by itself is over.
    Kill,
    Restart,
    /// The container is asked how it is.
    Check,
    /// It has had its time to answer.
    CheckLate,
    /// The run has begun or ended, and what is left of others can go.
    Tidy,
    /// A process ended and its output was not closed.
    Drain(u32),
    /// A session that was hung up still runs.
    Close(u32),
    /// What is kept for a client that went is let go.
    Release(u32),
    /// An ended session is forgotten.
    Forget(u32),
    /// A process waits for a client: is it worth it?
    Late(u32),
    /// What a client sent that went is not read.
    Unread(u32),
    /// The monitor has waited long enough for its clients.
    Leave,
    /// A question for a name, or a connection for some, has waited long enough.
    Names,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    list: Vec<(Instant, Timer)>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, after: Duration) {
        self.cancel(timer);
        self.list.push((Instant::now() + after, timer));
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.list.retain(|(_, other)| *other != timer);
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.list.iter().any(|(_, other)| *other == timer)
    }

    pub(crate) fn next_in(&self) -> Option<Duration> {
        let at = self.list.iter().map(|(at, _)| *at).min()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Takes one timer whose moment has come.
    pub(crate) fn due(&mut self) -> Option<Timer> {
        let now = Instant::now();
        let index = self.list.iter().position(|(at, _)| *at <= now)?;
        Some(self.list.swap_remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        for token in [
            Token::Listener,
            Token::Client(7),
            Token::Stdout(0),
            Token::Stderr(u32::MAX),
            Token::Stdin(1),
            Token::Process(9),
            Token::Oom,
            Token::Packer,
            Token::Names(3 << 16 | 7),
        ] {
            assert_eq!(Token::of(token.number()), token);
        }
    }

    #[test]
    fn a_timer_set_again_moves() {
        let mut timers = Timers::default();
        timers.set(Timer::Kill, Duration::ZERO);
        timers.set(Timer::Kill, Duration::from_secs(60));
        timers.set(Timer::Drain(1), Duration::ZERO);
        assert_eq!(timers.due(), Some(Timer::Drain(1)));
        assert_eq!(timers.due(), None);
        assert!(timers.next_in() > Some(Duration::from_secs(50)));
    }
}
