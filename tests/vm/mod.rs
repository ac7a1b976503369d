//! The same once more where the kernel has cgroup v2 alone: in a machine that qemu emulates.

mod machine;

use machine::{Disk, Program};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What tests call besides busybox; its shell would take its own `ip`.
const TOOLS: [&str; 6] = ["/etc/protocols", "/usr/bin/sh", "/usr/bin/ip", "/usr/sbin/nft", "/usr/sbin/sysctl", "/usr/sbin/iptables-nft"];
/// Software emulation on two busy processors is slow.
const LIMIT: Duration = Duration::from_secs(900);

#[test]
#[ignore = "needs root, qemu and a kernel for it"]
fn the_runtime_holds_on_a_host_with_cgroup_v2_alone() {
    let tests = |crate_name: &str| test_program(crate_name);
    let arguments = |more: &[&str]| ["--include-ignored", "--test-threads=2"].iter().chain(more).map(ToString::to_string).collect::<Vec<_>>();
    let programs = [
        Program { name: "ground", path: "/bin/sh".into(), args: vec!["-c".into(), "cat /proc/version /proc/mounts /sys/fs/cgroup/cgroup.controllers".into()] },
        Program { name: "runtime", path: tests("gantry_runtime"), args: arguments(&[]) },
    ];
    let oci = examples().join("gantry-oci");
    let files: Vec<&Path> = TOOLS.iter().map(Path::new).chain([oci.as_path()]).collect();
    let outcomes = machine::run(&Disk { programs: &programs, files: &files }, LIMIT);
    let ground = &outcomes[0].output;
    assert!(ground.contains("cgroup2 /sys/fs/cgroup cgroup2") && !ground.contains(" cgroup rw"), "{ground}");
    for (program, outcome) in programs.iter().zip(&outcomes) {
        assert_eq!(outcome.code, 0, "{} in the machine:\n{}", program.name, outcome.output);
    }
    eprintln!("{}", outcomes[1].output);
}

fn examples() -> PathBuf {
    let this = std::env::current_exe().expect("knows itself");
    this.ancestors().nth(2).expect("target/debug/deps/e2e").join("examples")
}

/// The newest test program of a crate, beside this one: `cargo test --workspace` builds all before it runs any.
fn test_program(crate_name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("knows itself");
    let folder = this.parent().expect("target/debug/deps");
    let prefix = format!("{crate_name}-");
    let named = |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix) && !name.contains('.'));
    let programs = std::fs::read_dir(folder).expect("readable").flatten().map(|entry| entry.path()).filter(|path| named(path));
    let newest = programs.max_by_key(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok());
    newest.unwrap_or_else(|| panic!("no test program of {crate_name} in {}: run `cargo test --workspace --no-run` first", folder.display()))
}
