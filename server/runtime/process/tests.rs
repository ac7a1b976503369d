//! Starts of real containers.

use super::*;
use crate::testing::{Bundle, alone, finish, launch, piped};
use serde_json::json;
use std::os::fd::AsFd;
use std::time::Instant;

fn check(script: &str, expected: &str) {
    let (text, exit) = Bundle::new(script).run().expect("started");
    assert_eq!((text.trim(), exit.code), (expected, 0), "{script}");
}

#[test]
#[ignore = "needs root"]
fn a_container_has_its_own_name_processes_and_root() {
    alone(|| {
        check("hostname; echo $$; pwd; ls -d /*", "box\n1\n/\n/bin\n/dev\n/etc\n/proc\n/root\n/sys\n/tmp");
        check("ls /dev | grep -v core; ls /dev/pts", "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\nptmx");
    });
}

#[test]
#[ignore = "needs root"]
fn the_exit_code_and_the_signal_are_told() {
    alone(|| {
        let exit = |script| Bundle::new(script).run().expect("started").1;
        assert_eq!(exit("exit 7"), Exit { code: 7, signal: None });
        assert_eq!(exit("kill -9 $$; exit 3"), Exit { code: 3, signal: None });
        let (running, _output) = Bundle::new("sleep 100").start().expect("started");
        rustix::process::pidfd_send_signal(&running.pidfd, rustix::process::Signal::KILL).expect("sent");
        assert_eq!(wait_exit(running.pidfd.as_fd()).expect("reaped"), Exit { code: 137, signal: Some(9) });
    });
}

#[test]
#[ignore = "needs root"]
fn a_start_is_fast() {
    alone(|| {
        let bundle = Bundle::new("exit 0");
        let spec = bundle.spec();
        let mut times: Vec<u128> = (0..50)
            .map(|_| {
                let begin = Instant::now();
                let (stdio, output) = piped();
                let created = create(launch(&spec, bundle.folder.path(), Rootfs::Path("rootfs".into()), stdio)).expect("created");
                let running = created.start().expect("started");
                let time = begin.elapsed().as_micros();
                finish((running, output));
                time
            })
            .collect();
        times.sort_unstable();
        println!("create and start: min {} us, median {} us", times[0], times[25]);
    });
}

fn overlay(bundle: &Bundle) -> OverlayPlan {
    let folder = |name: &str| {
        let path = bundle.folder.path().join(name);
        std::fs::create_dir_all(&path).expect("made");
        path
    };
    let top = folder("top");
    std::fs::write(top.join("hello"), "from the top").expect("written");
    OverlayPlan { lowers: vec![top, bundle.rootfs()], upper: folder("upper"), work: folder("work"), volatile: false }
}

#[test]
#[ignore = "needs root"]
fn layers_are_stacked_and_changes_go_to_the_upper_folder_only() {
    alone(|| {
        let bundle = Bundle::new("cat /hello; echo new > /made; rm -f /hello; ls /");
        let plan = overlay(&bundle);
        let mounts = || std::fs::read_to_string("/proc/self/mountinfo").expect("read");
        let before = mounts();
        let (running, output) = bundle.start_with(Rootfs::Overlay(plan.clone()), |_| {}).expect("started");
        assert_eq!(mounts(), before, "the host sees nothing of it");
        let (text, _) = finish((running, output));
        assert!(text.starts_with("from the top"), "{text}");
        assert!(text.contains("made") && !text.contains("hello"), "{text}");
        assert!(plan.upper.join("made").exists() && !bundle.rootfs().join("made").exists());
        assert!(bundle.folder.path().join("top/hello").exists());
    });
}

