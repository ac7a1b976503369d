//! Writing and reading logs, beside real docker and podman: `cargo bench --bench logs [-- write read]`, as root, about five minutes
//! and 4 GB below /var/tmp. All containers copy the same file of lines to stdout, detached.

mod measure;

use measure::support::peers::Podman;
use measure::support::until;
use measure::{Measure, Report, World, chosen, in_turns, interleaved, pss_mib, read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const WRITTEN_BYTES: usize = 500_000_000;
const READ_BYTES: usize = 200_000_000;

fn main() {
    measure::main(3, |rounds, report| {
        let world = World::new();
        if chosen("write") {
            write(&world, rounds, report);
        }
        if chosen("read") {
            reads(&world, rounds, report);
        }
    });
}

/// A file of numbered lines, mounted as `/lines`.
struct Lines {
    _file: tempfile::NamedTempFile,
    mount: String,
    last: String,
}

impl Lines {
    fn new(bytes: usize) -> Self {
        use std::io::Write as _;
        let mut file = tempfile::Builder::new().prefix("gantry-peer-").tempfile_in("/var/tmp").expect("a scratch file");
        let line = |number: usize| format!("{number:09} a line as programs write them, of some sixty bytes, or some more\n");
        let length = line(0).len();
        let mut out = std::io::BufWriter::new(file.as_file_mut());
        (0..bytes / length).for_each(|number| out.write_all(line(number).as_bytes()).expect("written"));
        drop(out);
        let mount = format!("{}:/lines:ro", file.path().display());
        Self { mount, last: line(bytes / length - 1).trim_end().to_owned(), _file: file }
    }

    /// `run -d` of a container that writes them to its stdout.
    fn run<'a>(&'a self, options: &[&'a str]) -> Vec<&'a str> {
        [&["run", "-d", "--name", "writer", "--network", "none", "-v", &self.mount], options, &["busybox", "cat", "/lines"]].concat()
    }
}

/// Starts a writer, waits for its end, and sees that the last line is there. Returns MB/s from the command to the end.
fn wrote(run: impl Fn(&[&str]) -> String, lines: &Lines, options: &[&str], meanwhile: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run(&lines.run(options));
    meanwhile();
    assert_eq!(run(&["wait", "writer"]), "0");
    let took = start.elapsed().as_secs_f64();
    // Docker may still be writing when the container has ended.
    until("the last line is logged", || run(&["logs", "--tail", "1", "writer"]) == lines.last);
    run(&["rm", "writer"]);
    WRITTEN_BYTES as f64 / 1e6 / took
}

fn write(world: &World, rounds: usize, report: &mut Report) {
    let podman: Podman = world.podman();
    println!(
        "\n{} MB to stdout, detached, {rounds} rounds; podman logs by {}",
        WRITTEN_BYTES / 1_000_000,
        podman.ok(&["info", "--format", "{{.Host.LogDriver}}"])
    );
    let lines = Lines::new(WRITTEN_BYTES);
    let (mut monitor_mib, mut server_mib) = (0.0, 0.0);
    let gantry: Measure<'_> = Box::new(|_| {
        let watch = || {
            let monitor = world.gantry.monitors()[0];
            while let Some(mib) = pss_mib(monitor) {
                monitor_mib = f64::max(monitor_mib, mib);
                server_mib = f64::max(server_mib, pss_mib(world.gantry.pid()).unwrap_or_default());
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        wrote(|args| world.gantry.ok(args), &lines, &[], watch)
    });
    let docker: Measure<'_> = Box::new(|_| wrote(|args| world.docker.ok(args), &lines, &["--log-driver", "json-file"], || ()));
    let others: Measure<'_> = Box::new(|_| wrote(|args| podman.ok(args), &lines, &["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"], || ()));
    let [gantry, docker, podman] = in_turns(rounds, [gantry, docker, others]);
    Report::say("gantry", gantry, "MB/s");
    Report::say("docker, json-file", docker, "MB/s");
    Report::say("podman, its default", podman, "MB/s");
    report.at_least("gantry : docker", gantry / docker, 5.0, "");
    report.at_least("gantry : podman", gantry / podman, 2.0, "");
    report.goal("the monitor meanwhile, most PSS", monitor_mib, 4.0, "MiB");
    report.goal("the server meanwhile, most PSS", server_mib, 40.0, "MiB");
}

fn reads(world: &World, rounds: usize, report: &mut Report) {
    println!("\nlogs of {} MB, {rounds} rounds", READ_BYTES / 1_000_000);
    let lines = Lines::new(READ_BYTES);
    world.gantry.ok(&lines.run(&["--log-opt", "max-size=1g"]));
    world.docker.ok(&lines.run(&["--log-driver", "json-file"]));
    assert_eq!((world.gantry.ok(&["wait", "writer"]), world.docker.ok(&["wait", "writer"])), ("0".to_owned(), "0".to_owned()));
    let all = ["logs", "writer"];
    until("docker has written the last line", || world.docker.ok(&["logs", "--tail", "1", "writer"]) == lines.last);
    let [gantry, docker] = in_turns(rounds, [Box::new(|_| took_whole(world.gantry.gantry(&all))), Box::new(|_| took_whole(world.docker.docker(&all)))]);
    Report::say("gantry logs", READ_BYTES as f64 / 1e6 / gantry, "MB/s");
    Report::say("docker logs", READ_BYTES as f64 / 1e6 / docker, "MB/s");
    report.at_least("docker's time : gantry's", docker / gantry, 20.0, "");
    report.goal("the server behind it, PSS", pss_mib(world.gantry.pid()).unwrap_or_default(), 40.0, "MiB");
    let tail = ["logs", "--tail", "10", "writer"];
    println!("\nlogs --tail 10 of {} MB, 20 rounds", READ_BYTES / 1_000_000);
    let [gantry, docker] = interleaved(20, [Box::new(|_| world.gantry.gantry(&tail)), Box::new(|_| world.docker.docker(&tail))]);
    Report::say("gantry", gantry, "ms");
    Report::say("docker", docker, "ms");
    report.goal("gantry : docker", gantry / docker, 0.25, "");
    world.docker.ok(&["rm", "writer"]);
}

/// Seconds until a command has written all lines into a pipe that is read as fast as can be.
fn took_whole(mut command: Command) -> f64 {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("started");
    let bytes = std::io::copy(child.stdout.as_mut().expect("piped"), &mut std::io::sink()).expect("read");
    assert!(child.wait().expect("waited for").success());
    assert!(bytes as usize > READ_BYTES - 100, "{bytes} bytes came, load {}", read("/proc/loadavg"));
    start.elapsed().as_secs_f64()
}
