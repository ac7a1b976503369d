//! The Docker API over TCP, with docker's own clients and certificates that openssl made.

use crate::support::{self, Said, Server, until};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Two authorities, and certificates of them.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let made = Self(tempfile::tempdir().expect("a scratch folder"));
        for authority in ["ca", "stranger"] {
            made.openssl(&format!("req -x509 {KEY} -keyout {authority}.key -out {authority}.pem -days 1 -subj /CN={authority}"));
        }
        std::fs::write(made.path("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").expect("written");
        for (file, name, authority, days) in [
            ("server", "localhost", "ca", 1),
            ("anna", "anna", "ca", 1),
            ("vera", "vera", "ca", 1),
            ("nobody", "nobody", "ca", 1),
            ("eve", "anna", "stranger", 1),
            ("late", "anna", "ca", -1),
        ] {
            made.openssl(&format!("req {KEY} -keyout {file}.key -out {file}.csr -subj /CN={name}"));
            made.openssl(&format!(
                "x509 -req -in {file}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days {days} -extfile names -out {file}.pem"
            ));
            let folder = made.path(&format!("of-{file}"));
            std::fs::create_dir(&folder).expect("made");
            for (from, to) in [("ca.pem", "ca.pem"), (&format!("{file}.pem"), "cert.pem"), (&format!("{file}.key"), "key.pem")] {
                std::fs::copy(made.path(from), folder.join(to)).expect("copied");
            }
        }
        std::fs::create_dir(made.path("of-")).expect("made");
        std::fs::copy(made.path("ca.pem"), made.path("of-/ca.pem")).expect("copied");
        made
    }

    fn openssl(&self, line: &str) {
        support::run(Command::new("openssl").args(line.split(' ')).current_dir(self.0.path()), &[]).ok();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The folder of one who has this certificate, or none.
    fn of(&self, file: &str) -> PathBuf {
        self.path(&format!("of-{file}"))
    }

    fn serve(&self, more: &[&str]) -> Server {
        let [certificate, key] = ["server.pem", "server.key"].map(|name| self.path(name).display().to_string());
        Server::with_flags(&[&["--tcp", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key], more].concat())
    }
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// The docker clients of this host: Debian's, and a newer one where it is installed.
fn dockers() -> impl Iterator<Item = &'static str> {
    ["/usr/bin/docker", "/usr/local/bin/docker"].into_iter().filter(|path| Path::new(path).exists())
}

fn docker(program: &str, server: &Server, certificates: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("DOCKER_HOST", format!("tcp://{}", server.tcp_address())).env("DOCKER_TLS_VERIFY", "1");
    command.env("DOCKER_CERT_PATH", certificates).env("DOCKER_CONFIG", config);
    command
}

fn gantry(server: &Server, certificates: &Path, token: Option<&str>, args: &[&str]) -> Said {
    let mut command = Command::new(support::server::program());
    command.args(args).env("GANTRY_HOST", format!("tcp://{}", server.tcp_address())).env("GANTRY_CERT_PATH", certificates).env_remove("GANTRY_TOKEN");
    support::run(command.envs(token.map(|token| ("GANTRY_TOKEN", token))), &[])
}

/// What a program says in a terminal, and its exit code.
fn in_terminal(command: &Command) -> (u32, String) {
    let pair = native_pty_system().openpty(PtySize::default()).expect("a terminal");
    let mut builder = CommandBuilder::new(command.get_program());
    builder.args(command.get_args());
    for (name, value) in command.get_envs() {
        builder.env(name, value.unwrap_or_default());
    }
    let mut child = pair.slave.spawn_command(builder).expect("it starts");
    drop(pair.slave);
    let (mut reader, mut seen) = (pair.master.try_clone_reader().expect("readable"), Vec::new());
    // A terminal without a program ends with an error.
    let _ = reader.read_to_end(&mut seen);
    (child.wait().expect("waited for").exit_code(), String::from_utf8_lossy(&seen).into_owned())
}

fn add_user(server: &Server, name: &str, role: &str) {
    support::run(&mut server.gantry(&["user", "add", name, "--role", role, "--password-stdin"]), b"correct horse").ok();
}

