//! Keys and bulk output through `exec -ti`, beside real docker: `cargo bench --bench streams [-- echo bulk]`, as root, about two minutes.
//! Both clients run in a pseudo terminal of ours, as in a person's hands.

mod measure;

use measure::{Report, World, chosen, in_turns, quantile};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::process::Command;
use std::time::Instant;

const KEYS: usize = 2000;
const BULK_BYTES: usize = 64_000_000;

fn main() {
    measure::main(5, |rounds, report| {
        let world = World::new();
        let start = ["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100000"];
        world.gantry.ok(&start);
        world.docker.ok(&start);
        if chosen("echo") {
            echo(&world, report);
        }
        if chosen("bulk") {
            bulk(&world, rounds, report);
        }
        world.docker.ok(&["rm", "-f", "box"]);
    });
}

/// A client in a terminal.
struct Terminal {
    from: Box<dyn Read + Send>,
    to: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    fn open(command: &Command) -> Self {
        let pty = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() }).expect("a terminal");
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            }
        }
        let child = pty.slave.spawn_command(builder).expect("started");
        let (from, to) = (pty.master.try_clone_reader().expect("a reader"), pty.master.take_writer().expect("a writer"));
        Self { from, to, child, _master: pty.master }
    }

    fn wait_for(&mut self, word: &str) {
        let (mut seen, mut buffer) = (String::new(), [0; 1024]);
        while !seen.contains(word) {
            let count = self.from.read(&mut buffer).unwrap_or(0);
            assert!(count > 0, "it ended before it said {word}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// Milliseconds from a key to its echo.
    fn key(&mut self) -> f64 {
        let start = Instant::now();
        self.to.write_all(b"x").expect("typed");
        let mut back = [0];
        self.from.read_exact(&mut back).expect("echoed");
        assert_eq!(&back, b"x");
        start.elapsed().as_secs_f64() * 1000.0
    }

    /// Everything until the end; returns its length. The error that ends a terminal is its end.
    fn drain(mut self) -> usize {
        let (mut all, mut buffer) = (0, vec![0; 64 << 10]);
        while let Ok(count @ 1..) = self.from.read(&mut buffer) {
            all += count;
        }
        assert!(self.child.wait().expect("waited for").success());
        all
    }
}

fn echo(world: &World, report: &mut Report) {
    println!("\none key through exec -ti and back from a program that answers each, {KEYS} keys in turns");
    let exec = ["exec", "-ti", "box", "sh", "-c", "stty raw -echo; echo ready; exec cat"];
    let mut terminals = [world.gantry.gantry(&exec), world.docker.docker(&exec)].map(|command| Terminal::open(&command));
    for terminal in &mut terminals {
        terminal.wait_for("ready\n");
        for _ in 0..50 {
            terminal.key();
        }
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..KEYS {
        for (terminal, times) in terminals.iter_mut().zip(&mut times) {
            times.push(terminal.key());
        }
    }
    for mut terminal in terminals {
        terminal.child.kill().expect("ended");
        terminal.child.wait().expect("waited for");
    }
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let [gantry, docker] = times.clone().map(|times| quantile(times, part));
        Report::say(&format!("{name}, gantry"), gantry, "ms");
        Report::say(&format!("{name}, docker"), docker, "ms");
        report.goal(&format!("{name}, gantry : docker"), gantry / docker, 0.5, "");
    }
}

fn bulk(world: &World, rounds: usize, report: &mut Report) {
    println!("\n{} MB of lines through exec -ti, {rounds} rounds", BULK_BYTES / 1_000_000);
    let make = format!("yes 'a line as programs write them, of some sixty bytes, or more' | head -c {BULK_BYTES} > /lines");
    let fill = ["exec", "box", "sh", "-c", make.as_str()];
    world.gantry.ok(&fill);
    world.docker.ok(&fill);
    let exec = ["exec", "-ti", "box", "cat", "/lines"];
    let rate = |command: Command| {
        let start = Instant::now();
        let bytes = Terminal::open(&command).drain();
        assert!(bytes > BULK_BYTES, "{bytes} bytes came, each line a carriage return longer than it was");
        BULK_BYTES as f64 / 1e6 / start.elapsed().as_secs_f64()
    };
    let [gantry, docker] = in_turns(rounds, [Box::new(|_| rate(world.gantry.gantry(&exec))), Box::new(|_| rate(world.docker.docker(&exec)))]);
    Report::say("gantry", gantry, "MB/s");
    Report::say("docker", docker, "MB/s");
    report.at_least("gantry : docker", gantry / docker, 2.0, "");
}
