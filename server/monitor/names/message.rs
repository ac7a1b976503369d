//! Messages of the domain name system, as far as we look into them: header, question, the size a client takes. Bytes in, bytes out.
//! All else is passed on as it came, so a parser of whole messages would only cost. Nothing here follows a pointer, so nothing can go round.
//! Source: RFC 1035, section 4; RFC 6891 for OPT.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes before the question.
const HEADER: usize = 12;
/// What every client takes by datagram.
const SMALL: usize = 512;
/// What a datagram can carry.
const LARGE: usize = 65_507;
/// Bytes of an OPT record without options.
const OPT_LEN: usize = 11;
/// Seconds that docker tells clients to keep an answer.
const TTL: u32 = 600;

/// Types of records.
pub(super) mod kind {
    pub const A: u16 = 1;
    pub const PTR: u16 = 12;
    pub const AAAA: u16 = 28;
    pub const OPT: u16 = 41;
    pub const ANY: u16 = 255;
}

/// The class of the Internet.
const IN: u16 = 1;

/// How a question went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Fine = 0,
    /// The question is no question.
    Malformed = 1,
    /// Nobody could be asked.
    Failed = 2,
    NotImplemented = 4,
}

/// A question that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pub message: &'a [u8],
    /// Of its question: the next byte.
    end: usize,
    pub kind: u16,
    class: u16,
    /// The size of datagrams that the client takes, if it knows of OPT.
    size: Option<u16>,
}

/// Why there is no question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not worth an answer, or an answer itself: two servers could go on for ever.
    Silent,
    Told(Vec<u8>),
}

/// What is told about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    /// A name and a domain.
    Ptr(&'a str, &'a str),
}

impl<'a> Query<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Refusal> {
        let told = |code| Refusal::Told(reply(message, HEADER, code));
        let header = message.first_chunk::<HEADER>().ok_or(Refusal::Silent)?;
        let is_answer = header[2] & 0x80 != 0;
        if is_answer {
            return Err(Refusal::Silent);
        }
        if header[2] & 0x78 != 0 {
            return Err(told(Code::NotImplemented));
        }
        if number(message, 4) != Some(1) {
            return Err(told(Code::Malformed));
        }
        Self::question(message).ok_or_else(|| told(Code::Malformed))
    }

    fn question(message: &'a [u8]) -> Option<Self> {
        let end_of_name = after_name(message, HEADER).filter(|_| labels(message).is_some())?;
        let (kind, class, end) = (number(message, end_of_name)?, number(message, end_of_name + 2)?, end_of_name + 4);
        Some(Self { message, end, kind, class, size: opt_size(message, end)? })
    }

    /// The name in lower case without the last dot. `None` for one with bytes that no name of ours has.
    pub(super) fn name(&self) -> Option<String> {
        let mut text = String::with_capacity(self.end - HEADER);
        for label in labels(self.message)? {
            if !label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.') {
                return None;
            }
            if !text.is_empty() {
                text.push('.');
            }
            text.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        }
        Some(text)
    }

    pub(super) fn is_internet(&self) -> bool {
        self.class == IN || self.class == kind::ANY
    }

    pub(super) fn id(&self) -> [u8; 2] {
        [self.message[0], self.message[1]]
    }

    /// The largest datagram the client takes, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.size.map_or(SMALL, |size| usize::from(size).clamp(SMALL, LARGE))
    }

    pub(super) fn failed(&self) -> Vec<u8> {
        reply(self.message, self.end, Code::Failed)
    }

    /// The answer; what does not fit into `limit` bytes is left out, and said to be so.
    pub(super) fn answer<'r>(&self, records: impl IntoIterator<Item = Record<'r>>, limit: usize) -> Vec<u8> {
        let mut bytes = reply(self.message, self.end, Code::Fine);
        let limit = limit - self.size.map_or(0, |_| OPT_LEN);
        let mut count: u16 = 0;
        for record in records {
            let start = bytes.len();
            append(&mut bytes, record);
            if bytes.len() > limit || count == u16::MAX {
                bytes.truncate(start);
                bytes[2] |= TRUNCATED;
                break;
            }
            count += 1;
        }
        bytes[6..8].copy_from_slice(&count.to_be_bytes());
        if self.size.is_some() {
            let [high, low] = (LARGE as u16).to_be_bytes();
            bytes.extend_from_slice(&[0, 0, kind::OPT as u8, high, low, 0, 0, 0, 0, 0, 0]);
            bytes[11] = 1;
        }
        bytes
    }

    /// Whether `message` answers this question, asked with `id`.
    pub(super) fn is_answered_by(&self, id: [u8; 2], message: &[u8]) -> bool {
        let (Some(header), Some(question)) = (message.first_chunk::<HEADER>(), message.get(HEADER..self.end)) else { return false };
        let (name, rest) = question.split_at(question.len() - 4);
        let (own_name, own_rest) = self.message[HEADER..self.end].split_at(name.len());
        let is_answer = header[2] & 0x80 != 0 && header[4..6] == [0, 1];
        // Lengths of labels are below the letters.
        is_answer && header[..2] == id && name.eq_ignore_ascii_case(own_name) && rest == own_rest
    }

    /// Fits an answer from outside to the datagrams the client takes: one that is too large shrinks to its question, and the client comes by TCP.
    pub(super) fn fit(&self, message: &mut Vec<u8>) {
        if message.len() > self.limit() {
            message.truncate(self.end);
            message[2] |= TRUNCATED;
            message[6..HEADER].fill(0);
        }
    }
}

