//! The real `docker` command line (docker.io) as a client of our socket.

use crate::support::terminal::Terminal;
use crate::support::{self, Said, Server};
use portable_pty::CommandBuilder;
use std::process::Command;

/// A server, and docker as its client.
struct Docker {
    server: Server,
}

impl Docker {
    fn new() -> Self {
        Self { server: Server::with_busybox() }
    }

    fn host(&self) -> String {
        format!("unix://{}", self.server.path("run/gantry.sock").display())
    }

    #[track_caller]
    fn with(&self, args: &[&str], input: &[u8]) -> Said {
        let mut command = Command::new("docker");
        command.args(args).env("DOCKER_HOST", self.host()).env("DOCKER_CONFIG", self.server.path("docker-config"));
        support::run(&mut command, input)
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Said {
        self.with(args, &[])
    }

    /// The output of a command that must succeed, without the last line's end.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "docker {args:?}\nstdout: {}\nstderr: {}", said.out, said.err);
        said.out.trim_end_matches('\n').to_owned()
    }

    /// In a terminal of 30 rows and 100 columns.
    fn terminal(&self, args: &[&str]) -> Terminal {
        let mut command = CommandBuilder::new("docker");
        command.args(args);
        command.env("DOCKER_HOST", self.host());
        Terminal::open(command)
    }
}