#[test]
#[ignore = "needs root"]
fn docker_comes_in_by_certificate_and_may_what_its_user_may() {
    let certificates = Certificates::new();
    let server = certificates.serve(&["--tls-ca", &certificates.path("ca.pem").display().to_string()]);
    let config = certificates.path("config");
    add_user(&server, "anna", "operator");
    add_user(&server, "vera", "viewer");
    server.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    let bytes = vec![7; 3 << 20];
    for program in dockers() {
        let by =
            |certificate: &str, args: &[&str], input: &[u8]| support::run(docker(program, &server, &certificates.of(certificate), &config).args(args), input);
        assert_eq!(by("anna", &["ps", "--format", "{{.Names}}"], &[]).ok(), "box\n");
        assert_eq!(by("anna", &["run", "--rm", "-i", "--network", "none", "busybox", "cat"], b"through").ok(), "through");
        assert_eq!(by("anna", &["run", "--rm", "--network", "none", "busybox", "sh", "-c", "exit 5"], &[]).code, 5);
        assert_eq!(by("anna", &["exec", "-i", "box", "wc", "-c"], &bytes).ok().trim(), bytes.len().to_string());
        assert_eq!(by("anna", &["exec", "box", "head", "-c", "3145728", "/dev/zero"], &[]).ok().len(), bytes.len());
        for args in [&["exec", "-ti", "box", "sh", "-c", "tty; exit 3"][..], &["run", "--rm", "-ti", "--network", "none", "busybox", "sh", "-c", "tty; exit 3"]]
        {
            let (code, seen) = in_terminal(docker(program, &server, &certificates.of("anna"), &config).args(args));
            assert!(code == 3 && seen.contains("/dev/pts/0"), "{args:?}: {code} {seen}");
        }
        let refused = |certificate: &str, args: &[&str], why: &str| {
            let said = by(certificate, args, &[]);
            assert!(said.code != 0 && said.err.contains(why), "{certificate} {args:?}: {said:?}");
        };
        refused("anna", &["run", "--rm", "--privileged", "busybox", "true"], "needs an admin");
        refused("vera", &["create", "busybox"], "the role viewer does not allow this");
        assert_eq!(by("vera", &["ps", "-q"], &[]).code, 0);
        refused("nobody", &["ps"], "the certificate is of \"nobody\", who may not come in");
        refused("", &["ps"], "certificate required");
        refused("eve", &["ps"], "tls: ");
        refused("late", &["ps"], "expired");
    }
    assert_eq!(gantry(&server, &certificates.of("anna"), None, &["exec", "box", "echo", "hi"]).ok(), "hi\n");
    assert!(gantry(&server, &certificates.of("vera"), None, &["kill", "box"]).err.contains("viewer"));
    assert!(gantry(&server, &certificates.of("vera"), None, &["user", "setup-code"]).err.contains("needs an admin"));
    assert_ne!(gantry(&server, &certificates.of("eve"), None, &["ps"]).code, 0);
}

#[test]
#[ignore = "needs root"]
fn a_role_for_all_certificates_lets_in_who_is_no_user() {
    let certificates = Certificates::new();
    let server = certificates.serve(&["--tls-ca", &certificates.path("ca.pem").display().to_string(), "--tls-role", "viewer"]);
    assert_eq!(gantry(&server, &certificates.of("nobody"), None, &["images", "-q"]).code, 0);
    assert!(gantry(&server, &certificates.of("nobody"), None, &["create", "busybox"]).err.contains("viewer"));
}

