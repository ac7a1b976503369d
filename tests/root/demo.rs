//! The demo as a newcomer runs it, with the program that is built already.

use crate::support::server::program;
use crate::support::{Said, command, leftovers, until, visitor};
use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "needs root"]
fn the_demo_ends_with_a_page_and_its_end_leaves_nothing() {
    let folder = tempfile::Builder::new().prefix("gantry-demo-").tempdir_in("/var/tmp").expect("a scratch folder");
    let name = format!("demo{}", std::process::id());
    let port = free_port();
    let state = folder.path().join("state");
    let demo = |args: &[&str]| -> Said {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("docker-free-demo/run.sh"));
        command.args(args).env("GANTRY_DEMO_DIR", &state).env("GANTRY_DEMO_NAME", &name).env("GANTRY_DEMO_BINARY", program());
        command.env("GANTRY_DEMO_LISTEN", "127.0.0.1:0").env("GANTRY_DEMO_PORT", port.to_string()).env("GANTRY_DEMO_DETACH", "1");
        command::run(&mut command, &[])
    };
    let said = demo(&[]).ok();
    let address = said.split_once(" is at ").and_then(|(_, rest)| rest.split_whitespace().next()).expect("an address is printed").to_owned();
    assert!(said.contains("setup code "), "{said}");
    assert!(get(&address).contains("Gantry"), "the page is there");
    until("the web container answers", || get(&format!("http://127.0.0.1:{port}/")).contains("Hello from a container"));
    let host = format!("unix://{}", state.join("run/gantry.sock").display());
    let gantry = |args: &[&str]| command::run(Command::new(program()).args(args).env("GANTRY_HOST", &host), &[]).ok();
    let mut names: Vec<String> = gantry(&["ps", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["web", "worker"]);
    until("the worker works", || !gantry(&["logs", "worker"]).is_empty());
    let twice = demo(&[]);
    assert!(twice.code != 0 && twice.err.contains("runs already"), "{}", twice.err);

    demo(&["stop"]).ok();
    assert!(!state.exists(), "its folder is left");
    assert_eq!(leftovers::processes(folder.path(), &name), [""; 0]);
    assert_eq!(leftovers::mounts(folder.path()), [""; 0]);
    assert_eq!(leftovers::cgroups(&name).len(), 0, "cgroups are left");
    assert_eq!(leftovers::tables(&name), [""; 0]);
    let links: Vec<String> = leftovers::links(std::process::id()).into_iter().filter(|link| link.starts_with(&name)).collect();
    assert_eq!(links, [""; 0]);
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free").port()
}

/// The page's text; empty if nobody answers.
fn get(url: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = visitor::client(reqwest::Client::builder());
    runtime.block_on(async { client.get(url).send().await.ok()?.text().await.ok() }).unwrap_or_default()
}
