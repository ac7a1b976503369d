//! The command line as podman and containerd use it: the program itself, on real bundles.

use crate::testing::Bundle;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};
use std::fs;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A bundle and a folder for state; what still runs ends with it.
pub(super) struct Oci {
    pub(super) bundle: Bundle,
    root: PathBuf,
}

impl Oci {
    pub(super) fn new(script: &str) -> Self {
        let mut bundle = Bundle::new(script);
        // Others may run a container of the same name.
        bundle.set("/linux/cgroupsPath", json!(crate::testing::cgroup_name()));
        let root = bundle.folder.path().join("state");
        let oci = Self { bundle, root };
        oci.write();
        oci
    }

    pub(super) fn change(&mut self, pointer: &str, value: Value) {
        self.bundle.set(pointer, value);
        self.write();
    }

    fn write(&self) {
        fs::write(self.bundle.folder.path().join("config.json"), self.bundle.spec.to_string()).expect("written");
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let tests = std::env::current_exe().expect("this binary");
        let program = tests.parent().and_then(|deps| deps.parent()).expect("a target folder").join("examples/gantry-oci");
        assert!(program.exists(), "cargo test builds {}", program.display());
        let mut command = Command::new(program);
        command.args(["oci", "--root"]).arg(&self.root).args(args).current_dir(self.bundle.folder.path()).stdin(Stdio::null());
        command
    }

    /// The standard output of a success.
    pub(super) fn ok(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The standard error and the code of a failure.
    pub(super) fn fails(&self, args: &[&str]) -> (String, i32) {
        let output = self.output(args);
        assert!(!output.status.success(), "{args:?}: {output:?}");
        (String::from_utf8(output.stderr).expect("text"), output.status.code().expect("it exits"))
    }

    pub(super) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("started")
    }

    /// A created container keeps its creator's outputs open, so they go to files.
    pub(super) fn create(&self, id: &str, more: &[&str]) {
        let file = |name: &str| fs::File::create(self.bundle.folder.path().join(name)).expect("made");
        let mut command = self.command(&["create"]);
        let status = command.args(more).arg(id).stdout(file("out")).stderr(file("err")).status().expect("started");
        assert!(status.success(), "{}", self.file("err"));
    }

    pub(super) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.bundle.folder.path().join(name)).expect("read")
    }

    pub(super) fn state(&self, id: &str) -> Value {
        serde_json::from_str(&self.ok(&["state", id])).expect("json")
    }
}

