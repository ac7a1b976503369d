//! Reads lines, forwards. In: the files of a log. Out: one line at a time, without copying where a record holds it whole.

use super::mark::{self, Mark};
use super::record::{BEGINS, HEADER, RecordHead, TRAILER};
use super::tail::{self, Start};
use gantry_model::Kind;
use std::io::{self, Read, Seek, SeekFrom};

/// Longer lines come in pieces.
const MAX_LINE: usize = 1 << 20;
const CHUNK: usize = 256 << 10;

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    pub stdout: bool,
    pub stderr: bool,
    /// Unix nanoseconds, both included.
    pub since_ns: Option<u64>,
    pub until_ns: Option<u64>,
    /// The last so many lines.
    pub tail: Option<u64>,
}

impl Default for Query {
    fn default() -> Self {
        Self { stdout: true, stderr: true, since_ns: None, until_ns: None, tail: None }
    }
}

impl Query {
    pub(super) fn takes(&self, stream: u8) -> bool {
        if stream == 1 { self.stdout } else { self.stderr }
    }
}

/// A line with its newline, or a piece or an unfinished end without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub stream: u8,
    /// When its first bytes came; Unix nanoseconds.
    pub at_ns: u64,
    pub bytes: &'a [u8],
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("read the log")]
    Read(#[from] io::Error),
    #[error("the log is damaged at byte {0}")]
    Damaged(u64),
}

impl LogError {
    pub fn kind(&self) -> Kind {
        Kind::Internal
    }
}

/// The beginning of a line whose end is in a later record.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    at_ns: u64,
    /// Belongs to a line that began before what is read.
    headless: bool,
    /// Was handed out; cleared by the next step.
    given: bool,
}

/// Reads the lines of a log. At the end it returns `None` and goes on when the last file has grown or [`Reader::push`] brought another.
#[derive(Debug)]
pub struct Reader<R> {
    files: Vec<R>,
    current: usize,
    query: Query,
    skip_lines: u64,
    /// Bytes of the current file, from `start` on; the file's position is behind them.
    chunk: Vec<u8>,
    start: usize,
    /// Offset of `chunk[start]` in the file.
    offset: u64,
    /// What is left of the current record's payload, in `chunk`.
    payload: std::ops::Range<usize>,
    head: Option<RecordHead>,
    pending: [Pending; 2],
    done: bool,
}

impl<R: Read + Seek> Reader<R> {
    /// `files` are in the order of their content, `marks` are theirs; without marks all is read.
    ///
    /// # Errors
    /// [`LogError::Read`].
    pub fn open(files: Vec<R>, marks: &[Vec<Mark>], query: Query) -> Result<Self, LogError> {
        let mut sized = Vec::with_capacity(files.len());
        for mut file in files {
            let len = file.seek(SeekFrom::End(0))?;
            sized.push((file, len));
        }
        let last = sized.len().saturating_sub(1);
        // The file before the first one is gone, and the beginnings of its last lines with it.
        let first = marks.first().and_then(|marks| marks.first()).filter(|mark| mark.offset == 0).copied().unwrap_or_default();
        let start = match (query.tail, query.since_ns) {
            (Some(0), _) => Start { file: last, offset: sized.get(last).map_or(0, |(_, len)| *len), ..Start::default() },
            (Some(wanted), _) => tail::find(&mut sized, first.within, &query, wanted)?,
            (None, Some(since)) => {
                // A mark that was written before its record, which then was not.
                let known = mark::last_before(marks, since).filter(|(file, mark)| sized.get(*file).is_some_and(|(_, len)| mark.offset <= *len));
                let (file, mark) = known.unwrap_or((0, first));
                Start { file, offset: mark.offset, headless: mark.within, ..Start::default() }
            }
            (None, None) => Start { headless: first.within, ..Start::default() },
        };
        let mut files: Vec<R> = sized.into_iter().map(|(file, _)| file).collect();
        for (index, file) in files.iter_mut().enumerate() {
            file.seek(SeekFrom::Start(if index == start.file { start.offset } else { 0 }))?;
        }
        let pending = start.headless.map(|headless| Pending { headless, ..Pending::default() });
        Ok(Self {
            files,
            current: start.file,
            query,
            skip_lines: start.skip_lines,
            chunk: Vec::new(),
            start: 0,
            offset: start.offset,
            payload: 0..0,
            head: None,
            pending,
            done: false,
        })
    }

