//! Speed and weight beside real docker and runc: `cargo bench --bench start`, as root. Every figure is a median of interleaved
//! runs on this machine; a goal that is missed is said so and ends the program with code 1.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use the rest")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use support::peers::Docker;
use support::visitor::Visitor;
use support::{Server, command, image};

fn main() {
    // `cargo test --benches` runs it so.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let rounds = std::env::var("GANTRY_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let mut report = Report::default();
    machine();
    let world = World::new();
    starts(&world, rounds, &mut report);
    execs(&world, rounds, &mut report);
    weights(&world, &mut report);
    lists(&world, rounds, &mut report);
    println!("\nload at the end: {}", read("/proc/loadavg").trim());
    drop(world);
    std::process::exit(i32::from(report.missed));
}

/// Lines of the table, and whether a goal was missed.
#[derive(Default)]
struct Report {
    missed: bool,
}

impl Report {
    fn say(what: &str, value: f64, unit: &str) {
        println!("{what:<52} {value:>9.2} {unit}");
    }

    fn goal(&mut self, what: &str, value: f64, at_most: f64, unit: &str) {
        let reached = value <= at_most;
        self.missed |= !reached;
        println!("{what:<52} {value:>9.3} {unit:<4} goal {at_most:.3}: {}", if reached { "reached" } else { "MISSED" });
    }
}

fn machine() {
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    println!("machine: {count} x {model}, Linux {}, load {}", read("/proc/sys/kernel/osrelease").trim(), read("/proc/loadavg").trim());
}

/// The three, with the same files as root.
struct World {
    gantry: Server,
    docker: Docker,
    runc: Runc,
}

impl World {
    fn new() -> Self {
        let gantry = Server::start_quiet().import_busybox();
        let docker = Docker::start();
        let folder = tempfile::Builder::new().prefix("gantry-peer-").tempdir_in("/var/tmp").expect("a scratch folder");
        let tar = folder.path().join("base.tar");
        std::fs::write(&tar, image::busybox()).expect("written");
        docker.ok(&["import", tar.to_str().expect("UTF-8"), "busybox"]);
        let runc = Runc::new(folder);
        let version = |program: &Path| command::run(Command::new(program).arg("--version"), &[]).out.lines().next().unwrap_or_default().to_owned();
        let driver = docker.ok(&["info", "--format", "{{.ServerVersion}} with {{.Driver}}, cgroup v{{.CgroupVersion}}"]);
        println!("peers: dockerd {driver}; {}; {}", version(Path::new("runc")), version(support::server::program()));
        Self { gantry, docker, runc }
    }
}

struct Runc {
    folder: tempfile::TempDir,
}

impl Runc {
    fn new(folder: tempfile::TempDir) -> Self {
        let bundle = folder.path().join("bundle");
        image::busybox_at(&bundle.join("rootfs"));
        command::run(Command::new("runc").args(["spec", "-b"]).arg(&bundle), &[]).ok();
        let config = bundle.join("config.json");
        let mut spec: serde_json::Value = serde_json::from_str(&read(&config)).expect("runc writes JSON");
        spec["process"]["terminal"] = false.into();
        spec["process"]["args"] = serde_json::json!(["true"]);
        spec["root"]["readonly"] = false.into();
        std::fs::write(config, spec.to_string()).expect("written");
        Self { folder }
    }

    fn run(&self, id: &str) -> Command {
        let mut command = Command::new("runc");
        command.arg("--root").arg(self.folder.path().join("state")).args(["run", "--bundle"]).arg(self.folder.path().join("bundle")).arg(id);
        command
    }
}

/// Milliseconds until the program has ended well.
fn time(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let output = command.output().expect("started");
    let took = start.elapsed().as_secs_f64() * 1000.0;
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    took
}

type Make<'a> = Box<dyn FnMut(usize) -> Command + 'a>;

