//! The small files of a monitor, each replaced by rename: a reader sees the old or the new, never half.

use crate::error::{MonitorError, Result};
use serde_json::to_vec;
use std::path::Path;

pub(crate) fn replace(folder: &Path, name: &str, value: &impl serde::Serialize) -> Result<()> {
    let path = folder.join(name);
    let new = folder.join(format!(".{name}.new"));
    let json = to_vec(value).map_err(|source| MonitorError::Spec { path: path.clone(), source })?;
    std::fs::write(&new, json).and_then(|()| std::fs::rename(&new, &path)).map_err(|source| MonitorError::Write { path, source })
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| MonitorError::Read { path: path.to_owned(), source })
}

/// Start time of a process in clock ticks since boot. Source: proc_pid_stat(5), field 22.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    stat(pid, 22)
}

/// True for a process on its way out or gone: `PF_EXITING` of `linux/sched.h` in field 9.
pub(crate) fn is_exiting(pid: i32) -> bool {
    const PF_EXITING: u64 = 4;
    stat(pid, 9).is_none_or(|flags| flags & PF_EXITING != 0)
}

/// A field of `/proc/PID/stat`, counted from 1; the fourth or a later one.
fn stat(pid: i32, field: usize) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; the third field follows the last one.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(field - 3)?.parse().ok()
}

/// Unix nanoseconds.
pub(crate) fn now_ns() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_that_ended_is_told_from_one_that_runs() {
        let mut child = std::process::Command::new("true").spawn().expect("started");
        let pid = child.id() as i32;
        while !super::is_exiting(pid) {
            std::thread::yield_now();
        }
        child.wait().expect("reaped");
        assert!(super::is_exiting(pid), "gone");
        assert!(!super::is_exiting(std::process::id() as i32));
    }

    #[test]
    fn our_own_start_time_is_found() {
        assert!(super::start_time(std::process::id() as i32).is_some_and(|ticks| ticks > 0));
    }
}
