//! An engine on scratch folders, which can end and come back.

use gantry_engine::{AttachOptions, Attached, Engine, EngineConfig, ImportOptions, Job, LogQuery, Output, RemoveOptions, Upload, WaitCondition};
use gantry_model::{Caller, ContainerSpec, Door, NetworkMode, Role};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Folders, names, and the engine that works on them, if one does.
pub struct World {
    pub folder: TempDir,
    pub name: String,
    server: Option<(Runtime, Engine)>,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-engine-").tempdir().expect("a scratch folder");
        let name = format!("ge{}n{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut world = Self { folder, name, server: None };
        world.begin();
        world
    }

    /// With an image named `busybox`.
    pub fn with_busybox() -> Self {
        let world = Self::new();
        world.run(async |engine| {
            let job = import(&engine, "busybox", &busybox(), &["CMD [\"sh\"]"]).await;
            assert_eq!(job.state, gantry_engine::JobState::Done, "{job:?}");
        });
        world
    }

    /// One that no other test has.
    pub fn subnet(&self) -> String {
        let number = self.name.rsplit('n').next().and_then(|n| n.parse::<u32>().ok()).expect("ends with a number");
        format!("10.{}.{}.0/24", 64 + std::process::id() % 128, number % 256)
    }

    /// An address on the default bridge.
    pub fn ip(&self, last: u8) -> std::net::Ipv4Addr {
        let subnet: std::net::Ipv4Addr = self.subnet().trim_end_matches("/24").parse().expect("an address");
        let [a, b, c, _] = subnet.octets();
        std::net::Ipv4Addr::new(a, b, c, last)
    }

    fn config(&self) -> EngineConfig {
        EngineConfig {
            data_dir: self.folder.path().join("data"),
            run_dir: self.folder.path().join("run"),
            bridge: self.name.clone(),
            subnet: Some(self.subnet()),
            nft_table: self.name.clone(),
            cgroup_parent: format!("/{}", self.name),
            registries: Default::default(),
            program: program(),
        }
    }

    /// Opens the engine.
    pub fn begin(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let engine = runtime.block_on(Engine::open(self.config())).unwrap_or_else(|error| panic!("open the engine: {}", error.chain()));
        self.server = Some((runtime, engine));
    }

    /// Lets the engine go as a server does that ends; containers go on.
    pub fn end(&mut self) {
        let Some((runtime, engine)) = self.server.take() else { return };
        runtime.block_on(engine.shut_down());
        drop(engine);
        runtime.shutdown_timeout(Duration::from_secs(5));
    }

    pub fn again(&mut self) {
        self.end();
        self.begin();
    }

    pub fn run<T>(&self, act: impl AsyncFnOnce(Engine) -> T) -> T {
        let (runtime, engine) = self.server.as_ref().expect("the engine is open");
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), act(engine.clone())).await.expect("done within a minute") })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Folders of containers under data, under run, and in the trash.
    pub fn folders(&self) -> [usize; 3] {
        ["data/containers", "run/containers", "data/trash"].map(|name| std::fs::read_dir(self.path(name)).map_or(0, Iterator::count))
    }

    /// Fails if containers left anything behind.
    pub fn nothing_is_left(&self) {
        until("the folders are gone", || self.folders() == [0, 0, 0]);
        until("the cgroups are gone", || cgroups(&self.name).is_empty());
        let ours = self.folder.path().to_str().expect("UTF-8").to_owned();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
        assert!(!mounts.contains(&ours), "mounts are left: {mounts}");
        until("the links are gone", || ports_of(&self.name) == 0);
        until("the monitors are gone", || monitors(&ours).is_empty());
    }

    /// Cgroups of containers.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        cgroups(&self.name)
    }

    /// An engine in a process of its own, on the same folders. This one's must have ended.
    pub fn child(&self) -> Server {
        assert!(self.server.is_none(), "two engines can't share a folder");
        let mut child = Command::new(program())
            .args(["serve", self.folder.path().to_str().expect("UTF-8"), &self.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let mut server = Server { child, said };
        assert_eq!(server.hear(), "ready");
        server
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.server.is_none() {
            self.begin();
        }
        self.run(async |engine| {
            let all = gantry_engine::ListFilter { all: true, ..Default::default() };
            for container in engine.list_containers(&root(), &all).await.unwrap_or_default() {
                let _ = engine.remove_container(&root(), container.id.as_str(), RemoveOptions { force: true, volumes: true }).await;
            }
        });
        self.end();
        // Parents that a test asked for; only empty ones can be removed.
        for parent in cgroups(&self.name) {
            let _ = std::fs::remove_dir(&parent);
            let _ = std::fs::remove_dir(parent.parent().unwrap_or(&parent));
        }
        // For a test that failed; the engine's end took them.
        let _ = Command::new("ip").args(["link", "del", &self.name]).stderr(Stdio::null()).status();
        let _ = Command::new("nft").args(["delete", "table", "ip", &self.name]).stderr(Stdio::null()).status();
    }
}

/// An engine in another process.
pub struct Server {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Server {
    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear()
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("piped"), "{line}").expect("it listens");
    }

    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it speaks");
        line.trim_end().to_owned()
    }

    /// The end that nobody can prepare for.
    pub fn kill_9(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }
}