/// Medians of commands that take turns, so that a busy moment hits all alike. The first round warms up and does not count.
fn interleaved<const N: usize>(rounds: usize, mut commands: [Make<'_>; N]) -> [f64; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=rounds {
        for (make, times) in commands.iter_mut().zip(&mut times) {
            let took = time(&mut make(round));
            if round > 0 {
                times.push(took);
            }
        }
    }
    times.map(median)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn starts(world: &World, rounds: usize, report: &mut Report) {
    println!("\nrun --rm --network none busybox true, {rounds} rounds");
    let run = ["run", "--rm", "--network", "none", "busybox", "true"];
    let commands: [Make<'_>; 4] = [
        Box::new(|_| world.gantry.gantry(&run)),
        Box::new(|_| world.docker.docker(&run)),
        Box::new(|round| world.runc.run(&format!("round{round}"))),
        Box::new(|_| world.gantry.gantry(&["--version"])),
    ];
    let [gantry, docker, runc, nothing] = interleaved(rounds, commands);
    Report::say("gantry", gantry, "ms");
    Report::say("docker", docker, "ms");
    Report::say("runc run of the same root", runc, "ms");
    Report::say("gantry --version, which does nothing", nothing, "ms");
    report.goal("gantry : docker", gantry / docker, 1.0 / 8.0, "");
    report.goal("gantry : runc", gantry / runc, 1.5, "");
}

fn execs(world: &World, rounds: usize, report: &mut Report) {
    println!("\nexec true, {rounds} rounds");
    let start = ["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100000"];
    world.gantry.ok(&start);
    world.docker.ok(&start);
    let exec = ["exec", "box", "true"];
    let [gantry, docker] = interleaved(rounds, [Box::new(|_| world.gantry.gantry(&exec)), Box::new(|_| world.docker.docker(&exec))]);
    world.docker.ok(&["rm", "-f", "box"]);
    Report::say("gantry", gantry, "ms");
    Report::say("docker", docker, "ms");
    report.goal("gantry : docker", gantry / docker, 1.0 / 8.0, "");
}

fn weights(world: &World, report: &mut Report) {
    println!("\nmemory, PSS");
    for number in 0..19 {
        world.gantry.ok(&["run", "-d", "--name", &format!("box{number}"), "--network", "none", "busybox", "sleep", "100000"]);
    }
    let monitors: Vec<f64> = world.gantry.monitors().into_iter().map(pss_mib).collect();
    assert_eq!(monitors.len(), 20, "one monitor per container");
    report.goal("a monitor, mean of 20", monitors.iter().sum::<f64>() / 20.0, 0.6, "MiB");
    report.goal("the server, 20 containers", pss_mib(world.gantry.pid()), 25.0, "MiB");
}

/// Proportional share of a process's memory. Source: proc_pid_smaps(5).
fn pss_mib(pid: u32) -> f64 {
    let text = read(format!("/proc/{pid}/smaps_rollup"));
    let kib: f64 = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok()).expect("the kernel tells it");
    kib / 1024.0
}

fn lists(world: &World, rounds: usize, report: &mut Report) {
    println!("\na server with 500 containers, {rounds} rounds");
    for number in 19..499 {
        world.gantry.ok(&["create", "--name", &format!("box{number}"), "--network", "none", "busybox", "sleep", "100000"]);
    }
    let mut visitor = Visitor::admin(&world.gantry);
    let mut times = Vec::new();
    for round in 0..=rounds {
        let page = visitor.get("/containers");
        assert!(page.status.is_success() && page.text.contains("box498"), "the newest is listed: {}", page.status);
        if round > 0 {
            times.push(page.took.as_secs_f64() * 1000.0);
        }
    }
    report.goal("the page /containers, its first 100 rows", median(times), 30.0, "ms");
    let [ps] = interleaved(rounds, [Box::new(|_| world.gantry.gantry(&["ps", "-a"]))]);
    Report::say("gantry ps -a", ps, "ms");
    Report::say("the server, 500 containers, PSS", pss_mib(world.gantry.pid()), "MiB");
}

fn read(path: impl AsRef<Path>) -> String {
    let path: PathBuf = path.as_ref().into();
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}
