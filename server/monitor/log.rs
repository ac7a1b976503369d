//! Appends to the container's log. In: what was read. Out: whole records, in a file that never grows beyond its limit.

use gantry_wire::logs::{self, BEGINS, HEADER, RecordHead, TRAILER};
use gantry_wire::monitor::{LogDriver, LogPlan};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) struct Log {
    plan: LogPlan,
    /// `None` with driver `none`.
    file: Option<File>,
    len: u64,
    /// By stream: nothing was written in this run.
    fresh: [bool; 2],
}

impl Log {
    /// Opens the file and cuts what a killed writer left half written.
    pub(crate) fn open(plan: LogPlan) -> io::Result<Self> {
        let mut log = Self { plan, file: None, len: 0, fresh: [true; 2] };
        if log.plan.driver == LogDriver::Local {
            log.reopen()?;
        }
        Ok(log)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.plan.path)?;
        let len = file.metadata()?.len();
        self.len = logs::valid_len(&mut file)?;
        if self.len < len {
            file.set_len(self.len)?;
        }
        self.file = Some(file);
        Ok(())
    }

    pub(crate) fn write(&mut self, stream: u8, at_ns: u64, bytes: &[u8]) -> io::Result<()> {
        let whole = (HEADER + bytes.len() + TRAILER) as u64;
        if self.file.is_none() || bytes.is_empty() {
            return Ok(());
        }
        if self.len > 0 && self.len + whole > self.plan.max_bytes {
            self.rotate()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let flags = if std::mem::take(&mut self.fresh[usize::from(stream - 1)]) { BEGINS } else { 0 };
        let (head, trailer) = logs::frame(RecordHead { len: bytes.len(), stream, flags, at_ns });
        let written = write_all_vectored(file, [&head, bytes, &trailer]);
        match written {
            Ok(()) => self.len += whole,
            // A full disk loses this record, not the file.
            Err(_) => file.set_len(self.len)?,
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        std::fs::rename(&self.plan.path, rotated(&self.plan.path))?;
        self.reopen()
    }
}

fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn write_all_vectored(file: &mut File, parts: [&[u8]; 3]) -> io::Result<()> {
    let mut slices = parts.map(IoSlice::new);
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_wire::logs::{Query, Reader};

    #[test]
    fn a_log_keeps_the_last_lines_in_two_files_and_begins_anew_after_a_kill() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("log");
        let plan = LogPlan { driver: LogDriver::Local, path: path.clone(), max_bytes: 1000 };
        let mut log = Log::open(plan.clone()).expect("opens");
        for index in 0..100 {
            log.write(1, index, format!("line {index}\n").as_bytes()).expect("written");
        }
        drop(log);
        OpenOptions::new().append(true).open(&path).and_then(|mut file| file.write_all(&[9, 0, 0, 0, 1, 0, 0])).expect("torn");
        let mut log = Log::open(plan).expect("opens");
        log.write(1, 100, b"line 100\n").expect("written");
        let files = [rotated(&path), path].map(|path| File::open(path).expect("is there"));
        assert!(files.iter().all(|file| file.metadata().expect("a file").len() <= 1000));
        let mut reader = Reader::open(files.into(), Query::default()).expect("opens");
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().expect("whole") {
            lines.push(String::from_utf8_lossy(line.bytes).into_owned());
        }
        let first = 101 - lines.len();
        assert!(lines.len() > 35, "{lines:?}");
        assert_eq!(lines, (first..101).map(|index| format!("line {index}\n")).collect::<Vec<_>>());
    }
}
