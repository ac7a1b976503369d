//! Netlink messages as bytes. In: types, headers, attributes. Out: a batch to send, and what an answer holds.
//! Source: Linux `Documentation/userspace-api/netlink/intro.rst`; integers are the machine's, but for nf_tables, which are big-endian.

pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
/// Fails if it is there.
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
/// At the end of a list.
pub(crate) const APPEND: u16 = 0x800;

const HEADER: usize = 16;
const NESTED: u16 = 0x8000;
/// Type of an attribute without its flags.
const TYPE: u16 = 0x3fff;

fn padded(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// Messages to send at once, numbered from 1.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: u32,
}

impl Batch {
    /// Appends a message; `header` is what the family puts before the attributes.
    pub(crate) fn message(&mut self, kind: u16, flags: u16, header: &[u8], attributes: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        self.count += 1;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&self.count.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(header);
        attributes(&mut Attributes(&mut self.bytes));
        let len = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&len.to_ne_bytes());
        self
    }
}

/// Appends attributes to a message.
pub(crate) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.raw(value)
    }

    /// Without a header: some families put a structure before the attributes of an attribute.
    pub(crate) fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self.0.resize(padded(self.0.len()), 0);
        self
    }

    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    pub(crate) fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(crate) fn nest(&mut self, kind: u16, attributes: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        attributes(&mut Attributes(self.0));
        let len = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        self
    }
}

/// One message of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: Vec<u8>,
}

/// The messages in what one receive gave. What is cut off is left out.
pub(crate) fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    while let Some(header) = bytes.first_chunk::<HEADER>() {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(payload) = bytes.get(HEADER..len) else { break };
        all.push(Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            payload: payload.to_vec(),
        });
        bytes = bytes.get(padded(len)..).unwrap_or_default();
    }
    all
}

/// Type and value of each attribute.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<4>()?;
        let (len, kind) = (u16::from_ne_bytes([header[0], header[1]]) as usize, u16::from_ne_bytes([header[2], header[3]]));
        let value = bytes.get(4..len)?;
        bytes = bytes.get(padded(len)..).unwrap_or_default();
        Some((kind & TYPE, value))
    })
}

/// The first attribute of a type.
pub(crate) fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

pub(crate) fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes))
}

pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut batch = Batch::default();
        batch.message(16, ACK, &[1, 2, 3, 4], |m| {
            m.text(3, "eth0").nest(18, |m| {
                m.u8(1, 9).u32(2, 7);
            });
        });
        batch.message(17, 0, &[], |_| {});
        let all = messages(&batch.bytes);
        assert_eq!(all.iter().map(|message| (message.kind, message.sequence)).collect::<Vec<_>>(), [(16, 1), (17, 2)]);
        let (header, rest) = all[0].payload.split_at(4);
        assert_eq!(header, [1, 2, 3, 4]);
        assert_eq!(attribute(rest, 3).map(text).as_deref(), Some("eth0"));
        let nest = attribute(rest, 18).expect("nested");
        assert_eq!((attribute(nest, 1), attribute(nest, 2).and_then(number)), (Some([9].as_slice()), Some(7)));
    }

    #[test]
    fn an_answer_that_is_cut_off_or_lies_about_its_length_is_no_danger() {
        let mut batch = Batch::default();
        batch.message(16, 0, &[0; 16], |m| {
            m.text(3, "a name");
        });
        for cut in 0..batch.bytes.len() {
            messages(&batch.bytes[..cut]).iter().for_each(|message| attributes(&message.payload).for_each(drop));
        }
        for len in [0_u32, 3, 15, 17, u32::MAX] {
            let mut bytes = batch.bytes.clone();
            bytes[..4].copy_from_slice(&len.to_ne_bytes());
            messages(&bytes).iter().for_each(|message| attributes(&message.payload).for_each(drop));
        }
        assert_eq!(attributes(&[0, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[255, 255, 1, 0]).count(), 0);
    }
}