#[test]
#[ignore = "needs root"]
fn programs_come_in_with_a_token_and_its_role() {
    let certificates = Certificates::new();
    let server = certificates.serve(&[]);
    let token = |name: &str, role: &str, more: &[&str]| server.ok(&[&["token", "create", name, "--role", role], more].concat());
    let (operator, viewer) = (token("ci", "operator", &["--expires", "1h"]), token("eyes", "viewer", &[]));
    let brief = token("brief", "admin", &["--expires", "1s"]);
    let by = |token: &str, args: &[&str]| gantry(&server, &certificates.of(""), Some(token), args);
    assert_eq!(by(&operator, &["run", "--rm", "--network", "none", "busybox", "echo", "hi"]).ok(), "hi\n");
    let refused = |token: &str, args: &[&str], why: &str| {
        let said = by(token, args);
        assert!(said.code != 0 && said.err.contains(why), "{args:?}: {said:?}");
    };
    assert_eq!(by(&viewer, &["ps", "-q"]).code, 0);
    refused(&viewer, &["create", "busybox"], "the role viewer does not allow this");
    refused(&operator, &["token", "ls"], "needs an admin");
    until("the token has ended", || by(&brief, &["ps"]).err.contains("the token is unknown or has ended"));
    refused(&operator.replace('0', "1"), &["ps"], "the token is unknown or has ended");
    refused("", &["ps"], "a token is needed here");
    for program in dockers() {
        let with = |token: &str, args: &[&str]| {
            let config = certificates.path("config");
            std::fs::create_dir_all(&config).expect("made");
            std::fs::write(config.join("config.json"), format!("{{\"HttpHeaders\":{{\"Authorization\":\"Bearer {token}\"}}}}")).expect("written");
            support::run(docker(program, &server, &certificates.of(""), &config).args(args), b"in")
        };
        assert_eq!(with(&operator, &["run", "--rm", "-i", "--network", "none", "busybox", "cat"]).ok(), "in");
        let said = with("wrong", &["ps"]);
        assert!(said.code == 1 && said.err.contains("the token is unknown or has ended"), "{said:?}");
        let said = with(&viewer, &["create", "busybox"]);
        assert!(said.code == 1 && said.err.contains("the role viewer does not allow this"), "{said:?}");
    }
    let list = server.ok(&["token", "ls", "--format", "{{.Name}} {{.Role}} {{.Owner}} {{eq .LastUsed \"never\"}} {{eq .Expires \"never\"}}"]);
    assert!(list.starts_with("brief admin root ") && list.ends_with("\nci operator root false false\neyes viewer root false true"), "{list}");
    for file in ["data/gantry.db", "data/gantry.db-wal", "log"] {
        let bytes = std::fs::read(server.path(file)).unwrap_or_default();
        assert!(!bytes.windows(operator.len()).any(|part| part == operator.as_bytes()), "the token stands in {file}");
    }
    server.ok(&["token", "rm", "ci"]);
    refused(&operator, &["ps"], "the token is unknown or has ended");
}

#[test]
#[ignore = "needs root"]
fn the_door_is_open_in_clear_on_this_host_alone_and_only_with_a_token() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut command = Command::new(support::server::program());
    command.args(["serve", "--tcp", "0.0.0.0:0", "--config", "/dev/null", "--data-dir"]).arg(folder.path().join("data"));
    let said = support::run(command.arg("--run-dir").arg(folder.path().join("run")), &[]);
    assert!(said.code == 1 && said.err.contains("not served in clear beyond this host: give --tls-cert and --tls-key"), "{said:?}");
    assert!(!folder.path().join("data").exists(), "nothing was begun");

    let server = Server::with_flags(&["--tcp", "127.0.0.1:0"]);
    let token = server.ok(&["token", "create", "ci", "--role", "operator"]);
    let by = |token: Option<&str>, args: &[&str]| {
        let mut command = server.gantry(args);
        command.env("GANTRY_HOST", format!("tcp://{}", server.tcp_address())).envs(token.map(|token| ("GANTRY_TOKEN", token)));
        support::run(&mut command, b"in")
    };
    assert_eq!(by(Some(&token), &["run", "-i", "--rm", "--network", "none", "busybox", "cat"]).ok(), "in");
    assert!(by(None, &["ps"]).err.contains("a token is needed here"));
    // A page in a browser, even with a token.
    let mut page = std::net::TcpStream::connect(server.tcp_address()).expect("connected");
    write!(page, "GET /containers/json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nSec-Fetch-Site: cross-site\r\n\r\n").expect("sent");
    let mut answer = String::new();
    page.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
#[ignore = "needs root"]
fn a_client_over_tcp_that_vanishes_leaves_nothing_open() {
    let certificates = Certificates::new();
    let server = certificates.serve(&[]);
    let token = server.ok(&["token", "create", "ci", "--role", "operator"]);
    server.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    let open = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).map_or(0, Iterator::count);
    let before = open();
    let clients: Vec<_> = [&["events"][..], &["logs", "-f", "box"], &["wait", "box"], &["stats"]]
        .into_iter()
        .map(|args| {
            let mut command = Command::new(support::server::program());
            command.args(args).env("GANTRY_HOST", format!("tcp://{}", server.tcp_address())).env("GANTRY_CERT_PATH", certificates.of(""));
            command.env("GANTRY_TOKEN", &token).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started")
        })
        .collect();
    until("all are connected", || open() >= before + 4 * 3);
    for mut client in clients {
        client.kill().expect("killed");
        client.wait().expect("reaped");
    }
    until("their connections are closed", || open() <= before);
}
