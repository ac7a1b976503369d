//! Appends to the container's log. In: what was read. Out: whole records, in a file that never grows beyond its limit; files that are
//! full are numbered, the oldest go, and a copy of this process packs the others.

use gantry_wire::logs::{self, BEGINS, HEADER, INDEX, MARK_EVERY, MAX_PAYLOAD, Mark, PACKED, RecordHead, TRAILER};
use gantry_wire::monitor::{LogDriver, LogPlan};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IoSlice, Write};
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
    index: Option<File>,
    /// Where the next mark is due.
    mark_at: u64,
    /// The latest time of a record, and the streams that are within a line.
    newest_ns: u64,
    within: [bool; 2],
    /// Full files that are to be packed.
    full: Vec<PathBuf>,
}

impl Log {
    /// Opens the file and cuts what a killed writer left half written.
    pub(crate) fn open(plan: LogPlan) -> io::Result<Self> {
        let mut log = Self { plan, file: None, len: 0, fresh: [true; 2], index: None, mark_at: 0, newest_ns: 0, within: [false; 2], full: Vec::new() };
        if log.plan.driver == LogDriver::Local {
            log.reopen()?;
        }
        Ok(log)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let options = || OpenOptions::new().read(true).append(true).create(true).mode(0o600).clone();
        let mut file = options().open(&self.plan.path)?;
        let len = file.metadata()?.len();
        let marks = if len > 0 { fs::read(with(&self.plan.path, INDEX)).map(|bytes| Mark::parse_all(&bytes)).unwrap_or_default() } else { Vec::new() };
        let known = marks.last().copied().unwrap_or_default();
        self.len = logs::valid_len(&mut file, known.offset)?;
        if self.len < len {
            file.set_len(self.len)?;
        }
        let last_ns = logs::last(&mut file, self.len)?.map_or(0, |head| head.at_ns);
        self.newest_ns = self.newest_ns.max(known.newest_ns).max(last_ns);
        self.file = Some(file);
        // Half a mark, or marks of what was cut, would shift or belie what follows. Without marks a reader reads more.
        self.index = options().open(with(&self.plan.path, INDEX)).ok();
        let kept: Vec<u8> = marks.into_iter().filter(|mark| mark.offset <= self.len).flat_map(Mark::to_bytes).collect();
        if let Some(index) = &mut self.index
            && index.metadata()?.len() != kept.len() as u64
        {
            index.set_len(0)?;
            index.write_all(&kept)?;
        }
        self.mark_at = self.len;
        Ok(())
    }

    pub(crate) fn write(&mut self, stream: u8, at_ns: u64, bytes: &[u8]) -> io::Result<()> {
        let most = self.plan.max_bytes.saturating_sub((HEADER + TRAILER) as u64).clamp(1, MAX_PAYLOAD as u64);
        bytes.chunks(most as usize).try_for_each(|record| self.append(stream, at_ns, record))
    }

    fn append(&mut self, stream: u8, at_ns: u64, bytes: &[u8]) -> io::Result<()> {
        let whole = (HEADER + bytes.len() + TRAILER) as u64;
        if self.file.is_none() {
            return Ok(());
        }
        if self.len > 0 && self.len + whole > self.plan.max_bytes {
            self.rotate()?;
        }
        if self.len >= self.mark_at {
            self.mark();
        }
        let which = usize::from(stream - 1);
        let Some(file) = &mut self.file else { return Ok(()) };
        let flags = if std::mem::take(&mut self.fresh[which]) { BEGINS } else { 0 };
        let (head, trailer) = logs::frame(RecordHead { len: bytes.len(), stream, flags, at_ns });
        let written = write_all_vectored(file, [&head, bytes, &trailer]);
        match written {
            Ok(()) => self.len += whole,
            // A full disk loses this record, not the file.
            Err(_) => file.set_len(self.len)?,
        }
        self.newest_ns = self.newest_ns.max(at_ns);
        self.within[which] = bytes.last() != Some(&b'\n');
        written
    }

