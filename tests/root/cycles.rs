//! A thousand lives, a tenth of them cut off by a kill -9 of the server, of the command or of a monitor; then nothing is left.

use crate::support::command::kill_9;
use crate::support::{Server, leftovers, until};
use std::process::Stdio;
use std::time::Duration;

const CYCLES: u32 = 1000;
/// Servers side by side, each with its share of the cycles.
const SERVERS: u32 = 4;

/// Numbers that look random and are the same for the same seed. Source: Marsaglia, "Xorshift RNGs", 2003.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[derive(Debug, Clone, Copy)]
enum Victim {
    Server,
    Command,
    Monitor,
}

#[test]
#[ignore = "needs root, and minutes"]
fn a_thousand_lives_with_a_tenth_cut_off_leave_nothing() {
    let seed = std::env::var("GANTRY_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_125);
    eprintln!("GANTRY_TEST_SEED={seed}");
    std::thread::scope(|scope| {
        let lives: Vec<_> =
            (0..SERVERS).map(|number| scope.spawn(move || live(Dice((seed + u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)))).collect();
        for life in lives {
            life.join().expect("every server's share passes");
        }
    });
}

fn live(mut dice: Dice) {
    let mut server = Server::in_own_network().import_busybox();
    cycle(&server, "first");
    let before = leftovers::descriptors(server.pid()).len();
    let mut kills = 0;
    for number in 0..CYCLES / SERVERS {
        let name = format!("life{number}");
        // One of ten, at a place that the dice choose.
        if number % 10 == dice.below(10) as u32 && kills < CYCLES / SERVERS / 10 || number % 10 == 9 && kills <= number / 10 {
            kills += 1;
            cut_off(&mut server, &name, &mut dice);
        } else {
            cycle(&server, &name);
        }
    }
    assert!(kills >= CYCLES / SERVERS / 10, "only {kills} were cut off");
    server.clear();
    // A new server has what it needs and no more; one that has lived for long has as much.
    server.stop();
    server.begin();
    cycle(&server, "one");
    let mut now = Vec::new();
    let base = leftovers::descriptors(server.pid()).len();
    for number in 0..20 {
        cycle(&server, &format!("more{number}"));
    }
    until("no descriptor is left open", || {
        now = leftovers::descriptors(server.pid());
        now.len() <= base.max(before) + 2
    });
    server.nothing_is_left();
}

fn steps(name: &str) -> [Vec<&str>; 4] {
    let create = ["create", "--name", name, "busybox", "sh", "-c", "exec sleep 1000"];
    [create.to_vec(), vec!["start", name], vec!["exec", name, "echo", "alive"], vec!["rm", "-f", name]]
}

fn cycle(server: &Server, name: &str) {
    for step in steps(name) {
        let out = server.ok(&step);
        if step[0] == "exec" {
            assert_eq!(out, "alive");
        }
    }
}

/// A life in which one step meets a kill; afterwards the container is removed, if there is one.
fn cut_off(server: &mut Server, name: &str, dice: &mut Dice) {
    let steps = steps(name);
    let victim = [Victim::Server, Victim::Command, Victim::Monitor][dice.below(3) as usize];
    let last = match victim {
        // There is none before the start.
        Victim::Monitor => 1 + dice.below(3) as usize,
        _ => dice.below(4) as usize,
    };
    for step in &steps[..last] {
        server.ok(step);
    }
    let mut command = server.gantry(&steps[last]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    std::thread::sleep(Duration::from_micros(dice.below(30_000)));
    match victim {
        Victim::Server => {
            server.kill_9();
            server.begin();
        }
        Victim::Command => kill_9(command.id()),
        Victim::Monitor => server.monitors().into_iter().for_each(kill_9),
    }
    command.wait().expect("the command ends");
    // A removal that goes on by itself may have been quicker.
    until("what was cut off can be removed", || {
        server.run(&["rm", "-f", name]);
        server.run(&["inspect", name]).code != 0
    });
}