#[test]
#[ignore = "needs root"]
fn a_hundred_and_twenty_eight_layers_fit() {
    alone(|| {
        let bundle = Bundle::new("cat /last");
        let mut plan = overlay(&bundle);
        for number in 0..126 {
            let layer = bundle.folder.path().join(format!("a-name-so-long-that-a-page-of-options-would-not-hold-all-of-them-{number}"));
            std::fs::create_dir(&layer).expect("made");
            std::fs::write(layer.join("last"), number.to_string()).expect("written");
            plan.lowers.insert(0, layer);
        }
        plan.volatile = true;
        for _ in 0..2 {
            let (text, _) = finish(bundle.start_with(Rootfs::Overlay(plan.clone()), |_| {}).expect("started"));
            assert_eq!(text, "125");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_program_that_can_not_run_is_told_as_docker_tells_it() {
    alone(|| {
        let text = |program: &str| {
            let mut bundle = Bundle::new("");
            bundle.set("/process/args", json!([program]));
            let error = bundle.run().expect_err("it can't run");
            (error.to_string(), error.kind())
        };
        use gantry_model::Kind;
        assert_eq!(text("foo"), (r#"exec: "foo": executable file not found in $PATH"#.to_owned(), Kind::CommandNotFound));
        assert_eq!(text("/foo"), (r#"exec: "/foo": stat /foo: no such file or directory"#.to_owned(), Kind::CommandNotFound));
        assert_eq!(text("/etc/passwd"), (r#"exec: "/etc/passwd": permission denied"#.to_owned(), Kind::CommandNotExecutable));
        assert_eq!(text("/etc"), (r#"exec: "/etc": permission denied"#.to_owned(), Kind::CommandNotExecutable));
    });
}

#[test]
#[ignore = "needs root"]
fn a_failing_start_names_its_step_and_leaves_nothing() {
    alone(|| {
        let open = || std::fs::read_dir("/proc/self/fd").expect("read").count();
        let before = open();
        let mut bundle = Bundle::new("");
        bundle.add("/mounts", json!({ "destination": "/x", "type": "nothing-like-this", "source": "none" }));
        assert_eq!(bundle.refusal(), "mount nothing-like-this at /x: No such device (os error 19)");
        let mut bundle = Bundle::new("");
        bundle.bind("/no/such/folder".as_ref(), "/x", &["rbind"]);
        assert_eq!(bundle.refusal(), "mount /no/such/folder at /x: No such file or directory (os error 2)");
        let mut bundle = Bundle::new("");
        bundle.set("/process/cwd", json!("/proc/nowhere"));
        assert_eq!(bundle.refusal(), "change to the working directory /proc/nowhere: No such file or directory (os error 2)");
        assert_eq!(open(), before, "no descriptor is left");
        assert!(rustix::process::wait(rustix::process::WaitOptions::NOHANG).is_err(), "no child is left");
    });
}

#[test]
#[ignore = "needs root"]
fn a_working_directory_that_is_not_there_is_made() {
    alone(|| {
        let mut bundle = Bundle::new("pwd; stat -c %u:%a .");
        bundle.set("/process/cwd", json!("/made/for/it"));
        assert_eq!(bundle.run().expect("it runs").0, "/made/for/it\n0:755\n");
    });
}

fn exec_in(target_pid: i32, script: &str, change: impl FnOnce(&mut serde_json::Value)) -> Result<(String, Exit), LaunchError> {
    let mut process = Bundle::new(script).spec["process"].clone();
    change(&mut process);
    let process = serde_json::from_value(process).expect("a process");
    let (stdio, output) = piped();
    let launch = ExecLaunch { target_pid, process: &process, user: None, stdio, cgroup: None, extra_fds: Vec::new(), seccomp: None };
    Ok(finish((exec(launch)?, output)))
}

/// A running container, ended with the test.
struct Live {
    running: Running,
    _bundle: Bundle,
}

impl Live {
    fn new(bundle: Bundle) -> Self {
        let running = bundle.start().expect("started").0;
        Self { running, _bundle: bundle }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = rustix::process::pidfd_send_signal(&self.running.pidfd, rustix::process::Signal::KILL);
        let _ = wait_exit(self.running.pidfd.as_fd());
    }
}

#[test]
#[ignore = "needs root"]
fn another_process_joins_all_namespaces_of_the_container() {
    alone(|| {
        let container = Live::new(Bundle::new("sleep 100"));
        let pid = container.running.pid;
        let (text, exit) = exec_in(pid, "hostname; ls /; cat /proc/1/cmdline; exit 5", |_| {}).expect("joined");
        assert!(text.starts_with("box\nbin\n") && text.contains("sleep"), "{text}");
        assert_eq!(exit.code, 5);
        let spaces = |who: &str| {
            ["mnt", "pid", "net", "ipc", "uts"].map(|name| std::fs::read_link(format!("/proc/{who}/ns/{name}")).expect("read").display().to_string()).join("\n")
        };
        let (text, _) = exec_in(pid, "for n in mnt pid net ipc uts; do readlink /proc/self/ns/$n; done", |_| {}).expect("joined");
        assert_eq!(text.trim(), spaces(&pid.to_string()));
        assert_eq!(std::fs::read_link("/proc/self/ns/pid_for_children").expect("read"), std::fs::read_link("/proc/self/ns/pid").expect("read"), "we are back");
        let missing = exec_in(pid, "", |process| process["args"] = json!(["foo"])).expect_err("it can't run");
        assert_eq!(missing.to_string(), r#"exec: "foo": executable file not found in $PATH"#);
        assert!(exec_in(0x3f_ffff, "", |_| {}).is_err());
    });
}

#[test]
#[ignore = "needs root"]
fn a_user_is_found_in_the_containers_files() {
    alone(|| {
        let bundle = Bundle::new("id; echo $HOME");
        let groups: &[String] = vec!["77".to_owned()].leak();
        let run = |user: &'static str| {
            let started = bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.user = Some(UserWish { user, groups }));
            started.map(|started| finish(started).0).map_err(|error| error.to_string())
        };
        assert_eq!(run("web").as_deref(), Ok("uid=33(web) gid=33 groups=33,50(extra),77\n/var/www\n"));
        assert_eq!(run("65536").as_deref(), Ok("uid=65536 gid=0(root) groups=0(root),77\n/\n"));
        assert!(run("4294967296").expect_err("too large").contains("range"));
        assert!(run("nobody").expect_err("unknown").contains("no matching entries"));
    });
}

#[test]
#[ignore = "needs root"]
fn a_terminal_is_one_of_the_containers_own() {
    alone(|| {
        use std::io::Read as _;
        let spec = Bundle::new("tty; stty size; readlink /proc/self/fd/0; ls -l /dev/console; echo there > /dev/console; echo here > /dev/tty");
        let bundle = spec.spec();
        let mut launch = launch(&bundle, spec.folder.path(), Rootfs::Path("rootfs".into()), Stdio::Terminal { rows: 30, cols: 100 });
        launch.user = Some(UserWish { user: "web", groups: &[] });
        let running = create(launch).expect("created").start().expect("started");
        let mut text = Vec::new();
        let _ = std::fs::File::from(running.terminal.expect("a terminal")).read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).replace('\r', "");
        assert!(text.starts_with("/dev/pts/0\n30 100\n/dev/pts/0\n") && text.ends_with("there\nhere\n"), "{text}");
        wait_exit(running.pidfd.as_fd()).expect("reaped");
    });
}