pub(super) fn wait_for(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

impl Drop for Oci {
    fn drop(&mut self) {
        let ids = String::from_utf8(self.output(&["list", "-q"]).stdout).unwrap_or_default();
        for id in ids.lines() {
            self.output(&["delete", "--force", id]);
        }
    }
}

#[test]
#[ignore = "needs root"]
fn a_container_goes_through_its_life() {
    let oci = Oci::new("echo started; sleep 100");
    oci.create("web", &["--pid-file", "pid"]);
    let state = oci.state("web");
    assert_eq!((&state["status"], &state["id"], state["pid"].to_string()), (&json!("created"), &json!("web"), oci.file("pid")));
    assert_eq!(oci.file("out"), "", "nothing runs yet");
    assert!(oci.fails(&["create", "web"]).0.contains("container with given ID already exists: web"));
    oci.ok(&["start", "web"]);
    wait_for("the program's output", || oci.file("out") == "started\n");
    assert_eq!(oci.state("web")["status"], "running");
    assert!(oci.fails(&["start", "web"]).0.contains("cannot start an already running container"));
    assert!(oci.fails(&["delete", "web"]).0.contains("cannot delete container web that is not stopped: running"));
    assert!(oci.ok(&["list"]).lines().nth(1).is_some_and(|line| line.starts_with("web ") && line.contains(" running ")));
    assert_eq!(oci.ok(&["list", "-q"]), "web\n");
    oci.ok(&["kill", "web", "KILL"]);
    wait_for("its end", || oci.state("web")["status"] == "stopped");
    assert_eq!(oci.state("web")["pid"], 0);
    assert!(oci.fails(&["kill", "web", "9"]).0.contains("container not running"));
    assert!(oci.fails(&["start", "web"]).0.contains("cannot start a container that has stopped"));
    oci.ok(&["delete", "web"]);
    assert!(oci.fails(&["state", "web"]).0.contains("does not exist"));
    assert!(oci.fails(&["delete", "web"]).0.contains("does not exist"));
    oci.ok(&["delete", "--force", "web"]);
    assert_eq!(oci.ok(&["list", "-f", "json"]), "null\n");
}

#[test]
#[ignore = "needs root"]
fn options_stand_before_and_after_the_id() {
    let oci = Oci::new("exit 5");
    let code = |args: &[&str]| oci.output(args).status.code();
    assert_eq!(code(&["run", "one", "--bundle", "."]), Some(5));
    assert_eq!(code(&["--log", "log", "run", "--keep", "two", "-b", "."]), Some(5));
    assert_eq!(oci.state("two")["status"], "stopped");
    assert_eq!(code(&["kill", "-a", "two", "SIGKILL"]), Some(0));
    assert!(oci.fails(&["run", "../x"]).0.contains("invalid container ID format"));
}

#[test]
#[ignore = "needs root"]
fn the_programs_input_output_and_signals_are_the_callers() {
    let oci = Oci::new("trap 'echo caught; exit 9' TERM; cat; echo ready >&2; while true; do sleep 0.01; done");
    let mut child = oci.command(&["run", "box"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all(b"given\n").expect("written");
    let mut ready = [0; 6];
    child.stderr.as_mut().expect("piped").read_exact(&mut ready).expect("read");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("sent");
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(9), b"given\ncaught\n".as_slice()));
    assert_eq!(oci.ok(&["list", "-q"]), "", "a foreground run leaves nothing");
}

#[test]
#[ignore = "needs root"]
fn a_program_runs_in_a_running_container() {
    let oci = Oci::new("sleep 100");
    oci.create("box", &[]);
    oci.ok(&["start", "box"]);
    assert_eq!(oci.ok(&["exec", "-e", "A=1", "--cwd", "/etc", "-u", "33:50", "box", "sh", "-c", "echo $A; pwd; id -u; id -g"]), "1\n/etc\n33\n50\n");
    assert_eq!(oci.output(&["exec", "box", "sh", "-c", "exit 7"]).status.code(), Some(7));
    let (text, code) = oci.fails(&["exec", "box", "nothing"]);
    assert!(text.contains("executable file not found in $PATH") && code == 255, "{text}");
    assert_eq!(
        oci.ok(&["exec", "-c", "CAP_NET_ADMIN", "box", "sh", "-c", "grep -E 'Cap(Inh|Eff)' /proc/self/status"]),
        "CapInh:\t0000000000000000\nCapEff:\t00000000a80435fb\n"
    );
    let process = json!({ "args": ["sh", "-c", "echo $HOME"], "cwd": "/", "env": ["PATH=/bin"], "user": { "uid": 33, "gid": 33 } });
    fs::write(oci.bundle.folder.path().join("process.json"), process.to_string()).expect("written");
    assert_eq!(oci.ok(&["exec", "--process", "process.json", "box"]), "/var/www\n");
    let detached = oci.command(&["exec", "-d", "--pid-file", "exec-pid", "box", "sleep", "50"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(detached.expect("started").success() && oci.file("exec-pid").parse::<u32>().is_ok());
    let listed: Vec<i32> = serde_json::from_str(&oci.ok(&["ps", "-f", "json", "box"])).expect("json");
    assert!(listed.contains(&oci.state("box")["pid"].as_i64().map(|pid| pid as i32).expect("a pid")), "{listed:?}");
    oci.ok(&["kill", "box", "9"]);
    wait_for("its end", || oci.state("box")["status"] == "stopped");
    assert!(oci.fails(&["exec", "box", "true"]).0.contains("cannot exec in a stopped container"));
}

#[test]
#[ignore = "needs root"]
fn the_terminals_master_goes_to_the_console_socket() {
    let mut oci = Oci::new("stty size; read line; echo got $line");
    assert!(oci.fails(&["create", "--console-socket", "nowhere", "x"]).0.contains("cannot use console socket"));
    oci.change("/process/terminal", json!(true));
    oci.change("/process/consoleSize", json!({ "height": 40, "width": 90 }));
    assert!(oci.fails(&["create", "x"]).0.contains("without setting console socket"));
    let listener = UnixListener::bind(oci.bundle.folder.path().join("console.sock")).expect("bound");
    let mut child = oci.command(&["run", "-d", "--console-socket", "console.sock", "box"]).spawn().expect("started");
    let (connection, _) = listener.accept().expect("connected");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&connection, &mut [IoSliceMut::new(&mut [0; 64])], &mut control, RecvFlags::empty()).expect("received");
    let master: OwnedFd = control
        .drain()
        .find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        })
        .expect("a descriptor");
    assert!(child.wait().expect("ended").success());
    let mut master = fs::File::from(master);
    master.write_all(b"abc\n").expect("written");
    let mut text = Vec::new();
    let _ = master.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    assert!(text.contains("40 90\n") && text.ends_with("got abc\n"), "{text}");
}

