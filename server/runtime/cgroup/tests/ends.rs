//! Cells end, and leave nothing.

use super::*;
use std::os::unix::fs::DirBuilderExt as _;

/// The folders of a cgroup below another one, made as a container with rights would make them.
pub(crate) fn nested(cgroup: &Cgroup, name: &str) -> Cgroup {
    let below = cgroup.below(name).expect("a path");
    for folder in &below.folders {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder.path).expect("made");
        if folder.controllers.contains(&Controller::Cpuset) && !folder.v2 {
            for above in folder.path.ancestors().take(name.split('/').count()).collect::<Vec<_>>().into_iter().rev() {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let parent = std::fs::read_to_string(above.parent().expect("a parent").join(file)).expect("read");
                    std::fs::write(above.join(file), parent.trim()).expect("written");
                }
            }
        }
    }
    below
}

fn move_to(cgroup: &Cgroup, pid: i32) {
    for folder in &cgroup.folders {
        folder.write("cgroup.procs", &pid.to_string()).expect("moved");
    }
}

#[test]
#[ignore = "needs root"]
fn every_way_in_leads_to_the_cgroup() {
    alone(|| {
        let scratch = Scratch::new();
        let cell = Cell::new(&scratch, json!({}), "sleep 100");
        let name = scratch.0.folders[0].path.file_name().expect("a name").to_str().expect("text").to_owned();
        let everywhere = |text: &str| text.lines().all(|line| line.ends_with(&format!("/{name}")));
        let outside = std::fs::read_to_string(format!("/proc/{}/cgroup", cell.running.pid)).expect("read");
        let ours = |text: &str| text.lines().filter(|line| !line.ends_with(&format!("/{name}"))).map(str::to_owned).collect::<Vec<_>>();
        assert!(everywhere(&outside), "not in all: {:?}", ours(&outside));
        assert!(everywhere(&cell.exec("cat /proc/self/cgroup")));
        assert_eq!(scratch.0.pids().expect("listed"), [cell.running.pid]);
    });
}

#[test]
#[ignore = "needs root"]
fn a_process_of_its_own_cgroup_namespace_sees_the_root() {
    alone(|| {
        let scratch = Scratch::new();
        let own = |bundle: &mut Bundle| {
            bundle.add("/linux/namespaces", json!({ "type": "cgroup" }));
        };
        let (text, _) = Cell::with(&scratch, json!({}), "cat /proc/self/cgroup", own).finish();
        assert!(!text.is_empty() && text.lines().all(|line| line.ends_with(":/")), "{text}");
    });
}

#[test]
#[ignore = "needs root"]
fn whoever_forks_without_end_is_killed() {
    alone(|| {
        let scratch = Scratch::new();
        // Each lives just long enough to leave another; no moment has the same processes as the one before.
        let script = "c() { (/bin/busybox sleep 0.002; c) & (/bin/busybox sleep 0.003; c) & }; c; c; c; echo ready; wait; sleep 100";
        let host_pids = |bundle: &mut Bundle| {
            bundle.set("/linux/namespaces", json!([{ "type": "mount" }, { "type": "uts" }, { "type": "ipc" }])).set("/linux/sysctl", json!({}));
        };
        let mut cell = Cell::with(&scratch, json!({ "pids": { "limit": 200 } }), &format!("({script}) 2>/dev/null"), host_pids);
        assert_eq!(cell.hear(), "ready");
        until("there are many", || scratch.0.pids().is_ok_and(|pids| pids.len() > 20));
        let begin = Instant::now();
        scratch.0.kill_all().expect("all are dead");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!(scratch.0.all_pids().expect("listed"), Vec::<i32>::new());
        assert_eq!(wait_exit(cell.running.pidfd.as_fd()).expect("reaped").signal, Some(9));
        scratch.0.remove().expect("nothing holds it");
    });
}

#[test]
#[ignore = "needs root"]
fn the_old_way_of_killing_ends_them_too() {
    alone(|| {
        let scratch = Scratch::new();
        let script = "(c() { (/bin/busybox sleep 0.002; c) & (/bin/busybox sleep 0.003; c) & }; c; c; echo ready; wait; sleep 100) 2>/dev/null";
        let mut cell = Cell::new(&scratch, json!({ "pids": { "limit": 100 } }), script);
        assert_eq!(cell.hear(), "ready");
        let end = Instant::now() + Duration::from_secs(10);
        while !scratch.0.all_pids().expect("listed").is_empty() {
            assert!(Instant::now() < end, "they outlive freeze, kill and thaw");
            scratch.0.kill_once(end).expect("killed");
        }
        assert!(!scratch.0.is_frozen());
    });
}

