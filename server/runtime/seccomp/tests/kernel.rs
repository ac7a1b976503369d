//! Programs in the kernel, on threads of their own and in containers.
#![expect(unsafe_code, reason = "raw system calls are what is tested; each is given plain numbers or null pointers")]

use super::super::SeccompProgram;
use super::filters::{arg, builtin, own};
use crate::process::{self, ExecLaunch, Rootfs, exec, wait_exit};
use crate::testing::{Bundle, alone, finish, piped};
use gantry_plan::spec::DEFAULT_CAPABILITIES;
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompOperator as Op};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::Instant;

/// Kept for the test's process, which is a short one.
fn program(filter: &LinuxSeccomp) -> &'static SeccompProgram {
    Box::leak(Box::new(SeccompProgram::compile(filter).expect("compiles")))
}

/// The error of a system call, 0 for none.
fn errno(number: libc::c_long, args: [u64; 6]) -> i32 {
    // SAFETY: the calls tried here touch no memory of ours: pointers are null, and what could change the process fails or is wanted.
    let result = unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]) };
    if result < 0 { std::io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
}

fn first(value: u64) -> [u64; 6] {
    [value, 0, 0, 0, 0, 0]
}

const NEWUSER: u64 = 0x1000_0000;

#[test]
#[ignore = "needs root"]
fn a_default_container_may_do_what_dockers_may() {
    alone(|| {
        let filter = program(&builtin(&DEFAULT_CAPABILITIES));
        filter.load().expect("loaded");
        let refused = [
            ("unshare", libc::SYS_unshare, first(NEWUSER)),
            ("clone into a user namespace", libc::SYS_clone, first(NEWUSER | 17)),
            ("setns", libc::SYS_setns, first(0)),
            ("mount", libc::SYS_mount, first(0)),
            ("fsopen", libc::SYS_fsopen, first(0)),
            ("keyctl", libc::SYS_keyctl, first(0)),
            ("add_key", libc::SYS_add_key, first(0)),
            ("bpf", libc::SYS_bpf, first(0)),
            ("perf_event_open", libc::SYS_perf_event_open, first(0)),
            ("io_uring_setup", libc::SYS_io_uring_setup, first(0)),
            ("userfaultfd", libc::SYS_userfaultfd, first(0)),
            ("kexec_load", libc::SYS_kexec_load, first(0)),
            ("open_by_handle_at", libc::SYS_open_by_handle_at, first(0)),
            ("AF_ALG", libc::SYS_socket, [38, 5, 0, 0, 0, 0]),
            ("AF_VSOCK", libc::SYS_socket, [40, 1, 0, 0, 0, 0]),
            ("personality without address randomisation", libc::SYS_personality, first(0x004_0000)),
        ];
        for (name, number, args) in refused {
            assert_eq!(errno(number, args), libc::EPERM, "{name}");
        }
        assert_eq!(errno(libc::SYS_clone3, first(0)), libc::ENOSYS, "libraries fall back to clone");
        assert_eq!(errno(999, first(0)), libc::ENOSYS, "a call of the future");
        for (name, number, args) in [
            ("AF_INET", libc::SYS_socket, [2, 1, 0, 0, 0, 0]),
            ("AF_UNIX", libc::SYS_socket, [1, 1, 0, 0, 0, 0]),
            ("AF_NETLINK", libc::SYS_socket, [16, 3, 0, 0, 0, 0]),
            ("the present personality", libc::SYS_personality, first(0xffff_ffff)),
            ("getpid", libc::SYS_getpid, first(0)),
        ] {
            assert_eq!(errno(number, args), 0, "{name}");
        }
        assert_eq!(errno(libc::SYS_chroot, first(0)), libc::EFAULT, "the kernel is asked, and wants a path");
        assert_eq!(errno(libc::SYS_clone, first(0x800)), libc::EINVAL, "the kernel is asked, and wants other flags");
    });
}

