//! Finds out how a stream is compressed and undoes it, watching that little does not become too much.

use crate::{CancelFlag, ImagesError, Limits};
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// The OCI media type of a layer compressed this way.
    pub fn layer_media_type(self) -> &'static str {
        match self {
            Self::None => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

const CHUNK: usize = 256 << 10;

/// A stream with its compression undone.
pub(crate) struct Plain<'a> {
    pub compression: Compression,
    pub reader: Box<dyn Read + Send + 'a>,
}

/// Undoes the compression that the first bytes announce.
pub(crate) fn open<'a>(place: &str, mut source: impl Read + Send + 'a, cancel: &CancelFlag, limits: &Limits) -> Result<Plain<'a>, ImagesError> {
    let mut head = Vec::with_capacity(8);
    source.by_ref().take(6).read_to_end(&mut head).map_err(|e| crate::tarball::read_error(place, e))?;
    let compression = sniff(&head)
        .map_err(|name| ImagesError::Unsupported { place: place.to_owned(), reason: format!("it is compressed with {name}; gzip and zstd are read") })?;
    let taken = Arc::new(AtomicU64::new(0));
    let source = Counted { source: io::Cursor::new(head).chain(source), taken: Arc::clone(&taken) };
    let source = BufReader::with_capacity(CHUNK, source);
    let reader: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(source).map_err(|e| ImagesError::io("start zstd", e))?),
    };
    let guard = Guard {
        reader,
        taken,
        given: 0,
        ratio: limits.ratio,
        from: limits.ratio_from_bytes,
        measured: compression != Compression::None,
        cancel: cancel.clone(),
    };
    Ok(Plain { compression, reader: Box::new(guard) })
}

pub(crate) fn sniff(head: &[u8]) -> Result<Compression, &'static str> {
    match head {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        // A frame, or one of the skippable frames that some writers put first.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Err("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err("bzip2"),
        [b'P', b'K', 3, 4, ..] => Err("zip"),
        _ => Ok(Compression::None),
    }
}

struct Counted<R> {
    source: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        self.taken.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// Stops a stream that grows out of proportion, or that nobody wants any more.
struct Guard<'a> {
    reader: Box<dyn Read + Send + 'a>,
    taken: Arc<AtomicU64>,
    given: u64,
    ratio: u64,
    from: u64,
    measured: bool,
    cancel: CancelFlag,
}

impl Read for Guard<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        let got = self.reader.read(buffer)?;
        self.given += got as u64;
        let taken = self.taken.load(Ordering::Relaxed);
        if self.measured && self.given > self.from && self.given > self.ratio.saturating_mul(taken) {
            let reason = format!("{taken} compressed bytes became more than {} ({} to 1 is the limit)", self.given, self.ratio);
            return Err(io::Error::other(ImagesError::too_large("", reason)));
        }
        Ok(got)
    }
}
