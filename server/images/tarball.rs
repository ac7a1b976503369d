//! Walks a tar stream entry by entry: ustar, GNU and PAX, with their long names, big numbers, attributes and sparse maps.
//!
//! Goes in: any bytes. Comes out: entries whose meaning GNU tar and Go agree on, or an error; where the two would read different
//! archives out of the same bytes (the root of many past holes), the walker refuses. Names are not judged here; `layer` does that.

mod header;
mod pax;
mod sparse;

use crate::ImagesError;
use crate::error::shown;
use header::{is_zero, number, parse_kind, text};
use pax::Records;
pub(crate) use sparse::Extent;
use std::io::{self, Read};
use tar::Header;

pub(crate) const BLOCK: usize = 512;

/// Bytes of one extended header or long name. Go's limit too.
const EXTENDED_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    HardLink,
    SymLink,
    CharDevice,
    BlockDevice,
    Folder,
    Fifo,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As written: may be absolute, hold `..`, be empty.
    pub name: Vec<u8>,
    pub kind: EntryKind,
    pub link: Vec<u8>,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime_secs: i64,
    pub mtime_nanos: u32,
    /// Size of the file, holes included.
    pub size: u64,
    pub device: (u32, u32),
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the stored bytes go, if the file has holes.
    pub sparse: Option<Vec<Extent>>,
}

/// A tar stream being read. [`Walker::next`] moves on, [`Walker::read`] gives the stored bytes of the entry it is at.
pub(crate) struct Walker<R> {
    source: R,
    offset: u64,
    /// Stored bytes of the current entry that are still to come, and the padding after them.
    left: u64,
    padding: u64,
    global: Records,
    entries: u64,
    max_entries: u64,
    ended: bool,
}

/// What extended headers said about the entry to come.
#[derive(Default)]
struct Pending {
    pax: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> Walker<R> {
    pub fn new(source: R, max_entries: u64) -> Self {
        Self { source, offset: 0, left: 0, padding: 0, global: Records::default(), entries: 0, max_entries, ended: false }
    }

    /// True once the mark at the end of an archive was read. Without it the stream may have been cut between two entries.
    pub fn saw_end(&self) -> bool {
        self.ended
    }

    /// Moves to the next entry, skipping what is left of this one; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Entry>, ImagesError> {
        let mut pending = Pending::default();
        loop {
            self.skip_rest()?;
            if self.ended {
                return Ok(None);
            }
            let at = self.offset;
            let Some(block) = self.header_block()? else {
                if pending.is_some() {
                    return Err(bad_at(at, "the archive ends after an extended header, before its entry"));
                }
                return Ok(None);
            };
            self.entries += 1;
            if self.entries > self.max_entries {
                return Err(ImagesError::too_large(place_at(at), format!("more than {} entries", self.max_entries)));
            }
            let header = Header::from_byte_slice(&block);
            header::check_sum(&block).map_err(|reason| bad_at(at, reason))?;
            let size = number(&header.as_old().size, "size").and_then(|size| u64::try_from(size).map_err(|_| format!("negative size {size}")));
            let size = size.map_err(|reason| ImagesError::invalid(place(text(&header.as_old().name), at), reason))?;
            match header.as_old().linkflag[0] {
                b'x' => {
                    let body = self.extended(size, at)?;
                    let records = Records::parse(&body).map_err(|reason| bad_at(at, reason))?;
                    if pending.pax.replace(records).is_some() {
                        return Err(bad_at(at, "two extended headers for one entry"));
                    }
                }
                b'g' => {
                    let body = self.extended(size, at)?;
                    let records = Records::parse(&body).map_err(|reason| bad_at(at, reason))?;
                    if records.redirects() {
                        return Err(bad_at(at, "a global header that renames or resizes the entries after it"));
                    }
                    self.global.merge(records);
                }
                b'L' => {
                    if pending.long_name.replace(text(&self.extended(size, at)?).to_vec()).is_some() {
                        return Err(bad_at(at, "two long names for one entry"));
                    }
                }
                b'K' => {
                    if pending.long_link.replace(text(&self.extended(size, at)?).to_vec()).is_some() {
                        return Err(bad_at(at, "two long link targets for one entry"));
                    }
                }
                flag => return self.entry(header, flag, size, pending, at).map(Some),
            }
        }
    }

