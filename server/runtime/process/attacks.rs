//! Flaws that other runtimes had, tried on this one. Each test names what it repeats.

use super::*;
use crate::testing::{Bundle, alone, finish, piped};
use serde_json::{Value, json};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

fn replace_by_link(bundle: &Bundle, name: &str, target: &str) {
    let path = bundle.rootfs().join(name);
    let _ = fs::remove_dir(&path);
    let _ = fs::remove_file(&path);
    symlink(target, path).expect("linked");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).expect("read").flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn exec_script(target_pid: i32, script: &str, change: impl FnOnce(&mut Value)) -> Result<String, LaunchError> {
    let mut process = Bundle::new(script).spec["process"].clone();
    change(&mut process);
    let process = serde_json::from_value(process).expect("a process");
    let (stdio, output) = piped();
    let launch = ExecLaunch { target_pid, process: &process, user: None, stdio, cgroup: None, extra_fds: Vec::new(), seccomp: None };
    Ok(finish((exec(launch)?, output)).0)
}

fn end(running: &Running) {
    rustix::process::pidfd_send_signal(&running.pidfd, rustix::process::Signal::KILL).expect("sent");
    wait_exit(running.pidfd.as_fd()).expect("reaped");
}

/// runc CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642; youki CVE-2025-54867.
#[test]
#[ignore = "needs root"]
fn proc_or_sys_behind_a_link_stops_the_start() {
    alone(|| {
        for name in ["proc", "sys"] {
            for target in ["/tmp", "tmp", "/../../tmp"] {
                let bundle = Bundle::new("true");
                replace_by_link(&bundle, name, target);
                let text = bundle.refusal();
                assert!(text.contains("must be mounted on an ordinary directory"), "{name} -> {target}: {text}");
            }
        }
    });
}

/// The same flaws by a volume: on /proc, inside it, and by a link that leads there.
#[test]
#[ignore = "needs root"]
fn a_volume_can_not_cover_proc() {
    alone(|| {
        let volume = tempfile::tempdir().expect("a folder");
        for (destination, text) in [
            ("/proc", "because it is not of type proc"),
            ("/proc/self/attr", "because it is inside /proc"),
            ("/proc/sys", "because it is inside /proc"),
            ("/link/sys", "because it is inside /proc"),
            ("/x/../proc/sys", "because it is inside /proc"),
        ] {
            let mut bundle = Bundle::new("true");
            symlink("/proc", bundle.rootfs().join("link")).expect("linked");
            bundle.bind(volume.path(), destination, &["rbind", "rw"]);
            assert!(bundle.refusal().contains(text), "{destination}: {}", bundle.refusal());
        }
        let mut tmpfs = Bundle::new("true");
        tmpfs.add("/mounts", json!({ "destination": "/proc/sys", "type": "tmpfs", "source": "tmpfs" }));
        assert!(tmpfs.refusal().contains("inside /proc"));
        let mut before = Bundle::new("true");
        let mount = json!({ "destination": "/proc", "type": "tmpfs", "source": "tmpfs" });
        before.spec.pointer_mut("/mounts").and_then(Value::as_array_mut).expect("mounts").insert(0, mount);
        assert!(before.refusal().contains("not of type proc"));
    });
}

/// What lxcfs needs stays possible, and so does the host's own proc.
#[test]
#[ignore = "needs root"]
fn known_files_of_proc_may_be_covered() {
    alone(|| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "covered").expect("written");
        let mut bundle = Bundle::new("cat /proc/uptime");
        bundle.bind(file.path(), "/proc/uptime", &["bind", "ro"]);
        assert_eq!(bundle.run().expect("started").0, "covered");
        let mut bundle = Bundle::new("true");
        bundle.bind("/proc".as_ref(), "/proc", &["rbind"]);
        bundle.run().expect("the host's proc is a proc");
    });
}

/// runc CVE-2026-41579, crun CVE-2026-47766.
#[test]
#[ignore = "needs root"]
fn dev_behind_a_link_makes_nothing_anywhere() {
    alone(|| {
        let host_etc = names(Path::new("/etc"));
        for with_mount in [true, false] {
            let mut bundle = Bundle::new("true");
            replace_by_link(&bundle, "dev", "/etc");
            if !with_mount {
                bundle.spec.pointer_mut("/mounts").and_then(Value::as_array_mut).expect("mounts").retain(|mount| {
                    let destination = mount["destination"].as_str().expect("a path");
                    !destination.starts_with("/dev")
                });
            }
            let before = names(&bundle.rootfs().join("etc"));
            let text = bundle.refusal();
            assert!(text.contains("/dev"), "{text}");
            assert_eq!(names(&bundle.rootfs().join("etc")), before);
        }
        assert_eq!(names(Path::new("/etc")), host_etc);
    });
}

