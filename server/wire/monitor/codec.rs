//! Frames to bytes and back: `u32` length of the payload (little endian), `u8` kind, payload.

use super::frame::{Frame, FrameError, MAX_CONTROL, MAX_DATA, OUTPUT_HEADER};
use serde::Serialize;
use serde::de::DeserializeOwned;

const HEADER: usize = 5;

mod kind {
    pub const HELLO: u8 = 1;
    pub const REQUEST: u8 = 2;
    pub const REPLY: u8 = 3;
    pub const EVENT: u8 = 4;
    pub const INPUT: u8 = 5;
    pub const CLOSE_INPUT: u8 = 6;
    pub const RESIZE: u8 = 7;
    pub const ACK: u8 = 8;
    pub const OUTPUT: u8 = 9;
    pub const GAP: u8 = 10;
    pub const ENDED: u8 = 11;
}

/// Appends a frame. Data longer than [`MAX_DATA`] must be split by the caller.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) {
    match frame {
        Frame::Hello(hello) => json(kind::HELLO, hello, out),
        Frame::Request(request) => json(kind::REQUEST, request, out),
        Frame::Reply(reply) => json(kind::REPLY, reply, out),
        Frame::Event(event) => json(kind::EVENT, event, out),
        Frame::Input(bytes) => {
            header(kind::INPUT, bytes.len(), out);
            out.extend_from_slice(bytes);
        }
        Frame::CloseInput => header(kind::CLOSE_INPUT, 0, out),
        Frame::Resize(size) => json(kind::RESIZE, size, out),
        Frame::Ack { offset } => {
            header(kind::ACK, 8, out);
            out.extend_from_slice(&offset.to_le_bytes());
        }
        Frame::Output { offset, stream, bytes } => {
            out.extend_from_slice(&output_header(*offset, *stream, bytes.len()));
            out.extend_from_slice(bytes);
        }
        Frame::Gap { from, to } => {
            header(kind::GAP, 16, out);
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&to.to_le_bytes());
        }
        Frame::Ended(ended) => json(kind::ENDED, ended, out),
        // Never sent: it stands for what was received.
        Frame::Unknown { .. } => {}
    }
}

/// What stands before `len` bytes of output, for senders that write the bytes from where they are.
pub fn output_header(offset: u64, stream: u8, len: usize) -> [u8; OUTPUT_HEADER] {
    let mut head = [0; OUTPUT_HEADER];
    head[..4].copy_from_slice(&((len + 9) as u32).to_le_bytes());
    head[4] = kind::OUTPUT;
    head[5] = stream;
    head[6..].copy_from_slice(&offset.to_le_bytes());
    head
}

fn header(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.push(kind);
}

fn json<T: Serialize>(kind: u8, message: &T, out: &mut Vec<u8>) {
    let start = out.len();
    header(kind, 0, out);
    serde_json::to_writer(&mut *out, message).expect("messages have text keys and no failing parts");
    let len = (out.len() - start - HEADER) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

/// Collects bytes until they are frames.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    used: usize,
}

impl Decoder {
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.used > 0 && self.used == self.bytes.len() {
            self.bytes.clear();
            self.used = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`FrameError`]: the other side is broken; close the connection.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not go on after None")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = &self.bytes[self.used..];
        let Some((head, rest)) = rest.split_at_checked(HEADER) else { return Ok(None) };
        let (len, kind) = (u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize, head[4]);
        let most = if kind == kind::INPUT || kind == kind::OUTPUT { MAX_DATA + 9 } else { MAX_CONTROL };
        if len > most {
            return Err(FrameError::TooLarge { kind, len, most });
        }
        let Some(payload) = rest.get(..len) else {
            self.make_room(HEADER + len);
            return Ok(None);
        };
        let frame = parse(kind, payload)?;
        self.used += HEADER + len;
        if self.used == self.bytes.len() {
            // A parked reader holds no memory.
            *self = Self::default();
        }
        Ok(Some(frame))
    }

    /// True if bytes wait for their rest.
    pub fn is_empty(&self) -> bool {
        self.used == self.bytes.len()
    }

    fn make_room(&mut self, frame: usize) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.reserve_exact(frame.saturating_sub(self.bytes.len()));
    }
}