fn program() -> PathBuf {
    let this = std::env::current_exe().expect("knows itself");
    let program = this.ancestors().nth(2).expect("target/debug/deps/engine-…").join("examples/engine-roles");
    assert!(program.exists(), "{} is missing: build it with `cargo build -p gantry-engine --example engine-roles`", program.display());
    program
}

/// Links on a bridge.
pub fn ports_of(bridge: &str) -> usize {
    std::fs::read_dir(format!("/sys/class/net/{bridge}/brif")).map_or(0, Iterator::count)
}

/// Command lines and pid files tell the monitors of a folder.
fn monitors(folder: &str) -> Vec<String> {
    let with_socket = |pid: &str| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|link| link.to_string_lossy().starts_with(folder))
    };
    let this = std::process::id().to_string();
    let pids = std::fs::read_dir("/proc").expect("readable").flatten().filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|name| name.bytes().all(|b| b.is_ascii_digit()) && *name != this)
        .filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "gantry-monitor") && with_socket(pid))
        .collect()
}

/// Cgroups below the parent of a test, in every hierarchy.
pub fn cgroups(name: &str) -> Vec<PathBuf> {
    let roots = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
    roots
        .flat_map(|root| std::fs::read_dir(root.join(name)).into_iter().flatten().flatten())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.path())
        .collect()
}

pub fn root() -> Caller {
    caller(Role::Admin)
}

pub fn caller(role: Role) -> Caller {
    Caller { user: role.as_str().to_owned(), role, door: Door::Api }
}

/// A container that runs a shell script, without a network.
pub fn script(script: &str) -> ContainerSpec {
    let cmd = ["sh", "-c", script].map(str::to_owned).to_vec();
    ContainerSpec { image: "busybox".to_owned(), cmd: Some(cmd), network: NetworkMode::None, ..ContainerSpec::default() }
}

pub async fn create(engine: &Engine, name: &str, spec: ContainerSpec) -> String {
    let created = engine.create_container(&root(), Some(name.parse().expect("a name")), spec).await;
    created.unwrap_or_else(|error| panic!("create {name}: {}", error.chain())).id.to_string()
}

pub async fn start(engine: &Engine, name: &str, spec: ContainerSpec) -> String {
    let id = create(engine, name, spec).await;
    engine.start_container(&root(), name).await.unwrap_or_else(|error| panic!("start {name}: {}", error.chain()));
    id
}

pub async fn exit_code(engine: &Engine, name: &str) -> i32 {
    let waiter = engine.wait_container(&root(), name, WaitCondition::NotRunning).await.expect("it exists");
    waiter.exit_code().await.expect("it ends")
}

pub async fn logs(engine: &Engine, name: &str) -> String {
    let query = LogQuery { stdout: true, stderr: true, ..LogQuery::default() };
    let mut stream = engine.logs(&root(), name, query).await.expect("it has a log");
    let mut text = Vec::new();
    while let Some(batch) = stream.entries.recv().await {
        batch.expect("readable").iter().for_each(|line| text.extend_from_slice(&line.bytes));
    }
    String::from_utf8(text).expect("UTF-8")
}