/// runc CVE-2025-31133; youki CVE-2025-62161.
#[test]
#[ignore = "needs root"]
fn masks_come_from_the_hosts_own_null_device() {
    alone(|| {
        for trick in ["link", "file"] {
            let mut bundle = Bundle::new("cat /etc/secret; stat -c '%t:%T %F' /etc/secret");
            fs::write(bundle.rootfs().join("etc/secret"), "secret").expect("written");
            fs::write(bundle.rootfs().join("etc/canary"), "canary").expect("written");
            bundle.set("/linux/maskedPaths", json!(["/etc/secret"]));
            bundle.spec.pointer_mut("/mounts").and_then(Value::as_array_mut).expect("mounts").retain(|mount| mount["destination"] == "/proc");
            match trick {
                "link" => symlink("/etc/canary", bundle.rootfs().join("dev/null")).expect("linked"),
                _ => fs::write(bundle.rootfs().join("dev/null"), "a plain file").expect("written"),
            }
            // A /dev/null that is not one stops the start; it is never bound over anything.
            match bundle.run() {
                Ok((text, _)) => assert_eq!(text, "1:3 character special file\n"),
                Err(error) => assert!(error.to_string().contains("/dev/null"), "{error}"),
            }
        }
    });
}

/// runc CVE-2025-52565.
#[test]
#[ignore = "needs root"]
fn a_console_behind_a_link_is_not_followed() {
    alone(|| {
        let mut bundle = Bundle::new("cat /etc/canary");
        fs::write(bundle.rootfs().join("etc/canary"), "canary").expect("written");
        symlink("/etc/canary", bundle.rootfs().join("dev/console")).expect("linked");
        fs::create_dir(bundle.rootfs().join("dev/pts")).expect("made");
        bundle.spec.pointer_mut("/mounts").and_then(Value::as_array_mut).expect("mounts").retain(|mount| {
            let destination = mount["destination"].as_str().expect("a path");
            destination == "/proc" || destination == "/dev/pts"
        });
        let spec = bundle.spec();
        let launch = crate::testing::launch(&spec, bundle.folder.path(), Rootfs::Path("rootfs".into()), Stdio::Terminal { rows: 1, cols: 80 });
        let running = create(launch).expect("created").start().expect("started");
        let mut text = Vec::new();
        let _ = std::io::Read::read_to_end(&mut fs::File::from(running.terminal.expect("a terminal")), &mut text);
        assert_eq!(text, b"canary", "the file is neither covered nor a terminal");
        wait_exit(running.pidfd.as_fd()).expect("reaped");
        // /dev/pts behind a link: no terminal is taken from it.
        let bundle = Bundle::new("true");
        let mut spec = bundle.spec.clone();
        spec["mounts"].as_array_mut().expect("mounts").retain(|mount| mount["destination"] == "/proc");
        symlink("/tmp", bundle.rootfs().join("dev/pts")).expect("linked");
        let spec = serde_json::from_value(spec).expect("a spec");
        let launch = crate::testing::launch(&spec, bundle.folder.path(), Rootfs::Path("rootfs".into()), Stdio::Terminal { rows: 1, cols: 80 });
        assert!(create(launch).is_err());
    });
}

/// runc CVE-2024-21626, "Leaky Vessels".
#[test]
#[ignore = "needs root"]
fn no_descriptor_of_the_host_is_a_working_directory() {
    alone(|| {
        let _held: Vec<fs::File> = (0..4).map(|_| fs::File::open("/").expect("opened")).collect();
        let container = Bundle::new("sleep 100");
        let (running, _output) = container.start().expect("started");
        for number in 3..20 {
            for folder in [format!("/proc/self/fd/{number}"), format!("/proc/self/fd/{number}/../..")] {
                let mut bundle = Bundle::new("pwd");
                bundle.set("/process/cwd", json!(folder));
                let text = bundle.refusal();
                assert!(text.contains("working directory"), "{folder}: {text}");
                let joined = exec_script(running.pid, "pwd", |process| process["cwd"] = json!(folder));
                assert!(joined.is_err_and(|error| error.to_string().contains("working directory")), "exec in {folder}");
            }
        }
        let listed = exec_script(running.pid, "ls /proc/self/fd; readlink /proc/self/cwd", |_| {}).expect("joined");
        assert_eq!(listed, "0\n1\n2\n3\n/\n", "3 is the folder that ls reads");
        end(&running);
    });
}

