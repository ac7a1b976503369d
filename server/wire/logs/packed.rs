//! A rotated file, packed: zstd frames of 256 KiB and a table of them at the end, so that a reader unpacks only what it wants. `zstdcat` reads it too.
//! Source: zstd `contrib/seekable_format/zstd_seekable_compression_format.md`.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// Most bytes of a frame, unpacked.
pub const BLOCK: usize = 256 << 10;
/// Fast; lines of logs are small already then.
const LEVEL: i32 = 1;
const TABLE_MAGIC: u32 = 0x184D_2A5E;
const FOOTER_MAGIC: u32 = 0x8F92_EAB1;
const FOOTER: usize = 9;
/// How zstd frames begin; no record is so long.
const FRAME_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Packs all of `from`.
pub fn pack(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    let (mut block, mut table, mut count) = (Vec::with_capacity(BLOCK), Vec::new(), 0u32);
    loop {
        block.clear();
        if from.by_ref().take(BLOCK as u64).read_to_end(&mut block)? == 0 {
            break;
        }
        let frame = compressor.compress(&block)?;
        to.write_all(&frame)?;
        table.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        table.extend_from_slice(&(block.len() as u32).to_le_bytes());
        count += 1;
    }
    to.write_all(&TABLE_MAGIC.to_le_bytes())?;
    to.write_all(&((table.len() + FOOTER) as u32).to_le_bytes())?;
    to.write_all(&table)?;
    to.write_all(&count.to_le_bytes())?;
    // No checksums in the table.
    to.write_all(&[0])?;
    to.write_all(&FOOTER_MAGIC.to_le_bytes())
}

/// A file of a log, packed or not: its bytes as they were written.
#[derive(Debug)]
pub enum Stored<R> {
    Plain(R),
    Packed(Packed<R>),
}

impl<R: Read + Seek> Stored<R> {
    /// Looks at how the file begins.
    pub fn open(mut file: R) -> io::Result<Self> {
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic)?;
        if magic == FRAME_MAGIC {
            return Packed::open(file).map(Self::Packed);
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(Self::Plain(file))
    }
}

impl<R: Read + Seek> Read for Stored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(file) => file.read(buffer),
        }
    }
}

impl<R: Read + Seek> Seek for Stored<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Plain(file) => file.seek(to),
            Self::Packed(file) => file.seek(to),
        }
    }
}

#[derive(Debug)]
pub struct Packed<R> {
    file: R,
    /// Where each frame begins, packed and unpacked; and last where the next would.
    frames: Vec<(u64, u64)>,
    position: u64,
    /// The frame that is unpacked, and its bytes.
    at_hand: Option<usize>,
    block: Vec<u8>,
}

impl<R: Read + Seek> Packed<R> {
    fn open(mut file: R) -> io::Result<Self> {
        let mut footer = [0; FOOTER];
        file.seek(SeekFrom::End(-(FOOTER as i64)))?;
        file.read_exact(&mut footer)?;
        let (count, entry) = (number(&footer), if footer[4] & 0x80 == 0 { 8 } else { 12 });
        if number(&footer[5..]) != FOOTER_MAGIC {
            return Err(damaged());
        }
        let mut table = vec![0; count as usize * entry];
        file.seek(SeekFrom::End(-((table.len() + FOOTER) as i64)))?;
        file.read_exact(&mut table)?;
        let mut frames = vec![(0, 0)];
        let mut next = (0, 0);
        for sizes in table.chunks_exact(entry) {
            let (packed, unpacked) = (number(sizes), number(&sizes[4..]));
            if unpacked as usize > BLOCK || packed as usize > 2 * BLOCK {
                return Err(damaged());
            }
            next = (next.0 + u64::from(packed), next.1 + u64::from(unpacked));
            frames.push(next);
        }
        Ok(Self { file, frames, position: 0, at_hand: None, block: Vec::new() })
    }

    fn len(&self) -> u64 {
        self.frames[self.frames.len() - 1].1
    }
}

impl<R: Read + Seek> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.len() {
            return Ok(0);
        }
        let index = self.frames.partition_point(|(_, at)| *at <= self.position) - 1;
        let ((packed_at, at), (packed_end, end)) = (self.frames[index], self.frames[index + 1]);
        if self.at_hand != Some(index) {
            let mut frame = vec![0; (packed_end - packed_at) as usize];
            self.file.seek(SeekFrom::Start(packed_at))?;
            self.file.read_exact(&mut frame)?;
            self.at_hand = None;
            self.block = zstd::bulk::decompress(&frame, (end - at) as usize)?;
            if self.block.len() as u64 != end - at {
                return Err(damaged());
            }
            self.at_hand = Some(index);
        }
        let rest = &self.block[(self.position - at) as usize..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for Packed<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the packed log is damaged")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::cell::Cell;
    use std::io::Cursor;
    use std::rc::Rc;

    /// Counts what is read of it.
    pub struct Counted(pub Cursor<Vec<u8>>, pub Rc<Cell<usize>>);

    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1.set(self.1.get() + count);
            Ok(count)
        }
    }

    impl Seek for Counted {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn any_part_comes_back_and_only_its_frames_are_read() {
        let bytes: Vec<u8> = (0..400_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut packed = Vec::new();
        pack(&mut bytes.as_slice(), &mut packed).expect("in memory");
        assert_eq!(zstd::stream::decode_all(packed.as_slice()).expect("zstd reads it"), bytes);
        let read = Rc::new(Cell::new(0));
        let mut stored = Stored::open(Counted(Cursor::new(packed), read.clone())).expect("opens");
        assert_eq!(stored.seek(SeekFrom::End(0)).expect("seeks"), bytes.len() as u64);
        for (at, len) in [(BLOCK - 5, 10), (0, 1), (bytes.len() - 3, 3), (3 * BLOCK, BLOCK)] {
            let mut part = vec![0; len];
            stored.seek(SeekFrom::Start(at as u64)).expect("seeks");
            stored.read_exact(&mut part).expect("reads");
            assert!(part == bytes[at..at + len], "at {at}");
        }
        assert!(read.get() < 7 * BLOCK, "{}", read.get());
        stored.seek(SeekFrom::Start(0)).expect("seeks");
        let mut all = Vec::new();
        stored.read_to_end(&mut all).expect("reads");
        assert!(all == bytes);
    }

    #[test]
    fn what_is_not_packed_stays_as_it_is_and_what_is_cut_is_refused() {
        let plain = super::super::record::record(1, 0, 1, "line\n");
        let mut read = Vec::new();
        Stored::open(Cursor::new(plain.clone())).expect("opens").read_to_end(&mut read).expect("reads");
        assert_eq!(read, plain);
        let mut packed = Vec::new();
        pack(&mut plain.as_slice(), &mut packed).expect("in memory");
        packed.pop();
        assert!(Stored::open(Cursor::new(packed)).is_err());
        assert!(matches!(Stored::open(Cursor::new(Vec::new())), Ok(Stored::Plain(_))));
    }
}