/// Runs a command in a container: its output and its exit code.
pub async fn exec(engine: &Engine, name: &str, command: &[&str]) -> (String, Option<i32>) {
    let spec = gantry_model::ExecSpec { args: command.iter().map(ToString::to_string).collect(), ..Default::default() };
    let id = engine.create_exec(&root(), name, spec).await.unwrap_or_else(|error| panic!("exec in {name}: {}", error.chain()));
    let attached = engine.start_exec(&root(), &id, None).await.unwrap_or_else(|error| panic!("exec in {name}: {}", error.chain()));
    let (bytes, code, _) = drain(attached).await;
    (String::from_utf8(bytes).expect("UTF-8"), code)
}

/// Everything that comes: bytes, exit code, reason.
pub async fn drain(mut attached: Attached) -> (Vec<u8>, Option<i32>, String) {
    let mut all = Vec::new();
    while let Some(message) = attached.output.recv().await {
        match message {
            Output::Data { bytes, offset, .. } => {
                all.extend_from_slice(&bytes);
                attached.input.ack(offset + bytes.len() as u64).await;
            }
            Output::Gap { from, to } => panic!("bytes {from} to {to} are lost"),
            Output::Ended { exit_code, reason } => return (all, exit_code, reason),
        }
    }
    panic!("the stream ended without a word");
}

pub fn everything() -> AttachOptions {
    AttachOptions { stdin: true, stdout: true, stderr: true, logs: false, stream: true }
}

pub fn upload(bytes: Vec<u8>) -> Upload {
    let (sender, chunks) = tokio::sync::mpsc::channel(4);
    let total_bytes = Some(bytes.len() as u64);
    tokio::spawn(async move {
        for chunk in bytes.chunks(64 << 10) {
            if sender.send(Ok(bytes_of(chunk))).await.is_err() {
                return;
            }
        }
    });
    Upload { chunks, total_bytes, label: "test.tar".to_owned() }
}

fn bytes_of(chunk: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(chunk)
}

pub async fn import(engine: &Engine, name: &str, tar: &[u8], changes: &[&str]) -> Job {
    let options = ImportOptions {
        reference: Some(name.parse().expect("a reference")),
        changes: changes.iter().map(ToString::to_string).collect(),
        ..ImportOptions::default()
    };
    let watch = engine.import_image(&root(), upload(tar.to_vec()), options).await.expect("allowed");
    watch.finished().await.expect("it ends")
}

/// A root filesystem made of the host's static busybox.
pub fn busybox() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        if let Some(link) = link {
            header.set_link_name(link).expect("short");
        }
        tar.append_data(&mut header, path, content).expect("in memory");
    };
    for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("proc", 0o555), ("sys", 0o555), ("dev", 0o755), ("tmp", 0o1777), ("data", 0o750)] {
        put(folder, tar::EntryType::Directory, mode, &[], None);
    }
    put("bin/busybox", tar::EntryType::Regular, 0o755, &std::fs::read("/bin/busybox").expect("busybox-static is installed"), None);
    for name in [
        "sh",
        "cat",
        "echo",
        "sleep",
        "true",
        "false",
        "ls",
        "id",
        "ps",
        "seq",
        "sha256sum",
        "stty",
        "touch",
        "hostname",
        "kill",
        "printf",
        "yes",
        "head",
        "dd",
        "wc",
        "readlink",
        "env",
        "stat",
        "tr",
        "mkdir",
        "rm",
        "grep",
        "unshare",
        "mount",
        "httpd",
        "ip",
        "nc",
        "ping",
        "nslookup",
        "wget",
    ] {
        put(&format!("bin/{name}"), tar::EntryType::Symlink, 0o777, &[], Some("/bin/busybox"));
    }
    put("etc/passwd", tar::EntryType::Regular, 0o644, b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n", None);
    put("etc/group", tar::EntryType::Regular, 0o644, b"root:x:0:\nuser:x:1000:\n", None);
    put("data/file", tar::EntryType::Regular, 0o640, b"of the image\n", None);
    tar.into_inner().expect("in memory")
}

/// Waits until `ready` says so; fails with `what` after ten seconds.
pub fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !ready() {
        assert!(Instant::now() < end, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub async fn until_async(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !ready().await {
        assert!(Instant::now() < end, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The pid of a container's monitor.
pub fn monitor_pid(world: &World, id: &str) -> i32 {
    let path = world.path("run/containers").join(id).join("monitor.pid");
    read(&path).trim().parse().unwrap_or_else(|_| panic!("{} has no number", path.display()))
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

pub fn kill_9(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("it was there");
}