/// runc CVE-2022-29162, crun CVE-2022-27650, moby CVE-2022-24769.
#[test]
#[ignore = "needs root"]
fn no_capability_is_inheritable_in_any_way_in() {
    alone(|| {
        let script = "grep -E 'CapInh|CapAmb' /proc/self/status";
        let none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n";
        assert_eq!(Bundle::new(script).run().expect("started").0, none);
        let container = Bundle::new("sleep 100");
        let (running, _output) = container.start().expect("started");
        assert_eq!(exec_script(running.pid, script, |_| {}).expect("joined"), none);
        assert_eq!(exec_script(running.pid, script, |process| process["user"] = json!({ "uid": 33, "gid": 33 })).expect("joined"), none);
        let more = |process: &mut Value| {
            for set in ["bounding", "permitted", "effective"] {
                process["capabilities"][set].as_array_mut().expect("a set").push(json!("CAP_NET_ADMIN"));
            }
        };
        assert_eq!(exec_script(running.pid, script, more).expect("joined"), none);
        end(&running);
    });
}

/// runc CVE-2019-5736 and CVE-2016-9962: our binary and our descriptors, from inside, while execs come in.
#[test]
#[ignore = "needs root"]
fn the_own_binary_can_not_be_written_from_inside() {
    alone(|| {
        let binary = std::env::current_exe().expect("this binary");
        let before = fs::metadata(&binary).expect("read");
        let script = "while true; do for pid in /proc/[0-9]*; do (echo x >> $pid/exe) 2>/dev/null; (echo x >> $pid/fd/3) 2>/dev/null; done; done";
        let mut bundle = Bundle::new(script);
        bundle.set("/root/readonly", json!(true));
        let (running, _output) = bundle.start().expect("started");
        for _ in 0..100 {
            exec_script(running.pid, "true", |_| {}).expect("joined");
        }
        end(&running);
        let after = fs::metadata(&binary).expect("read");
        assert_eq!((before.len(), before.mtime_nsec(), before.ino()), (after.len(), after.mtime_nsec(), after.ino()));
    });
}

/// While it is not yet the user's program, the joining process shows the container nothing of itself.
#[test]
#[ignore = "needs root"]
fn a_waiting_process_can_not_be_looked_into() {
    alone(|| {
        let bundle = Bundle::new("true");
        let spec = bundle.spec();
        let (stdio, _output) = piped();
        let created = create(crate::testing::launch(&spec, bundle.folder.path(), Rootfs::Path("rootfs".into()), stdio)).expect("created");
        let open = names(Path::new(&format!("/proc/{}/fd", created.pid)));
        assert_eq!(open, ["0", "1", "2", "3"], "its three, and the channel");
        let status = fs::read_to_string(format!("/proc/{}/environ", created.pid));
        assert!(status.is_ok(), "root of the host may");
        created.abort();
    });
}

/// runc CVE-2021-30465, CVE-2024-45310: a volume whose folders are exchanged with links while mounts are placed in it.
#[test]
#[ignore = "needs root"]
fn links_exchanged_during_a_start_lead_nowhere() {
    alone(|| {
        let shared = tempfile::tempdir().expect("a folder");
        let canary = tempfile::tempdir().expect("a folder");
        fs::write(canary.path().join("canary"), "untouched").expect("written");
        let inner = tempfile::tempdir().expect("a folder");
        let folder = shared.path().join("place");
        fs::create_dir(&folder).expect("made");
        let link = shared.path().join("other");
        symlink(canary.path(), &link).expect("linked");
        let before = fs::read_to_string("/proc/self/mountinfo").expect("read");
        // A child process does the swapping, so that this one may clone.
        let swapper = swap_in_child(&folder, &link);
        for _ in 0..300 {
            let mut bundle = Bundle::new("ls /vol/place/deep >/dev/null 2>&1; cat /vol/place/canary 2>/dev/null");
            bundle.bind(shared.path(), "/vol", &["rbind", "rw"]);
            bundle.bind(inner.path(), "/vol/place/deep/er", &["rbind", "rw"]);
            bundle.add("/mounts", json!({ "destination": "/vol/place/tmp", "type": "tmpfs", "source": "tmpfs" }));
            match bundle.run() {
                Ok((text, _)) => assert!(!text.contains("untouched"), "the container saw the host's folder"),
                Err(error) => assert!(error.to_string().starts_with("mount "), "{error}"),
            }
        }
        end_child(swapper);
        assert_eq!(names(canary.path()), ["canary"], "nothing was made on the host");
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("read"), before);
    });
}

fn swap_in_child(one: &Path, other: &Path) -> i32 {
    match crate::sys::clone3(0, None).expect("cloned") {
        crate::sys::Cloned::Parent { pid, .. } => pid,
        crate::sys::Cloned::Child => loop {
            let _ = rustix::fs::renameat_with(rustix::fs::CWD, one, rustix::fs::CWD, other, rustix::fs::RenameFlags::EXCHANGE);
        },
    }
}

