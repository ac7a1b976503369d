//! Programs that are given a time to end, and conditions that are waited for.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A loaded machine is slow; a test that hangs is a failure all the same.
const LIMIT: Duration = Duration::from_mins(2);

/// What a program said, and how it ended: its exit code, or 128 and its signal.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Its output; fails if it did not succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}stderr: {}", self.out, self.err);
        self.out
    }

    pub fn of(output: Output) -> Self {
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs a program to its end, with `input` as its stdin.
#[track_caller]
pub fn run(command: &mut Command, input: &[u8]) -> Said {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (pid, mut stdin, input) = (child.id(), child.stdin.take().expect("piped"), input.to_vec());
    std::thread::spawn(move || stdin.write_all(&input));
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match ended.recv_timeout(LIMIT) {
        Ok(output) => Said::of(output.expect("waited for")),
        Err(_) => {
            kill_9(pid);
            panic!("{command:?} did not end within {LIMIT:?}");
        }
    }
}

pub fn kill_9(pid: u32) {
    // It may have ended by itself.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL);
}

/// Waits until `ready`; fails with `what` after a time that is long also for a loaded machine.
#[track_caller]
pub fn until(what: &str, ready: impl FnMut() -> bool) {
    assert!(in_time(ready), "timed out: {what}");
}

pub fn in_time(mut ready: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + LIMIT / 2;
    while !ready() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