#[test]
#[ignore = "needs root"]
fn hooks_run_in_the_order_of_the_specification() {
    let mut oci = Oci::new("true");
    let log = oci.bundle.folder.path().join("hooks");
    fs::write(&log, "").expect("made");
    let points = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    let hook = |point: &str| json!([{ "path": "/bin/sh", "args": ["sh", "-c", format!("echo {point} $(grep -o 'status.*,.bundle') >> {}", log.display())], "env": ["PATH=/bin"] }]);
    let hooks: serde_json::Map<String, Value> = points.iter().map(|point| ((*point).to_owned(), hook(point))).collect();
    oci.bundle.bind(&log, &log.display().to_string(), &["bind", "rw"]);
    oci.change("/hooks", Value::Object(hooks));
    oci.ok(&["run", "box"]);
    let status = ["creating", "creating", "creating", "created", "running", "stopped"];
    let expected = points.iter().zip(status).fold(String::new(), |text, (point, status)| text + &format!("{point} status\":\"{status}\",\"bundle\n"));
    assert_eq!(oci.file("hooks"), expected);
    oci.change("/hooks", json!({ "createRuntime": [{ "path": "/bin/sh", "args": ["sh", "-c", "echo no >&2; exit 3"] }] }));
    assert!(oci.fails(&["run", "box"]).0.contains("error running createRuntime hook #0: exit status: 3, stdout: , stderr: no"));
    oci.change("/hooks", json!({ "createContainer": [{ "path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1 }] }));
    assert!(oci.fails(&["run", "box"]).0.contains("did not end in 1s"));
    assert_eq!(oci.ok(&["list", "-q"]), "", "a failed start leaves nothing");
}

#[test]
#[ignore = "needs root"]
fn descriptors_are_preserved_and_errors_go_to_the_log() {
    let oci = Oci::new("cat <&3");
    let script = r#"exec "$0" "$@" 3</etc/hostname"#;
    let program = oci.command(&[]).get_program().to_owned();
    let root = oci.root.display().to_string();
    let run = |count: &str| {
        Command::new("sh")
            .args(["-c", script])
            .arg(&program)
            .args(["oci", "--root", &root, "run", "--preserve-fds", count, "-b"])
            .arg(oci.bundle.folder.path())
            .arg("box")
            .output()
            .expect("started")
    };
    assert_eq!(run("1").stdout, fs::read("/etc/hostname").expect("read"));
    assert!(!run("99").status.success());
    oci.fails(&["--log", "log", "--log-format", "json", "start", "nobody"]);
    let line: Value = serde_json::from_str(&oci.file("log")).expect("json");
    assert_eq!((&line["level"], &line["msg"]), (&json!("error"), &json!("container does not exist: nobody")));
}

#[test]
fn a_default_configuration_is_a_valid_spec() {
    let oci = Oci::new("");
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().display().to_string();
    oci.ok(&["spec", "--bundle", &bundle]);
    let spec = super::state::read_spec(&folder.path().join("config.json")).expect("valid");
    assert_eq!(spec.process().as_ref().and_then(|process| process.args().clone()), Some(vec!["sh".to_owned()]));
    assert!(oci.fails(&["spec", "--bundle", &bundle]).0.contains("File config.json exists. Remove it first"));
    let features: Value = serde_json::from_str(&oci.ok(&["features"])).expect("json");
    assert_eq!(features["ociVersionMin"], "1.0.0");
    assert!(oci.ok(&["--version"]).contains("spec: 1."));
}

/// Answers that runc's callers look for, as runc 1.1 gives them.
#[test]
#[ignore = "needs root"]
fn misuse_is_answered_with_runcs_words_and_codes() {
    let oci = Oci::new("sleep 100");
    let code = |args: &[&str]| oci.output(args).status.code();
    for command in ["state", "start", "kill", "delete", "pause", "resume", "ps"] {
        let (text, code) = oci.fails(&[command, "nobody"]);
        assert!(text.contains("container does not exist") && code == 1, "{command}: {text}");
    }
    assert_eq!(oci.fails(&["exec", "nobody", "true"]).1, 255);
    assert_eq!([code(&["nothing"]), code(&["state", "--nothing", "x"]), code(&["create"]), code(&[]), code(&["--help"])], [3, 1, 1, 0, 0].map(Some));
    oci.create("box", &[]);
    oci.ok(&["start", "box"]);
    assert_eq!(oci.ok(&["kill", "box", "0"]), "");
    assert!(oci.fails(&["kill", "box", "NOTHING"]).0.contains("unknown signal \\\"NOTHING\\\""));
    assert!(oci.fails(&["exec", "box"]).0.contains("process args cannot be empty"));
    let listed = oci.ok(&["ps", "box", "-o", "pid,comm"]);
    let pid = oci.state("box")["pid"].to_string();
    let own: Vec<&str> = listed.lines().skip(1).flat_map(str::split_ascii_whitespace).collect();
    assert!(own.contains(&pid.as_str()) && own.iter().all(|word| word.parse::<i32>().is_err() || *word == pid), "{listed}");
    oci.ok(&["kill", "box", "9"]);
    wait_for("its end", || oci.state("box")["status"] == "stopped");
    assert!(oci.fails(&["kill", "box", "0"]).0.contains("container not running"));
}

#[test]
#[ignore = "needs root"]
fn the_filter_of_the_spec_is_loaded_and_a_bad_one_is_refused() {
    let mut oci = Oci::new("grep ^Seccomp: /proc/self/status; mkdir /tmp/x 2>/dev/null; echo $?");
    let filter = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["mkdir", "unknown_to_all"], "action": "SCMP_ACT_ERRNO" }] });
    oci.change("/linux/seccomp", filter);
    assert_eq!(oci.ok(&["run", "box"]), "Seccomp:\t2\n1\n");
    oci.change("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/x" }));
    assert!(oci.fails(&["run", "box"]).0.contains("SCMP_ACT_NOTIFY cannot be used as default action"));
    assert_eq!(oci.ok(&["list", "-q"]), "", "nothing is left");
}

