//! The units on the socket.

use super::message::{Event, Reply, Request};
use gantry_model::{Kind, TermSize};
use serde::{Deserialize, Serialize};

/// The protocol of this release.
pub const VERSION: u32 = 1;
/// The oldest protocol this release still speaks: the one of the release before.
pub const OLDEST: u32 = 1;
/// Most payload bytes of a control frame.
pub const MAX_CONTROL: usize = 4 << 20;
/// Most data bytes of an input or output frame.
pub const MAX_DATA: usize = 64 << 10;
/// Stream numbers of [`Frame::Output`]; a terminal has only the first.
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
/// Length of what stands before the bytes of an output frame.
pub const OUTPUT_HEADER: usize = 5 + 9;

/// One unit on the socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// First in both directions.
    Hello(Hello),
    Request(Request),
    Reply(Reply),
    Event(Event),
    /// Bytes for stdin or the terminal.
    Input(Vec<u8>),
    CloseInput,
    Resize(TermSize),
    /// The client has every byte before `offset`.
    Ack {
        offset: u64,
    },
    /// `offset` counts the session's bytes from its beginning, both streams together.
    Output {
        offset: u64,
        stream: u8,
        bytes: Vec<u8>,
    },
    /// These bytes are lost to this client.
    Gap {
        from: u64,
        to: u64,
    },
    /// After the last byte; the connection closes behind it.
    Ended(Ended),
    /// A frame of a later release, or a message this release can't read. Its bytes were skipped.
    Unknown {
        kind: u8,
        reason: String,
    },
}

/// Which protocols a side speaks. The monitor's answer has the agreed one in `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub version: u32,
    pub min: u32,
}

impl Hello {
    pub const OURS: Self = Self { version: VERSION, min: OLDEST };

    /// The newest protocol both sides speak.
    pub fn agree(&self, theirs: &Self) -> Option<u32> {
        let newest = self.version.min(theirs.version);
        (newest >= self.min.max(theirs.min)).then_some(newest)
    }
}

/// How a session ended for this client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// 0 to 255; absent if the stream ended before the process did.
    pub exit_code: Option<i32>,
    /// One sentence for people.
    pub reason: String,
}

/// What is wrong with bytes that should be frames. The connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of kind {kind} claims {len} bytes, {most} are allowed")]
    TooLarge { kind: u8, len: usize, most: usize },
    #[error("a frame of kind {kind} has {len} bytes, too few")]
    TooShort { kind: u8, len: usize },
}

impl FrameError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::TooShort { .. } => Kind::Invalid,
        }
    }
}
