//! The log of a container: records the monitor appends, lines a reader gets.
//!
//! A record is `u32` payload length, `u8` stream, `u8` flags, `u64` Unix nanoseconds, payload, `u32` payload length again; all little endian.
//! The length at both ends lets a file be read from its end: the last lines cost nothing of the rest. A record holds one read of the
//! monitor, not a line; lines are put together by the reader. A log is the files that were full, `<path>.1`, `<path>.2` and so on as they
//! came, some of them packed (`<path>.1.zst`), and last `<path>`. Beside each may lie its marks, `<path>.index`, `<path>.1.index`.

mod mark;
mod packed;
mod reader;
mod record;
mod tail;

pub use mark::{MARK_EVERY, Mark};
pub use packed::{BLOCK, Stored, pack};
pub use reader::{Line, LogError, Query, Reader};
pub use record::{BEGINS, HEADER, MAX_PAYLOAD, RecordHead, TRAILER, frame, last, valid_len};

/// What is added to the name of a packed file.
pub const PACKED: &str = ".zst";
/// What is added to the name of a file, packed or not, for its marks.
pub const INDEX: &str = ".index";

/// The number of a full file by its name, packed or not. `log` is the name of the current one.
pub fn number(name: &str, log: &str) -> Option<u64> {
    let number = name.strip_prefix(log)?.strip_prefix('.')?;
    number.strip_suffix(PACKED).unwrap_or(number).parse().ok()
}
