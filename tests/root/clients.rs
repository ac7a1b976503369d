//! Docker's library for Python (python3-docker) as a client of our socket. The cases are in `tests/clients`; they pass against dockerd as well.

use crate::support::{self, Server};
use std::path::Path;
use std::process::Command;

/// Runs one file of cases against a server of its own.
#[track_caller]
fn passes(cases: &str) {
    let server = Server::start();
    // Debian's Python, which has Debian's packages.
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-W", "ignore", "-m", "unittest", cases]);
    python.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"));
    python.env("PYTHONDONTWRITEBYTECODE", "1").env("DOCKER_HOST", format!("unix://{}", server.path("run/gantry.sock").display()));
    let said = support::run(&mut python, &[]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn what_docker_py_asks_of_a_container_is_what_it_has() {
    passes("test_run");
}

#[test]
#[ignore = "needs root"]
fn docker_py_leads_a_container_through_its_life() {
    passes("test_life");
}

#[test]
#[ignore = "needs root"]
fn docker_py_executes_programs_in_a_container() {
    passes("test_exec");
}

#[test]
#[ignore = "needs root"]
fn docker_py_keeps_images() {
    passes("test_images");
}

#[test]
#[ignore = "needs root"]
fn docker_py_keeps_volumes() {
    passes("test_volumes");
}

#[test]
#[ignore = "needs root"]
fn docker_py_knows_networks() {
    passes("test_networks");
}

#[test]
#[ignore = "needs root"]
fn docker_py_is_told_about_the_engine_and_that_it_is_no_swarm() {
    passes("test_system");
}

#[test]
#[ignore = "needs root"]
fn the_wire_has_docker_s_heads_frames_and_websockets() {
    passes("test_raw");
}

#[test]
#[ignore = "needs root"]
fn ci_tools_find_their_habits_served() {
    passes("test_habits");
}

#[test]
#[ignore = "needs root"]
fn docker_compose_brings_up_three_services() {
    passes("test_compose");
}
