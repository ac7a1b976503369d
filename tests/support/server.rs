//! A `gantry serve` with folders, a bridge, a firewall table and a cgroup of its own, which may be killed and come back.

use super::command::{self, Said, in_time, kill_9, until};
use super::{image, leftovers};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

const EVERYTHING: &str = "debug,actix_http=info,sqlx=info";

static NEXT: AtomicU32 = AtomicU32::new(0);

pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gantry"))
}

pub struct Server {
    pub folder: TempDir,
    /// Of the bridge, the nftables table and the cgroup.
    pub name: String,
    subnet: String,
    own_network: bool,
    log: &'static str,
    /// What else it is started with.
    flags: Vec<String>,
    /// The port that it had first, so that a browser finds it again.
    port: Option<String>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Beside the host's network.
    pub fn start() -> Self {
        Self::new(false, EVERYTHING)
    }

    /// As people run it, for figures.
    pub fn start_quiet() -> Self {
        Self::new(false, "info")
    }

    /// In a network namespace of its own, so that every device in it is the server's.
    pub fn in_own_network() -> Self {
        Self::new(true, EVERYTHING)
    }

    /// In a network namespace of its own, with the addresses that dockerd takes there.
    pub fn beside_docker() -> Self {
        Self::make(true, "info", &[], Some("172.17.0.0/16"))
    }

    /// With the image `busybox`.
    pub fn with_busybox() -> Self {
        Self::start().import_busybox()
    }

    /// With the image `busybox`, and these flags.
    pub fn with_flags(flags: &[&str]) -> Self {
        Self::make(false, EVERYTHING, flags, None).import_busybox()
    }

    fn new(own_network: bool, log: &'static str) -> Self {
        Self::make(own_network, log, &[], None)
    }

    /// `subnet` is one that no other test's server has, if it is not given.
    fn make(own_network: bool, log: &'static str, flags: &[&str], subnet: Option<&str>) -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-e2e-").tempdir_in("/var/tmp").expect("a scratch folder");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e{}n{number}", std::process::id());
        let subnet = subnet.map_or_else(|| format!("10.{}.{}.0/24", 64 + std::process::id() % 128, number % 256), str::to_owned);
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut server = Self { folder, name, subnet, own_network, log, flags, port: None, running: None };
        server.begin();
        server
    }

    #[must_use]
    pub fn import_busybox(self) -> Self {
        command::run(&mut self.gantry(&["import", "--change", r#"CMD ["sh"]"#, "-", "busybox"]), &image::busybox()).ok();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the server and waits until it listens.
    pub fn begin(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let mut command = if self.own_network {
            let mut command = Command::new("unshare");
            command.args(["--net", "sh", "-c", "ip link set lo up; exec \"$0\" \"$@\""]).arg(program());
            command
        } else {
            Command::new(program())
        };
        let listen = format!("127.0.0.1:{}", self.port.as_deref().unwrap_or("0"));
        command.args(["serve", "--listen", &listen, "--bridge", &self.name, "--subnet", &self.subnet, "--nft-table", &self.name]);
        command.args(["--cgroup-parent", &format!("/{}", self.name), "--config", "/dev/null", "--log", self.log]);
        command.args(&self.flags).arg("--data-dir").arg(self.path("data")).arg("--run-dir").arg(self.path("run"));
        let log = fs::File::options().create(true).append(true).open(self.path("log")).expect("opened");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().expect("gantry starts");
        let said = Arc::new(Mutex::new(Vec::new()));
        let (lines, heard) = (BufReader::new(child.stdout.take().expect("piped")).lines(), said.clone());
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| heard.lock().unwrap_or_else(PoisonError::into_inner).push(line)));
        self.running = Some(Running { child, said });
        let mut ended = None;
        let ready = in_time(|| {
            ended = self.running.as_mut().and_then(|running| running.child.try_wait().expect("waited for"));
            ended.is_some() || self.said("Command line and Docker tools: ").is_some()
        });
        assert!(ready && ended.is_none(), "the server did not come up ({ended:?}): {}", self.log());
        self.port = self.address().rsplit(':').next().map(str::to_owned);
    }

    /// The end of the first line that has `what` in it.
    fn said(&self, what: &str) -> Option<String> {
        let running = self.running.as_ref().expect("the server runs");
        let lines = running.said.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().find_map(|line| Some(line.split_once(what)?.1.to_owned()))
    }

    /// Where its Docker API is over TCP, for example `127.0.0.1:40001`.
    pub fn tcp_address(&self) -> String {
        until("the server tells its TCP address", || self.said("Docker API over TCP: tcp://").is_some());
        let told = self.said("Docker API over TCP: tcp://").expect("told");
        told.split(' ').next().expect("an address").to_owned()
    }

    /// Where its pages are, for example `http://127.0.0.1:40001`.
    pub fn address(&self) -> String {
        self.said(" is at ").expect("told at its start").trim_end_matches('/').to_owned()
    }

    /// The code with which the first admin is made.
    pub fn setup_code(&self) -> String {
        until("the server tells its setup code", || self.said("setup code ").is_some());
        self.said("setup code ").expect("told")
    }

    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the server runs").child.id()
    }

    /// The pids of the monitors.
    pub fn monitors(&self) -> Vec<u32> {
        let folders = fs::read_dir(self.path("run/containers")).into_iter().flatten().flatten();
        folders.filter_map(|folder| fs::read_to_string(folder.path().join("monitor.pid")).ok()?.trim().parse().ok()).collect()
    }

    /// The command line, talking to this server.
    pub fn gantry(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(args).env("GANTRY_HOST", format!("unix://{}", self.path("run/gantry.sock").display())).env_remove("GANTRY_TOKEN");
        command.env("DOCKER_CONFIG", self.path("logins"));
        command
    }

    /// Runs a command line to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Said {
        command::run(&mut self.gantry(args), &[])
    }

