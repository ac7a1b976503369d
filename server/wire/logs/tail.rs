//! Finds where the last lines begin, from the end of the files.

use super::reader::Query;
use super::record::{BEGINS, HEADER, before};
use std::io::{self, Read, Seek, SeekFrom};

/// Where to begin reading, and how many lines to leave out from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Start {
    pub file: usize,
    pub offset: u64,
    pub skip_lines: u64,
    /// By stream: what comes before its first newline belongs to a line that began earlier.
    pub headless: [bool; 2],
}

/// What was seen of a stream so far, going back.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Ends of lines.
    ends: u64,
    /// The last line has no newline.
    unfinished: u64,
    any: bool,
    /// The beginning of its first line is in what was seen.
    whole: bool,
    /// Ends seen when enough lines were found.
    needed: u64,
}

/// `within` tells the streams whose first line in the first file has lost its beginning.
pub(super) fn find<R: Read + Seek>(files: &mut [(R, u64)], within: [bool; 2], query: &Query, wanted: u64) -> io::Result<Start> {
    let mut seen = [Seen::default(); 2];
    let mut enough = wanted == 0;
    let mut payload = Vec::new();
    let mut start = Start::default();
    'files: for (index, (file, len)) in files.iter_mut().enumerate().rev() {
        let mut end = *len;
        while let Some((at, head)) = before(file, end)? {
            start = Start { file: index, offset: at, ..Start::default() };
            end = at;
            let which = usize::from(head.stream - 1);
            if !query.takes(head.stream) {
                continue;
            }
            payload.resize(head.len, 0);
            file.seek(SeekFrom::Start(at + HEADER as u64))?;
            file.read_exact(&mut payload)?;
            let stream = &mut seen[which];
            // What a stream left unfinished in an earlier run is a line of its own.
            let newer_run = stream.any && stream.whole;
            if (!stream.any || newer_run) && payload.last() != Some(&b'\n') {
                stream.unfinished += 1;
            }
            stream.any = true;
            stream.ends += memchr::memchr_iter(b'\n', &payload).count() as u64;
            stream.whole = head.flags & BEGINS != 0;
            if !enough && lines(&seen) >= wanted {
                enough = true;
                for stream in &mut seen {
                    stream.needed = stream.ends;
                }
            }
            if enough && seen.iter().all(|stream| !stream.any || stream.whole || stream.ends > stream.needed) {
                break 'files;
            }
        }
    }
    let at_start = start.file == 0 && start.offset == 0;
    for ((headless, stream), within) in start.headless.iter_mut().zip(&seen).zip(within) {
        *headless = stream.any && !stream.whole && (!at_start || within) && stream.ends > 0;
    }
    let shown = lines(&seen) - start.headless.iter().filter(|headless| **headless).count() as u64;
    start.skip_lines = shown.saturating_sub(wanted);
    Ok(start)
}

fn lines(seen: &[Seen; 2]) -> u64 {
    seen.iter().map(|stream| stream.ends + stream.unfinished).sum()
}
