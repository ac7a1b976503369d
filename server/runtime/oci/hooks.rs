//! Programs that the spec wants run at points of a container's life. In: the hook and the state. Out: it ended well, or a sentence.
//! Source: OCI runtime specification, `config.md`, "POSIX-platform Hooks".

use super::state::{Container, Status};
use oci_spec::runtime::{Hook, Hooks};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs hooks of one point in order; the first that fails ends it.
pub(super) fn run(point: &str, hooks: Option<&Vec<Hook>>, state: &str) -> Result<(), String> {
    for (number, hook) in hooks.into_iter().flatten().enumerate() {
        one(hook, state).map_err(|reason| format!("error running {point} hook #{number}: {reason}"))?;
    }
    Ok(())
}

fn one(hook: &Hook, state: &str) -> Result<(), String> {
    let mut command = Command::new(hook.path());
    let mut args = hook.args().iter().flatten();
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    command.args(args).env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    for (name, value) in hook.env().iter().flatten().filter_map(|entry| entry.split_once('=')) {
        command.env(name, value);
    }
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", hook.path().display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook that does not read its state is no failure.
        let _ = stdin.write_all(state.as_bytes());
    }
    let limit = hook.timeout().and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let finished = wait(&child, limit).map_err(|error| error.to_string())?;
    if !finished {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("{} did not end in {}s", hook.path().display(), limit.unwrap_or_default().as_secs()));
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}, stdout: , stderr: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
}

/// Whether it ended in time.
fn wait(child: &Child, limit: Option<Duration>) -> rustix::io::Result<bool> {
    let Some(limit) = limit else { return Ok(true) };
    let pid = rustix::process::Pid::from_raw(child.id() as i32).ok_or(rustix::io::Errno::SRCH)?;
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)], Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(|ready| ready > 0),
        }
    }
}

/// The state as a hook reads it.
pub(super) fn state(container: &Container, status: Status) -> String {
    serde_json::to_string(&container.shown(status)).unwrap_or_default()
}

/// The hooks of a start, as `process::create` calls them.
#[derive(Debug)]
pub(super) struct Points<'a> {
    pub(super) hooks: &'a Hooks,
    pub(super) container: Container,
}

impl crate::process::Hooks for Points<'_> {
    fn before_pivot(&mut self, pid: i32) -> Result<(), String> {
        self.container.saved.pid = pid;
        let state = state(&self.container, Status::Creating);
        run("prestart", self.hooks.prestart().as_ref(), &state)?;
        run("createRuntime", self.hooks.create_runtime().as_ref(), &state)
    }

    fn in_container(&mut self) -> Result<(), String> {
        self.container.saved.pid = own_pid();
        run("createContainer", self.hooks.create_container().as_ref(), &state(&self.container, Status::Creating))
    }

    fn before_exec(&mut self) -> Result<(), String> {
        self.container.saved.pid = own_pid();
        run("startContainer", self.hooks.start_container().as_ref(), &state(&self.container, Status::Created))
    }
}

/// The pid as the container sees it: its own.
fn own_pid() -> i32 {
    std::process::id() as i32
}
