//! The log of a container: records the monitor appends, lines a reader gets.
//!
//! A record is `u32` payload length, `u8` stream, `u8` flags, `u64` Unix nanoseconds, payload, `u32` payload length again; all little endian.
//! The length at both ends lets a file be read from its end: the last lines cost nothing of the rest. A record holds one read of the
//! monitor, not a line; lines are put together by the reader. A log is at most two files: `<path>.1` and then `<path>`.

mod reader;
mod record;
mod tail;

pub use reader::{Line, LogError, Query, Reader};
pub use record::{BEGINS, HEADER, MAX_PAYLOAD, RecordHead, TRAILER, frame, valid_len};
