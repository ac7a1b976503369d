//! Helpers of the tests that need root: a busybox root, a spec, and a process of one's own.

use crate::process::{self, Exit, Gate, Launch, LaunchError, Rootfs, Running, Stdio};
use oci_spec::runtime::Spec;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs `body` in a copy of this test binary that runs nothing else, so that cloning is safe. The test's own name finds it again.
pub(crate) fn alone(body: impl FnOnce()) {
    if std::env::var_os("GANTRY_TEST_ALONE").is_some() {
        return body();
    }
    let name = std::thread::current().name().expect("the harness names its threads").to_owned();
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args([&name, "--exact", "--include-ignored", "--test-threads=1", "--nocapture"])
        .env("GANTRY_TEST_ALONE", "1")
        .output()
        .expect("started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} in its own process: {text}");
    assert!(text.contains("1 passed"), "{name} did not run: {text}");
}

/// A cgroup's path that no other test has.
pub(crate) fn cgroup_name() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("/gantry-test-{}-{}", std::process::id(), NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

/// A bundle in a scratch folder.
pub(crate) struct Bundle {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) spec: Value,
}

impl Bundle {
    /// Busybox at `rootfs`, and a spec like docker's default that runs `sh -c script`.
    pub(crate) fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let bundle = Self { folder, spec: default_spec(script) };
        busybox(&bundle.rootfs());
        bundle
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.folder.path().join("rootfs")
    }

    /// Adds to the list at `pointer`.
    pub(crate) fn add(&mut self, pointer: &str, value: Value) -> &mut Self {
        self.spec.pointer_mut(pointer).and_then(Value::as_array_mut).expect("a list of the spec").push(value);
        self
    }

    pub(crate) fn set(&mut self, pointer: &str, value: Value) -> &mut Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        self.spec.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object of the spec").insert(key.to_owned(), value);
        self
    }

    pub(crate) fn bind(&mut self, source: &Path, destination: &str, options: &[&str]) -> &mut Self {
        self.add("/mounts", json!({ "destination": destination, "type": "bind", "source": source, "options": options }))
    }

    pub(crate) fn spec(&self) -> Spec {
        serde_json::from_value(self.spec.clone()).expect("a spec")
    }

    /// Starts it with both outputs in one pipe.
    pub(crate) fn start(&self) -> Result<(Running, File), LaunchError> {
        self.start_with(Rootfs::Path("rootfs".into()), |_| {})
    }

    pub(crate) fn start_with(&self, rootfs: Rootfs, change: impl FnOnce(&mut Launch<'_>)) -> Result<(Running, File), LaunchError> {
        let spec = self.spec();
        let (stdio, output) = piped();
        let mut launch = launch(&spec, self.folder.path(), rootfs, stdio);
        change(&mut launch);
        process::create(launch)?.start().map(|running| (running, output))
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Result<(String, Exit), LaunchError> {
        self.start().map(finish)
    }

    /// What a failing start says.
    pub(crate) fn refusal(&self) -> String {
        match self.run() {
            Ok((text, exit)) => panic!("it started: {exit:?} {text}"),
            Err(error) => error.to_string(),
        }
    }
}

pub(crate) fn launch<'a>(spec: &'a Spec, bundle: &'a Path, rootfs: Rootfs, stdio: Stdio) -> Launch<'a> {
    Launch {
        id: "test",
        spec,
        bundle,
        rootfs,
        user: None,
        stdio,
        cgroup: None,
        extra_fds: Vec::new(),
        no_pivot: false,
        no_new_keyring: false,
        seccomp: None,
        gate: Gate::Parent,
        hooks: None,
        init: false,
    }
}

/// An empty input, and one pipe for both outputs.
pub(crate) fn piped() -> (Stdio, File) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    let null: OwnedFd = File::open("/dev/null").expect("null").into();
    (Stdio::Fds([null, write.try_clone().expect("copied"), write]), read.into())
}

/// Reads to the end and reaps.
pub(crate) fn finish((running, mut output): (Running, File)) -> (String, Exit) {
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    (text, process::wait_exit(running.pidfd.as_fd()).expect("reaped"))
}

pub(crate) fn busybox(root: &Path) {
    for folder in ["bin", "etc", "proc", "sys", "dev", "tmp", "root"] {
        std::fs::create_dir_all(root.join(folder)).expect("made");
    }
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    for applet in
        ["sh", "id", "cat", "ls", "mount", "hostname", "tty", "stty", "sleep", "echo", "touch", "mkdir", "grep", "pwd", "readlink", "stat", "env", "true"]
    {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("linked");
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n").expect("written");
    std::fs::write(root.join("etc/group"), "root:x:0:\nextra:x:50:web\n").expect("written");
}

fn default_spec(script: &str) -> Value {
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE"
    ]);
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    json!({
        "ociVersion": "1.2.0",
        "root": { "path": "rootfs" },
        "hostname": "box",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh", "-c", script],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities, "inheritable": [], "ambient": [] },
        },
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]),
        ],
        "linux": {
            "namespaces": [{ "type": "mount" }, { "type": "network" }, { "type": "uts" }, { "type": "pid" }, { "type": "ipc" }],
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "sysctl": { "net.ipv4.ip_unprivileged_port_start": "0" },
        },
    })
}
