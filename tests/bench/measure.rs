//! What the benchmarks share: the servers side by side, clocks, medians, the table with its goals.
//! Figures that are compared are taken in turns in one run, so that a busy moment of the machine hits all alike.

#![allow(dead_code, reason = "each benchmark uses some of it")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use the rest")]
pub mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use support::peers::{Docker, Podman};
use support::{Server, command, image};

/// Runs `bench` and ends with code 1 if a goal was missed. `rounds` can be set by `GANTRY_BENCH_ROUNDS`.
pub fn main(rounds: usize, bench: impl FnOnce(usize, &mut Report)) {
    // `cargo test --benches` runs it so.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let rounds = std::env::var("GANTRY_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(rounds);
    let mut report = Report::default();
    machine();
    bench(rounds, &mut report);
    println!("\nload at the end: {}", read("/proc/loadavg").trim());
    std::process::exit(i32::from(report.missed));
}

/// True if this part is to run: all do, unless the command line names some.
pub fn chosen(part: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|arg| arg == part)
}

/// Lines of the table, and whether a goal was missed.
#[derive(Default)]
pub struct Report {
    missed: bool,
}

impl Report {
    pub fn say(what: &str, value: f64, unit: &str) {
        println!("{what:<52} {value:>9.2} {unit}");
    }

    pub fn goal(&mut self, what: &str, value: f64, at_most: f64, unit: &str) {
        self.judge(what, value, value <= at_most, &format!("at most {at_most:.3}"), unit);
    }

    pub fn at_least(&mut self, what: &str, value: f64, at_least: f64, unit: &str) {
        self.judge(what, value, value >= at_least, &format!("at least {at_least:.1}"), unit);
    }

    fn judge(&mut self, what: &str, value: f64, reached: bool, goal: &str, unit: &str) {
        self.missed |= !reached;
        println!("{what:<52} {value:>9.3} {unit:<4} goal {goal}: {}", if reached { "reached" } else { "MISSED" });
    }
}

fn machine() {
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    println!("machine: {count} x {model}, Linux {}, load {}", read("/proc/sys/kernel/osrelease").trim(), read("/proc/loadavg").trim());
}

/// Gantry and docker, with the same image.
pub struct World {
    pub gantry: Server,
    pub docker: Docker,
    tar: tempfile::NamedTempFile,
}

impl World {
    pub fn new() -> Self {
        let gantry = Server::start_quiet().import_busybox();
        let docker = Docker::start();
        let tar = tempfile::Builder::new().prefix("gantry-peer-").suffix(".tar").tempfile_in("/var/tmp").expect("a scratch file");
        std::fs::write(tar.path(), image::busybox()).expect("written");
        docker.ok(&["import", tar.path().to_str().expect("UTF-8"), "busybox"]);
        let driver = docker.ok(&["info", "--format", "{{.ServerVersion}} with {{.Driver}}, cgroup v{{.CgroupVersion}}"]);
        println!("peers: dockerd {driver}; {}", version(support::server::program()));
        Self { gantry, docker, tar }
    }

    /// Podman with the same image.
    pub fn podman(&self) -> Podman {
        let podman = Podman::new();
        podman.ok(&["import", self.tar.path().to_str().expect("UTF-8"), "busybox"]);
        println!("       {}", version(Path::new("podman")));
        podman
    }
}

pub fn version(program: &Path) -> String {
    command::run(Command::new(program).arg("--version"), &[]).out.lines().next().unwrap_or_default().to_owned()
}

/// Milliseconds until the program has ended well.
pub fn time(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let output = command.output().expect("started");
    let took = start.elapsed().as_secs_f64() * 1000.0;
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    took
}

pub type Make<'a> = Box<dyn FnMut(usize) -> Command + 'a>;

/// Medians of commands that take turns. The first round warms up and does not count.
pub fn interleaved<const N: usize>(rounds: usize, commands: [Make<'_>; N]) -> [f64; N] {
    in_turns(rounds, commands.map(|mut make| Box::new(move |round| time(&mut make(round))) as Measure<'_>))
}

pub type Measure<'a> = Box<dyn FnMut(usize) -> f64 + 'a>;

/// Medians of measurements that take turns. The first round warms up and does not count.
pub fn in_turns<const N: usize>(rounds: usize, mut measures: [Measure<'_>; N]) -> [f64; N] {
    let mut values: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=rounds {
        for (measure, values) in measures.iter_mut().zip(&mut values) {
            let value = measure(round);
            if round > 0 {
                values.push(value);
            }
        }
    }
    values.map(median)
}

pub fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `part` of the values are, between two of them if need be.
pub fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = part * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Proportional share of a process's memory; `None` once it has ended. Source: proc_pid_smaps(5).
pub fn pss_mib(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib: f64 = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok())?;
    Some(kib / 1024.0)
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path: PathBuf = path.as_ref().into();
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}
