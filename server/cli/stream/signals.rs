//! Signals to this process while a session runs.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that a container's process may want; the others end, stop or concern this process alone.
const PASSED: [(&str, fn() -> SignalKind); 7] = [
    ("HUP", SignalKind::hangup),
    ("INT", SignalKind::interrupt),
    ("QUIT", SignalKind::quit),
    ("USR1", SignalKind::user_defined1),
    ("USR2", SignalKind::user_defined2),
    ("ALRM", SignalKind::alarm),
    ("TERM", SignalKind::terminate),
];

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// By its name without `SIG`, and number.
    Signal(&'static str, i32),
    /// The terminal has another size.
    Resized,
}

/// Signals from its making on; none is lost, though equal ones may fall together.
pub struct Signals {
    passed: Vec<(&'static str, i32, Signal)>,
    resized: Signal,
}

impl Signals {
    /// Must be called within the runtime.
    pub fn take() -> io::Result<Self> {
        let passed = PASSED.iter().map(|(name, kind)| Ok((*name, kind().as_raw_value(), signal(kind())?))).collect::<io::Result<_>>()?;
        Ok(Self { passed, resized: signal(SignalKind::window_change())? })
    }

    /// The next one.
    pub async fn next(&mut self) -> Came {
        std::future::poll_fn(|context| {
            for (name, number, signal) in &mut self.passed {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(Came::Signal(name, *number));
                }
            }
            self.resized.poll_recv(context).map(|_| Came::Resized)
        })
        .await
    }
}