    /// Reads stored bytes of the current entry; 0 at their end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ImagesError> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let got = self.source_read(want, buffer)?;
        if got == 0 {
            return Err(bad_at(self.offset, "truncated: the archive ends inside a file"));
        }
        self.left -= got as u64;
        Ok(got)
    }

    /// Reads the stream to its end, so that whoever hashes it sees every byte.
    pub fn drain(&mut self) -> Result<(), ImagesError> {
        let mut buffer = vec![0; 64 << 10];
        while self.source_read(buffer.len(), &mut buffer)? > 0 {}
        Ok(())
    }

    fn entry(&mut self, header: &Header, flag: u8, size: u64, pending: Pending, at: u64) -> Result<Entry, ImagesError> {
        let pax = pending.pax.unwrap_or_default();
        let name = header::name(header);
        let name_for_errors = place(pending.long_name.as_deref().or(pax.get(b"path")).unwrap_or(&name), at);
        let bad = |reason: String| ImagesError::invalid(name_for_errors.clone(), reason);
        let name = one_of(pending.long_name, pax.get(b"path"), name).ok_or_else(|| bad("two extended headers give it different names".to_owned()))?;
        let link = one_of(pending.long_link, pax.get(b"linkpath"), text(&header.as_old().linkname).to_vec())
            .ok_or_else(|| bad("two extended headers give it different link targets".to_owned()))?;
        let kind = parse_kind(flag, &name).map_err(&bad)?;
        let mut stored = pax.number(b"size").map_err(&bad)?.unwrap_or(size);
        if kind != EntryKind::File && stored != 0 {
            // A hard link's size field repeats its target's, without bytes behind it: every reader takes it as 0.
            if kind != EntryKind::HardLink || pax.get(b"size").is_some() {
                return Err(bad(format!("a size of {stored} on an entry that has no content")));
            }
            stored = 0;
        }
        if kind != EntryKind::File && pax.has_holes() {
            return Err(bad("holes in an entry that has no content".to_owned()));
        }
        self.left = stored;
        self.padding = stored.next_multiple_of(BLOCK as u64) - stored;
        let sparse = if kind == EntryKind::File { self.sparse_map(header, flag, &pax).map_err(|e| e.within(&name_for_errors))? } else { None };
        let (real_name, size) = match &sparse {
            Some(map) => (map.name.clone(), map.size),
            None => (None, stored),
        };
        let name = real_name.unwrap_or(name);
        if name.contains(&0) || link.contains(&0) {
            return Err(bad("a name with a NUL byte".to_owned()));
        }
        let old = header.as_old();
        let global = &self.global;
        let id = |key: &[u8], field: &[u8]| -> Result<u32, String> {
            let value = match pax.number(key)?.or(global.number(key)?) {
                Some(value) => i64::try_from(value).unwrap_or(i64::MAX),
                None => number(field, "owner")?,
            };
            u32::try_from(value).ok().filter(|id| *id != u32::MAX).ok_or_else(|| format!("impossible owner {value}"))
        };
        let uid = id(b"uid", &old.uid).map_err(&bad)?;
        let gid = id(b"gid", &old.gid).map_err(&bad)?;
        let (mtime_secs, mtime_nanos) = match pax.time(b"mtime").map_err(&bad)?.or(global.time(b"mtime").map_err(&bad)?) {
            Some(time) => time,
            None => (number(&old.mtime, "time").map_err(&bad)?, 0),
        };
        let mode = number(&old.mode, "mode").map_err(&bad)? as u32 & 0o7777;
        let device = match kind {
            EntryKind::CharDevice | EntryKind::BlockDevice => header::device(header).map_err(&bad)?,
            _ => (0, 0),
        };
        Ok(Entry { name, kind, link, mode, uid, gid, mtime_secs, mtime_nanos, size, device, xattrs: pax.xattrs(), sparse: sparse.map(|map| map.extents) })
    }

    fn sparse_map(&mut self, header: &Header, flag: u8, pax: &Records) -> Result<Option<sparse::Map>, ImagesError> {
        let map = if flag == b'S' {
            let gnu = header.as_gnu().ok_or_else(|| ImagesError::invalid("", "a GNU sparse file without a GNU header"))?;
            let mut reading = sparse::OldGnu::begin(gnu).map_err(|reason| ImagesError::invalid("", reason))?;
            while reading.more {
                let mut block = [0; BLOCK];
                self.exact(&mut block)?;
                reading.block(&block).map_err(|reason| ImagesError::invalid("", reason))?;
            }
            Some(reading.map)
        } else if pax.get(b"GNU.sparse.major").is_some() {
            let mut lines = sparse::Lines::begin(pax).map_err(|reason| ImagesError::invalid("", reason))?;
            while !lines.done() {
                let mut block = [0; BLOCK];
                if self.left < BLOCK as u64 {
                    return Err(ImagesError::invalid("", "the sparse map does not fit the entry"));
                }
                self.exact(&mut block)?;
                self.left -= BLOCK as u64;
                lines.block(&block).map_err(|reason| ImagesError::invalid("", reason))?;
            }
            Some(lines.finish())
        } else {
            sparse::from_records(pax).map_err(|reason| ImagesError::invalid("", reason))?
        };
        if let Some(map) = &map {
            map.check(self.left).map_err(|reason| ImagesError::invalid("", reason))?;
        }
        Ok(map)
    }

    /// The next header; `None` at the end mark or the end of the stream.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, ImagesError> {
        let mut block = [0; BLOCK];
        if !self.block(&mut block)? {
            return Ok(None);
        }
        if !is_zero(&block) {
            return Ok(Some(block));
        }
        self.ended = true;
        if self.block(&mut block)? && !is_zero(&block) {
            return Err(bad_at(self.offset, "more data after a lone block of zeros"));
        }
        Ok(None)
    }

    /// Reads a whole block; false at the end of the stream.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, ImagesError> {
        let mut filled = 0;
        while filled < BLOCK {
            let got = self.source_read(BLOCK - filled, &mut block[filled..])?;
            if got == 0 && filled == 0 {
                return Ok(false);
            }
            if got == 0 {
                return Err(bad_at(self.offset, "truncated: the archive ends inside a block"));
            }
            filled += got;
        }
        Ok(true)
    }

    fn exact(&mut self, block: &mut [u8; BLOCK]) -> Result<(), ImagesError> {
        if self.block(block)? { Ok(()) } else { Err(bad_at(self.offset, "truncated: the archive ends inside an entry")) }
    }

    /// The body of an extended header or long name.
    fn extended(&mut self, size: u64, at: u64) -> Result<Vec<u8>, ImagesError> {
        if size > EXTENDED_BYTES {
            return Err(ImagesError::too_large(place_at(at), format!("an extended header of {size} bytes")));
        }
        let padded = size.next_multiple_of(BLOCK as u64) as usize;
        let mut body = vec![0; padded];
        for block in body.chunks_exact_mut(BLOCK) {
            self.exact(block.try_into().expect("chunks have this size"))?;
        }
        body.truncate(size as usize);
        Ok(body)
    }

    fn skip_rest(&mut self) -> Result<(), ImagesError> {
        let mut left = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        if left == 0 {
            return Ok(());
        }
        let mut buffer = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(64 << 10)];
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let got = self.source_read(want, &mut buffer)?;
            if got == 0 {
                return Err(bad_at(self.offset, "truncated: the archive ends inside a file"));
            }
            left -= got as u64;
        }
        Ok(())
    }

    fn source_read(&mut self, want: usize, buffer: &mut [u8]) -> Result<usize, ImagesError> {
        loop {
            match self.source.read(&mut buffer[..want]) {
                Ok(got) => {
                    self.offset += got as u64;
                    return Ok(got);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(read_error(&place_at(self.offset), e)),
            }
        }
    }
}

