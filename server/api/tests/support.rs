//! A server on scratch folders, and a client that speaks plain HTTP so that nothing between hides what crosses the socket.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

static NEXT: AtomicU32 = AtomicU32::new(0);
const LIMIT: Duration = Duration::from_mins(1);

pub struct Server {
    pub folder: TempDir,
    pub name: String,
    child: Child,
}

/// An answer, wholly read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails unless this is the status; gives the error's message, or nothing.
    #[track_caller]
    pub fn is(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text());
        serde_json::from_slice::<Value>(&self.body).ok().and_then(|body| body["message"].as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Answer {
    /// The message of an error, whatever its status.
    #[track_caller]
    pub fn is_error(&self) -> String {
        assert!(self.status >= 400, "{}\n{}", self.head, self.text());
        self.json()["message"].as_str().expect("a message").to_owned()
    }
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-api-").tempdir().expect("a scratch folder");
        let name = format!("ga{}n{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let this = std::env::current_exe().expect("knows itself");
        let program = this.ancestors().nth(2).expect("target/debug/deps/api-…").join("examples/api-roles");
        assert!(program.exists(), "{} is missing: build it with `cargo build -p gantry-api --example api-roles`", program.display());
        let mut child = Command::new(program).args(["serve", folder.path().to_str().expect("UTF-8"), &name]).stdout(Stdio::piped()).spawn().expect("started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it speaks");
        assert_eq!(line, "ready\n");
        Self { folder, name, child }
    }

    /// With the image `busybox`.
    pub fn with_busybox() -> Self {
        let server = Self::start();
        let answer =
            server.send("POST", "/images/create?fromSrc=-&repo=busybox&changes=CMD%20%5B%22sh%22%5D&changes=EXPOSE%2080", "application/x-tar", &busybox());
        answer.is(200);
        server
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("run/gantry.sock")
    }

    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("set");
        stream
    }

    pub fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len()).expect("sent");
        // A server that refuses early may close its end.
        let _ = stream.write_all(body);
        read(stream)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", &[])
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send("POST", path, "application/json", &body)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "", &[])
    }

    /// Creates a container that runs a shell script without a network; `more` goes into its body.
    #[track_caller]
    pub fn create(&self, name: &str, script: &str, more: Value) -> String {
        let mut body = serde_json::json!({ "Image": "busybox", "Cmd": ["sh", "-c", script], "HostConfig": { "NetworkMode": "none" } });
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let answer = self.post(&format!("/containers/create?name={name}"), &body);
        answer.is(201);
        answer.json()["Id"].as_str().expect("an id").to_owned()
    }

    #[track_caller]
    pub fn run(&self, name: &str, script: &str, more: Value) -> String {
        let id = self.create(name, script, more);
        self.post(&format!("/containers/{name}/start"), &Value::Null).is(204);
        id
    }

    /// Takes a connection over; gives it with the head of the answer.
    #[track_caller]
    pub fn hijack(&self, path: &str, body: &str, upgrade: bool, with_it: &[u8]) -> (UnixStream, String) {
        let mut stream = self.connect();
        let asks = if upgrade { "Connection: Upgrade\r\nUpgrade: tcp\r\n" } else { "" };
        let head = format!("POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n{asks}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(&[head.as_bytes(), with_it].concat()).expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).expect("in time"), 1, "{}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        (stream, String::from_utf8(head).expect("ASCII"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let rows = self.get("/containers/json?all=1").json();
        for row in rows.as_array().into_iter().flatten() {
            self.delete(&format!("/containers/{}?force=1&v=1", row["Id"].as_str().unwrap_or_default()));
        }
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let ended = self.child.wait();
        for (program, args) in [("ip", ["link", "del", &self.name].as_slice()), ("nft", &["delete", "table", "inet", &self.name])] {
            let _ = Command::new(program).args(args).stderr(Stdio::null()).status();
        }
        let roots = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
        roots.for_each(|root| drop(std::fs::remove_dir(root.join(&self.name))));
        if !std::thread::panicking() {
            assert!(ended.is_ok_and(|ended| ended.success()), "the server did not end in order");
        }
    }
}

/// Everything until the end of the connection, chunks put together.
pub fn read(mut stream: UnixStream) -> Answer {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("in time");
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(&all)));
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let rest = &all[end + 4..];
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunk(rest) } else { rest.to_vec() };
    Answer { status, head, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).expect("ASCII"), 16).expect("a chunk's size");
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
        if size == 0 {
            break;
        }
    }
    body
}

pub fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("in time");
    all
}

/// Says that the client sends nothing more.
pub fn half_close(stream: &UnixStream) {
    stream.shutdown(Shutdown::Write).expect("open");
}

/// Stdout and stderr out of frames.
pub fn streams(bytes: &[u8]) -> (String, String) {
    let (mut decoder, mut out, mut err) = (gantry_wire::docker::FrameDecoder::default(), Vec::new(), Vec::new());
    let sort = |stream, piece: &[u8]| if stream == gantry_wire::docker::Stream::Stdout { out.extend_from_slice(piece) } else { err.extend_from_slice(piece) };
    decoder.feed(bytes, sort).expect("frames");
    (String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned())
}

pub fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !ready() {
        assert!(Instant::now() < end, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A root filesystem made of the host's static busybox.
pub fn busybox() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        if let Some(link) = link {
            header.set_link_name(link).expect("short");
        }
        tar.append_data(&mut header, path, content).expect("in memory");
    };
    for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("data", 0o755)] {
        put(folder, tar::EntryType::Directory, mode, &[], None);
    }
    put("bin/busybox", tar::EntryType::Regular, 0o755, &std::fs::read("/bin/busybox").expect("busybox-static is installed"), None);
    let applets = Command::new("/bin/busybox").arg("--list").output().expect("busybox-static is installed").stdout;
    for applet in String::from_utf8_lossy(&applets).lines().filter(|applet| *applet != "busybox") {
        put(&format!("bin/{applet}"), tar::EntryType::Symlink, 0o777, &[], Some("busybox"));
    }
    put("etc/passwd", tar::EntryType::Regular, 0o644, b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n", None);
    put("data/file", tar::EntryType::Regular, 0o644, b"of the image\n", None);
    tar.into_inner().expect("in memory")
}
