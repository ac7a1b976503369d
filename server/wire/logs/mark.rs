//! Marks of a log file: how late it was where, so that a reader of later lines need not read the earlier ones.
//! In `<file>.index`, one after the other: `u64` offset, `u64` Unix nanoseconds, `u8` streams within a line; all little endian.

/// Bytes of a mark.
pub const MARK: usize = 17;
/// A file is marked about this often, in bytes.
pub const MARK_EVERY: u64 = 256 << 10;

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    pub offset: u64,
    /// No record before it, also of earlier files, is later than this; Unix nanoseconds.
    pub newest_ns: u64,
    /// By stream: a line begins before it and ends behind it.
    pub within: [bool; 2],
}

impl Mark {
    pub fn to_bytes(self) -> [u8; MARK] {
        let mut bytes = [0; MARK];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.newest_ns.to_le_bytes());
        bytes[16] = u8::from(self.within[0]) | u8::from(self.within[1]) << 1;
        bytes
    }

    fn parse(bytes: &[u8; MARK]) -> Self {
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
        Self { offset: number(0), newest_ns: number(8), within: [bytes[16] & 1 != 0, bytes[16] & 2 != 0] }
    }

    /// All whole marks.
    pub fn parse_all(bytes: &[u8]) -> Vec<Self> {
        bytes.as_chunks().0.iter().map(Self::parse).collect()
    }
}

/// The last file and mark before which nothing is as late as `since_ns`.
pub(super) fn last_before(marks: &[Vec<Mark>], since_ns: u64) -> Option<(usize, Mark)> {
    let last = |marks: &Vec<Mark>| marks.iter().rev().find(|mark| mark.newest_ns < since_ns).copied();
    marks.iter().enumerate().rev().find_map(|(file, marks)| Some((file, last(marks)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_and_half_a_mark_is_none() {
        let marks = [Mark { offset: 1, newest_ns: u64::MAX, within: [false, true] }, Mark { offset: 1 << 40, newest_ns: 2, within: [true, false] }];
        let bytes = marks.map(Mark::to_bytes).concat();
        assert_eq!(Mark::parse_all(&bytes), marks);
        assert_eq!(Mark::parse_all(&bytes[..MARK + 3]), marks[..1]);
    }

    #[test]
    fn reading_begins_where_everything_before_is_too_old() {
        let mark = |offset, newest_ns| Mark { offset, newest_ns, ..Mark::default() };
        let marks = [vec![mark(0, 0), mark(10, 5)], vec![], vec![mark(0, 9), mark(7, 20)]];
        let begin = |since| last_before(&marks, since).map(|(file, mark)| (file, mark.offset));
        assert_eq!(
            [begin(0), begin(5), begin(6), begin(9), begin(10), begin(30)],
            [None, Some((0, 0)), Some((0, 10)), Some((0, 10)), Some((2, 0)), Some((2, 7))]
        );
    }
}