fn end_child(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("sent");
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).expect("reaped");
}

/// containerd CVE-2022-23648 and its like: destinations and files that point out of the root.
#[test]
#[ignore = "needs root"]
fn destinations_stay_in_the_root() {
    alone(|| {
        let volume = tempfile::tempdir().expect("a folder");
        fs::write(volume.path().join("mark"), "mark").expect("written");
        for (destination, inside) in [("/../../../escape", "/escape"), ("/up/escape", "/escape"), ("/abs/x", "/host/x")] {
            let mut bundle = Bundle::new(&format!("cat {inside}/mark"));
            symlink("../../../..", bundle.rootfs().join("up")).expect("linked");
            symlink("/host", bundle.rootfs().join("abs")).expect("linked");
            bundle.bind(volume.path(), destination, &["rbind"]);
            assert_eq!(bundle.run().expect("started").0, "mark", "{destination}");
            assert!(!PathBuf::from(inside).exists());
        }
    });
}

/// crun CVE-2026-30892 and containerd CVE-2024-40635 are in `user`; here: files of the image that are no files.
#[test]
#[ignore = "needs root"]
fn a_passwd_that_is_a_pipe_or_a_way_out_does_no_harm() {
    alone(|| {
        let run = |bundle: &Bundle| {
            let started = bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.user = Some(UserWish { user: "root", groups: &[] }));
            started.map(|started| finish(started).0).map_err(|error| error.to_string())
        };
        let bundle = Bundle::new("id -u");
        let passwd = bundle.rootfs().join("etc/passwd");
        fs::remove_file(&passwd).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, &passwd, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).expect("made");
        assert!(fs::metadata(&passwd).expect("read").file_type().is_fifo());
        assert!(run(&bundle).expect_err("it has no entries").contains("no matching entries"));
        fs::remove_file(&passwd).expect("removed");
        symlink("/../../../../etc/passwd", &passwd).expect("linked");
        assert!(run(&bundle).is_err(), "the host's file is not read");
    });
}

/// runc CVE-2023-25809, CVE-2022-0492: cgroups are read-only inside.
#[test]
#[ignore = "needs root"]
fn cgroups_are_read_only_inside() {
    alone(|| {
        let script = "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/x 2>/dev/null && echo made $d; (echo x > $d/release_agent) 2>/dev/null && echo wrote $d; done; \
            ls /sys/fs/cgroup | grep -c .";
        let (text, _) = Bundle::new(script).run().expect("started");
        assert!(!text.contains("made") && !text.contains("wrote"), "{text}");
        assert!(text.trim().parse::<u32>().is_ok_and(|count| count > 0), "{text}");
    });
}

/// moby CVE-2021-41091: what is made for a start is nobody else's.
#[test]
#[ignore = "needs root"]
fn mount_points_made_in_the_root_are_ordinary() {
    alone(|| {
        let volume = tempfile::tempdir().expect("a folder");
        let mut bundle = Bundle::new("true");
        bundle.bind(volume.path(), "/a/b", &["rbind"]);
        bundle.run().expect("started");
        let mode = fs::metadata(bundle.rootfs().join("a/b")).expect("made").permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    });
}

/// On a host with shared mounts, which systemd makes, nothing that a start mounts or unmounts reaches the host.
#[test]
#[ignore = "needs root"]
fn a_host_with_shared_mounts_keeps_them_all() {
    alone(|| {
        crate::sys::unshare(crate::sys::CLONE_NEWNS).expect("mounts of our own");
        let root = fs::File::open("/").expect("opened");
        crate::sys::mount_setattr(root.as_fd(), crate::sys::MountAttr::propagation(libc::MS_SHARED), true, None).expect("shared");
        let mounts = || fs::read_to_string("/proc/self/mountinfo").expect("read");
        let before = mounts();
        for word in ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable"] {
            for no_pivot in [false, true] {
                let mut bundle = Bundle::new("true");
                bundle.set("/linux/rootfsPropagation", json!(word));
                for (number, option) in ["rshared", "rslave", "rprivate", "shared"].into_iter().enumerate() {
                    bundle.bind("/dev".as_ref(), &format!("/host/{number}"), &["rbind", option]);
                    bundle.bind("/sys".as_ref(), &format!("/sys-{number}"), &["rbind", "rro", option]);
                }
                finish(bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.no_pivot = no_pivot).expect("started"));
                assert_eq!(mounts(), before, "{word}, no_pivot {no_pivot}");
                bundle.set("/process/args", json!(["nothing"]));
                bundle.run().expect_err("a failing start leaves them too");
                assert_eq!(mounts(), before, "{word}, no_pivot {no_pivot}");
            }
        }
    });
}
