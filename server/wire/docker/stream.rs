//! The framing of attach, exec and logs without a terminal: which stream, how many bytes, the bytes.
//! Source: Docker Engine API, "Stream format" of `POST /containers/{id}/attach`.

/// With a terminal: bytes as they are.
pub const RAW: &str = "application/vnd.docker.raw-stream";
/// Without one: frames.
pub const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
/// Bytes of a frame's header.
pub const HEADER: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
    /// An error of the server itself.
    System = 3,
}

/// The header of a frame of `length` bytes.
pub fn header(stream: Stream, length: u32) -> [u8; HEADER] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}

/// The bytes are no frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unrecognized input header: {0}")]
pub struct FrameError(pub u8);

/// Takes frames apart, in pieces as they come: no frame is held back, however long.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    head: Vec<u8>,
    /// Stream and bytes left of the frame at hand.
    frame: Option<(Stream, usize)>,
}

impl FrameDecoder {
    /// Calls `each` with the stream and bytes of every piece in `bytes`.
    pub fn feed<'a>(&mut self, mut bytes: &'a [u8], mut each: impl FnMut(Stream, &'a [u8])) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            if let Some((stream, left)) = self.frame {
                let (piece, rest) = bytes.split_at(left.min(bytes.len()));
                each(stream, piece);
                self.frame = Some((stream, left - piece.len())).filter(|(_, left)| *left > 0);
                bytes = rest;
                continue;
            }
            let (piece, rest) = bytes.split_at((HEADER - self.head.len()).min(bytes.len()));
            self.head.extend_from_slice(piece);
            bytes = rest;
            if let [stream, _, _, _, a, b, c, d] = self.head[..] {
                let stream = match stream {
                    0 => Stream::Stdin,
                    1 => Stream::Stdout,
                    2 => Stream::Stderr,
                    3 => Stream::System,
                    other => return Err(FrameError(other)),
                };
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                self.frame = Some((stream, length)).filter(|_| length > 0);
                self.head.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_apart_however_they_are_cut() {
        let mut wire = header(Stream::Stdout, 5).to_vec();
        wire.extend_from_slice(b"hello");
        wire.extend_from_slice(&header(Stream::Stderr, 0));
        wire.extend_from_slice(&header(Stream::Stderr, 2));
        wire.extend_from_slice(b"no");
        for size in 1..=wire.len() {
            let (mut decoder, mut out, mut err) = (FrameDecoder::default(), Vec::new(), Vec::new());
            for piece in wire.chunks(size) {
                let sort = |stream: Stream, bytes: &[u8]| if stream == Stream::Stdout { out.extend_from_slice(bytes) } else { err.extend_from_slice(bytes) };
                decoder.feed(piece, sort).expect("frames");
            }
            assert_eq!((out.as_slice(), err.as_slice()), (b"hello".as_slice(), b"no".as_slice()), "in pieces of {size}");
        }
        assert_eq!(FrameDecoder::default().feed(b"GET / HT", |_, _| ()), Err(FrameError(b'G')));
    }
}
