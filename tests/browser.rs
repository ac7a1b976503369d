//! Headless Chromium on the pages of a real server. The scenarios are in `browser/*.mjs`; what they need done to the server
//! (a line that begins with @, a JSON list of words) is done here.
//! Screenshots stay in `tests/artifacts`.

use super::support::Server;
use super::support::image;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// Installs the packages of the lock file, once for each content of it; tests beside each other take turns.
fn install() {
    let lock = folder().join("package-lock.json");
    let file = File::open(&lock).expect("the lock file is there");
    file.lock().expect("locked");
    let (stamp, wanted) = (folder().join("node_modules/.installed-lock"), fs::read(&lock).expect("readable"));
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return;
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder())
        .output()
        .expect("npm is installed");
    assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
    fs::write(stamp, wanted).expect("written");
}

/// Plays a scenario to its end.
fn play(name: &str, mut server: Server) {
    install();
    let scratch = server.path("browser");
    fs::create_dir(&scratch).expect("made");
    fs::write(scratch.join("rootfs.tar"), image::busybox()).expect("written");
    let mut node = Command::new("node")
        .arg(folder().join(format!("{name}.mjs")))
        .env("ADDRESS", server.address())
        .env("SETUP_CODE", server.setup_code())
        .env("SCRATCH", &scratch)
        .env("ARTIFACTS", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/artifacts"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js is installed");
    let mut answers = node.stdin.take().expect("piped");
    for line in BufReader::new(node.stdout.take().expect("piped")).lines().map_while(Result::ok) {
        let Some(asked) = line.strip_prefix('@') else {
            eprintln!("{name}: {line}");
            continue;
        };
        let words: Vec<String> = serde_json::from_str(asked).expect("a JSON list of words");
        let answer = match obey(&mut server, &words) {
            Ok(said) => serde_json::json!({ "ok": said }),
            Err(why) => serde_json::json!({ "failed": why }),
        };
        writeln!(answers, "{answer}").expect("the scenario listens");
    }
    let status = node.wait().expect("waited for");
    assert!(status.success(), "the scenario {name} failed, see above and the screenshots in tests/artifacts");
    server.nothing_is_left();
}

fn obey(server: &mut Server, words: &[String]) -> Result<String, String> {
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["kill"] => server.kill_9(),
        ["begin"] => server.begin(),
        ["gantry", ref args @ ..] => {
            let said = server.run(args);
            return if said.code == 0 { Ok(said.out) } else { Err(format!("exit code {}: {}{}", said.code, said.out, said.err)) };
        }
        ref other => return Err(format!("nobody knows how to {other:?}")),
    }
    Ok(String::new())
}

#[test]
#[ignore = "needs root"]
fn a_terminal_loses_no_byte_through_reload_lost_network_and_a_killed_server() {
    let server = Server::with_busybox();
    server.ok(&["run", "-dit", "--name", "box", "--network", "none", "busybox"]);
    // Twenty in all: none of them notices that the server is killed.
    (1..20).for_each(|number| drop(server.ok(&["run", "-d", "--name", &format!("c{number}"), "--network", "none", "busybox", "sleep", "1000"])));
    play("terminal", server);
}

#[test]
#[ignore = "needs root"]
fn a_person_goes_from_the_setup_code_to_a_shell() {
    play("first-visit", Server::start());
}

#[test]
#[ignore = "needs root"]
fn every_page_works_without_scripts_is_accessible_and_light() {
    let server = Server::with_busybox();
    server.ok(&["run", "-dit", "--name", "box", "--network", "none", "busybox"]);
    server.ok(&[
        "run",
        "-d",
        "--name",
        "talker",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "for i in 1 2 3; do echo line $i; echo oops >&2; done; exec sleep 1000",
    ]);
    server.ok(&["create", "--name", "idle", "--network", "none", "busybox"]);
    play("pages", server);
}

/// A lock file that names registries binds everybody to the registry of whoever wrote it.
#[test]
fn lock_files_name_no_registry() {
    for lock in ["web/package-lock.json", "tests/browser/package-lock.json"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(lock)).expect("readable");
        assert!(text.contains("\"integrity\""), "{lock} has packages");
        assert!(!text.contains("\"resolved\"") && !text.contains("registry"), "{lock} says where packages come from");
    }
}
