//! Debian's `docker-registry` on a port of its own, plain or with TLS and a login.

use super::command::{in_time, kill_9};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub const USER: &str = "ada";
pub const PASSWORD: &str = "pass:word";
/// Bcrypt of [`PASSWORD`].
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki";

pub struct Registry {
    folder: TempDir,
    child: Child,
    /// `127.0.0.1:40001`.
    pub name: String,
}

impl Registry {
    /// Over plain HTTP, for everybody.
    pub fn plain() -> Self {
        Self::start(false)
    }

    /// With a certificate of an authority of its own, for [`USER`].
    pub fn guarded() -> Self {
        Self::start(true)
    }

    fn start(guarded: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-peer-").tempdir_in("/var/tmp").expect("a scratch folder");
        let at = |name: &str| folder.path().join(name);
        // Free just now: nobody else takes a port that was given out a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr()).expect("a free port").port();
        let name = format!("127.0.0.1:{port}");
        let mut settings = format!(
            "version: 0.1\nlog: {{ level: info, accesslog: {{ disabled: false }} }}\nstorage: {{ filesystem: {{ rootdirectory: {} }}, delete: {{ enabled: true }} }}\nhttp:\n  addr: {name}\n",
            at("data").display()
        );
        if guarded {
            certificates(folder.path(), &name);
            settings += &format!("  tls: {{ certificate: {}, key: {} }}\n", at("server.crt").display(), at("server.key").display());
            settings += &format!("auth: {{ htpasswd: {{ realm: test, path: {} }} }}\n", at("users").display());
            std::fs::write(at("users"), format!("{USER}:{}\n", HASH)).expect("written");
        }
        std::fs::write(at("config.yml"), settings).expect("written");
        let log = std::fs::File::create(at("log")).expect("made");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(at("config.yml"))
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("copied"))
            .stderr(log)
            .spawn()
            .expect("docker-registry is installed: apt-get install docker-registry");
        let ready = in_time(|| std::net::TcpStream::connect(&name).is_ok() || child.try_wait().expect("waited for").is_some());
        let registry = Self { folder, child, name };
        assert!(ready && std::net::TcpStream::connect(&registry.name).is_ok(), "docker-registry did not come up: {}", registry.log());
        registry
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Requests of this kind that it has answered.
    pub fn requests(&self, what: &str) -> usize {
        self.log().lines().filter(|line| line.contains("HTTP/1.1") && line.contains(what)).count()
    }

    /// A folder of authorities, as `--registry-certs` takes it.
    pub fn certs(&self) -> PathBuf {
        self.folder.path().join("certs.d")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        kill_9(self.child.id());
        let _ = self.child.wait();
    }
}

fn certificates(folder: &Path, name: &str) {
    let script = r#"set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj '/CN=test authority'
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=registry
printf 'subjectAltName=IP:127.0.0.1\n' > extensions
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile extensions
mkdir -p "certs.d/$1"
cp ca.crt "certs.d/$1/ca.crt""#;
    let said = Command::new("sh").args(["-c", script, "sh", name]).current_dir(folder).output().expect("sh runs");
    assert!(said.status.success(), "openssl is installed: {}", String::from_utf8_lossy(&said.stderr));
}
