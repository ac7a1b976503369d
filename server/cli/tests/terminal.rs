//! The terminal in raw mode and back, seen from a real one: the program runs in a pty, and its server is the test's own.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(20);

/// What grows while the test watches it.
#[derive(Default)]
struct Watched(Mutex<Vec<u8>>, Condvar);

impl Watched {
    fn add(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        self.1.notify_all();
    }

    fn has(&self, text: &str) -> bool {
        self.0.lock().expect("not poisoned").windows(text.len()).any(|part| part == text.as_bytes())
    }

    /// Waits until `text` is in it.
    fn want(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        let mut all = self.0.lock().expect("not poisoned");
        while !all.windows(text.len()).any(|part| part == text.as_bytes()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} did not come: {:?}", String::from_utf8_lossy(&all));
            all = self.1.wait_timeout(all, left).expect("not poisoned").0;
        }
    }
}

/// A program in a terminal, and the server it talks to.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Watched>,
    /// Requests, and what was typed into the container as `typed:…`.
    server: Arc<Watched>,
    before: String,
    _folder: tempfile::TempDir,
}

impl Session {
    fn start(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let socket = folder.path().join("sock");
        let server = Arc::new(Watched::default());
        let listener = UnixListener::bind(&socket).expect("a socket");
        let heard = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || serve(&stream, &heard));
            }
        });
        let pair = native_pty_system().openpty(PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 }).expect("a pty");
        let mut command = CommandBuilder::new(program());
        command.args(["-H", &format!("unix://{}", socket.display())]);
        command.args(words);
        let before = modes(&*pair.master);
        let child = pair.slave.spawn_command(command).expect("start the program");
        let (mut reader, keys) = (pair.master.try_clone_reader().expect("read the pty"), pair.master.take_writer().expect("write the pty"));
        let screen = Arc::new(Watched::default());
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                seen.add(&buffer[..count]);
            }
        });
        // The slave stays open: its modes are looked at when the program has ended.
        std::mem::forget(pair.slave);
        Self { child, master: pair.master, keys, screen, server, before, _folder: folder }
    }

    fn type_keys(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("type");
        self.keys.flush().expect("type");
    }

    /// Waits for the end; the terminal must be as before.
    fn end(mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("wait") {
                Some(status) => break status,
                None => assert!(Instant::now() < end, "the program did not end"),
            }
            std::thread::yield_now();
        };
        assert_eq!(modes(&*self.master), self.before, "the terminal is not as before");
        status.exit_code()
    }
}

/// The example that is the command line alone, beside the tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("this program");
    let program = tests.ancestors().nth(2).expect("the target folder").join("examples/gantry-cli");
    assert!(program.exists(), "{} is missing: cargo test builds it", program.display());
    program
}

fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().expect("a terminal"))
}

/// A server with one container, whose program echoes what it reads in capitals and ends with code 5 at `q`.
fn serve(stream: &UnixStream, heard: &Watched) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    heard.add(first.as_bytes());
    heard.add(&body);
    let mut out = stream;
    let mut answer = |status: &str, text: &str| {
        out.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}", text.len()).as_bytes()).ok()
    };
    let path = first.split_whitespace().nth(1)?.split('?').next()?.to_owned();
    match path.as_str() {
        "/containers/create" | "/containers/c/exec" => answer("201 Created", &format!("{{\"Id\":\"{ID}\"}}")),
        path if path.ends_with("/json") => answer("200 OK", "{\"ExitCode\":5}"),
        path if path.ends_with("/wait") => {
            // The head at once: the client starts the container only after it.
            let text = "{\"StatusCode\":5}";
            out.write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len()).as_bytes()).ok()?;
            heard.want("typed:q");
            out.write_all(text.as_bytes()).ok()
        }
        path if path.ends_with("/attach") || path.starts_with("/exec/") && path.ends_with("/start") => {
            out.write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n").ok()?;
            let tty = heard.has("\"Tty\":true");
            // Without a terminal the bytes are framed: stdout, and four bytes of length.
            let mut say = |bytes: &[u8]| {
                let head = [1, 0, 0, 0, 0, 0, 0, u8::try_from(bytes.len()).expect("short")];
                if tty { out.write_all(bytes).ok() } else { out.write_all(&[&head, bytes].concat()).ok() }
            };
            say(b"ready\r\n")?;
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let typed = &buffer[..count];
                heard.add(&[b"typed:", typed, b";"].concat());
                say(&typed.to_ascii_uppercase())?;
                if typed.contains(&b'q') {
                    break;
                }
            }
            stream.shutdown(std::net::Shutdown::Both).ok()
        }
        _ => answer("204 No Content", ""),
    }
}

#[test]
fn keys_go_one_by_one_and_the_exit_code_comes_back() {
    let mut session = Session::start(&["run", "-it", "img"]);
    session.screen.want("ready");
    session.type_keys(b"a");
    session.screen.want("A");
    // Ctrl-C is a key like others, and no newline is waited for.
    session.type_keys(b"\x03");
    session.server.want("typed:\x03");
    session.type_keys(b"q");
    assert_eq!(session.end(), 5);
}

#[test]
fn a_new_size_reaches_the_container() {
    let mut session = Session::start(&["exec", "-it", "c", "sh"]);
    session.screen.want("ready");
    session.server.want("resize?h=30&w=100");
    session.master.resize(PtySize { rows: 41, cols: 121, pixel_width: 0, pixel_height: 0 }).expect("resize");
    session.server.want("resize?h=41&w=121");
    session.type_keys(b"q");
    assert_eq!(session.end(), 5);
}

#[test]
fn the_detach_keys_leave_and_are_not_passed_on() {
    let mut session = Session::start(&["run", "-it", "--detach-keys", "ctrl-a,d", "img"]);
    session.screen.want("ready");
    session.type_keys(b"\x01x");
    session.server.want("typed:\x01x");
    session.type_keys(b"\x01d");
    let server = Arc::clone(&session.server);
    assert_eq!(session.end(), 0);
    assert!(!server.has("\u{1}d"));
}

#[test]
fn a_signal_ends_the_session_and_leaves_the_terminal_as_it_was() {
    for (name, number) in [("TERM", 15), ("HUP", 1), ("QUIT", 3), ("INT", 2)] {
        let session = Session::start(&["run", "-it", "img"]);
        session.screen.want("ready");
        let id = session.child.process_id().expect("it runs");
        let killed = std::process::Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().expect("run kill");
        assert!(killed.success());
        assert_eq!(session.end(), 128 + number, "{name}");
    }
}

#[test]
fn without_a_terminal_a_signal_goes_to_the_container() {
    let mut session = Session::start(&["run", "-i", "img"]);
    session.server.want("/start");
    session.type_keys(b"\x03");
    session.server.want("/kill?signal=INT");
    session.type_keys(b"q\n");
    assert_eq!(session.end(), 5);
}
