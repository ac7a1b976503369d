//! Maps of files with holes, in the four forms GNU tar has written. Source: GNU tar manual, "Storing Sparse Files".

use super::BLOCK;
use super::header::number;
use super::pax::{Records, decimal};
use tar::{GnuExtSparseHeader, GnuHeader, GnuSparseHeader};

/// Stored bytes of a file and where they belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub offset: u64,
    pub length: u64,
}

#[derive(Debug, Default)]
pub(super) struct Map {
    pub extents: Vec<Extent>,
    /// Size of the file, holes included.
    pub size: u64,
    /// The PAX forms store a made-up name in the header and the real one here.
    pub name: Option<Vec<u8>>,
}

/// A file in this many pieces is no honest file.
const MAX_EXTENTS: usize = 1 << 20;

impl Map {
    /// Checks that extents ascend, lie in the file and account for every stored byte.
    pub fn check(&self, stored: u64) -> Result<(), String> {
        let mut end = 0_u64;
        let mut sum = 0_u64;
        for extent in &self.extents {
            let past = extent.offset.checked_add(extent.length).filter(|past| *past <= self.size);
            let Some(past) = past.filter(|_| extent.offset >= end) else { return Err("a sparse map that does not fit its file".to_owned()) };
            end = past;
            sum += extent.length;
        }
        if sum == stored { Ok(()) } else { Err(format!("a sparse map of {sum} bytes for {stored} stored ones")) }
    }

    fn push(&mut self, offset: u64, length: u64) -> Result<(), String> {
        if self.extents.len() >= MAX_EXTENTS {
            return Err("a sparse map with too many pieces".to_owned());
        }
        self.extents.push(Extent { offset, length });
        Ok(())
    }
}

/// Type `S`: four extents in the header, more in blocks that follow it.
pub(super) struct OldGnu {
    pub map: Map,
    pub more: bool,
}

impl OldGnu {
    pub fn begin(header: &GnuHeader) -> Result<Self, String> {
        let mut reading = Self { map: Map { size: unsigned(&header.realsize)?, ..Map::default() }, more: header.isextended[0] == 1 };
        reading.take(&header.sparse)?;
        Ok(reading)
    }

    pub fn block(&mut self, block: &[u8; BLOCK]) -> Result<(), String> {
        let mut extended = GnuExtSparseHeader::new();
        extended.as_mut_bytes().copy_from_slice(block);
        self.more = extended.isextended[0] == 1;
        self.take(&extended.sparse)
    }

    fn take(&mut self, pieces: &[GnuSparseHeader]) -> Result<(), String> {
        for piece in pieces.iter().take_while(|piece| piece.offset[0] != 0) {
            self.map.push(unsigned(&piece.offset)?, unsigned(&piece.numbytes)?)?;
        }
        Ok(())
    }
}

/// PAX 1.0: the map is text at the start of the stored bytes, padded to a block.
pub(super) struct Lines {
    map: Map,
    text: Vec<u8>,
    numbers: Vec<u64>,
    /// Numbers to come after the count.
    expected: Option<usize>,
}

impl Lines {
    pub fn begin(pax: &Records) -> Result<Self, String> {
        if (pax.get(b"GNU.sparse.major"), pax.get(b"GNU.sparse.minor")) != (Some(b"1"), Some(b"0")) {
            return Err("an unknown version of sparse maps".to_owned());
        }
        let size = pax.number(b"GNU.sparse.realsize")?.ok_or("a sparse file without its real size")?;
        let map = Map { size, name: pax.get(b"GNU.sparse.name").map(<[u8]>::to_vec), ..Map::default() };
        Ok(Self { map, text: Vec::new(), numbers: Vec::new(), expected: None })
    }

    pub fn done(&self) -> bool {
        self.expected.is_some_and(|expected| self.numbers.len() >= expected)
    }

    pub fn block(&mut self, block: &[u8; BLOCK]) -> Result<(), String> {
        for byte in block {
            if self.done() {
                break;
            }
            if *byte != b'\n' {
                self.text.push(*byte);
                if self.text.len() > 20 {
                    return Err("an unreadable sparse map".to_owned());
                }
                continue;
            }
            let value = decimal(&self.text).ok_or("an unreadable sparse map")?;
            self.text.clear();
            if self.expected.is_some() {
                self.numbers.push(value);
            } else {
                let count = usize::try_from(value).ok().filter(|count| *count <= MAX_EXTENTS).ok_or("a sparse map with too many pieces")?;
                self.expected = Some(count * 2);
            }
        }
        Ok(())
    }

    pub fn finish(mut self) -> Map {
        self.map.extents = self.numbers.chunks_exact(2).map(|pair| Extent { offset: pair[0], length: pair[1] }).collect();
        self.map
    }
}

/// PAX 0.0 and 0.1: the map is in the extended header. `None` if the file is not sparse.
pub(super) fn from_records(pax: &Records) -> Result<Option<Map>, String> {
    let Some(size) = pax.number(b"GNU.sparse.size")? else {
        if pax.get(b"GNU.sparse.map").is_some() || pax.get(b"GNU.sparse.realsize").is_some() || !pax.sparse_pairs.is_empty() {
            return Err("a sparse file without its size".to_owned());
        }
        return Ok(None);
    };
    let mut map = Map { size, name: pax.get(b"GNU.sparse.name").map(<[u8]>::to_vec), ..Map::default() };
    let bad = || "an unreadable sparse map".to_owned();
    let numbers: Vec<u64> = match pax.get(b"GNU.sparse.map") {
        Some(list) => list.split(|b| *b == b',').map(decimal).collect::<Option<_>>().ok_or_else(bad)?,
        None => {
            let in_turn = pax.sparse_pairs.iter().enumerate().all(|(at, (key, _))| (at % 2 == 0) == (key == b"GNU.sparse.offset"));
            if !in_turn {
                return Err(bad());
            }
            pax.sparse_pairs.iter().map(|(_, value)| decimal(value)).collect::<Option<_>>().ok_or_else(bad)?
        }
    };
    let count = pax.number(b"GNU.sparse.numblocks")?;
    if !numbers.len().is_multiple_of(2) || count.is_some_and(|count| count != numbers.len() as u64 / 2) {
        return Err(bad());
    }
    for pair in numbers.chunks_exact(2) {
        map.push(pair[0], pair[1])?;
    }
    Ok(Some(map))
}

fn unsigned(field: &[u8]) -> Result<u64, String> {
    u64::try_from(number(field, "sparse map")?).map_err(|_| "a negative number in a sparse map".to_owned())
}
