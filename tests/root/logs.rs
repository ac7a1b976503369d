//! The log outlives rotations and the server's death, line by line.

use crate::support::{Server, until};
use std::process::Stdio;

const LINES: usize = 60_000;
/// Comes in bursts; the records end where the pipe was full, within lines.
const WRITER: &str = "i=0; while [ $i -lt 20 ]; do seq $((i*3000)) $((i*3000+2999)) | sed 's/$/ is a line as programs write them, of some sixty bytes/'; i=$((i+1)); sleep 0.1; done";

fn line(number: usize) -> String {
    format!("{number} is a line as programs write them, of some sixty bytes")
}

#[track_caller]
fn is_whole(text: &str, from: usize) {
    let mut count = 0;
    for (number, got) in (from..).zip(text.lines()) {
        assert_eq!(got, line(number), "a line is lost, torn or doubled");
        count += 1;
    }
    assert_eq!(from + count, LINES, "the last lines are missing");
}

#[test]
#[ignore = "needs root"]
fn no_line_is_lost_or_torn_over_rotations_and_a_killed_server() {
    let mut server = Server::with_busybox();
    let options = ["--log-driver", "local", "--log-opt", "max-size=300k", "--log-opt", "max-file=30"];
    let id = server.ok(&[&["run", "-d", "--name", "writer", "--network", "none"], &options[..], &["busybox", "sh", "-c", WRITER]].concat());
    let folder = server.path("data/containers").join(&id);
    let files = || -> Vec<String> {
        let names = std::fs::read_dir(&folder).expect("a folder").flatten().filter_map(|file| file.file_name().into_string().ok());
        names.filter(|name| name.starts_with("log") && !name.ends_with(".index")).collect()
    };
    until("it was rotated twice", || files().len() > 2);
    server.kill_9();
    let then = files().len();
    until("it is rotated without a server", || files().len() > then);
    server.begin();
    let follower = server.gantry(&["logs", "-f", "writer"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("started");
    assert_eq!(server.ok(&["wait", "writer"]), "0");
    is_whole(&server.ok(&["logs", "writer"]), 0);
    is_whole(&String::from_utf8(follower.wait_with_output().expect("ended").stdout).expect("text"), 0);
    let packed = files().iter().filter(|name| name.ends_with(".zst")).count();
    assert!(packed > 3 && files().len() > 10, "{:?}", files());

    is_whole(&server.ok(&["logs", "--tail", "20000", "writer"]), LINES - 20_000);
    let stamped = server.ok(&["logs", "-t", "--tail", "30000", "writer"]);
    let (since, _) = stamped.lines().next().and_then(|line| line.split_once(' ')).expect("a time and a line");
    let later = server.ok(&["logs", "--since", since, "writer"]);
    let first: usize = later.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    // The lines of one read have one time.
    assert!((LINES - 32_000..=LINES - 30_000).contains(&first), "{first} is the first since {since}");
    is_whole(&later, first);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_log_keeps_as_much_as_was_asked_for() {
    let server = Server::with_busybox();
    let run = |name: &str, options: &[&str]| {
        server.ok(&[&["run", "--name", name, "--network", "none"], options, &["busybox", "seq", "10000"]].concat());
        server.ok(&["logs", name])
    };
    let kept = run("small", &["--log-opt", "max-size=10k", "--log-opt", "max-file=1"]);
    let numbers: Vec<u32> = kept.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(kept.len() < 10 << 10 && numbers.len() > 100, "{} bytes", kept.len());
    assert_eq!(numbers, (10_001 - numbers.len() as u32..=10_000).collect::<Vec<_>>());
    assert_eq!(server.inspect("small", "/HostConfig/LogConfig/Config/max-size"), "10k");
    assert_eq!(run("usual", &[]).lines().count(), 10_000);
    let said = server.run(&["create", "--log-opt", "max-size=lots", "busybox"]);
    assert!(said.code != 0 && said.err.contains("max-size"), "{said:?}");
    server.nothing_is_left();
}