impl Pending {
    fn is_some(&self) -> bool {
        self.pax.is_some() || self.long_name.is_some() || self.long_link.is_some()
    }
}

/// The GNU form, else the PAX form, else the header's. `None` if both extended forms are there and differ: readers disagree on which wins.
fn one_of(gnu: Option<Vec<u8>>, pax: Option<&[u8]>, plain: Vec<u8>) -> Option<Vec<u8>> {
    match (gnu, pax.filter(|value| !value.is_empty())) {
        (Some(gnu), Some(pax)) => (gnu == pax).then_some(gnu),
        (Some(gnu), None) => Some(gnu),
        (None, Some(pax)) => Some(pax.to_vec()),
        (None, None) => Some(plain),
    }
}

fn place_at(offset: u64) -> String {
    format!("byte {offset} of the tar stream")
}

fn place(name: &[u8], at: u64) -> String {
    if name.is_empty() { place_at(at) } else { format!("entry {}", shown(name)) }
}

fn bad_at(offset: u64, reason: impl Into<String>) -> ImagesError {
    ImagesError::invalid(place_at(offset), reason)
}

/// Takes our own error out of a read error, and tells damaged data from a failing disk or connection.
pub(crate) fn read_error(place: &str, error: io::Error) -> ImagesError {
    if error.get_ref().is_some_and(|inner| inner.is::<ImagesError>()) {
        let inner = error.into_inner().expect("just seen");
        return *inner.downcast::<ImagesError>().expect("just seen");
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            ImagesError::invalid(place, format!("truncated or damaged compressed data ({error})"))
        }
        _ => ImagesError::io(format!("{place}: read"), error),
    }
}
