//! What the spec says about a process, seen from inside it.

use super::*;
use crate::testing::{Bundle, alone, finish};
use serde_json::{Value, json};

fn check(change: impl FnOnce(&mut Bundle), script: &str, expected: &str) {
    let mut bundle = Bundle::new(script);
    change(&mut bundle);
    let (text, exit) = bundle.run().unwrap_or_else(|error| panic!("{script}: {error}"));
    assert_eq!((text.trim(), exit.code), (expected, 0), "{script}");
}

fn maps(size: u32) -> Value {
    json!([{ "containerID": 0, "hostID": 100_000, "size": size }])
}

fn in_user_namespace(bundle: &mut Bundle) {
    bundle.add("/linux/namespaces", json!({ "type": "user" })).set("/linux/uidMappings", maps(65536)).set("/linux/gidMappings", maps(65536));
    bundle.spec.pointer_mut("/mounts").and_then(Value::as_array_mut).expect("mounts").retain(|mount| mount["type"] != "cgroup");
}

#[test]
#[ignore = "needs root"]
fn capabilities_are_exactly_those_of_the_spec() {
    alone(|| {
        let script = "grep ^Cap /proc/self/status | while read n v; do echo $v; done";
        check(|_| {}, script, "0000000000000000\n00000000a80425fb\n00000000a80425fb\n00000000a80425fb\n0000000000000000");
        let none = "0000000000000000\n";
        let user = |bundle: &mut Bundle| {
            bundle.set("/process/user", json!({ "uid": 33, "gid": 33 }));
        };
        check(user, script, &format!("{none}{none}{none}00000000a80425fb\n{}", none.trim()));
        let ambient = |bundle: &mut Bundle| {
            bundle.set("/process/user", json!({ "uid": 33, "gid": 33 }));
            for set in ["inheritable", "ambient"] {
                bundle.set(&format!("/process/capabilities/{set}"), json!(["CAP_CHOWN"]));
            }
        };
        check(ambient, script, "0000000000000001\n0000000000000001\n0000000000000001\n00000000a80425fb\n0000000000000001");
    });
}

#[test]
#[ignore = "needs root"]
fn no_new_privileges_limits_and_umask_are_set() {
    alone(|| {
        let change = |bundle: &mut Bundle| {
            bundle.set("/process/noNewPrivileges", json!(true)).set("/process/user", json!({ "uid": 33, "gid": 33, "umask": 7, "additionalGids": [50, 60] }));
            bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 }, { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }]));
        };
        let script = "grep NoNewPrivs /proc/self/status; ulimit -n; ulimit -Hn; ulimit -c; umask; id -G";
        check(change, script, "NoNewPrivs:\t1\n100\n200\n0\n0007\n33 50 60");
    });
}

#[test]
#[ignore = "needs root"]
fn what_the_host_can_not_raise_is_a_warning() {
    alone(|| {
        let mut bundle = Bundle::new("ulimit -Hn");
        bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 1_048_577, "hard": 2_000_000_000 }])).set("/process/oomScoreAdj", json!(-500));
        let (running, output) = bundle.start().expect("started all the same");
        println!("{:?}", running.warnings);
        assert!(running.warnings.iter().any(|text| text.contains("RLIMIT_NOFILE")), "{:?}", running.warnings);
        finish((running, output));
    });
}

#[test]
#[ignore = "needs root"]
fn masked_and_read_only_paths_are() {
    alone(|| {
        let script = "ls /sys/firmware /proc/scsi; cat /proc/keys /proc/timer_list; echo 1 > /proc/sys/kernel/printk; touch /proc/irq/x; touch /sys/x; \
            mount -t tmpfs x /tmp; touch /proc/scsi/x";
        let mut bundle =
            Bundle::new(&format!("({script}) 2>&1 | grep -v -i -e 'read-only' -e 'permission denied' -e 'not permitted' -e '^/' -e '^$' -e 'no such'; true"));
        bundle.set("/linux/maskedPaths", json!(["/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/scsi", "/no/such"]));
        let (text, _) = bundle.run().expect("started");
        assert_eq!(text, "");
    });
}

#[test]
#[ignore = "needs root"]
fn a_read_only_root_has_writable_mounts() {
    alone(|| {
        let change = |bundle: &mut Bundle| {
            bundle.set("/root/readonly", json!(true));
            bundle.add("/mounts", json!({ "destination": "/one/deep", "type": "tmpfs", "source": "tmpfs", "options": ["mode=700"] }));
        };
        check(change, "touch /x 2>/dev/null || echo no; touch /one/deep/x && echo yes; stat -c %a /one/deep", "no\nyes\n700");
    });
}

