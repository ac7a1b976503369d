//! Clients that vanish, stall or talk nonsense, on the sockets of a real server: they leave nothing behind and hold up nobody.

use crate::support::command::kill_9;
use crate::support::{Server, leftovers, until};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Answers to others come within this while rude clients are there, also on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(5);
/// One line of input makes it print this much.
const LOUD: &str = "while read line; do yes 0123456789abcde | head -n 1250000; echo done; done";
const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const HIJACK: &str = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

struct Scene {
    server: Server,
    id: String,
}

/// What the server, a container's monitor and the container have in use.
#[derive(Debug, Clone, Copy)]
struct Level {
    descriptors: usize,
    threads: usize,
    memory_kib: usize,
    processes: usize,
}

impl Scene {
    fn new() -> Self {
        let server = Server::with_busybox();
        let id = server.ok(&["run", "-d", "-i", "--name", "box", "--network", "none", "busybox", "sh", "-c", LOUD]);
        Self { server, id }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.server.path("run/gantry.sock")).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
        stream
    }

    /// Sends a request and leaves its answer unread.
    fn ask(&self, request: &str, headers: &str, body: &str) -> UnixStream {
        let mut stream = self.connect();
        let length = body.len();
        let head = format!("{request} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        stream.write_all(head.as_bytes()).expect("sent");
        stream
    }

    /// The same, and reads the answer's head.
    #[track_caller]
    fn open(&self, request: &str, headers: &str, body: &str) -> UnixStream {
        let mut stream = self.ask(request, headers, body);
        let head = head_of(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101"), "{request}: {head}");
        stream
    }

    fn attach(&self) -> UnixStream {
        self.open("POST /containers/box/attach?stream=1&stdin=1&stdout=1&stderr=1", HIJACK, "")
    }

    fn socket(&self) -> UnixStream {
        self.open("GET /containers/box/attach/ws?stream=1&stdin=1&stdout=1&stderr=1", HANDSHAKE, "")
    }

    fn exec(&self, command: &[&str], tty: bool) -> UnixStream {
        let id = self.new_exec(command, tty);
        self.open(&format!("POST /exec/{id}/start"), HIJACK, &format!("{{\"Tty\":{tty}}}"))
    }

    fn new_exec(&self, command: &[&str], tty: bool) -> String {
        let body = serde_json::json!({ "Cmd": command, "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": tty });
        let mut stream = self.ask("POST /containers/box/exec", "", &body.to_string());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str::<serde_json::Value>(body).expect("JSON")["Id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    fn monitor(&self) -> u32 {
        let path = self.server.path("run/containers").join(&self.id).join("monitor.pid");
        fs::read_to_string(path).expect("it runs").trim().parse().expect("a number")
    }

    fn levels(&self) -> [Level; 2] {
        let inside = leftovers::cgroups(&self.server.name).into_iter().filter(|path| path.ends_with(&self.id));
        let processes = inside.filter_map(|path| fs::read_to_string(path.join("cgroup.procs")).ok()).map(|text| text.lines().count()).max();
        [self.server.pid(), self.monitor()].map(|pid| Level {
            descriptors: leftovers::descriptors(pid).len(),
            threads: fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count),
            memory_kib: memory_kib(pid),
            processes: processes.unwrap_or(0),
        })
    }

    /// Waits until nothing more is in use than was, but for memory that an allocator keeps.
    #[track_caller]
    fn is_back_at(&self, before: [Level; 2]) {
        let is_back = |now: &[Level; 2]| {
            now.iter().zip(before).all(|(now, before)| {
                // The pool of threads for blocking work grows and shrinks by itself.
                now.descriptors <= before.descriptors && now.threads <= before.threads + 8 && now.processes <= before.processes
            })
        };
        let mut now = self.levels();
        let back = crate::support::command::in_time(|| {
            now = self.levels();
            is_back(&now)
        });
        assert!(back, "{now:?}\nwas\n{before:?}\n{:#?}\n{:#?}", leftovers::descriptors(self.server.pid()), leftovers::descriptors(self.monitor()));
        assert!(now[0].memory_kib <= before[0].memory_kib + (24 << 10), "the server: {now:?}, was {before:?}");
        assert!(now[1].memory_kib <= before[1].memory_kib + (1 << 10), "the monitor: {now:?}, was {before:?}");
    }

    /// Others are answered as if nobody else were there.
    #[track_caller]
    fn serves_others(&self) {
        let began = Instant::now();
        assert_eq!(self.server.ok(&["exec", "box", "echo", "here"]), "here");
        assert!(self.server.ok(&["ps", "-q"]).lines().count() == 1);
        assert!(began.elapsed() < AT_ONCE, "others waited for {:?}", began.elapsed());
    }

    fn end(self) {
        self.serves_others();
        self.server.nothing_is_left();
    }
}

fn memory_kib(pid: u32) -> usize {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn head_of(stream: &mut UnixStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).expect("in time") == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn read_some(stream: &mut UnixStream, bytes: usize) {
    stream.read_exact(&mut vec![0; bytes]).expect("output comes");
}

/// Reads until the text comes; returns how much came.
fn read_until(stream: &mut UnixStream, text: &[u8]) -> usize {
    let (mut piece, mut tail, mut count) = ([0; 64 << 10], Vec::new(), 0);
    loop {
        let n = stream.read(&mut piece).expect("in time");
        assert!(n > 0, "the stream ended after {count} bytes");
        count += n;
        tail.extend_from_slice(&piece[..n]);
        if tail.windows(text.len()).any(|part| part == text) {
            return count;
        }
        tail.drain(..tail.len().saturating_sub(text.len()));
    }
}

/// Sends until nobody takes it.
fn flood(stream: &mut UnixStream) {
    stream.set_write_timeout(Some(Duration::from_millis(200))).expect("set");
    while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
}

/// A message of the client, masked with zeros.
fn message(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text);
    frame
}

#[test]
#[ignore = "needs root"]
fn clients_that_vanish_amid_output_or_input_leave_nothing() {
    let scene = Scene::new();
    scene.serves_others();
    let before = scene.levels();
    for _ in 0..5 {
        let mut attached = scene.attach();
        attached.write_all(b"\n").expect("sent");
        read_some(&mut attached, 100_000);
        let mut socket = scene.socket();
        socket.write_all(&message(b"\n")).expect("sent");
        read_some(&mut socket, 100_000);
        let mut loud = scene.exec(&["sh", "-c", "yes | head -c 50000000"], false);
        read_some(&mut loud, 100_000);
        // A shell whose terminal is gone goes too, with what runs in it.
        let mut shell = scene.exec(&["sh"], true);
        shell.write_all(b"sleep 1234\n").expect("sent");
        read_until(&mut shell, b"1234");
        // Nobody in there reads.
        let mut unread = scene.exec(&["sh", "-c", "while [ ! -e /go ]; do sleep 0.05; done"], false);
        flood(&mut unread);
    }
    let mut command = scene.server.gantry(&["exec", "box", "sh", "-c", "yes | head -c 50000000"]).stdout(Stdio::piped()).spawn().expect("started");
    command.stdout.as_mut().expect("piped").read_exact(&mut [0; 100_000]).expect("output comes");
    kill_9(command.id());
    command.wait().expect("reaped");
    scene.serves_others();
    scene.server.ok(&["exec", "box", "touch", "/go"]);
    scene.is_back_at(before);
    scene.end();
}

#[test]
#[ignore = "needs root"]
fn input_that_nobody_reads_is_not_kept_for_clients_that_are_gone() {
    let scene = Scene::new();
    // Its shell reads line by line, and waits for a child that does not end.
    scene.serves_others();
    let before = scene.levels();
    let unread: Vec<UnixStream> = (0..8)
        .map(|_| {
            let mut unread = scene.exec(&["sleep", "1000"], false);
            flood(&mut unread);
            unread
        })
        .collect();
    scene.serves_others();
    drop(unread);
    // The processes are the user's and stay; what belonged to the clients does not.
    let mut allowed = before;
    allowed.iter_mut().for_each(|level| level.processes += 8);
    // Of each process: its pidfd and its two outputs.
    allowed[1].descriptors += 3 * 8;
    scene.is_back_at(allowed);
    scene.end();
}

#[test]
#[ignore = "needs root"]
fn a_client_that_stalls_is_passed_over_while_another_reads_on() {
    let scene = Scene::new();
    scene.serves_others();
    let before = scene.levels();
    let (mut stalled, stalled_socket, mut reader) = (scene.attach(), scene.socket(), scene.attach());
    for _ in 0..2 {
        reader.write_all(b"\n").expect("sent");
        assert!(read_until(&mut reader, b"done\n") > 20_000_000, "the reader misses something");
    }
    // The log has everything, whoever was attached.
    assert!(scene.server.ok(&["logs", "--tail", "1", "box"]) == "done");
    scene.serves_others();
    // What it missed is told to it.
    read_until(&mut stalled, b"bytes of output were lost\n");
    drop((stalled, stalled_socket, reader));
    scene.is_back_at(before);
    scene.end();
}

#[test]
#[ignore = "needs root"]
fn a_service_does_not_wait_for_the_one_visitor_who_stopped_reading() {
    let scene = Scene::new();
    let mut visitor = scene.attach();
    visitor.write_all(b"\n").expect("sent");
    until("the container goes on", || scene.server.ok(&["logs", "--tail", "1", "box"]) == "done");
    drop(visitor);
    scene.end();
}

#[test]
#[ignore = "needs root"]
fn nonsense_is_refused_and_leaves_nothing() {
    let scene = Scene::new();
    scene.serves_others();
    let before = scene.levels();
    let huge = format!("GET /_ping HTTP/1.1\r\nHost: d\r\nX-Huge: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{}\r\n", "X-Many: a\r\n".repeat(5000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: d\r\n\r\n", "a".repeat(1 << 20));
    let hijack_huge = format!("POST /containers/box/attach?stream=1 HTTP/1.1\r\nHost: d\r\n{HIJACK}X-Huge: {}\r\n\r\n", "a".repeat(1 << 20));
    let mut open = Vec::new();
    for garbage in [&huge, &many, &long, &hijack_huge, &"\0\u{1}\u{2}\u{3}".repeat(100_000)] {
        let mut stream = scene.connect();
        // Refused while it is still sent.
        let _ = stream.write_all(garbage.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer[..answer.len().min(200)]));
    }
    // Reserved kinds, without a mask, with a length beyond every limit, a continuation of nothing, a message without end.
    let endless = [&[0x02, 0xff, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0][..], &vec![b'x'; 1 << 20]].concat();
    for frames in [&[0xff; 64][..], b"\x82\x05hello", &[0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0], &[0x80, 0x80, 0, 0, 0, 0], &endless] {
        let mut socket = scene.socket();
        let _ = socket.write_all(frames);
        let _ = socket.shutdown(Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    }
    // After a switch of protocols there is no nonsense: it is input, and nobody asked for input here.
    let mut attached = scene.open("POST /containers/box/attach?stream=1&stdout=1", HIJACK, "");
    attached.write_all(&vec![b'x'; 8 << 20]).expect("passed over");
    open.push(attached);
    // Half open, both ways, before and after the answer.
    for how in [Shutdown::Write, Shutdown::Read, Shutdown::Both] {
        open.push(scene.attach());
        open.push(scene.ask("POST /containers/box/attach?stream=1&stdout=1", HIJACK, ""));
        open.push(scene.connect());
        open.iter().rev().take(3).for_each(|stream| drop(stream.shutdown(how)));
    }
    let exec = scene.new_exec(&["sh"], true);
    for size in ["h=0&w=0", "h=65535&w=65535", "h=-1&w=5", "h=99999999999999999999&w=5", "h=1e3&w=1", "h=&w=", "h=%00&w=%ff", ""] {
        for what in ["containers/box", &format!("exec/{exec}")] {
            let mut stream = scene.ask(&format!("POST /{what}/resize?{size}"), "", "");
            let head = head_of(&mut stream);
            assert!(head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.1 4"), "{what} {size}: {head}");
        }
    }
    scene.serves_others();
    drop(open);
    scene.is_back_at(before);
    scene.end();
}

#[test]
#[ignore = "needs root"]
fn five_hundred_connections_that_say_nothing_disturb_nobody_and_are_closed() {
    let scene = Scene::new();
    scene.serves_others();
    let before = scene.levels();
    let mut silent: Vec<UnixStream> = (0..250).map(|_| scene.connect()).collect();
    // A head, a hijack's head and a body, drop by drop.
    let drips = ["GET /_ping HTTP/1.1\r\nHost: d\r\nX: ", "POST /containers/box/attach HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nX: "];
    let body = "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    let mut dripping: Vec<UnixStream> = Vec::new();
    for start in drips.into_iter().chain([body]).cycle().take(249) {
        let mut stream = scene.connect();
        stream.write_all(start.as_bytes()).expect("sent");
        stream.set_read_timeout(Some(Duration::from_millis(1))).expect("set");
        dripping.push(stream);
    }
    scene.serves_others();
    // Each drop of them comes in time; all of them together do not.
    until("all are closed", || {
        dripping.retain_mut(|stream| stream.write_all(b"a").is_ok());
        silent.retain_mut(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(1))).expect("set");
            !matches!(stream.read(&mut [0; 512]), Ok(0))
        });
        std::thread::sleep(Duration::from_millis(200));
        dripping.is_empty() && silent.is_empty()
    });
    scene.is_back_at(before);
    scene.end();
}

#[test]
#[ignore = "needs root"]
fn execs_that_nobody_starts_or_waits_for_leave_nothing() {
    let scene = Scene::new();
    scene.serves_others();
    let before = scene.levels();
    let first = scene.new_exec(&["true"], false);
    for _ in 0..300 {
        scene.new_exec(&["true", &"a".repeat(20_000)], false);
    }
    // The oldest that were never started are forgotten, as those are that ended.
    let head = head_of(&mut scene.ask(&format!("GET /exec/{first}/json"), "", ""));
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    for _ in 0..20 {
        let id = scene.new_exec(&["sh"], true);
        // Gone before the answer: it may have begun, and then it ends.
        drop(scene.ask(&format!("POST /exec/{id}/start"), HIJACK, "{\"Tty\":true}"));
    }
    scene.is_back_at(before);
    scene.end();
}
