//! Limits on the real kernel. The same tests hold on v1, hybrid and v2 hosts; each looks where it is.

mod cost;
pub(crate) mod ends;
mod limits;

use super::*;
use crate::process::{Exit, Rootfs, Running, wait_exit};
use crate::testing::{Bundle, alone, cgroup_name};
use oci_spec::runtime::LinuxResources;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

/// A cgroup of a test, with a shell in it. Both end with it.
struct Cell {
    cgroup: &'static Cgroup,
    running: Running,
    output: File,
    /// Its root, which goes with it.
    _bundle: Bundle,
}

/// An empty cgroup that goes when it is dropped.
struct Scratch(&'static Cgroup);

impl Scratch {
    fn new() -> Self {
        let layout = Layout::detect().expect("this host has cgroups");
        let cgroup = Cgroup::create(&layout, &cgroup_name().parse().expect("a path")).expect("made");
        Self(Box::leak(Box::new(cgroup)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let gone = self.0.kill_all().and_then(|()| self.0.remove());
        if !std::thread::panicking() {
            gone.expect("removed");
            assert!(!self.0.exists());
        }
    }
}

fn resources(json: Value) -> LinuxResources {
    serde_json::from_value(json).expect("resources")
}

impl Cell {
    /// Runs a script under limits; `own` keeps the cgroup for the test's end.
    fn new(scratch: &Scratch, limits: Value, script: &str) -> Self {
        Self::with(scratch, limits, script, |_| {})
    }

    fn with(scratch: &Scratch, limits: Value, script: &str, change: impl FnOnce(&mut Bundle)) -> Self {
        let mut bundle = Bundle::new(script);
        change(&mut bundle);
        let cgroup = scratch.0;
        cgroup.set(&resources(limits)).expect("limits are set");
        let (running, output) = bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.cgroup = Some(cgroup)).expect("started");
        Self { cgroup, running, output, _bundle: bundle }
    }

    /// All that it prints, and its exit.
    fn finish(mut self) -> (String, Exit) {
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("text");
        (text, wait_exit(self.running.pidfd.as_fd()).expect("reaped"))
    }

    /// Waits for a line of its output.
    fn hear(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.output.read(&mut byte).expect("readable") == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text")
    }

    /// One more process in it: its output.
    fn exec(&self, script: &str) -> String {
        let process = serde_json::from_value(Bundle::new(script).spec["process"].clone()).expect("a process");
        let (stdio, output) = crate::testing::piped();
        let launch = crate::process::ExecLaunch {
            target_pid: self.running.pid,
            process: &process,
            user: None,
            stdio,
            cgroup: Some(self.cgroup),
            extra_fds: Vec::new(),
            seccomp: None,
        };
        crate::testing::finish((crate::process::exec(launch).expect("joined"), output)).0
    }
}

/// Asks until it is so.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn version() -> Version {
    Layout::detect().expect("cgroups").version()
}

/// What a controller's file says, by its v1 or its v2 name.
fn value(cgroup: &Cgroup, controller: Controller, v1: &str, v2: &str) -> String {
    let folder = cgroup.of(controller).expect("the controller is there");
    folder.read(if folder.v2 { v2 } else { v1 }).expect("readable").trim().to_owned()
}