#[test]
#[ignore = "needs root"]
fn binds_are_read_only_recursive_and_files() {
    alone(|| {
        let host = tempfile::tempdir().expect("a folder");
        std::fs::write(host.path().join("file"), "content").expect("written");
        let change = |bundle: &mut Bundle| {
            bundle.bind(host.path(), "/ro", &["rbind", "ro", "rprivate"]);
            bundle.bind(host.path(), "/deep/er/rw", &["bind"]);
            bundle.bind(&host.path().join("file"), "/etc/new/file", &["bind", "ro"]);
            bundle.bind("/dev".as_ref(), "/hostdev", &["rbind", "rro"]);
        };
        let script =
            "cat /ro/file /etc/new/file; touch /ro/x 2>/dev/null || echo no; touch /deep/er/rw/x && echo yes; touch /hostdev/shm/x 2>/dev/null || echo no";
        check(change, script, "contentcontentno\nyes\nno");
        assert!(host.path().join("x").exists());
    });
}

#[test]
#[ignore = "needs root"]
fn the_roots_propagation_is_as_asked() {
    alone(|| {
        let script = "while read a b c d where e optional rest; do [ $where = / ] && echo ${optional%%:*}; done < /proc/self/mountinfo; true";
        for (word, expected) in [("shared", "shared"), ("rprivate", "-"), ("private", "-"), ("unbindable", "unbindable")] {
            let change = |bundle: &mut Bundle| {
                bundle.set("/linux/rootfsPropagation", json!(word));
            };
            check(change, script, expected);
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_tmpfs_can_start_with_what_it_covers() {
    alone(|| {
        let change = |bundle: &mut Bundle| {
            std::fs::create_dir(bundle.rootfs().join("root/sub")).expect("made");
            std::fs::write(bundle.rootfs().join("root/sub/file"), "kept").expect("written");
            std::os::unix::fs::symlink("sub/file", bundle.rootfs().join("root/link")).expect("linked");
            bundle.add("/mounts", json!({ "destination": "/root", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"] }));
        };
        check(change, "cat /root/link; echo; mount | grep -c ' /root '", "kept\n1");
    });
}

#[test]
#[ignore = "needs root"]
fn devices_of_the_spec_are_made_with_owner_and_mode() {
    alone(|| {
        let change = |bundle: &mut Bundle| {
            let device = json!({ "path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o640, "uid": 3, "gid": 4 });
            bundle.set("/linux/devices", json!([device]));
        };
        check(change, "stat -c '%a %u %g %t:%T' /dev/net/tun; stat -c '%a %t:%T' /dev/null; echo x > /dev/null", "640 3 4 a:c8\n666 1:3");
    });
}

/// Whether this kernel takes layers of an overlay as descriptors (Linux 6.13) and such descriptors may be shifted (6.15).
fn shifts_layers() -> bool {
    let uname = rustix::system::uname();
    let mut numbers = uname.release().to_str().expect("ASCII").split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

#[test]
#[ignore = "needs root"]
fn a_user_namespace_maps_ids_of_root_and_layers() {
    alone(|| {
        use std::os::unix::fs::MetadataExt as _;
        let mut bundle =
            Bundle::new("cat /proc/self/uid_map; id -u; stat -c %u /bin /etc; touch /made; ls -l /dev/null | cut -c1-10; mount | grep -c ' / '; hostname");
        in_user_namespace(&mut bundle);
        let folder = |name: &str| {
            let path = bundle.folder.path().join(name);
            std::fs::create_dir_all(&path).expect("made");
            path
        };
        let plan = OverlayPlan { lowers: vec![bundle.rootfs()], upper: folder("changes/upper"), work: folder("changes/work"), volatile: false };
        let started = match bundle.start_with(Rootfs::Overlay(plan.clone()), |_| {}) {
            Err(error) if !shifts_layers() => return assert!(error.to_string().contains("Linux 6.15"), "{error}"),
            started => started.expect("started"),
        };
        let outside = std::fs::read_to_string(format!("/proc/{}/status", started.0.pid)).expect("read");
        assert!(outside.lines().any(|line| line.starts_with("Uid:\t100000\t100000")), "{outside}");
        let (text, _) = finish(started);
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        assert_eq!(words, ["0", "100000", "65536", "0", "0", "0", "crw-rw-rw-", "1", "box"], "{text}");
        assert_eq!(std::fs::metadata(plan.upper.join("made")).expect("made").uid(), 0, "stored unshifted");
    });
}

#[test]
#[ignore = "needs root"]
fn a_process_joins_a_container_with_a_user_namespace() {
    alone(|| {
        let mut bundle = Bundle::new("sleep 100");
        in_user_namespace(&mut bundle);
        std::os::unix::fs::chown(bundle.rootfs(), Some(100_000), Some(100_000)).expect("given");
        std::os::unix::fs::chown(bundle.rootfs().join("dev"), Some(100_000), Some(100_000)).expect("given");
        for entry in ["sys", "proc", "etc", "bin", "tmp", "root"] {
            std::os::unix::fs::chown(bundle.rootfs().join(entry), Some(100_000), Some(100_000)).expect("given");
        }
        let (running, _output) = bundle.start().expect("started");
        let process: oci_spec::runtime::Process =
            serde_json::from_value(Bundle::new("id -u; cat /proc/self/uid_map").spec["process"].clone()).expect("a process");
        let (stdio, output) = crate::testing::piped();
        let joined = exec(ExecLaunch { target_pid: running.pid, process: &process, user: None, stdio, cgroup: None, extra_fds: Vec::new(), seccomp: None });
        let (text, _) = finish((joined.expect("joined"), output));
        assert!(text.starts_with("0\n") && text.contains("100000"), "{text}");
        rustix::process::pidfd_send_signal(&running.pidfd, rustix::process::Signal::KILL).expect("sent");
        wait_exit(std::os::fd::AsFd::as_fd(&running.pidfd)).expect("reaped");
    });
}

#[test]
#[ignore = "needs root"]
fn namespaces_of_others_are_joined_by_path() {
    alone(|| {
        let other = Bundle::new("sleep 100");
        let (first, _output) = other.start().expect("started");
        let change = |bundle: &mut Bundle| {
            let path = |kind: &str, file: &str| json!({ "type": kind, "path": format!("/proc/{}/ns/{file}", first.pid) });
            bundle.set("/linux/namespaces", json!([{ "type": "mount" }, { "type": "uts" }, path("network", "net"), path("pid", "pid"), path("ipc", "ipc")]));
            bundle.set("/linux/sysctl", json!({}));
        };
        let net = std::fs::read_link(format!("/proc/{}/ns/net", first.pid)).expect("read");
        check(change, "cat /proc/1/cmdline | grep -c sleep; readlink /proc/self/ns/net", &format!("1\n{}", net.display()));
        rustix::process::pidfd_send_signal(&first.pidfd, rustix::process::Signal::KILL).expect("sent");
        wait_exit(std::os::fd::AsFd::as_fd(&first.pidfd)).expect("reaped");
    });
}

#[test]
#[ignore = "needs root"]
fn a_root_that_can_not_be_pivoted_is_changed_all_the_same() {
    alone(|| {
        let bundle = Bundle::new("ls -d /*; ls /proc/1 > /dev/null && echo proc");
        let (text, _) = finish(bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.no_pivot = true).expect("started"));
        assert_eq!(text, "/bin\n/dev\n/etc\n/proc\n/root\n/sys\n/tmp\nproc\n");
    });
}

#[test]
#[ignore = "needs root"]
fn only_the_asked_descriptors_are_passed_on() {
    alone(|| {
        let _leak = std::fs::File::open("/etc").expect("opened");
        let bundle = Bundle::new("ls /proc/self/fd; cat <&3");
        let started = bundle.start_with(Rootfs::Path("rootfs".into()), |launch| {
            let file = std::fs::File::open("/etc/hostname").expect("opened");
            launch.extra_fds.push(file.into());
        });
        let (text, _) = finish(started.expect("started"));
        // `ls` itself opens the fourth.
        assert_eq!(text, format!("0\n1\n2\n3\n4\n{}", std::fs::read_to_string("/etc/hostname").expect("read")));
    });
}

#[test]
#[ignore = "needs root"]
fn sysctls_go_to_the_containers_namespaces_and_nowhere_else() {
    alone(|| {
        let set = |name: &'static str| {
            move |bundle: &mut Bundle| {
                bundle.set("/linux/sysctl", json!({ name: "4242" }));
            }
        };
        check(set("kernel.msgmax"), "cat /proc/sys/kernel/msgmax", "4242");
        check(set("net.ipv4.tcp_max_tw_buckets"), "cat /proc/sys/net/ipv4/tcp_max_tw_buckets", "4242");
        let refused = |name: &'static str| {
            let mut bundle = Bundle::new("");
            set(name)(&mut bundle);
            bundle.refusal()
        };
        assert_eq!(refused("kernel.pid_max"), r#"sysctl "kernel.pid_max" is not in a separate kernel namespace"#);
        assert!(refused("net.ipv4/../../kernel/x").contains("no name"));
        let mut shared = Bundle::new("");
        set("net.ipv4.ip_forward")(&mut shared);
        shared.set("/linux/namespaces", json!([{ "type": "mount" }, { "type": "pid" }, { "type": "uts" }]));
        assert!(shared.refusal().contains("shares that namespace"));
    });
}