/// The descriptor comes at `start`, from a process that is not the container's parent.
#[test]
#[ignore = "needs root"]
fn a_seccomp_listener_hears_of_the_container_at_its_start() {
    let mut oci = Oci::new("mkdir /tmp/x 2>/dev/null; echo $?");
    let path = oci.bundle.folder.path().join("agent.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    let rule = json!({ "names": ["mkdirat"], "action": "SCMP_ACT_NOTIFY" });
    oci.change("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path, "listenerMetadata": "m", "syscalls": [rule] }));
    oci.create("box", &[]);
    let heard = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("connected");
        let mut text = String::new();
        connection.read_to_string(&mut text).expect("read");
        text
    });
    oci.ok(&["start", "box"]);
    let state: Value = serde_json::from_str(&heard.join().expect("heard")).expect("json");
    assert_eq!((&state["fds"], &state["metadata"], &state["state"]["id"]), (&json!(["seccompFd"]), &json!("m"), &json!("box")));
    assert_eq!(state["pid"], state["state"]["pid"]);
}

/// podman drives the command line through conmon, as its users do.
#[test]
#[ignore = "needs root"]
fn podman_runs_stops_and_removes_containers() {
    let oci = Oci::new("");
    if Command::new("podman").arg("--version").output().is_err() {
        println!("skipped: podman is not installed");
        return;
    }
    let folder = oci.bundle.folder.path();
    let podman = |args: &[&str]| {
        let mut command = Command::new("podman");
        command.arg("--root").arg(folder.join("podman")).arg("--runroot").arg(folder.join("run")).arg("--runtime").arg(oci.command(&[]).get_program());
        command.args(["--cgroup-manager", "cgroupfs", "--events-backend", "file", "--storage-driver", "vfs", "--log-level", "error"]).args(args);
        let output = command.stdin(Stdio::null()).output().expect("started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (text, output.status.code())
    };
    let tar = folder.join("image.tar");
    assert!(Command::new("tar").arg("-C").arg(oci.bundle.rootfs()).arg("-cf").arg(&tar).arg(".").status().expect("started").success());
    let (text, code) = podman(&["import", tar.to_str().expect("UTF-8"), "image"]);
    assert_eq!(code, Some(0), "{text}");
    let mut run = vec!["run", "--rm", "--network", "none", "image"];
    let with = |run: &mut Vec<&'static str>, words: &[&'static str]| {
        run.truncate(5);
        run.extend(words);
    };
    with(&mut run, &["echo", "hello"]);
    assert_eq!(podman(&run), ("hello\n".to_owned(), Some(0)));
    with(&mut run, &["sh", "-c", "exit 7"]);
    assert_eq!(podman(&run).1, Some(7));
    with(&mut run, &["nothing"]);
    assert_eq!(podman(&run).1, Some(127));
    with(&mut run, &["grep", "^Seccomp:", "/proc/self/status"]);
    assert_eq!(podman(&run).0, "Seccomp:\t2\n");
    let (text, code) =
        podman(&["run", "-d", "--name", "long", "--network", "none", "image", "sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.05; done"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(podman(&["exec", "-u", "33", "long", "sh", "-c", "id -u; exit 4"]), ("33\n".to_owned(), Some(4)));
    assert_eq!(podman(&["pause", "long"]).1, Some(0));
    assert_eq!(podman(&["unpause", "long"]).1, Some(0));
    assert_eq!(podman(&["stop", "-t", "10", "long"]).1, Some(0));
    assert_eq!(podman(&["inspect", "--format", "{{.State.ExitCode}}", "long"]).0, "0\n");
    assert_eq!(podman(&["rm", "-f", "long"]).1, Some(0));
    let _ = podman(&["rmi", "-af"]);
}
