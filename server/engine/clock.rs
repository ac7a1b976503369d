//! The time, as the rest of the engine asks for it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in nanoseconds.
pub fn now_ns() -> i128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}

/// Unix time in milliseconds.
pub fn now_ms() -> i64 {
    (now_ns() / 1_000_000) as i64
}
