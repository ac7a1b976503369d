//! The same `docker` command lines against dockerd and against us: both must do and print the same.
//!
//! `cases/*.txt` are the lines, `normal.rs` takes out what no two runs have in common, `intended.rs` lists what differs with a reason.
//! With every docker client that is installed. By hand, with both answers side by side (a part of a case's name, or `all`):
//! `PARITY=exec cargo test --test e2e parity -- --include-ignored --nocapture`

mod case;
mod intended;
mod normal;
mod side;

use case::Case;
use intended::{INTENDED, NOTHING};
use normal::Normal;
use side::Side;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What differs, and which of the intended differences were met.
#[derive(Default)]
struct Found {
    differences: Vec<String>,
    intended: BTreeSet<usize>,
    lines: usize,
}

#[test]
#[ignore = "needs root"]
fn docker_does_and_prints_as_against_dockerd() {
    let wanted = std::env::var("PARITY").ok();
    let cases: Vec<Case> = case::all();
    let cases: Vec<&Case> = cases.iter().filter(|case| wanted.as_ref().is_none_or(|part| part == "all" || case.name.contains(part.as_str()))).collect();
    assert!(INTENDED.iter().all(|intended| !intended.why.is_empty()), "each intended difference has its reason");
    let (clients, show) = (clients(), wanted.is_some());
    let found: Vec<Found> = std::thread::scope(|scope| {
        let runs: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(number, client)| {
                let own: Vec<&Case> = cases.iter().copied().filter(|case| number == 0 || !case.once).collect();
                scope.spawn(move || compare(client, &own, show))
            })
            .collect();
        runs.into_iter().map(|run| run.join().expect("compared")).collect()
    });
    let mut differences: Vec<String> = found.iter().flat_map(|found| found.differences.clone()).collect();
    let met = |number: usize| found.iter().any(|found| found.intended.contains(&number));
    let unmet =
        INTENDED.iter().enumerate().filter(|(number, intended)| !met(*number) && wanted.is_none() && clients.iter().any(|client| intended.occurs_with(client)));
    differences.extend(unmet.map(|(_, intended)| format!("no longer differs, take it off the list: {intended:?}")));
    let lines: usize = found.iter().map(|found| found.lines).sum();
    eprintln!("{} cases, {lines} command lines, {} clients", cases.len(), clients.len());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// A docker command line.
pub struct Client {
    pub program: PathBuf,
    /// `28` of 28.2.2.
    pub release: u32,
}

/// Docker clients of different releases, the newest first: the one in `PATH`, and Debian's.
fn clients() -> Vec<Client> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("docker"));
    let mut clients: Vec<Client> = Vec::new();
    for program in in_path.chain([PathBuf::from("/usr/bin/docker")]).filter(|program| program.exists()) {
        let release = release(&program);
        if clients.iter().all(|known| known.release != release) {
            clients.push(Client { program, release });
        }
    }
    assert!(!clients.is_empty(), "docker is installed: apt-get install docker.io");
    clients.sort_by_key(|client| std::cmp::Reverse(client.release));
    clients
}

/// Out of `Docker version 20.10.24+dfsg1, build 297e128`.
fn release(client: &Path) -> u32 {
    let said = crate::support::run(std::process::Command::new(client).arg("--version"), &[]).ok();
    let number = said.split_whitespace().nth(2).and_then(|version| version.split('.').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("{}: {said}", client.display()))
}

/// Runs the cases with one client, on a dockerd and a server of its own, both at the same time.
fn compare(client: &Client, cases: &[&Case], show: bool) -> Found {
    let (docker, gantry) = Side::pair(&client.program);
    let mut found = Found::default();
    for case in cases {
        let (docker, gantry) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| docker.run(case));
            let ours = gantry.run(case);
            (theirs.join().expect("ran"), ours)
        });
        let (mut docker_s, mut gantry_s) = (Normal::new(case), Normal::new(case));
        for ((line, theirs), ours) in case.lines.iter().zip(&docker).zip(&gantry) {
            found.lines += 1;
            let (theirs, ours) = (docker_s.lines(theirs), gantry_s.lines(ours));
            if show {
                eprintln!("[{}] {}\n  docker:\n{}\n  gantry:\n{}", case.name, line.command, indented(&theirs), indented(&ours));
            }
            for (docker, gantry) in differences(&theirs, &ours) {
                match INTENDED.iter().position(|intended| intended.is(client, &line.command, &docker, &gantry)) {
                    Some(known) => drop(found.intended.insert(known)),
                    None => found
                        .differences
                        .push(format!("{} [docker {}] {}\n  docker said  {docker}\n  gantry said  {gantry}", case.name, client.release, line.command)),
                }
            }
        }
    }
    found
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Lines that only one side has, in pairs where both have some at that place.
fn differences(theirs: &[String], ours: &[String]) -> Vec<(String, String)> {
    let (mut pairs, mut i, mut j) = (Vec::new(), 0, 0);
    let common = common(theirs, ours);
    for (to_i, to_j) in common.into_iter().chain([(theirs.len(), ours.len())]) {
        for number in 0..(to_i - i).max(to_j - j) {
            let said = |lines: &[String]| lines.get(number).cloned().unwrap_or_else(|| NOTHING.to_owned());
            pairs.push((said(&theirs[i..to_i]), said(&ours[j..to_j])));
        }
        (i, j) = (to_i + 1, to_j + 1);
    }
    pairs
}

/// Places of a longest common subsequence.
fn common(a: &[String], b: &[String]) -> Vec<(usize, usize)> {
    let mut length = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            length[i][j] = if a[i] == b[j] { length[i + 1][j + 1] + 1 } else { length[i + 1][j].max(length[i][j + 1]) };
        }
    }
    let (mut places, mut i, mut j) = (Vec::new(), 0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            places.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if length[i + 1][j] >= length[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    places
}

#[test]
fn lines_that_one_side_has_alone_are_the_differences() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(differences(&lines("a b c"), &lines("a b c")), []);
    assert_eq!(differences(&lines("a x c d"), &lines("a y c")), [pair("x", "y"), pair("d", NOTHING)]);
    assert_eq!(differences(&lines("a c"), &lines("a b b c")), [pair(NOTHING, "b"), pair(NOTHING, "b")]);
}
