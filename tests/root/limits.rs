//! What is limited stays within its limits, and harms nothing outside. Run on this host's cgroups and, in a machine, on v2 alone.

use crate::support::{Server, leftovers, until};
use std::fs;
use std::time::{Duration, Instant};

/// A container that counts; the number moves as long as nobody disturbs it.
fn neighbour(server: &Server) {
    server.ok(&[
        "run",
        "-d",
        "--name",
        "neighbour",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.01; done",
    ]);
    until("the neighbour counts", || count(server) > 0);
}

fn count(server: &Server) -> u64 {
    server.run(&["exec", "neighbour", "cat", "/count"]).out.trim().parse().unwrap_or(0)
}

#[track_caller]
fn is_well(server: &Server) {
    let before = count(server);
    until("the neighbour goes on", || count(server) > before);
    assert_eq!(server.inspect("neighbour", "/State/Running"), true);
    assert_eq!(server.inspect("neighbour", "/RestartCount"), 0);
}

/// The number in a file of a container's cgroup, in whichever hierarchy has it.
fn in_cgroup(server: &Server, id: &str, file: &str) -> Option<u64> {
    let folders = leftovers::cgroups(&server.name);
    let text = folders.iter().filter(|path| path.to_string_lossy().contains(id)).find_map(|path| fs::read_to_string(path.join(file)).ok())?;
    text.trim().parse().ok()
}

#[test]
#[ignore = "needs root"]
fn a_memory_hog_is_stopped_at_its_limit() {
    let server = Server::with_busybox();
    neighbour(&server);
    let hog = ["run", "--name", "hog", "--memory", "48m", "--memory-swap", "48m", "--network", "none", "busybox", "tail", "/dev/zero"];
    assert_eq!(server.run(&hog).code, 137);
    assert_eq!(server.inspect("hog", "/State/OOMKilled"), true);
    assert_eq!(server.inspect("hog", "/HostConfig/Memory"), 48 << 20);
    is_well(&server);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_fork_bomb_stays_in_its_container() {
    let server = Server::with_busybox();
    neighbour(&server);
    // `watch` starts the bomb again when it has burnt down, and does not mind that it can't.
    let bomb = "b() { (b) & (b) & exec sleep 0.5; }; b";
    let flags = ["--pids-limit", "40", "--memory", "128m", "--network", "none"];
    let id = server.ok(&[&["run", "-d", "--name", "bomb"], flags.as_slice(), &["busybox", "watch", "-t", "-n", "0.1", bomb]].concat());
    until("the bomb is at its limit", || in_cgroup(&server, &id, "pids.current").is_some_and(|pids| pids >= 38));
    for _ in 0..20 {
        let pids = in_cgroup(&server, &id, "pids.current").expect("it has a cgroup");
        assert!(pids <= 40, "{pids} processes");
        is_well(&server);
    }
    server.ok(&["rm", "-f", "bomb"]);
    until("its processes are gone", || leftovers::cgroups(&server.name).iter().all(|path| !path.to_string_lossy().contains(&id)));
    is_well(&server);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_busy_loop_gets_the_processor_it_was_given() {
    let server = Server::with_busybox();
    server.ok(&["run", "-d", "--name", "busy", "--cpus", "0.2", "--network", "none", "busybox", "sh", "-c", "while :; do :; done"]);
    let pid = server.inspect("busy", "/State/Pid").as_u64().expect("a number");
    let used = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("has a name").1.split(' ').collect();
        // Fields 14 and 15 are user and system time, in hundredths of a second.
        (fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")) as f64 / 100.0
    };
    let (before, start) = (used(), Instant::now());
    until("it has worked a while", || used() - before > 0.5);
    let share = (used() - before) / start.elapsed().as_secs_f64();
    assert!(start.elapsed() > Duration::from_millis(1500) && share < 0.3, "it had {share:.2} of a processor");
    server.nothing_is_left();
}