    /// A mark that can't be written is missed by nobody.
    fn mark(&mut self) {
        self.mark_at = self.len + MARK_EVERY;
        let mark = Mark { offset: self.len, newest_ns: self.newest_ns, within: self.within };
        if let Some(index) = &mut self.index
            && index.write_all(&mark.to_bytes()).is_err()
        {
            self.index = None;
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let (folder, name) = (self.plan.path.parent().unwrap_or(Path::new("/")), self.plan.path.file_name().unwrap_or_default().to_string_lossy());
        let files = || fs::read_dir(folder).into_iter().flatten().flatten();
        let numbered = |file: &fs::DirEntry| logs::number(&file.file_name().to_string_lossy(), &name);
        let number = files().filter_map(|file| numbered(&file)).max().unwrap_or(0) + 1;
        let full = with(&self.plan.path, &format!(".{number}"));
        fs::rename(&self.plan.path, &full)?;
        let _ = fs::rename(with(&self.plan.path, INDEX), with(&full, INDEX));
        // The current file is one of them.
        let oldest = (number + 2).saturating_sub(self.plan.max_files.max(1).into());
        for file in files().filter(|file| numbered(file).is_some_and(|number| number < oldest)) {
            for path in [file.path(), with(&self.plan.path, &format!(".{}{INDEX}", numbered(&file).unwrap_or_default()))] {
                let _ = fs::remove_file(path);
            }
        }
        self.full.retain(|path| path.exists());
        if self.plan.compress && self.len > logs::BLOCK as u64 && number >= oldest {
            self.full.push(full);
        }
        self.reopen()
    }

    /// A full file that is to be packed.
    pub(crate) fn take_full(&mut self) -> Option<PathBuf> {
        self.full.pop()
    }
}

/// Puts a packed file in the place of a full one.
pub(crate) fn pack(path: &Path) -> io::Result<()> {
    let (packed, part) = (with(path, PACKED), with(path, ".part"));
    let mut to = BufWriter::new(OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?);
    let done = logs::pack(&mut File::open(path)?, &mut to).and_then(|()| to.flush());
    // One that went meanwhile, being too old, must not come back.
    let done = done.and_then(|()| path.metadata()).and_then(|_| fs::rename(&part, &packed)).and_then(|()| fs::remove_file(path));
    let _ = fs::remove_file(&part);
    done
}

fn with(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
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
    use gantry_wire::logs::{Query, Reader, Stored};

    fn plan(folder: &Path, max_bytes: u64, max_files: u32) -> LogPlan {
        LogPlan { driver: LogDriver::Local, path: folder.join("log"), max_bytes, max_files, compress: true }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().map(|file| file.file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    fn lines(paths: &[PathBuf], query: Query) -> Vec<String> {
        let files = paths.iter().map(|path| Stored::open(File::open(path).expect("is there")).expect("opens")).collect();
        let marks: Vec<_> = paths
            .iter()
            .map(|path| path.to_str().expect("text").trim_end_matches(PACKED).to_owned() + INDEX)
            .map(|index| fs::read(index).map(|bytes| Mark::parse_all(&bytes)).unwrap_or_default())
            .collect();
        let mut reader = Reader::open(files, &marks, query).expect("opens");
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().expect("whole") {
            lines.push(String::from_utf8_lossy(line.bytes).trim_end().to_owned());
        }
        lines
    }

    #[test]
    fn a_log_keeps_the_last_lines_in_so_many_files_and_begins_anew_after_a_kill() {
        for files in [1, 2, 3] {
            let folder = tempfile::tempdir().expect("a scratch folder");
            let plan = plan(folder.path(), 1000, files);
            let mut log = Log::open(plan.clone()).expect("opens");
            for index in 0..200 {
                log.write(1, index, format!("line {index}\n").as_bytes()).expect("written");
            }
            drop(log);
            OpenOptions::new().append(true).open(&plan.path).and_then(|mut file| file.write_all(&[9, 0, 0, 0, 1, 0, 0])).expect("torn");
            let mut log = Log::open(plan).expect("opens");
            log.write(1, 200, b"line 200\n").expect("written");
            let mut paths: Vec<PathBuf> = names(folder.path()).iter().filter(|name| !name.ends_with(INDEX)).map(|name| folder.path().join(name)).collect();
            assert_eq!(paths.len(), files as usize);
            paths.rotate_left(1);
            assert!(paths.iter().all(|path| path.metadata().expect("a file").len() <= 1000));
            let lines = lines(&paths, Query::default());
            let first = 201 - lines.len();
            assert!(lines.len() > 36 * (files as usize - 1), "{lines:?}");
            assert_eq!(lines, (first..201).map(|index| format!("line {index}")).collect::<Vec<_>>());
            assert_eq!(names(folder.path()).len(), 2 * files as usize, "each file has its marks: {:?}", names(folder.path()));
        }
    }

    #[test]
    fn long_writes_are_parted_and_the_first_line_kept_is_whole() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut log = Log::open(plan(folder.path(), 5000, 2)).expect("opens");
        let text: String = (0..9000).map(|number| format!("{number}\n")).collect();
        log.write(1, 1, text.as_bytes()).expect("written");
        let paths: Vec<PathBuf> = names(folder.path()).iter().filter(|name| !name.ends_with(INDEX)).map(|name| folder.path().join(name)).rev().collect();
        assert!(paths.len() == 2 && paths.iter().all(|path| path.metadata().expect("a file").len() <= 5000), "{paths:?}");
        for tail in [None, Some(5000)] {
            let kept = lines(&paths, Query { tail, ..Query::default() });
            assert!(kept.len() > 1000);
            assert_eq!(kept, (9000 - kept.len()..9000).map(|number| number.to_string()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_packed_file_has_the_same_lines_and_its_marks_lead_to_later_ones() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut log = Log::open(plan(folder.path(), 2 << 20, 5)).expect("opens");
        for index in 0..60_000u64 {
            // Records end within lines.
            log.write(1, 10 * index, format!("{index} a line of some length, of which a part comes").as_bytes()).expect("written");
            log.write(1, 10 * index + 5, b" later\n").expect("written");
        }
        let full = log.take_full().expect("one is full");
        pack(&full).expect("packs");
        assert!(!full.exists());
        let packed = with(&full, PACKED);
        assert!(packed.metadata().expect("is there").len() < 500_000);
        assert_eq!(names(folder.path()).iter().filter(|name| name.ends_with(".part")).count(), 0);
        let first = lines(&[folder.path().join("log.1"), packed.clone(), folder.path().join("log")], Query::default());
        assert_eq!(first.len(), 60_000);
        assert!(first.iter().enumerate().all(|(index, line)| line.starts_with(&format!("{index} ")) && line.ends_with("comes later")));
        for since in [1, 100_005, 250_000, 444_440, 599_990] {
            let query = Query { since_ns: Some(since), ..Query::default() };
            let some = lines(&[folder.path().join("log.1"), packed.clone(), folder.path().join("log")], query);
            assert_eq!(some, first[(since.div_ceil(10)) as usize..], "since {since}");
        }
    }
}
