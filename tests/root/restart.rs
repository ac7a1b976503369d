//! The server goes and comes back; containers, execs and logs do not notice. A monitor that is killed takes its container with it.

use crate::support::{Server, command, until};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Stdio;

const COUNTING: &str = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done";

/// Lines of a log that counts up.
fn numbers(server: &Server, name: &str) -> Vec<u32> {
    server.ok(&["logs", name]).lines().map(|line| line.parse().unwrap_or_else(|_| panic!("{name} logged {line:?}"))).collect()
}

#[track_caller]
fn is_whole(numbers: &[u32]) {
    let expected: Vec<u32> = (0..numbers.len() as u32).collect();
    assert_eq!(numbers, expected, "lines are lost, doubled or out of order");
}

fn pid(server: &Server, name: &str) -> u32 {
    server.inspect(name, "/State/Pid").as_u64().expect("a number") as u32
}

fn is_there(pid: u32) -> bool {
    // A process that nobody has reaped yet runs no more.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

#[test]
#[ignore = "needs root"]
fn twenty_containers_an_exec_and_their_logs_outlive_the_servers_death() {
    let mut server = Server::with_busybox();
    let names: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    for name in &names {
        server.ok(&["run", "-d", "--name", name, "--network", "none", "busybox", "sh", "-c", COUNTING]);
    }
    let script = "i=0; while [ ! -e /enough ]; do echo $i >> /seen; i=$((i+1)); sleep 0.02; done; echo end >> /seen";
    let mut open = server.gantry(&["exec", "-i", "c0", "sh", "-c", script]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    let seen = |server: &Server| server.run(&["exec", "c0", "cat", "/seen"]).out;
    until("the exec runs", || seen(&server).lines().count() > 3);
    let pids: Vec<u32> = names.iter().map(|name| pid(&server, name)).collect();
    let before = seen(&server).lines().count();
    for round in 0..3 {
        server.kill_9();
        assert!(pids.iter().all(|pid| is_there(*pid)), "a container died with the server");
        server.begin();
        assert_eq!(names.iter().map(|name| pid(&server, name)).collect::<Vec<_>>(), pids, "round {round}");
        assert_eq!(server.ok(&["ps", "-q"]).lines().count(), 20);
    }
    for name in &names {
        let logged = numbers(&server, name).len();
        until("it goes on counting", || numbers(&server, name).len() > logged);
        is_whole(&numbers(&server, name));
    }
    assert!(seen(&server).lines().count() > before, "the exec stands still");
    server.ok(&["exec", "c0", "touch", "/enough"]);
    until("the exec comes to its own end", || seen(&server).ends_with("end\n"));
    let said = seen(&server);
    is_whole(&said.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>());
    drop(open.stdin.take());
    open.wait().expect("the client ends");
    server.stop();
    assert!(pids.iter().all(|pid| is_there(*pid)), "a container ended with the server");
    server.begin();
    server.ok(&[&["stop", "-t", "0"], names.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());
    names.iter().for_each(|name| is_whole(&numbers(&server, name)));
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn an_exit_while_no_server_runs_is_known_to_the_next() {
    let mut server = Server::with_busybox();
    let script = "while [ ! -e /host/go ]; do sleep 0.02; done; echo last; exit 9";
    std::fs::create_dir(server.path("shared")).expect("made");
    let shared = format!("{}:/host", server.path("shared").display());
    server.ok(&["run", "-d", "--name", "kept", "--network", "none", "-v", &shared, "busybox", "sh", "-c", script]);
    server.ok(&["run", "-d", "--name", "once", "--rm", "--network", "none", "-v", &shared, "busybox", "sh", "-c", script]);
    let pids = [pid(&server, "kept"), pid(&server, "once")];
    server.kill_9();
    std::fs::write(server.path("shared/go"), "").expect("written");
    until("both have ended", || pids.iter().all(|pid| !is_there(*pid)));
    server.begin();
    until("the exit code is known", || server.inspect("kept", "/State/ExitCode") == 9);
    assert_eq!(server.inspect("kept", "/State/Status"), "exited");
    assert_eq!(server.ok(&["logs", "kept"]), "last");
    until("the other is gone", || server.ok(&["ps", "-a", "--format", "{{.Names}}"]) == "kept");
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_container_ends_with_its_monitor_and_starts_again() {
    let server = Server::with_busybox();
    let id = server.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c", COUNTING]);
    until("it logs", || !numbers(&server, "box").is_empty());
    let inside = pid(&server, "box");
    command::kill_9(monitor(&server, &id));
    until("its process is gone", || !is_there(inside));
    until("it is known to have ended", || server.inspect("box", "/State/Running") == false);
    is_whole(&numbers(&server, "box"));
    server.ok(&["start", "box"]);
    assert_ne!(pid(&server, "box"), inside);
    assert_eq!(server.ok(&["exec", "box", "echo", "here"]), "here");
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_container_that_shall_always_run_comes_back_when_its_monitor_is_killed() {
    let server = Server::with_busybox();
    let id = server.ok(&["run", "-d", "--name", "box", "--restart", "always", "--network", "none", "busybox", "sleep", "1000"]);
    let inside = pid(&server, "box");
    command::kill_9(monitor(&server, &id));
    until("it runs again", || server.inspect("box", "/State/Running") == true && pid(&server, "box") != inside);
    assert!(!is_there(inside));
    server.nothing_is_left();
}

fn monitor(server: &Server, id: &str) -> u32 {
    let path = server.path("run/containers").join(id).join("monitor.pid");
    read(&path).trim().parse().expect("a number")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

#[test]
#[ignore = "needs root"]
fn what_outlives_the_server_holds_nothing_that_the_server_was_started_with() {
    // Not closed by execve, as a lock of a script that starts the server.
    let (theirs, _end) = nix::unistd::pipe().expect("a pipe");
    let pipe = std::fs::read_link(format!("/proc/self/fd/{}", theirs.as_raw_fd())).expect("open");
    let holds =
        |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == pipe));
    let server = Server::with_busybox();
    assert!(holds(server.pid()), "the server was started with it");
    server.ok(&["run", "-d", "--name", "holder", "--network", "none", "busybox", "sleep", "1000"]);
    let monitors = server.monitors();
    assert_eq!(monitors.len(), 1);
    assert!(!holds(monitors[0]) && !holds(pid(&server, "holder")));
    server.clear();
    server.nothing_is_left();
}