#[test]
#[ignore = "needs root"]
fn cgroups_made_inside_are_counted_killed_and_removed() {
    alone(|| {
        let scratch = Scratch::new();
        let mut cell = Cell::new(&scratch, json!({}), "sleep 100 & echo ready; wait");
        assert_eq!(cell.hear(), "ready");
        let deep = nested(scratch.0, "a/b");
        nested(scratch.0, "a/c");
        let child = scratch.0.pids().expect("listed").into_iter().find(|pid| *pid != cell.running.pid).expect("the sleeper");
        move_to(&deep, child);
        assert_eq!(scratch.0.pids().expect("listed").len(), 2);
        scratch.0.freeze().expect("frozen with what is below");
        scratch.0.thaw().expect("thawed");
        scratch.0.kill_all().expect("all are dead");
        scratch.0.remove().expect("removed with what is below");
        assert!(!scratch.0.exists() && !deep.exists());
    });
}

#[test]
#[ignore = "needs root"]
fn a_cgroup_that_gives_its_own_limits_lets_more_processes_in() {
    alone(|| {
        if version() != Version::V2 {
            // On v1 a cgroup may have both, processes and cgroups with limits below.
            return;
        }
        let scratch = Scratch::new();
        let cell = Cell::new(&scratch, json!({}), "sleep 100");
        let leaf = nested(scratch.0, "init");
        move_to(&leaf, cell.running.pid);
        scratch.0.unified().expect("v2").write("cgroup.subtree_control", "+pids +memory").expect("handed down");
        assert!(cell.exec("cat /proc/self/cgroup").trim_end().ends_with("/init"));
    });
}

#[test]
#[ignore = "needs root"]
fn removal_waits_for_processes_that_are_ending_and_says_who_stays() {
    alone(|| {
        let scratch = Scratch::new();
        let cell = Cell::new(&scratch, json!({}), "sleep 0.3");
        scratch.0.remove().expect("waited for its end");
        assert!(!scratch.0.exists());
        scratch.0.remove().expect("gone is fine");
        drop(cell);
    });
}

#[test]
#[ignore = "needs root"]
fn what_an_earlier_run_left_is_taken_over() {
    alone(|| {
        let layout = Layout::detect().expect("cgroups");
        let path = format!("{}/deep/er", cgroup_name()).parse().expect("a path");
        let first = Cgroup::create(&layout, &path).expect("made");
        assert_eq!(Cgroup::create(&layout, &path).expect("taken as it is"), first);
        assert_eq!(Cgroup::open(&layout, &path).expect("there"), first);
        first.remove().expect("removed");
        assert_eq!(Cgroup::open(&layout, &path).expect_err("gone").kind(), gantry_model::Kind::NotFound);
        assert!(first.stats().is_err() && first.pids().is_ok_and(|pids| pids.is_empty()));
        for above in 1..=2 {
            for folder in &first.folders {
                let _ = std::fs::remove_dir(folder.path.ancestors().nth(above).expect("a parent"));
            }
        }
    });
}

#[test]
#[ignore = "needs root"]
fn inside_a_container_our_own_processes_make_room() {
    alone(|| {
        if version() != Version::V2 {
            // Only v2 forbids processes beside limits below.
            return;
        }
        use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
        use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
        let root = openat(CWD, "/sys/fs/cgroup", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("opened");
        let way_back = openat(&root, "cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).expect("opened");
        let outer = cgroup_name();
        let layout = Layout::detect().expect("cgroups");
        let container = Cgroup::create(&layout, &outer.parse().expect("a path")).expect("made");
        container.folders[0].write("cgroup.procs", "0").expect("moved");
        crate::sys::unshare(crate::sys::CLONE_NEWNS | crate::sys::CLONE_NEWCGROUP).expect("unshared");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).expect("private");
        // The same file system is not mounted over itself.
        unmount("/sys/fs/cgroup", UnmountFlags::DETACH).expect("unmounted");
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MountFlags::empty(), None).expect("mounted");
        let inner = Layout { hierarchies: vec![Layout::detect().expect("cgroups").hierarchies.pop().expect("one")] };
        let cell = Cgroup::create(&inner, &"/cell".parse().expect("a path")).expect("made all the same");
        cell.set(&resources(json!({ "memory": { "limit": 64 << 20 }, "pids": { "limit": 5 } }))).expect("with limits");
        assert_eq!(std::fs::read_to_string("/proc/self/cgroup").expect("read").trim(), "0::/init");
        cell.remove().expect("removed");
        rustix::io::write(&way_back, b"0").expect("back");
        std::fs::remove_dir("/sys/fs/cgroup/init").expect("empty");
        unlinkat(&root, outer.trim_start_matches('/'), AtFlags::REMOVEDIR).expect("removed");
    });
}
