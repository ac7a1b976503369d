//! Speed and weight beside real docker and runc: `cargo bench --bench start`, as root. Every figure is a median of interleaved
//! runs on this machine; a goal that is missed is said so and ends the program with code 1.

mod measure;

use measure::support::visitor::Visitor;
use measure::support::{command, image};
use measure::{Make, Report, World, interleaved, median, pss_mib, read, version};
use std::path::Path;
use std::process::Command;

fn main() {
    measure::main(20, |rounds, report| {
        let world = World::new();
        starts(&world, rounds, report);
        execs(&world, rounds, report);
        weights(&world, report);
        lists(&world, rounds, report);
    });
}

struct Runc {
    folder: tempfile::TempDir,
}

impl Runc {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-peer-").tempdir_in("/var/tmp").expect("a scratch folder");
        println!("       {}", version(Path::new("runc")));
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

fn starts(world: &World, rounds: usize, report: &mut Report) {
    println!("\nrun --rm --network none busybox true, {rounds} rounds");
    let own = Runc::new();
    let run = ["run", "--rm", "--network", "none", "busybox", "true"];
    let commands: [Make<'_>; 4] = [
        Box::new(|_| world.gantry.gantry(&run)),
        Box::new(|_| world.docker.docker(&run)),
        Box::new(|round| own.run(&format!("round{round}"))),
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
    let monitors: Vec<f64> = world.gantry.monitors().into_iter().filter_map(pss_mib).collect();
    assert_eq!(monitors.len(), 20, "one monitor per container");
    report.goal("a monitor, mean of 20", monitors.iter().sum::<f64>() / 20.0, 0.6, "MiB");
    report.goal("the server, 20 containers", pss_mib(world.gantry.pid()).unwrap_or_default(), 25.0, "MiB");
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
    Report::say("the server, 500 containers, PSS", pss_mib(world.gantry.pid()).unwrap_or_default(), "MiB");
}
