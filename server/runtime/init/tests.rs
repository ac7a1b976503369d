use crate::process::{LaunchError, Rootfs, Stdio, create, wait_exit};
use crate::testing::{Bundle, alone, finish, launch};
use gantry_model::Kind;
use rustix::process::{Signal, pidfd_send_signal};
use std::io::Read as _;
use std::os::fd::AsFd;

fn start(bundle: &Bundle) -> Result<(crate::process::Running, std::fs::File), LaunchError> {
    bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.init = true)
}

fn run(script: &str) -> (String, i32) {
    let (text, exit) = finish(start(&Bundle::new(script)).expect("started"));
    (text, exit.code)
}

#[test]
#[ignore = "needs root"]
fn the_program_runs_below_an_init_and_its_end_is_the_containers() {
    alone(|| {
        let (text, code) =
            run("echo $$; cat /proc/1/comm; tr '\\0' ' ' < /proc/1/cmdline; echo; ls /proc/1/fd; grep -E 'SigBlk|Seccomp:' /proc/self/status; exit 7");
        assert_eq!(
            (text.as_str(), code),
            (
                "2\ninit\ninit -- sh -c echo $$; cat /proc/1/comm; tr '\\0' ' ' < /proc/1/cmdline; echo; ls /proc/1/fd; grep -E 'SigBlk|Seccomp:' /proc/self/status; exit 7 \nSigBlk:\t0000000000000000\nSeccomp:\t0\n",
                7
            )
        );
        assert_eq!(run("kill -9 $$").1, 137);
        assert_eq!(run("kill -TERM $$; sleep 10").1, 143);
    });
}

#[test]
#[ignore = "needs root"]
fn signals_reach_the_program_and_orphans_are_reaped() {
    alone(|| {
        let script = "trap 'echo caught; exit 5' TERM; (sleep 0.1 & ) ; (sleep 0.1 & ); sleep 0.4; cat /proc/[0-9]*/status | grep -c '^State:.Z'; echo ready; while true; do sleep 0.02; done";
        let bundle = Bundle::new(script);
        let (running, mut output) = start(&bundle).expect("started");
        let mut ready = String::new();
        while !ready.ends_with("ready\n") {
            let mut byte = [0];
            output.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {ready}"));
            ready.push(byte[0].into());
        }
        assert_eq!(ready, "0\nready\n");
        pidfd_send_signal(&running.pidfd, Signal::TERM).expect("sent");
        let (text, exit) = finish((running, output));
        assert_eq!((text.as_str(), exit.code), ("caught\n", 5));
    });
}

#[test]
#[ignore = "needs root"]
fn a_signal_that_comes_at_once_is_not_lost() {
    alone(|| {
        let bundle = Bundle::new("exec sleep 100");
        for _ in 0..50 {
            let (running, output) = start(&bundle).expect("started");
            pidfd_send_signal(&running.pidfd, Signal::TERM).expect("sent");
            let (text, exit) = finish((running, output));
            assert_eq!((text.as_str(), exit.code), ("", 143));
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_program_that_can_not_run_is_told_below_an_init_too() {
    alone(|| {
        let mut bundle = Bundle::new("");
        bundle.set("/process/args", serde_json::json!(["/etc/group"]));
        let error = start(&bundle).map(drop).expect_err("it can't run");
        assert_eq!(error.kind(), Kind::CommandNotExecutable, "{error}");
        std::fs::write(bundle.rootfs().join("broken"), "no program").expect("written");
        std::fs::set_permissions(bundle.rootfs().join("broken"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
        bundle.set("/process/args", serde_json::json!(["/broken"]));
        let error = start(&bundle).map(drop).expect_err("it can't run");
        assert_eq!(error.to_string(), r#"exec: "/broken": exec format error"#);
        assert!(rustix::process::wait(rustix::process::WaitOptions::NOHANG).is_err(), "no child is left");
    });
}

/// runc CVE-2019-5736.
#[test]
#[ignore = "needs root"]
fn the_init_is_nothing_of_the_host_and_can_not_be_changed() {
    alone(|| {
        let mut bundle =
            Bundle::new("readlink /proc/1/exe; (echo x >> /proc/1/exe) 2>/dev/null || echo refused; (echo x > /proc/1/exe) 2>/dev/null || echo refused");
        for set in ["bounding", "permitted", "effective"] {
            bundle.add(&format!("/process/capabilities/{set}"), serde_json::json!("CAP_SYS_PTRACE"));
        }
        let (text, _) = finish(start(&bundle).expect("started"));
        assert_eq!(text, "/memfd:init (deleted)\nrefused\nrefused\n");
    });
}

#[test]
#[ignore = "needs root"]
fn keys_of_the_terminal_interrupt_the_program() {
    alone(|| {
        let bundle = Bundle::new("trap 'echo interrupted; exit 4' INT; echo ready; while true; do sleep 0.02; done");
        let spec = bundle.spec();
        let mut wish = launch(&spec, bundle.folder.path(), Rootfs::Path("rootfs".into()), Stdio::Terminal { rows: 1, cols: 80 });
        wish.init = true;
        let running = create(wish).expect("created").start().expect("started");
        let terminal = running.terminal.expect("a terminal");
        let mut text = Vec::new();
        let mut file = std::fs::File::from(terminal.try_clone().expect("copied"));
        while !text.ends_with(b"ready\r\n") {
            let mut byte = [0];
            file.read_exact(&mut byte).expect("read");
            text.push(byte[0]);
        }
        rustix::io::write(&terminal, b"\x03").expect("written");
        let _ = file.read_to_end(&mut text);
        assert!(String::from_utf8_lossy(&text).ends_with("interrupted\r\n"), "{text:?}");
        assert_eq!(wait_exit(running.pidfd.as_fd()).expect("reaped").code, 4);
    });
}

#[test]
#[ignore = "needs root"]
fn an_init_works_under_the_default_filter() {
    alone(|| {
        let filter = gantry_plan::seccomp::builtin();
        let capabilities = gantry_plan::spec::DEFAULT_CAPABILITIES.map(str::to_owned);
        let facts = gantry_plan::seccomp::Facts { capabilities: &capabilities, kernel: (6, 1), machine: gantry_plan::seccomp::Facts::MACHINE };
        let filter = filter.resolve(&facts).expect("good").expect("a filter");
        let program: &crate::seccomp::SeccompProgram = Box::leak(Box::new(crate::seccomp::SeccompProgram::compile(&filter).expect("compiles")));
        for privileges in [false, true] {
            let mut bundle = Bundle::new("grep Seccomp: /proc/1/status /proc/self/status; exit 3");
            bundle.set("/process/noNewPrivileges", serde_json::json!(privileges));
            let started = bundle.start_with(Rootfs::Path("rootfs".into()), |launch| (launch.init, launch.seccomp) = (true, Some(program)));
            let (text, exit) = finish(started.expect("started"));
            assert_eq!((text.as_str(), exit.code), ("/proc/1/status:Seccomp:\t2\n/proc/self/status:Seccomp:\t2\n", 3));
        }
    });
}
