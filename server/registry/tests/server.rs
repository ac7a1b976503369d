//! A web server that says what a test wants it to say, byte for byte.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

pub struct Server {
    /// `127.0.0.1:40001`.
    pub name: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Each connection serves one request and is closed.
    pub fn start(answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let name = listener.local_addr().expect("bound").to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (known, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (known, answer) = (known.clone(), answer.clone());
                std::thread::spawn(move || serve(connection, &known, &*answer));
            }
        });
        Self { name, asked }
    }

    pub fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().expect("whole")
    }
}

fn serve(mut connection: TcpStream, known: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked, &mut TcpStream)) {
    let mut lines = BufReader::new(connection.try_clone().expect("copied")).lines().map_while(Result::ok);
    // What begins a TLS handshake is no text: the connection is closed, as a plain server does.
    let Some(first) = lines.next().filter(|line| line.contains(" HTTP/1.1")) else { return };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned())));
    let asked = Asked { path, headers: headers.collect() };
    known.lock().expect("whole").push(asked.clone());
    answer(&asked, &mut connection);
}

/// A whole answer; `headers` end in CRLF each. The client may be gone.
pub fn reply(to: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let _ = write!(to, "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).and_then(|()| to.write_all(body));
}

/// A piece of a chunked body; false when the client is gone.
pub fn chunk(to: &mut TcpStream, bytes: &[u8]) -> bool {
    write!(to, "{:x}\r\n", bytes.len()).and_then(|()| to.write_all(bytes)).and_then(|()| to.write_all(b"\r\n")).is_ok()
}
