//! What a terminal page and the server say to each other on their socket.
//!
//! Binary, server to page: the offset of the first byte in the session's output as 8 bytes, big-endian, then the output.
//! Binary, page to server: the offset of the first byte in all this page has sent since it was opened, the same way, then the input.
//! Text, both ways: one JSON object with a `type`.

use bytes::{BufMut as _, Bytes, BytesMut};
use gantry_model::TermSize;
use serde::{Deserialize, Serialize};

/// Bytes of the offset before each binary message.
const OFFSET: usize = 8;
/// Input that the page may have on its way; it waits for [`ToPage::Received`] beyond.
pub const INPUT_WINDOW: u64 = 256 << 10;
/// Output on its way to the page; the server waits for [`FromPage::Ack`] beyond.
pub const OUTPUT_WINDOW: u64 = 1 << 20;
/// No program draws more; the kernel takes 16 bits.
const MOST_CELLS: u16 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromPage {
    /// What the page's window has room for.
    Size { cols: u16, rows: u16 },
    /// The terminal has drawn everything before `offset`.
    Ack { offset: u64 },
    /// A person turned to this page.
    Active,
    /// Answered by [`ToPage::Pong`]: tells the page that the line is alive.
    Ping,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPage {
    /// The first message. `epoch` changes when offsets begin anew; output before `head` was there already, so whoever saw it live has
    /// answered its questions; `received` is the input known to have come from this page.
    Hello {
        epoch: String,
        from: u64,
        head: u64,
        received: u64,
    },
    /// Input before `offset` was handed on.
    Received {
        offset: u64,
    },
    /// Who has this terminal open, this page included.
    Viewers {
        names: Vec<String>,
    },
    /// The terminal has this size now; `yours` if it was this page's wish.
    Size {
        cols: u16,
        rows: u16,
        yours: bool,
    },
    /// Bytes from `from` to `to` are gone.
    Gap {
        from: u64,
        to: u64,
    },
    /// The last message. `code` is the shell's exit code; `retry` is false if coming back is of no use.
    Ended {
        reason: String,
        code: Option<i32>,
        retry: bool,
    },
    Pong,
}

impl FromPage {
    /// The message, with its size within what a terminal takes.
    ///
    /// # Errors
    /// What is odd about the text.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The size that a [`FromPage::Size`] wishes, at least one cell.
    pub fn term_size(cols: u16, rows: u16) -> TermSize {
        TermSize { cols: cols.clamp(1, MOST_CELLS), rows: rows.clamp(1, MOST_CELLS) }
    }
}

impl ToPage {
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("these types have no map and no float")
    }
}

/// Output with its offset.
pub fn output(offset: u64, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(OFFSET + bytes.len());
    message.put_u64(offset);
    message.put_slice(bytes);
    message.freeze()
}

/// Input with its offset; `None` if the offset is missing.
pub fn input(message: &Bytes) -> Option<(u64, Bytes)> {
    let offset = message.first_chunk::<OFFSET>()?;
    Some((u64::from_be_bytes(*offset), message.slice(OFFSET..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_carry_their_offset_both_ways() {
        let message = output(0x0102_0304_0506_0708, "é\0\u{1b}[31m".as_bytes());
        assert_eq!(message[..OFFSET], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(input(&message), Some((0x0102_0304_0506_0708, Bytes::from("é\0\u{1b}[31m"))));
        assert_eq!(input(&Bytes::from_static(&[0; 8])), Some((0, Bytes::new())));
        assert_eq!(input(&Bytes::from_static(&[0; 7])), None);
    }

    #[test]
    fn messages_of_the_page_are_read_and_others_refused() {
        assert_eq!(FromPage::parse(r#"{"type":"size","cols":80,"rows":24}"#).ok(), Some(FromPage::Size { cols: 80, rows: 24 }));
        assert_eq!(FromPage::parse(r#"{"type":"ack","offset":18446744073709551615}"#).ok(), Some(FromPage::Ack { offset: u64::MAX }));
        assert_eq!(FromPage::parse(r#"{"type":"active"}"#).ok(), Some(FromPage::Active));
        for odd in [
            "",
            "{}",
            r#"{"type":"size","cols":-1,"rows":24}"#,
            r#"{"type":"size","cols":99999,"rows":24}"#,
            r#"{"type":"ack","offset":0,"x":1}"#,
            r#"{"type":"run"}"#,
        ] {
            assert!(FromPage::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_size_is_at_least_one_cell() {
        assert_eq!(FromPage::term_size(0, u16::MAX), TermSize { cols: 1, rows: MOST_CELLS });
    }

    #[test]
    fn messages_to_the_page_are_plain_objects() {
        let check = |message: ToPage, wanted: &str| assert_eq!(message.text(), wanted);
        check(ToPage::Pong, r#"{"type":"pong"}"#);
        check(
            ToPage::Ended { reason: "the shell ended with code 3".into(), code: Some(3), retry: false },
            r#"{"type":"ended","reason":"the shell ended with code 3","code":3,"retry":false}"#,
        );
        check(ToPage::Hello { epoch: "e".into(), from: 7, head: 9, received: 0 }, r#"{"type":"hello","epoch":"e","from":7,"head":9,"received":0}"#);
    }
}