/// The other interface of the same machine is filtered by its own numbers.
#[test]
#[ignore = "needs root"]
#[cfg(target_arch = "x86_64")]
fn programs_of_32_bits_are_filtered_too() {
    fn narrow(number: u32, first: u32) -> i32 {
        let result: i32;
        // SAFETY: `int 0x80` preserves all registers but eax; rbx is put back, since the compiler keeps it for itself.
        unsafe {
            core::arch::asm!("xchg {first:r}, rbx", "int 0x80", "xchg {first:r}, rbx", first = inout(reg) u64::from(first) => _, inlateout("eax") number as i32 => result,
                in("ecx") 0, in("edx") 0, in("esi") 0, in("edi") 0);
        }
        result
    }
    alone(|| {
        if narrow(20, 0) != std::process::id() as i32 {
            println!("skipped: this kernel runs no 32-bit programs");
            return;
        }
        program(&builtin(&DEFAULT_CAPABILITIES)).load().expect("loaded");
        assert_eq!(narrow(20, 0), std::process::id() as i32, "getpid");
        assert_eq!(narrow(288, 0), -libc::EPERM, "keyctl");
        assert_eq!(narrow(310, NEWUSER as u32), -libc::EPERM, "unshare");
        assert_eq!(narrow(359, 38), -libc::EPERM, "socket of AF_ALG");
        assert_eq!(narrow(435, 0), -libc::ENOSYS, "clone3");
    });
}

#[test]
#[ignore = "needs root"]
fn a_load_takes_microseconds() {
    alone(|| {
        let mut narrow = builtin(&DEFAULT_CAPABILITIES);
        let all = program(&narrow);
        narrow.set_architectures(None);
        let one = program(&narrow);
        for (name, program) in [("x86-64", one), ("x86-64, i386, x32", all)] {
            let time = || {
                let child = std::thread::spawn(move || {
                    let begin = Instant::now();
                    program.load().expect("loaded");
                    begin.elapsed()
                });
                child.join().expect("ended")
            };
            let mut times: Vec<_> = (0..50).map(|_| time()).collect();
            times.sort_unstable();
            println!("{name}: {} instructions, loaded in min {:?}, median {:?}", program.instructions.len(), times[0], times[25]);
            assert!(times[0].as_millis() < 5, "{:?}", times[0]);
        }
        let filter = builtin(&DEFAULT_CAPABILITIES);
        let begin = Instant::now();
        let _ = program(&filter);
        println!("compiled in {:?}", begin.elapsed());
    });
}

fn run(filter: &LinuxSeccomp, script: &str, no_new_privileges: bool) -> String {
    let program = program(filter);
    let mut bundle = Bundle::new(script);
    bundle.set("/process/noNewPrivileges", json!(no_new_privileges));
    finish(bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.seccomp = Some(program)).expect("started")).0
}

