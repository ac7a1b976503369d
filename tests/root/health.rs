//! How a container is and why it ended, also when no server was there to hear it.

use crate::support::{Server, until};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// A container whose folder `/host` is shared with the test.
fn run(server: &Server, name: &str, options: &[&str], script: &str) -> String {
    let shared = format!("{}:/host", server.path("shared").display());
    let _ = fs::create_dir(server.path("shared"));
    let run = ["run", "-d", "--name", name, "--network", "none", "-v", &shared];
    server.ok(&[&run, options, &["busybox", "sh", "-c", script]].concat())
}

fn health(server: &Server, name: &str) -> Value {
    server.inspect(name, "/State/Health")
}

fn is(server: &Server, name: &str, status: &str) {
    until(&format!("{name} is {status}: {}", health(server, name)), || health(server, name)["Status"] == status);
}

const QUICK: [&str; 4] = ["--health-interval", "100ms", "--health-retries", "2"];

#[test]
#[ignore = "needs root"]
fn a_container_is_asked_how_it_is_also_while_no_server_runs() {
    let mut server = Server::with_busybox();
    let check = ["--health-cmd", "echo asked; test ! -e /host/ill"];
    let id = run(&server, "box", &[&check[..], &QUICK].concat(), "exec sleep 1000");
    assert_eq!(health(&server, "box")["Status"], "starting");
    is(&server, "box", "healthy");
    assert_eq!(server.ok(&["ps", "-q", "--filter", "health=healthy"]).lines().count(), 1);
    server.kill_9();
    fs::write(server.path("shared/ill"), "").expect("written");
    let told = server.path("run/containers").join(&id).join("state.json");
    until("its monitor has asked twice", || fs::read_to_string(&told).is_ok_and(|text| text.contains("\"unhealthy\"")));
    server.begin();
    let known = health(&server, "box");
    assert_eq!(known["Status"], "unhealthy");
    assert!(known["FailingStreak"].as_u64() >= Some(2), "{known}");
    assert!(server.ok(&["ps"]).contains("(unhealthy)"));
    fs::remove_file(server.path("shared/ill")).expect("removed");
    is(&server, "box", "healthy");
    let log = health(&server, "box")["Log"].as_array().expect("a list").clone();
    assert!(log.len() <= 5 && log.last().is_some_and(|probe| probe["Output"] == "asked\n" && probe["ExitCode"] == 0), "{log:?}");
    // A new run begins anew, whatever the last one was.
    fs::write(server.path("shared/ill"), "").expect("written");
    is(&server, "box", "unhealthy");
    server.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(health(&server, "box")["Status"], "starting");
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn answers_are_cut_late_ones_are_killed_and_the_start_is_forgiven() {
    let server = Server::with_busybox();
    let with = |check: &'static str, more: &[&'static str]| [&["--health-cmd", check], &QUICK[..], more].concat();
    run(&server, "long", &with("yes | head -c 100000", &[]), "exec sleep 1000");
    run(&server, "late", &with("echo begun; exec sleep 1234", &["--health-timeout", "200ms"]), "exec sleep 1000");
    run(&server, "young", &with("false", &["--health-start-period", "1h", "--health-start-interval", "50ms"]), "exec sleep 1000");
    run(&server, "unasked", &["--no-healthcheck"], "exec sleep 1000");
    is(&server, "long", "healthy");
    let output = health(&server, "long")["Log"][0]["Output"].as_str().expect("a text").to_owned();
    assert!(output.len() == 4096 + 3 && output.ends_with("y\n..."), "{} bytes", output.len());
    is(&server, "late", "unhealthy");
    let last = health(&server, "late")["Log"][0].clone();
    assert_eq!((&last["Output"], &last["ExitCode"]), (&Value::from("Health check exceeded timeout (200ms): begun\n"), &Value::from(-1)));
    assert!(server.ok(&["exec", "late", "ps"]).matches("sleep 1234").count() <= 1, "who is late is killed");
    until("the young one was asked", || health(&server, "young")["Log"].as_array().is_some_and(|log| log.len() == 5));
    assert_eq!((&health(&server, "young")["Status"], &health(&server, "young")["FailingStreak"]), (&Value::from("starting"), &Value::from(0)));
    assert!(server.ok(&["inspect", "-f", "{{json .State.Health}}", "unasked"]).contains("null"));
    server.ok(&["pause", "long"]);
    // What was answered just before is still noted.
    std::thread::sleep(Duration::from_millis(200));
    let asked = health(&server, "long")["Log"].clone();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(health(&server, "long")["Log"], asked, "one that is paused was asked");
    server.ok(&["unpause", "long"]);
    until("it is asked again", || health(&server, "long")["Log"] != asked);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn why_it_ended_is_kept_whoever_was_there() {
    let mut server = Server::with_busybox();
    let wait = "while [ ! -e /host/go ]; do sleep 0.05; done;";
    run(&server, "hog", &["--memory", "48m", "--memory-swap", "48m"], &format!("{wait} exec tail /dev/zero"));
    run(&server, "signal", &[], &format!("{wait} kill -TERM $$; kill -KILL $$"));
    run(&server, "code", &[], &format!("{wait} exit 7"));
    assert_eq!(server.run(&["run", "--name", "absent", "--network", "none", "busybox", "no-such-program"]).code, 127);
    let names = ["hog", "signal", "code"];
    let ids = names.map(|name| server.ok(&["inspect", "-f", "{{.Id}}", name]));
    server.kill_9();
    fs::write(server.path("shared/go"), "").expect("written");
    until("all have ended", || ids.iter().all(|id| server.path("data/containers").join(id).join("exit.json").exists()));
    server.begin();
    let state = |name: &str, what: &str| server.inspect(name, &format!("/State/{what}"));
    until("their ends are known", || names.iter().all(|name| state(name, "Running") == false));
    assert_eq!((state("hog", "OOMKilled"), state("hog", "ExitCode")), (true.into(), 137.into()));
    assert_eq!((state("signal", "OOMKilled"), state("code", "ExitCode")), (false.into(), 7.into()));
    assert!(state("absent", "Error").as_str().is_some_and(|why| why.contains("no-such-program")), "{}", state("absent", "Error"));
    assert_eq!(state("absent", "ExitCode"), 127);
    server.nothing_is_left();
}