    /// The same; it must succeed. Returns its output without the last line's end.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "gantry {args:?}\nstdout: {}\nstderr: {}", said.out, said.err);
        said.out.trim_end_matches('\n').to_owned()
    }

    /// One field of `gantry inspect`.
    #[track_caller]
    pub fn inspect(&self, name: &str, pointer: &str) -> serde_json::Value {
        let all: serde_json::Value = serde_json::from_str(&self.ok(&["inspect", name])).expect("inspect prints JSON");
        all[0].pointer(pointer).cloned().unwrap_or_else(|| panic!("{name} has no {pointer}: {all:#}"))
    }

    /// The end that nobody can prepare for.
    pub fn kill_9(&mut self) {
        let mut running = self.running.take().expect("the server runs");
        running.child.kill().expect("killed");
        running.child.wait().expect("reaped");
    }

    /// An orderly end; containers go on.
    pub fn stop(&mut self) {
        let mut running = self.running.take().expect("the server runs");
        let pid = nix::unistd::Pid::from_raw(running.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it is there");
        let mut status = None;
        if !in_time(|| {
            status = running.child.try_wait().expect("waited for");
            status.is_some()
        }) {
            kill_9(running.child.id());
            panic!("the server did not end on SIGTERM: {}", self.log());
        }
        assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", self.log());
    }

    /// Rows of a table.
    pub fn rows(&self, table: &str) -> i64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let path = self.path("data/gantry.db");
        runtime.block_on(async {
            use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
            let options = SqliteConnectOptions::new().filename(&path);
            let mut db = SqliteConnection::connect_with(&options).await.unwrap_or_else(|error| panic!("open {}: {error}", path.display()));
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(&mut db).await.expect("counted")
        })
    }

    /// Removes all containers.
    pub fn clear(&self) {
        let all = self.ok(&["ps", "-aq", "--no-trunc"]);
        for id in all.lines() {
            self.run(&["rm", "-f", "-v", id]);
        }
        assert_eq!(self.ok(&["ps", "-aq"]), "");
    }

    /// Removes the containers, stops the server, and fails if anything is left of them.
    pub fn nothing_is_left(mut self) {
        if self.running.is_none() {
            self.begin();
        }
        self.clear();
        for folder in ["data/containers", "run/containers", "data/trash"] {
            until(&format!("{folder} is empty"), || fs::read_dir(self.path(folder)).map_or(0, Iterator::count) == 0);
        }
        self.stop();
        for table in ["containers", "terminals", "volume_uses"] {
            assert_eq!(self.rows(table), 0, "rows of {table}");
        }
        let folder = self.folder.path();
        until(&format!("no process is left: {:?}", leftovers::processes(folder, &self.name)), || leftovers::processes(folder, &self.name).is_empty());
        assert_eq!(leftovers::mounts(folder), [""; 0], "mounts are left");
        let cgroups = leftovers::cgroups(&self.name);
        assert!(cgroups.is_empty(), "cgroups are left: {cgroups:?}");
        if !self.own_network {
            assert!(!leftovers::links(std::process::id()).contains(&self.name), "the bridge {} is left", self.name);
            assert_eq!(leftovers::tables(&self.name), [""; 0], "tables are left");
        }
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Server {
    /// A test that failed may leave containers; they must not disturb the others.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log ends with:\n{}", self.log());
            if let Some(mut running) = self.running.take() {
                let _ = running.child.kill();
                let _ = running.child.wait();
            }
            for process in leftovers::processes(self.folder.path(), &self.name) {
                if let Some(pid) = process.split(' ').next().and_then(|pid| pid.parse().ok()) {
                    kill_9(pid);
                }
            }
        } else if self.running.is_some() {
            self.clear();
            self.stop();
        }
        for cgroup in leftovers::cgroups(&self.name).iter().rev() {
            let _ = fs::remove_dir(cgroup);
        }
        let quiet = |program: &str, args: &[&str]| Command::new(program).args(args).stderr(Stdio::null()).status();
        let _ = quiet("ip", &["link", "del", &self.name]);
        for table in leftovers::tables(&self.name) {
            let _ = quiet("nft", &["delete", "table", "ip", table.rsplit(' ').next().unwrap_or_default()]);
            // The bridge of a user's network ends as its table does.
            if let Some((_, id)) = table.rsplit_once('-') {
                let _ = quiet("ip", &["link", "del", &format!("gt-{id}")]);
            }
        }
    }
}