    /// Adds the file that came after the last one (the log was rotated).
    pub fn push(&mut self, file: R) {
        self.files.push(file);
    }

    /// True once a line later than the query's end was met: nothing more will come.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The next whole line; `None` at the end of what is written.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LogError> {
        let Some(found) = self.advance()? else { return Ok(None) };
        Ok(Some(match found {
            Found::InChunk { stream, at_ns, range } => Line { stream, at_ns, bytes: &self.chunk[range] },
            Found::Pending { stream, at_ns } => Line { stream, at_ns, bytes: &self.pending[usize::from(stream - 1)].bytes },
        }))
    }

    /// What is left without a newline, when no more will come: at most one line per stream.
    pub fn next_rest(&mut self) -> Option<Line<'_>> {
        self.clear_given();
        let which = (0..2).filter(|which| !self.pending[*which].bytes.is_empty()).min_by_key(|which| self.pending[*which].at_ns)?;
        let (stream, at_ns) = (which as u8 + 1, self.pending[which].at_ns);
        self.pending[which].given = true;
        if !self.wanted(at_ns) {
            return self.next_rest();
        }
        Some(Line { stream, at_ns, bytes: &self.pending[which].bytes })
    }

    fn advance(&mut self) -> Result<Option<Found>, LogError> {
        self.clear_given();
        loop {
            if self.done {
                return Ok(None);
            }
            let Some(head) = self.head else {
                if let Some(found) = self.next_record()? {
                    return Ok(Some(found));
                }
                if self.head.is_none() {
                    return Ok(None);
                }
                continue;
            };
            if self.payload.is_empty() {
                self.head = None;
                continue;
            }
            if let Some(found) = self.take_line(head)
                && self.wanted(found.at_ns())
            {
                return Ok(Some(found));
            }
            self.clear_given();
        }
    }

    /// Takes one line or piece out of the current record.
    fn take_line(&mut self, head: RecordHead) -> Option<Found> {
        let rest = &self.chunk[self.payload.clone()];
        let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
        let range = self.payload.start..self.payload.start + end.unwrap_or(rest.len());
        self.payload.start = range.end;
        let pending = &mut self.pending[usize::from(head.stream - 1)];
        if pending.headless {
            pending.headless = end.is_none();
            return None;
        }
        if pending.bytes.is_empty() && end.is_some() {
            return Some(Found::InChunk { stream: head.stream, at_ns: head.at_ns, range });
        }
        if pending.bytes.is_empty() {
            pending.at_ns = head.at_ns;
        }
        pending.bytes.extend_from_slice(&self.chunk[range]);
        if end.is_none() && pending.bytes.len() < MAX_LINE {
            return None;
        }
        pending.given = true;
        Some(Found::Pending { stream: head.stream, at_ns: pending.at_ns })
    }

    fn wanted(&mut self, at_ns: u64) -> bool {
        if self.skip_lines > 0 {
            self.skip_lines -= 1;
            return false;
        }
        if self.query.until_ns.is_some_and(|until| at_ns > until) {
            self.done = true;
            return false;
        }
        self.query.since_ns.is_none_or(|since| at_ns >= since)
    }

    fn clear_given(&mut self) {
        for pending in &mut self.pending {
            if std::mem::take(&mut pending.given) {
                pending.bytes.clear();
            }
        }
    }

    /// Makes the next wanted record the current one. A line that a run left unfinished is handed out when the next run begins.
    fn next_record(&mut self) -> Result<Option<Found>, LogError> {
        loop {
            let Some(head) = self.read_head()? else { return Ok(None) };
            let whole = HEADER + head.len + TRAILER;
            if !self.fill(whole)? {
                return Ok(None);
            }
            let from = self.start + HEADER;
            self.start += whole;
            self.offset += whole as u64;
            if !self.query.takes(head.stream) {
                continue;
            }
            self.head = Some(head);
            self.payload = from..from + head.len;
            let pending = &mut self.pending[usize::from(head.stream - 1)];
            if head.flags & BEGINS == 0 {
                return Ok(None);
            }
            pending.headless = false;
            if pending.bytes.is_empty() {
                return Ok(None);
            }
            pending.given = true;
            let found = Found::Pending { stream: head.stream, at_ns: pending.at_ns };
            if self.wanted(found.at_ns()) {
                return Ok(Some(found));
            }
            self.clear_given();
            return Ok(None);
        }
    }

    fn read_head(&mut self) -> Result<Option<RecordHead>, LogError> {
        while !self.fill(HEADER)? {
            if self.current + 1 >= self.files.len() {
                return Ok(None);
            }
            self.current += 1;
            (self.start, self.offset) = (0, 0);
            self.chunk.clear();
        }
        let bytes = self.chunk[self.start..].first_chunk::<HEADER>().expect("filled above");
        RecordHead::parse(bytes).map(Some).ok_or(LogError::Damaged(self.offset))
    }

    /// Makes at least `len` bytes available at `start`; false if the file has fewer.
    fn fill(&mut self, len: usize) -> Result<bool, LogError> {
        if self.chunk.len() - self.start >= len {
            return Ok(true);
        }
        let Some(file) = self.files.get_mut(self.current) else { return Ok(false) };
        self.chunk.drain(..self.start);
        self.start = 0;
        while self.chunk.len() < len {
            let got = file.by_ref().take(CHUNK as u64).read_to_end(&mut self.chunk)?;
            if got == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

enum Found {
    InChunk { stream: u8, at_ns: u64, range: std::ops::Range<usize> },
    Pending { stream: u8, at_ns: u64 },
}

impl Found {
    fn at_ns(&self) -> u64 {
        match self {
            Self::InChunk { at_ns, .. } | Self::Pending { at_ns, .. } => *at_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::record;
    use super::*;
    use std::io::Cursor;

    fn lines(files: Vec<Vec<u8>>, query: Query) -> Vec<String> {
        let mut reader = Reader::open(files.into_iter().map(Cursor::new).collect(), &[], query).expect("in memory");
        let mut all = Vec::new();
        let show = |line: Line<'_>| format!("{}{}:{}", line.stream, line.at_ns, String::from_utf8_lossy(line.bytes).escape_debug());
        while let Some(line) = reader.next_line().expect("whole") {
            all.push(show(line));
        }
        while let Some(line) = reader.next_rest() {
            all.push(show(line));
        }
        all
    }

    /// Lines over several records, both streams mixed, two runs, an unfinished end.
    fn two_files() -> Vec<Vec<u8>> {
        let first = [record(1, BEGINS, 1, "a\nb"), record(2, BEGINS, 2, "E1\nE2"), record(1, 0, 3, "b\nc\n")].concat();
        let second = [record(2, 0, 4, "-end\n"), record(1, 0, 5, "half"), record(1, BEGINS, 6, "d\n"), record(2, BEGINS, 7, "last")].concat();
        vec![first, second]
    }

    const ALL: [&str; 8] = ["11:a\\n", "22:E1\\n", "11:bb\\n", "13:c\\n", "22:E2-end\\n", "15:half", "16:d\\n", "27:last"];

    #[test]
    fn lines_are_put_together_across_records_and_files() {
        assert_eq!(lines(two_files(), Query::default()), ALL);
        assert_eq!(lines(two_files(), Query { stdout: false, ..Query::default() }), ["22:E1\\n", "22:E2-end\\n", "27:last"]);
    }

    #[test]
    fn the_last_lines_are_those_a_full_reading_ends_with() {
        for tail in 0..=9usize {
            let query = Query { tail: Some(tail as u64), ..Query::default() };
            assert_eq!(lines(two_files(), query), ALL[ALL.len().saturating_sub(tail)..], "{tail}");
            let query = Query { tail: Some(tail as u64), stdout: false, ..Query::default() };
            let errors = ["22:E1\\n", "22:E2-end\\n", "27:last"];
            assert_eq!(lines(two_files(), query), errors[errors.len().saturating_sub(tail)..], "{tail} of stderr");
        }
    }

    #[test]
    fn lines_are_chosen_by_time() {
        let query = Query { since_ns: Some(3), until_ns: Some(5), ..Query::default() };
        assert_eq!(lines(two_files(), query), ["13:c\\n", "15:half"]);
    }

    #[test]
    fn a_reader_at_the_end_goes_on_when_the_file_has_grown() {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let path = dir.path().join("log");
        let write = |bytes: &[u8]| {
            use std::io::Write as _;
            std::fs::OpenOptions::new().create(true).append(true).open(&path).and_then(|mut file| file.write_all(bytes)).expect("appends");
        };
        let whole = record(1, 0, 2, "two\n");
        write(&[&record(1, 0, 1, "one\n")[..], &whole[..9]].concat());
        let mut reader = Reader::open(vec![std::fs::File::open(&path).expect("is there")], &[], Query::default()).expect("opens");
        assert_eq!(reader.next_line().expect("whole").map(|line| line.bytes.to_vec()), Some(b"one\n".to_vec()));
        assert_eq!(reader.next_line().expect("whole"), None);
        write(&whole[9..]);
        assert_eq!(reader.next_line().expect("whole").map(|line| line.bytes.to_vec()), Some(b"two\n".to_vec()));
    }

    #[test]
    fn the_last_lines_and_the_later_ones_cost_nothing_of_the_rest() {
        use super::super::packed::{Stored, pack, tests::Counted};
        let count = |number: u64| record(1, 0, number, &format!("{number} a line as programs write them, of some sixty bytes\n"));
        let (mut plain, mut marks) = (Vec::new(), Vec::new());
        for number in 0..60_000 {
            if number % 3000 == 0 {
                marks.push(Mark { offset: plain.len() as u64, newest_ns: number, within: [false; 2] });
            }
            plain.extend(count(number));
        }
        let mut packed = Vec::new();
        pack(&mut plain.as_slice(), &mut packed).expect("in memory");
        let mut last: Vec<u8> = (60_000..60_020).flat_map(count).collect();
        let later: Vec<Mark> = marks.iter().map(|mark| Mark { newest_ns: mark.newest_ns + 60_000, ..*mark }).collect();
        for (file, whole) in [(plain.clone(), plain.len()), (packed.clone(), packed.len())] {
            for query in [Query { tail: Some(30), ..Query::default() }, Query { since_ns: Some(59_990), ..Query::default() }] {
                let read = std::rc::Rc::new(std::cell::Cell::new(0));
                let files = [file.clone(), last.clone()].map(|bytes| Stored::open(Counted(Cursor::new(bytes), read.clone())).expect("opens"));
                let mut reader = Reader::open(files.into(), &[marks.clone(), vec![]], query).expect("opens");
                let mut lines = Vec::new();
                while let Some(line) = reader.next_line().expect("whole") {
                    lines.push(line.at_ns);
                }
                assert_eq!(lines, (59_990..60_020).collect::<Vec<_>>());
                assert!(read.get() < whole / 8, "{} of {whole} bytes were read for {query:?}", read.get());
            }
        }
        // A mark whose record was lost leads nowhere.
        last.truncate(80);
        let mut reader = Reader::open(vec![Cursor::new(last)], &[later], Query { since_ns: Some(200_000), ..Query::default() }).expect("opens");
        assert_eq!(reader.next_line().expect("whole"), None);
    }

    // A stream that fell silent in the middle of a line, or between two runs, may be left out of a tail: to find it the whole log had to be read.
    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn any_tail_of_any_log_agrees_with_a_full_reading(parts in proptest::collection::vec((1u8..3, "[ab\n]{1,6}"), 0..30), tail in 0u64..12) {
            let ends = [(1, "\n".to_owned()), (2, "\n".to_owned())];
            let mut begun = [false; 2];
            let mut bytes = Vec::new();
            for (index, (stream, text)) in parts.iter().chain(&ends).enumerate() {
                let first = !std::mem::replace(&mut begun[usize::from(*stream - 1)], true);
                bytes.extend(record(*stream, u8::from(first), index as u64, text));
            }
            let all = lines(vec![bytes.clone()], Query::default());
            let last = lines(vec![bytes], Query { tail: Some(tail), ..Query::default() });
            proptest::prop_assert_eq!(&last[..], &all[all.len().saturating_sub(tail as usize)..]);
        }
    }
}