/// In the third byte.
const TRUNCATED: u8 = 2;

/// Whether another server should be asked. Source: RFC 1035, 4.1.1: format error, server failure, not implemented, refused.
pub(super) fn is_failure(message: &[u8]) -> bool {
    message.get(3).is_none_or(|flags| matches!(flags & 15, 1 | 2 | 4 | 5))
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]))
}

/// Header and question of an answer; `end` is that of the question, or the header's if there is none.
fn reply(message: &[u8], end: usize, code: Code) -> Vec<u8> {
    // Kind of the question and the wish to be asked for come back; we ask for others.
    let flags = [0x80 | message[2] & 0x79, 0x80 | code as u8];
    let questions = [0, u8::from(end > HEADER)];
    let mut bytes = Vec::with_capacity(end + 64);
    bytes.extend_from_slice(&message[..2]);
    bytes.extend_from_slice(&flags);
    bytes.extend_from_slice(&questions);
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(&message[HEADER..end]);
    bytes
}

fn append(bytes: &mut Vec<u8>, record: Record<'_>) {
    let kind = match record {
        Record::A(_) => kind::A,
        Record::Aaaa(_) => kind::AAAA,
        Record::Ptr(..) => kind::PTR,
    };
    // The name is that of the question.
    bytes.extend_from_slice(&[0xc0, HEADER as u8]);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&IN.to_be_bytes());
    bytes.extend_from_slice(&TTL.to_be_bytes());
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 2]);
    match record {
        Record::A(ip) => bytes.extend_from_slice(&ip.octets()),
        Record::Aaaa(ip) => bytes.extend_from_slice(&ip.octets()),
        Record::Ptr(name, domain) => {
            for label in name.split('.').chain(domain.split('.')).filter(|label| !label.is_empty()) {
                let label = &label.as_bytes()[..label.len().min(63)];
                bytes.push(label.len() as u8);
                bytes.extend_from_slice(label);
            }
            bytes.push(0);
        }
    }
    let len = (bytes.len() - start - 2) as u16;
    bytes[start..start + 2].copy_from_slice(&len.to_be_bytes());
}

/// The labels of the question's name; `None` if it is no name, or a pointer: there is nothing before it to point to.
fn labels(message: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    const LONGEST: usize = 255;
    let mut at = HEADER;
    while *message.get(at)? != 0 {
        at += 1 + usize::from(*message.get(at).filter(|len| **len < 64)?);
        if at - HEADER >= LONGEST {
            return None;
        }
    }
    let mut rest = &message[HEADER..at];
    Some(std::iter::from_fn(move || {
        let (len, tail) = rest.split_first()?;
        let (label, next) = tail.split_at_checked(usize::from(*len))?;
        rest = next;
        Some(label)
    }))
}

/// Where a name is over that begins at `at`.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let len = *message.get(at)?;
        match len {
            0 => return Some(at + 1),
            1..64 => at += 1 + usize::from(len),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

/// The size in the OPT record, looked for among the records from `at` on. `None` if they are no records.
#[expect(clippy::option_option, reason = "the outer one is for `?`")]
fn opt_size(message: &[u8], mut at: usize) -> Option<Option<u16>> {
    let records: u32 = [6, 8, 10].into_iter().map(|count| number(message, count).map_or(0, u32::from)).sum();
    let mut size = None;
    for _ in 0..records {
        let fixed = after_name(message, at)?;
        let (kind, class, len) = (number(message, fixed)?, number(message, fixed + 2)?, number(message, fixed + 8)?);
        at = fixed + 10 + usize::from(len);
        if at > message.len() {
            return None;
        }
        if kind == kind::OPT {
            size = Some(class);
        }
    }
    Some(size)
}