fn parse(kind: u8, payload: &[u8]) -> Result<Frame, FrameError> {
    Ok(match kind {
        kind::HELLO => message(kind, payload, Frame::Hello),
        kind::REQUEST => message(kind, payload, Frame::Request),
        kind::REPLY => message(kind, payload, Frame::Reply),
        kind::EVENT => message(kind, payload, Frame::Event),
        kind::INPUT => Frame::Input(payload.to_vec()),
        kind::CLOSE_INPUT => Frame::CloseInput,
        kind::RESIZE => message(kind, payload, Frame::Resize),
        kind::ACK => Frame::Ack { offset: number(kind, payload, 0)? },
        kind::OUTPUT => {
            let short = FrameError::TooShort { kind, len: payload.len() };
            let stream = *payload.first().ok_or(short)?;
            Frame::Output { stream, offset: number(kind, payload, 1)?, bytes: payload[9..].to_vec() }
        }
        kind::GAP => Frame::Gap { from: number(kind, payload, 0)?, to: number(kind, payload, 8)? },
        kind::ENDED => message(kind, payload, Frame::Ended),
        _ => Frame::Unknown { kind, reason: format!("frames of kind {kind} are not known here") },
    })
}

fn message<T: DeserializeOwned>(kind: u8, payload: &[u8], wrap: fn(T) -> Frame) -> Frame {
    serde_json::from_slice(payload).map_or_else(|error| Frame::Unknown { kind, reason: error.to_string() }, wrap)
}

fn number(kind: u8, payload: &[u8], at: usize) -> Result<u64, FrameError> {
    let bytes = payload.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or(FrameError::TooShort { kind, len: payload.len() })?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::{Attach, Ended, Event, EventKind, Exec, Exit, Hello, Reply, Request, Session, Status};
    use super::*;
    use gantry_model::{Kind, Signal, State, TermSize};

    fn all() -> Vec<Frame> {
        let exec = Exec { id: "ab".repeat(32).parse().expect("an id"), process: serde_json::json!({"cwd": "/"}), ..Exec::default() };
        vec![
            Frame::Hello(Hello::OURS),
            Frame::Request(Request::State),
            Frame::Request(Request::Stop { signal: Some(Signal::TERM), grace_ms: Some(10_000) }),
            Frame::Request(Request::Exec(exec)),
            Frame::Request(Request::Attach(Attach { session: Session::Main, stdout: true, ..Attach::default() })),
            Frame::Reply(Reply::Status(Status { state: State::Running, pid: Some(7), ..Status::default() })),
            Frame::Reply(Reply::Error { kind: Kind::Conflict, message: "it does not run".to_owned() }),
            Frame::Event(Event { at_ns: 5, run: 1, what: EventKind::Exited(Exit::default()) }),
            Frame::Input(vec![0, 255, 10]),
            Frame::CloseInput,
            Frame::Resize(TermSize { rows: 24, cols: 80 }),
            Frame::Ack { offset: 1 << 40 },
            Frame::Output { offset: 9, stream: 2, bytes: vec![7; MAX_DATA] },
            Frame::Gap { from: 1, to: 2 },
            Frame::Ended(Ended { exit_code: Some(0), reason: "the process exited with code 0".to_owned() }),
        ]
    }

    #[test]
    fn every_frame_comes_back_however_the_bytes_are_cut() {
        let mut bytes = Vec::new();
        for frame in &all() {
            encode(frame, &mut bytes);
        }
        for cut in [1, 7, 4096, bytes.len()] {
            let mut decoder = Decoder::default();
            let mut back = Vec::new();
            for part in bytes.chunks(cut) {
                decoder.feed(part);
                while let Some(frame) = decoder.next().expect("well formed") {
                    back.push(frame);
                }
            }
            assert_eq!(back, all(), "cut at {cut}");
            assert!(decoder.is_empty());
        }
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_its_bytes_come() {
        let mut decoder = Decoder::default();
        decoder.feed(&[255, 255, 255, 255, kind::INPUT]);
        assert!(matches!(decoder.next(), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn what_a_later_release_sends_is_skipped_and_told() {
        let mut bytes = vec![2, 0, 0, 0, 99, 1, 2];
        header(kind::REQUEST, 10, &mut bytes);
        bytes.extend_from_slice(br#""Teleport""#);
        encode(&Frame::CloseInput, &mut bytes);
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        assert!(matches!(decoder.next(), Ok(Some(Frame::Unknown { kind: 99, .. }))));
        assert!(matches!(decoder.next(), Ok(Some(Frame::Unknown { kind: kind::REQUEST, .. }))));
        assert_eq!(decoder.next(), Ok(Some(Frame::CloseInput)));
    }

    #[test]
    fn the_newest_common_protocol_is_spoken() {
        let agree = |a: (u32, u32), b: (u32, u32)| Hello { version: a.0, min: a.1 }.agree(&Hello { version: b.0, min: b.1 });
        assert_eq!(agree((2, 1), (3, 2)), Some(2));
        assert_eq!(agree((2, 1), (1, 1)), Some(1));
        assert_eq!(agree((4, 3), (2, 1)), None);
    }
}
