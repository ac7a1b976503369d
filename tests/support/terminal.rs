//! A program in a terminal: what it shows is kept, keys are typed, the window has a size.

use super::command::in_time;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read as _, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
    keys: Box<dyn Write + Send>,
}

#[derive(Default)]
struct Seen {
    text: String,
    /// Up to here it was waited for.
    passed: usize,
    closed: bool,
}

impl Terminal {
    /// Of 30 rows and 100 columns.
    pub fn open(command: CommandBuilder) -> Self {
        let pair = native_pty_system().openpty(size(30, 100)).expect("a terminal");
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (mut reader, shown) = (pair.master.try_clone_reader().expect("readable"), seen.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut piece) {
                shown.lock().unwrap_or_else(PoisonError::into_inner).text.push_str(&String::from_utf8_lossy(&piece[..n]));
            }
            shown.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        });
        let keys = pair.master.take_writer().expect("writable");
        Self { master: pair.master, child, seen, keys }
    }

    /// All that was shown up to now.
    pub fn seen(&self) -> String {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).text.clone()
    }

    /// Waits until `text` is shown after what was waited for before. False if it does not come in time.
    pub fn shows(&self, text: &str, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(at) = seen.text[seen.passed..].find(text) {
                    seen.passed += at + text.len();
                    return true;
                }
                if seen.closed || Instant::now() > end {
                    return false;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub fn until(&self, text: &str) {
        assert!(self.shows(text, Duration::from_mins(1)), "timed out: {text:?} in {:?}", self.seen());
    }

    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    pub fn resize(&self, rows: u16, cols: u16) {
        self.master.resize(size(rows, cols)).expect("resized");
    }

    /// `None` if the program does not end in time; it is killed then.
    pub fn ended(&mut self) -> Option<u32> {
        let mut ended = None;
        in_time(|| {
            ended = self.child.try_wait().expect("waited for");
            ended.is_some()
        });
        if ended.is_none() {
            let _ = self.child.kill();
        }
        // What it said last is read until its side is closed.
        in_time(|| self.seen.lock().unwrap_or_else(PoisonError::into_inner).closed);
        ended.map(|status| status.exit_code())
    }

    #[track_caller]
    pub fn exit_code(&mut self) -> u32 {
        self.ended().expect("the program ends")
    }
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, ..PtySize::default() }
}
