//! The last bytes of a session's output, in a file without a name, so that keeping them costs no memory and no cleaning up.
//! In: bytes with their offsets, counted from the session's beginning. Out: the same bytes again, as long as they are kept.

use rustix::fs::{Mode, OFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Changes between the two streams that are remembered; beyond, the oldest bytes are let go.
const MOST_RUNS: usize = 4096;
const LEAST_CAP: u64 = 128 << 10;

#[derive(Debug)]
pub(crate) struct Ring {
    folder: PathBuf,
    file: Option<File>,
    cap: u64,
    start: u64,
    end: u64,
    /// Where which stream begins; a terminal has one.
    runs: VecDeque<(u64, u8)>,
}

impl Ring {
    pub(crate) fn new(folder: PathBuf, cap: u64) -> Self {
        Self { folder, file: None, cap: cap.max(LEAST_CAP), start: 0, end: 0, runs: VecDeque::new() }
    }

    pub(crate) fn cap(&self) -> u64 {
        self.cap
    }

    /// The oldest byte kept, of a session that has come to `head`.
    pub(crate) fn kept_from(&self, head: u64) -> u64 {
        if self.end == head { self.start } else { head }
    }

    /// Takes bytes that begin at `offset`. After a hole, what was before it is let go.
    pub(crate) fn append(&mut self, offset: u64, stream: u8, bytes: &[u8]) -> io::Result<()> {
        if self.end != offset {
            self.clear(offset);
        }
        if let Err(error) = self.write(offset, bytes) {
            self.clear(offset + bytes.len() as u64);
            return Err(error);
        }
        if self.runs.back().is_none_or(|(_, last)| *last != stream) {
            self.runs.push_back((offset, stream));
        }
        self.end += bytes.len() as u64;
        self.start = self.start.max(self.end.saturating_sub(self.cap));
        if self.runs.len() > MOST_RUNS {
            self.start = self.start.max(self.runs[1].0);
        }
        while self.runs.get(1).is_some_and(|(at, _)| *at <= self.start) {
            self.runs.pop_front();
        }
        Ok(())
    }

    /// Lets everything go and gives the space back; the next byte is `offset`.
    pub(crate) fn clear(&mut self, offset: u64) {
        (self.start, self.end) = (offset, offset);
        self.runs = VecDeque::new();
        self.file = None;
    }

    /// Puts bytes from `offset` on into `buffer`, as many as fit and are of one stream; returns the stream.
    pub(crate) fn read(&self, offset: u64, buffer: &mut Vec<u8>, most: usize) -> io::Result<u8> {
        let index = self.runs.partition_point(|(at, _)| *at <= offset);
        let stream = index.checked_sub(1).map_or(1, |index| self.runs[index].1);
        let until = self.runs.get(index).map_or(self.end, |(at, _)| *at);
        let place = offset % self.cap;
        let len = (until - offset).min(self.cap - place).min(most as u64) as usize;
        buffer.resize(len, 0);
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.read_exact_at(buffer, place)?;
        Ok(stream)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(nameless(&self.folder)?),
        };
        // Of more than the ring holds, only the end counts.
        let skip = bytes.len().saturating_sub(self.cap as usize);
        let (offset, bytes) = (offset + skip as u64, &bytes[skip..]);
        let place = offset % self.cap;
        let (first, second) = bytes.split_at(bytes.len().min((self.cap - place) as usize));
        file.write_all_at(first, place)?;
        file.write_all_at(second, 0)
    }
}

fn nameless(folder: &std::path::Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags | OFlags::TMPFILE, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let path = folder.join(format!(".ring-{}", std::process::id()));
            let file = rustix::fs::open(&path, flags | OFlags::CREATE | OFlags::TRUNC, Mode::RUSR | Mode::WUSR)?;
            std::fs::remove_file(&path)?;
            Ok(file.into())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ring: &Ring, mut offset: u64, head: u64) -> Vec<(u8, String)> {
        let (mut out, mut buffer): (Vec<(u8, String)>, _) = (Vec::new(), Vec::new());
        while offset < head {
            let stream = ring.read(offset, &mut buffer, 50_000).expect("kept");
            offset += buffer.len() as u64;
            let text = String::from_utf8_lossy(&buffer).into_owned();
            match out.last_mut() {
                Some((last, so_far)) if *last == stream => so_far.push_str(&text),
                _ => out.push((stream, text)),
            }
        }
        out
    }

    #[test]
    fn the_newest_bytes_come_back_in_order_with_their_streams() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut ring = Ring::new(folder.path().to_owned(), 0);
        let mut head = 0;
        let mut text = String::new();
        for index in 0..40_000u64 {
            let line = format!("{index}\n");
            ring.append(head, 1, line.as_bytes()).expect("written");
            head += line.len() as u64;
            text.push_str(&line);
        }
        ring.append(head, 2, b"error").expect("written");
        head += 5;
        let from = ring.kept_from(head);
        assert_eq!(head - from, LEAST_CAP);
        assert_eq!(all(&ring, from, head), [(1, text[from as usize..].to_owned()), (2, "error".to_owned())]);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "the file has no name");
    }

    #[test]
    fn after_a_hole_only_what_follows_is_kept() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut ring = Ring::new(folder.path().to_owned(), 0);
        ring.append(0, 1, b"one").expect("written");
        ring.append(10, 2, b"two").expect("written");
        assert_eq!((ring.kept_from(13), ring.kept_from(14)), (10, 14));
        assert_eq!(all(&ring, 10, 13), [(2, "two".to_owned())]);
    }
}