#[test]
#[ignore = "needs root"]
fn docker_run_gives_output_and_exit_codes() {
    let docker = Docker::new();
    let run = |args: &[&str]| docker.run(&[&["run", "--rm", "--network", "none"], args].concat());
    let said = run(&["busybox", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (7, "out\n", "err\n"));
    assert_eq!(run(&["busybox", "nosuch"]).code, 127);
    assert_eq!(run(&["busybox", "/etc/passwd"]).code, 126);
    assert_eq!(run(&["--memory", "1", "busybox", "true"]).code, 125);
    assert_eq!(run(&["busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).code, 137);
    assert_eq!(run(&["-e", "A=b", "-w", "/tmp", "-u", "user", "--entrypoint", "sh", "busybox", "-c", "echo $A; pwd; id -un"]).ok(), "b\n/tmp\nuser\n");
    // Nobody listens there.
    let missing = docker.run(&["run", "--rm", "127.0.0.1:1/nosuch"]);
    assert_eq!(missing.code, 125, "{missing:?}");
    assert!(missing.err.contains("127.0.0.1:1"), "{missing:?}");
    assert_eq!(docker.ok(&["ps", "-aq"]), "");
}

#[test]
#[ignore = "needs root"]
fn docker_passes_sixty_four_megabytes_through_run_and_exec() {
    let docker = Docker::new();
    let sent: Vec<u8> = (0..16 << 20).flat_map(|number: u32| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    docker.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    for args in [&["run", "-i", "--rm", "--network", "none", "busybox", "sha256sum"][..], &["exec", "-i", "box", "sha256sum"]] {
        let expected = sha256(&sent);
        assert_eq!(docker.with(args, &sent).ok(), format!("{expected}  -\n"), "{args:?}");
    }
    let mut back = Command::new("sh");
    back.args(["-c", "docker exec -i box cat | sha256sum"]).env("DOCKER_HOST", docker.host());
    assert_eq!(support::run(&mut back, &sent).ok(), format!("{}  -\n", sha256(&sent)));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

#[test]
#[ignore = "needs root"]
fn docker_s_terminals_resize_detach_and_come_back() {
    let docker = Docker::new();
    let mut terminal = docker.terminal(&["run", "-it", "--name", "box", "--network", "none", "busybox", "sh"]);
    terminal.until("# ");
    terminal.keys("stty size; echo $((6*7))\n");
    terminal.until("30 100");
    terminal.until("42");
    terminal.resize(40, 120);
    terminal.keys("while [ \"$(stty size)\" != '40 120' ]; do :; done; echo re''sized\n");
    terminal.until("resized");
    terminal.keys("\x10\x11");
    assert_eq!(terminal.exit_code(), 0);
    assert_eq!(docker.ok(&["ps", "--format", "{{.Names}}"]), "box");
    let mut again = docker.terminal(&["attach", "box"]);
    again.keys("echo ba''ck\n");
    again.until("back");
    let mut exec = docker.terminal(&["exec", "-it", "box", "sh"]);
    exec.until("# ");
    exec.keys("tty; stty size; exit 3\n");
    exec.until("/dev/pts/1");
    exec.until("30 100");
    assert_eq!(exec.exit_code(), 3);
    again.keys("exit 5\n");
    assert_eq!(again.exit_code(), 5);
    assert!(docker.ok(&["ps", "-a", "--format", "{{.Status}}"]).starts_with("Exited (5)"));
}

#[test]
#[ignore = "needs root"]
fn docker_s_commands_on_containers_do_what_they_say() {
    let docker = Docker::new();
    docker.ok(&["run", "-d", "--name", "web", "--network", "none", "--memory", "64m", "-l", "tier=front", "--expose", "80", "busybox", "sleep", "1000"]);
    assert_eq!(
        docker.ok(&["ps", "--filter", "label=tier=front", "--format", "{{.Names}} {{.Image}} {{.Command}} {{.Ports}}"]),
        "web busybox \"sleep 1000\" 80/tcp"
    );
    assert!(docker.ok(&["top", "web"]).contains("sleep 1000"));
    assert!(docker.ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"]).ends_with("/ 64MiB"));
    docker.ok(&["update", "--memory", "32m", "--memory-swap", "32m", "web"]);
    assert_eq!(docker.ok(&["inspect", "-f", "{{.HostConfig.Memory}}", "web"]), "33554432");
    docker.ok(&["pause", "web"]);
    assert!(docker.ok(&["ps", "--format", "{{.Status}}"]).ends_with("(Paused)"));
    assert!(docker.run(&["exec", "web", "true"]).err.contains("is paused"));
    docker.ok(&["unpause", "web"]);
    docker.ok(&["rename", "web", "shop"]);
    assert_eq!(docker.run(&["exec", "shop", "sh", "-c", "exit 9"]).code, 9);
    docker.ok(&["restart", "-t", "0", "shop"]);
    assert!(docker.run(&["rm", "shop"]).err.contains("cannot remove a running container"));
    docker.ok(&["stop", "-t", "0", "shop"]);
    assert_eq!(docker.ok(&["ps", "-q"]), "");
    docker.ok(&["start", "shop"]);
    docker.ok(&["kill", "shop"]);
    assert_eq!(docker.ok(&["wait", "shop"]), "137");
    docker.ok(&["rm", "shop"]);
    assert!(docker.run(&["inspect", "shop"]).err.contains("No such object: shop"));
    let created = docker.ok(&["create", "--network", "none", "busybox", "sh", "-c", "echo hello; exit 4"]);
    let said = docker.run(&["start", "-a", &created]);
    assert_eq!((said.code, said.out.as_str()), (4, "hello\n"));
    assert_eq!(docker.ok(&["container", "prune", "-f"]).lines().nth(1), Some(created.as_str()));
}

#[test]
#[ignore = "needs root"]
fn docker_s_logs_and_events_are_followed() {
    let docker = Docker::new();
    docker.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.2; done"]);
    let said = docker.run(&["logs", "-f", "box"]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("out 1\nout 2\nout 3\n", "err 1\nerr 2\nerr 3\n"));
    assert_eq!(docker.run(&["logs", "--tail", "1", "box"]).err, "err 3\n");
    assert!(docker.run(&["logs", "-t", "--tail", "1", "box"]).err.ends_with("Z err 3\n"));
    docker.ok(&["rm", "-f", "box"]);
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() + 1;
    let events = docker.ok(&["events", "--since", "1m", "--until", &until.to_string(), "--filter", "container=box", "--format", "{{.Action}}"]);
    assert_eq!(events.lines().collect::<Vec<_>>(), ["create", "start", "die", "destroy"]);
}

#[test]
#[ignore = "needs root"]
fn docker_moves_files_and_images() {
    let docker = Docker::new();
    let scratch = |name: &str| docker.server.path(name).to_str().expect("UTF-8").to_owned();
    docker.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    docker.ok(&["exec", "box", "sh", "-c", "echo hello > /note; rm /www/index.html"]);
    assert_eq!(docker.ok(&["diff", "box"]), "A /note\nC /www\nD /www/index.html");
    docker.ok(&["cp", "box:/note", &scratch("note")]);
    docker.ok(&["cp", &scratch("note"), "box:/tmp/again"]);
    assert_eq!(docker.ok(&["exec", "box", "cat", "/tmp/again"]), "hello");
    docker.ok(&["commit", "-c", "CMD [\"cat\", \"/note\"]", "box", "kept:1"]);
    assert_eq!(docker.ok(&["run", "--rm", "--network", "none", "kept:1"]), "hello");
    docker.ok(&["export", "-o", &scratch("root.tar"), "box"]);
    docker.ok(&["import", "-c", "CMD [\"cat\", \"/note\"]", &scratch("root.tar"), "flat:1"]);
    assert_eq!(docker.ok(&["run", "--rm", "--network", "none", "flat:1"]), "hello");
    docker.ok(&["save", "-o", &scratch("kept.tar"), "kept:1"]);
    docker.ok(&["tag", "kept:1", "other:2"]);
    assert_eq!(docker.ok(&["rmi", "kept:1"]), "Untagged: kept:1");
    assert!(docker.ok(&["rmi", "other:2"]).contains("Deleted: sha256:"));
    assert_eq!(docker.ok(&["load", "-i", &scratch("kept.tar")]), "Loaded image: kept:1");
    assert_eq!(docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).lines().count(), 3);
    assert_eq!(docker.ok(&["history", "-q", "kept:1"]).lines().count(), 2);
    assert!(docker.run(&["rmi", "busybox"]).err.contains("conflict: unable to remove"));
}

#[test]
#[ignore = "needs root"]
fn docker_publishes_ports_and_tells_about_the_host() {
    let docker = Docker::new();
    docker.ok(&["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "busybox", "httpd", "-f", "-h", "/www"]);
    let at = docker.ok(&["port", "web", "80"]);
    assert!(docker.ok(&["ps", "--format", "{{.Ports}}"]).contains(&format!("{at}->80/tcp")));
    let address = docker.ok(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"]);
    assert_eq!(docker.ok(&["run", "--rm", "busybox", "wget", "-qO-", &format!("http://{address}/")]), "hello from a container");
    assert!(docker.ok(&["network", "inspect", "bridge", "-f", "{{range .Containers}}{{.Name}}{{end}}"]).contains("web"));
    assert!(docker.ok(&["version", "-f", "{{.Server.APIVersion}}"]).starts_with("1."));
    assert_eq!(docker.ok(&["info", "-f", "{{.ContainersRunning}} {{.OSType}}"]), "1 linux");
    assert_eq!(docker.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}}"]).lines().next(), Some("Images 1"));
    docker.ok(&["volume", "create", "cache"]);
    docker.ok(&["run", "--rm", "-v", "cache:/data", "busybox", "touch", "/data/kept"]);
    assert_eq!(docker.ok(&["run", "--rm", "-v", "cache:/data:ro", "busybox", "ls", "/data"]), "kept");
    docker.ok(&["volume", "rm", "cache"]);
}
