//! What a person does with one container, by the command line.

use crate::support::{Server, command, leftovers, until};

#[test]
#[ignore = "needs root"]
fn a_container_runs_is_looked_at_and_goes() {
    let server = Server::with_busybox();
    let id = server.ok(&["run", "-d", "--name", "web", "busybox", "sh", "-c", "echo up; exec sleep 1000"]);
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(server.ok(&["ps", "-q", "--no-trunc"]), id);
    assert_eq!(server.inspect("web", "/State/Running"), true);
    // What must be gone at the end is found as long as it is there.
    assert!(leftovers::processes(server.folder.path(), &server.name).len() >= 4, "server, spawner, monitor, container");
    assert!(leftovers::cgroups(&server.name).iter().any(|path| path.to_string_lossy().contains(&id)));
    assert_eq!(server.rows("containers"), 1);
    until("it has logged", || server.ok(&["logs", "web"]) == "up");
    let said = server.run(&["exec", "web", "sh", "-c", "echo $((6*7)); echo two >&2; exit 3"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (3, "42\n", "two\n"));
    let refused = server.run(&["rm", "web"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("running"), "{}", refused.err);
    server.ok(&["stop", "-t", "0", "web"]);
    assert_eq!(server.inspect("web", "/State/Status"), "exited");
    assert_eq!(server.inspect("web", "/State/ExitCode"), 137);
    assert_eq!(server.ok(&["ps", "-q"]), "");
    assert_eq!(server.ok(&["logs", &id[..12]]), "up");
    assert_eq!(server.ok(&["rm", "web"]), "web");
    let gone = server.run(&["inspect", "web"]);
    assert_eq!(gone.code, 1);
    assert!(gone.err.to_lowercase().contains("no such"), "{}", gone.err);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn the_command_ends_with_the_containers_exit_code() {
    let server = Server::with_busybox();
    let check = |args: &[&str], code: i32, err: &str| {
        let said = server.run(&[&["run", "--rm", "--network", "none"], args].concat());
        assert_eq!(said.code, code, "{args:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(err), "{args:?}: {}", said.err);
    };
    check(&["busybox", "true"], 0, "");
    check(&["busybox", "false"], 1, "");
    check(&["busybox", "sh", "-c", "exit 42"], 42, "");
    // The first process of a pid namespace can't kill itself.
    check(&["busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137, "");
    check(&["busybox", "no-such-program"], 127, "no-such-program");
    check(&["busybox", "/etc/passwd"], 126, "/etc/passwd");
    check(&["--no-such-flag", "busybox", "true"], 125, "--no-such-flag");
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn what_goes_in_comes_out_byte_by_byte() {
    let server = Server::with_busybox();
    let sent: Vec<u8> = (0..3_000_000_u32).flat_map(|number| [(number % 251) as u8 % 127 + 1]).collect();
    let said = command::run(&mut server.gantry(&["run", "-i", "--rm", "--network", "none", "busybox", "cat"]), &sent);
    assert!(said.out.as_bytes() == sent, "{} of {} bytes came back; {}", said.out.len(), sent.len(), said.err);
    server.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    let said = command::run(&mut server.gantry(&["exec", "-i", "box", "sha256sum"]), &sent);
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&sent));
    assert_eq!(said.ok(), format!("{digest}  -\n"));
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_container_is_as_its_flags_say() {
    let server = Server::with_busybox();
    let script = "echo $COLOUR; pwd; id -u; hostname; cat /proc/sys/kernel/msgmax; touch /x || echo read-only; df /scratch | tail -1 | cut -d' ' -f1; ulimit -n; ls /host";
    std::fs::create_dir(server.path("shared")).expect("made");
    std::fs::write(server.path("shared/note"), "").expect("written");
    let shared = format!("{}:/host:ro", server.path("shared").display());
    let flags = ["--rm", "--network", "none", "-e", "COLOUR=blue", "-w", "/tmp", "-u", "user", "-h", "box", "--sysctl", "kernel.msgmax=4444", "--read-only"];
    let more = ["--tmpfs", "/scratch", "--ulimit", "nofile=512:512", "-v", &shared, "busybox", "sh", "-c", script];
    let out = server.ok(&[&["run"], flags.as_slice(), more.as_slice()].concat());
    assert_eq!(out.lines().collect::<Vec<_>>(), ["blue", "/tmp", "1000", "box", "4444", "read-only", "tmpfs", "512", "note"]);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn logs_are_followed_to_the_end_and_cut_as_asked() {
    let server = Server::with_busybox();
    let script = "seq 5; while [ ! -e /go ]; do sleep 0.05; done; seq 6 10";
    server.ok(&["run", "-d", "--name", "talker", "--network", "none", "busybox", "sh", "-c", script]);
    let follower = server.gantry(&["logs", "-f", "talker"]).stdout(std::process::Stdio::piped()).spawn().expect("started");
    until("five lines", || server.ok(&["logs", "talker"]).lines().count() == 5);
    server.ok(&["exec", "talker", "touch", "/go"]);
    let all = command::Said::of(follower.wait_with_output().expect("ends")).ok();
    assert_eq!(all.lines().map(|line| line.parse().expect("a number")).collect::<Vec<i32>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(server.ok(&["logs", "--tail", "3", "talker"]), "8\n9\n10");
    let stamped = server.ok(&["logs", "-t", "--tail", "1", "talker"]);
    assert!(stamped.starts_with("20") && stamped.ends_with("Z 10"), "{stamped}");
    server.nothing_is_left();
}
