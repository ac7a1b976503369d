//! The same once more where the kernel has cgroup v2 alone: in a machine that qemu emulates.

mod machine;

use crate::support::server::program;
use machine::{Disk, Program};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What tests call besides busybox; its shell would take its own `ip`.
const TOOLS: [&str; 6] = ["/etc/protocols", "/usr/bin/sh", "/usr/bin/ip", "/usr/sbin/nft", "/usr/sbin/sysctl", "/usr/sbin/iptables-nft"];
/// Software emulation on two busy processors is slow.
const LIMIT: Duration = Duration::from_mins(15);

#[test]
#[ignore = "needs root, qemu and a kernel for it"]
fn containers_and_their_limits_hold_on_a_host_with_cgroup_v2_alone() {
    let arguments = |filters: &[&str]| ["--include-ignored", "--test-threads=2"].iter().chain(filters).map(ToString::to_string).collect::<Vec<_>>();
    let programs = [
        Program { name: "ground", path: "/bin/sh".into(), args: vec!["-c".into(), "cat /proc/version /proc/mounts /sys/fs/cgroup/cgroup.controllers".into()] },
        // What deals with cgroups, from the files up to the command line. The rest does not depend on them and takes long to emulate.
        Program { name: "runtime", path: test_program("gantry_runtime"), args: arguments(&["cgroup::", "oci::", "mounts::"]) },
        Program { name: "end-to-end", path: this(), args: arguments(&["root::lifecycle", "root::limits"]) },
        Program { name: "engine", path: test_program("engine"), args: arguments(&["limits::"]) },
    ];
    let examples = this().ancestors().nth(2).expect("target/debug/deps/e2e").join("examples");
    let (oci, engine) = (examples.join("gantry-oci"), examples.join("engine-roles"));
    let files: Vec<&Path> = TOOLS.iter().map(Path::new).chain([oci.as_path(), &engine, program()]).collect();
    let outcomes = machine::run(&Disk { programs: &programs, files: &files }, LIMIT);
    let ground = &outcomes[0].output;
    assert!(ground.contains("cgroup2 /sys/fs/cgroup cgroup2") && !ground.contains(" cgroup rw"), "{ground}");
    for (program, outcome) in programs.iter().zip(&outcomes) {
        assert_eq!(outcome.code, 0, "{} in the machine:\n{}", program.name, outcome.output);
    }
}

fn this() -> PathBuf {
    std::env::current_exe().expect("knows itself")
}

/// The newest test program of a crate, beside this one: `cargo test --workspace` builds all before it runs any.
fn test_program(crate_name: &str) -> PathBuf {
    let this = this();
    let folder = this.parent().expect("target/debug/deps");
    let prefix = format!("{crate_name}-");
    let named = |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix) && !name.contains('.'));
    let programs = std::fs::read_dir(folder).expect("readable").flatten().map(|entry| entry.path()).filter(|path| named(path));
    let newest = programs.max_by_key(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok());
    newest.unwrap_or_else(|| panic!("no test program of {crate_name} in {}: run `cargo test --workspace --no-run` first", folder.display()))
}
