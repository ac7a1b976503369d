//! Many containers, beside real docker: `cargo bench --bench many [-- start list]`, as root, about three minutes.
//! Containers without a network. The 200 that are listed are created on both sides, not run.

mod measure;

use measure::{Measure, Report, World, chosen, in_turns, interleaved, pss_mib};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const STARTED: usize = 50;
const AT_ONCE: usize = 8;
const LISTED: usize = 200;
const WINDOW: Duration = Duration::from_secs(2);

fn main() {
    measure::main(3, |rounds, report| {
        let world = World::new();
        report.goal("the server at rest, PSS", pss_mib(world.gantry.pid()).unwrap_or_default(), 25.0, "MiB");
        if chosen("start") {
            starts(&world, rounds, report);
        }
        if chosen("list") {
            lists(&world, rounds, report);
        }
    });
}

/// Milliseconds for commands of which so many run at a time.
fn side_by_side(count: usize, make: impl Fn(usize) -> Command + Sync) -> f64 {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count) {
                    measure::time(&mut make(number));
                }
            });
        }
    });
    start.elapsed().as_secs_f64() * 1000.0
}

/// The containers started, and how much memory each adds to the processes that are not in them.
fn starts(world: &World, rounds: usize, report: &mut Report) {
    println!("\nrun -d --network none busybox sleep, {STARTED} containers, {AT_ONCE} at a time, {rounds} rounds");
    let names: Vec<String> = (0..STARTED).map(|number| format!("box{number}")).collect();
    let run = |number: usize| ["run", "-d", "--name", &names[number], "--network", "none", "busybox", "sleep", "100000"];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let round = |make: &(dyn Fn(&[&str]) -> Command + Sync), memory: &dyn Fn() -> f64, added: &mut Vec<f64>| {
        let before = memory();
        let took = side_by_side(STARTED, |number| make(&run(number)));
        added.push((memory() - before) / STARTED as f64);
        for some in names.chunks(10) {
            measure::time(&mut make(&[&["rm", "-f"][..], &some.iter().map(String::as_str).collect::<Vec<_>>()].concat()));
        }
        took
    };
    let gantry: Measure<'_> = Box::new(|_| round(&|args| world.gantry.gantry(args), &|| gantry_mib(world), &mut ours));
    let docker: Measure<'_> = Box::new(|_| round(&|args| world.docker.docker(args), &|| docker_mib(world), &mut theirs));
    let [gantry, docker] = in_turns(rounds, [gantry, docker]);
    Report::say("gantry", gantry, "ms");
    Report::say("docker", docker, "ms");
    report.goal("gantry : docker", gantry / docker, 1.0 / 8.0, "");
    println!("\nmemory of all processes of the engine, added by each idle container, PSS");
    Report::say("docker", measure::median(theirs), "MiB");
    report.goal("gantry", measure::median(ours), 0.6, "MiB");
}

/// The server, its spawner and the monitors.
fn gantry_mib(world: &World) -> f64 {
    let program = measure::support::server::program().canonicalize().expect("built");
    let server = world.gantry.pid();
    let children = std::fs::read_dir(format!("/proc/{server}/task")).into_iter().flatten().flatten();
    let children = children.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children.flat_map(|text| text.split(' ').filter_map(|pid| pid.trim().parse().ok()).collect::<Vec<_>>()).collect();
    let ours = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    let spawners = children.into_iter().filter(ours);
    spawners.chain(world.gantry.monitors()).chain([server]).filter_map(pss_mib).sum()
}

/// The daemon, its containerd and the shims.
fn docker_mib(world: &World) -> f64 {
    let name = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let engines = world.docker.pids().into_iter().filter(|pid| ["dockerd", "containerd"].iter().any(|engine| name(pid).starts_with(engine)));
    engines.filter_map(pss_mib).sum()
}

fn lists(world: &World, rounds: usize, report: &mut Report) {
    for number in 0..LISTED {
        let create = ["create", "--name", &format!("listed{number}"), "--network", "none", "-l", "of=many", "busybox", "sleep", "100000"];
        world.gantry.ok(&create);
        world.docker.ok(&create);
    }
    println!("\nps -a, {LISTED} containers, 20 rounds");
    let ps = ["ps", "-a"];
    assert!([world.gantry.ok(&ps), world.docker.ok(&ps)].iter().all(|list| list.lines().count() == LISTED + 1));
    let [gantry, docker] = interleaved(20, [Box::new(|_| world.gantry.gantry(&ps)), Box::new(|_| world.docker.docker(&ps))]);
    Report::say("gantry", gantry, "ms");
    Report::say("docker", docker, "ms");
    report.goal("gantry : docker", gantry / docker, 0.25, "");

    println!("\nGET /containers/json?all=1, {LISTED} containers, {AT_ONCE} clients, {} s a turn, {rounds} rounds", WINDOW.as_secs());
    let (ours, theirs) = (world.gantry.path("run/gantry.sock"), world.docker.socket());
    let [gantry, docker] = in_turns(rounds, [Box::new(|_| requests_per_second(&ours)), Box::new(|_| requests_per_second(&theirs))]);
    Report::say("gantry", gantry, "/s");
    Report::say("docker", docker, "/s");
    report.at_least("gantry : docker", gantry / docker, 20.0, "");
    report.goal("the server afterwards, PSS", pss_mib(world.gantry.pid()).unwrap_or_default(), 40.0, "MiB");
    let all: Vec<String> = (0..LISTED).map(|number| format!("listed{number}")).collect();
    world.docker.ok(&[&["rm"][..], &all.iter().map(String::as_str).collect::<Vec<_>>()].concat());
}

fn requests_per_second(socket: &Path) -> f64 {
    let done = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut client = Http { socket: socket.to_owned(), connection: None };
                while start.elapsed() < WINDOW {
                    let answer = client.list();
                    assert!(answer.len() > 100 * LISTED, "a whole list: {} bytes", answer.len());
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}

/// A client that keeps its connection if the server does.
struct Http {
    socket: PathBuf,
    connection: Option<BufReader<UnixStream>>,
}

impl Http {
    fn list(&mut self) -> Vec<u8> {
        let connection = self.connection.take();
        let mut connection = connection.unwrap_or_else(|| BufReader::with_capacity(64 << 10, UnixStream::connect(&self.socket).expect("connected")));
        connection.get_mut().write_all(b"GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: bench\r\n\r\n").expect("asked");
        let (mut length, mut close, mut line) = (None, false, String::new());
        connection.read_line(&mut line).expect("an answer");
        assert!(line.contains(" 200 "), "{line}");
        while line != "\r\n" {
            line.clear();
            connection.read_line(&mut line).expect("a head");
            let lower = line.to_ascii_lowercase();
            length = lower.strip_prefix("content-length:").and_then(|length| length.trim().parse().ok()).or(length);
            close |= lower.starts_with("connection: close");
        }
        let mut body = Vec::new();
        match length {
            Some(length) => drop(connection.by_ref().take(length).read_to_end(&mut body).expect("a body")),
            None => loop {
                line.clear();
                connection.read_line(&mut line).expect("a chunk");
                let chunk = u64::from_str_radix(line.trim(), 16).expect("a length");
                connection.by_ref().take(chunk).read_to_end(&mut body).expect("a chunk");
                connection.read_line(&mut line).expect("its end");
                if chunk == 0 {
                    break;
                }
            },
        }
        self.connection = Some(connection).filter(|_| !close);
        body
    }
}
