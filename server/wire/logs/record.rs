//! One record: what stands before and after its payload.

use std::io::{self, Read, Seek, SeekFrom};

/// Bytes before the payload.
pub const HEADER: usize = 14;
/// Bytes after it.
pub const TRAILER: usize = 4;
/// Most bytes of one payload.
pub const MAX_PAYLOAD: usize = 64 << 10;
/// Flag: the first record of its stream in a run; what was unfinished before it stays unfinished.
pub const BEGINS: u8 = 1;

/// What is known of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead {
    pub len: usize,
    /// 1 is stdout (or the terminal), 2 is stderr.
    pub stream: u8,
    pub flags: u8,
    /// Unix nanoseconds.
    pub at_ns: u64,
}

impl RecordHead {
    /// Reads a head; `None` if these bytes are none.
    pub fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let len = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        let at_ns = u64::from_le_bytes([bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11], bytes[12], bytes[13]]);
        ((1..=MAX_PAYLOAD).contains(&len) && matches!(bytes[4], 1 | 2)).then_some(Self { len, stream: bytes[4], flags: bytes[5], at_ns })
    }
}

/// What to write before and after a payload.
pub fn frame(head: RecordHead) -> ([u8; HEADER], [u8; TRAILER]) {
    let mut before = [0; HEADER];
    let len = (head.len as u32).to_le_bytes();
    before[..4].copy_from_slice(&len);
    before[4] = head.stream;
    before[5] = head.flags;
    before[6..].copy_from_slice(&head.at_ns.to_le_bytes());
    (before, len)
}

/// How many bytes of a file are whole records: what a writer that was killed in a write left behind them is to be cut.
/// `known` is a place between two records.
pub fn valid_len<R: Read + Seek>(file: &mut R, known: u64) -> io::Result<u64> {
    let len = file.seek(SeekFrom::End(0))?;
    if len == 0 || before(file, len)?.is_some() {
        return Ok(len);
    }
    let mut at = if known <= len { known } else { 0 };
    while let Some(head) = at_offset(file, at, len)? {
        at += (HEADER + head.len + TRAILER) as u64;
    }
    Ok(at)
}

/// The last of the whole records that end at `end`.
pub fn last<R: Read + Seek>(file: &mut R, end: u64) -> io::Result<Option<RecordHead>> {
    Ok(before(file, end)?.map(|(_, head)| head))
}

/// The record that begins at `at`, if it is whole before `end`.
pub(super) fn at_offset<R: Read + Seek>(file: &mut R, at: u64, end: u64) -> io::Result<Option<RecordHead>> {
    if at + (HEADER + TRAILER) as u64 > end {
        return Ok(None);
    }
    let mut bytes = [0; HEADER];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    let Some(head) = RecordHead::parse(&bytes) else { return Ok(None) };
    let trailer = at + (HEADER + head.len) as u64;
    if trailer + TRAILER as u64 > end {
        return Ok(None);
    }
    let mut bytes = [0; TRAILER];
    file.seek(SeekFrom::Start(trailer))?;
    file.read_exact(&mut bytes)?;
    Ok((u32::from_le_bytes(bytes) as usize == head.len).then_some(head))
}

/// The record that ends at `end`, and where it begins.
pub(super) fn before<R: Read + Seek>(file: &mut R, end: u64) -> io::Result<Option<(u64, RecordHead)>> {
    let Some(at_trailer) = end.checked_sub(TRAILER as u64) else { return Ok(None) };
    let mut bytes = [0; TRAILER];
    file.seek(SeekFrom::Start(at_trailer))?;
    file.read_exact(&mut bytes)?;
    let len = u64::from(u32::from_le_bytes(bytes));
    let Some(at) = at_trailer.checked_sub(len + HEADER as u64) else { return Ok(None) };
    Ok(at_offset(file, at, end)?.filter(|head| head.len as u64 == len).map(|head| (at, head)))
}

#[cfg(test)]
pub(super) fn record(stream: u8, flags: u8, at_ns: u64, payload: &str) -> Vec<u8> {
    let (head, trailer) = frame(RecordHead { len: payload.len(), stream, flags, at_ns });
    [&head[..], payload.as_bytes(), &trailer].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn half_a_record_at_the_end_is_cut() {
        let whole = [record(1, 0, 1, "one\n"), record(2, 0, 2, "two\n")].concat();
        let len = whole.len() as u64;
        assert_eq!(valid_len(&mut Cursor::new(whole.clone()), 0).expect("in memory"), len);
        for extra in 1..20 {
            let torn = [whole.clone(), record(1, 0, 3, "three\n")[..extra].to_vec()].concat();
            assert_eq!(valid_len(&mut Cursor::new(torn), 0).expect("in memory"), len, "{extra}");
        }
        assert_eq!(valid_len(&mut Cursor::new(vec![9; 100]), 0).expect("in memory"), 0);
        assert_eq!(valid_len(&mut Cursor::new(Vec::new()), 0).expect("in memory"), 0);
    }
}