#[test]
#[ignore = "needs root"]
fn a_container_runs_under_its_filter_with_and_without_new_privileges() {
    alone(|| {
        let script = "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status; grep CapEff /proc/self/status; unshare -U true 2>&1 || echo refused; mount -t tmpfs x /tmp 2>&1";
        for (no_new_privileges, flag) in [(false, 0), (true, 1)] {
            let text = run(&builtin(&DEFAULT_CAPABILITIES), script, no_new_privileges);
            assert!(text.starts_with(&format!("NoNewPrivs:\t{flag}\nSeccomp:\t2\nCapEff:\t00000000a80425fb\n")), "{text}");
            assert!(text.contains("refused") && text.contains("Operation not permitted"), "{text}");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_filter_may_refuse_what_a_start_does_itself() {
    alone(|| {
        let filter = own(r#"[{ "names": ["chdir", "setgroups", "setresuid", "setresgid", "accept4", "capset", "setns"], "action": "SCMP_ACT_KILL_PROCESS" }]"#);
        assert_eq!(run(&filter, "echo $((6*7))", true), "42\n");
    });
}

#[test]
#[ignore = "needs root"]
fn what_an_own_filter_says_happens() {
    alone(|| {
        let mut filter = own(
            r#"[{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }, { "names": ["symlink", "symlinkat"], "action": "SCMP_ACT_KILL_PROCESS" }]"#,
        );
        let text = run(&filter, "mkdir /tmp/x 2>&1; ln -s a /tmp/b; echo $?; ls /tmp", false);
        assert!(text.contains("No space left on device") && text.ends_with("159\n"), "{text}");
        // The same call is told apart by an argument: its mode.
        filter = own("[]");
        let mode = vec![arg(1, 0o700, 0, Op::ScmpCmpEq)];
        let mut rule = super::rule("chmod", super::Action::ScmpActErrno, mode);
        rule.set_errno_ret(Some(28));
        filter.set_syscalls(Some(vec![rule]));
        assert_eq!(run(&filter, "cd /tmp; chmod 755 . && echo one; chmod 700 . 2>/dev/null || echo other", false), "one\nother\n");
    });
}

#[test]
#[ignore = "needs root"]
fn an_exec_is_under_the_filter_too() {
    alone(|| {
        let program = program(&builtin(&DEFAULT_CAPABILITIES));
        let bundle = Bundle::new("sleep 100");
        let (running, _output) = bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.seccomp = Some(program)).expect("started");
        let process =
            serde_json::from_value(Bundle::new("grep ^Seccomp: /proc/self/status; unshare -U true 2>/dev/null || echo refused").spec["process"].clone())
                .expect("a process");
        let (stdio, output) = piped();
        let launch = ExecLaunch { target_pid: running.pid, process: &process, user: None, stdio, cgroup: None, extra_fds: Vec::new(), seccomp: Some(program) };
        let (text, _) = finish((exec(launch).expect("joined"), output));
        assert_eq!(text, "Seccomp:\t2\nrefused\n");
        rustix::process::pidfd_send_signal(&running.pidfd, rustix::process::Signal::KILL).expect("sent");
        wait_exit(running.pidfd.as_fd()).expect("reaped");
    });
}

/// What came to the listener: its descriptor and the state.
fn receive(socket: &UnixListener) -> (OwnedFd, Value) {
    let (connection, _) = socket.accept().expect("connected");
    let mut buffer = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let length = recvmsg(&connection, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::empty()).expect("received").bytes;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    (fd.expect("a descriptor"), serde_json::from_slice(&buffer[..length]).expect("json"))
}

/// Answers one call with an errno. Source: seccomp_unotify(2).
fn answer(listener: &OwnedFd, error: i32) -> i32 {
    // SAFETY: all-zero structures are what the kernel wants to fill; both outlive the calls.
    unsafe {
        let mut call: libc::seccomp_notif = std::mem::zeroed();
        assert_eq!(libc::ioctl(listener.as_raw_fd(), 0xc050_2100, &raw mut call), 0, "{}", std::io::Error::last_os_error());
        let mut reply: libc::seccomp_notif_resp = std::mem::zeroed();
        (reply.id, reply.error) = (call.id, -error);
        assert_eq!(libc::ioctl(listener.as_raw_fd(), 0xc018_2101, &raw mut reply), 0, "{}", std::io::Error::last_os_error());
        call.data.nr
    }
}

#[test]
#[ignore = "needs root"]
fn a_listener_is_asked_about_calls() {
    alone(|| {
        let mut bundle = Bundle::new("mkdir /tmp/x 2>&1; echo done");
        let path = bundle.folder.path().join("listener");
        bundle.set("/hostname", json!("box"));
        let socket = UnixListener::bind(&path).expect("bound");
        let mut filter = own(r#"[{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }]"#);
        filter.set_listener_path(Some(path)).set_listener_metadata(Some("about it".to_owned()));
        let program = SeccompProgram::compile(&filter)
            .expect("compiles")
            .about(|| json!({ "ociVersion": "1.2.0", "id": "test", "status": "creating", "bundle": "/x", "pid": 0 }));
        let program: &SeccompProgram = Box::leak(Box::new(program));
        let answers = std::thread::spawn(move || {
            let (listener, state) = receive(&socket);
            (answer(&listener, libc::EXDEV), state)
        });
        // The listener's thread shares nothing with the clone: it waits in the kernel.
        let (running, output) = bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.seccomp = Some(program)).expect("started");
        let pid = running.pid;
        let (text, _) = finish((running, output));
        assert!(text.contains("Invalid cross-device link") && text.ends_with("done\n"), "{text}");
        let (number, state) = answers.join().expect("answered");
        assert_eq!(i64::from(number), libc::SYS_mkdir);
        assert_eq!((&state["fds"], &state["metadata"], &state["state"]["id"]), (&json!(["seccompFd"]), &json!("about it"), &json!("test")));
        assert_eq!((&state["pid"], &state["state"]["pid"]), (&json!(pid), &json!(pid)));
    });
}

#[test]
#[ignore = "needs root"]
fn a_start_without_its_listener_fails_and_names_it() {
    alone(|| {
        let bundle = Bundle::new("true");
        let mut filter = own(r#"[{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }]"#);
        filter.set_listener_path(Some("/nowhere/listener".into()));
        let program = program(&filter);
        let error = bundle.start_with(Rootfs::Path("rootfs".into()), |launch| launch.seccomp = Some(program)).map(drop).expect_err("nobody listens");
        assert_eq!(error.to_string(), "send the seccomp descriptor to the listener /nowhere/listener: No such file or directory (os error 2)");
        assert!(matches!(error, process::LaunchError::Step { .. }));
        assert!(rustix::process::wait(rustix::process::WaitOptions::NOHANG).is_err(), "no child is left");
    });
}
