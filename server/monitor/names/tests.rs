//! Questions and answers in memory, and a server in a namespace of each test's own.

use super::*;
use gantry_wire::names::{Neighbour, encode};
use proptest::prelude::*;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const FRONT: &str = "gantry names 1\nnetwork front\nat 10.5.0.2 fd00:5::2 web 0123456789ab www\nat 10.5.0.3 - db www\nat 10.5.0.4 - cache www\n";

/// A question with id 7 that wishes to be asked for.
fn question(name: &str, kind: u16, size: Option<u16>) -> Vec<u8> {
    let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(size.is_some())];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    if let Some(size) = size {
        bytes.extend_from_slice(&[0, 0, 41]);
        bytes.extend_from_slice(&size.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0x80, 0, 0, 0]);
    }
    bytes
}

/// What an answer of ours says: its code, whether it is cut off, and its records.
fn told(question: &[u8], answer: &[u8]) -> String {
    assert_eq!((&answer[..2], answer[2] & 0x81, answer[3] & 0xf0), (&question[..2], 0x81, 0x80), "{answer:?}");
    let mut text = format!("{}", answer[3] & 15);
    if answer[2] & 2 != 0 {
        text.push_str(" cut");
    }
    let end = question.len() - if question[11] == 1 { 11 } else { 0 };
    assert_eq!(answer[12..end], question[12..end]);
    let mut rest = &answer[end..];
    for _ in 0..u16::from_be_bytes([answer[6], answer[7]]) {
        assert_eq!(rest[..2], [0xc0, 12]);
        assert_eq!(rest[4..10], [0, 1, 0, 0, 2, 88], "class and time");
        let (len, kind) = (usize::from(rest[11]), rest[3]);
        let data = &rest[12..12 + len];
        match kind {
            1 => text.push_str(&format!(" {}", Ipv4Addr::from(*data.first_chunk::<4>().expect("an address")))),
            28 => text.push_str(&format!(" {}", std::net::Ipv6Addr::from(*data.first_chunk::<16>().expect("an address")))),
            _ => text.push_str(&format!(" {:?}", String::from_utf8_lossy(data))),
        }
        rest = &rest[12 + len..];
    }
    assert_eq!(rest.len(), if question[11] == 1 { 11 } else { 0 });
    text
}

/// What happens to a datagram.
fn asked(message: &[u8]) -> String {
    let texts = Texts::of(&[FRONT]);
    match Query::parse(message) {
        Err(Refusal::Silent) => "nothing".to_owned(),
        Err(Refusal::Told(answer)) => format!("refused {}", answer[3] & 15),
        Ok(query) => match decide(&query, &Plan { outside: Outside::Servers(vec![[9; 4].into()]), ..Plan::default() }, &texts, 0, true) {
            Verdict::Answer(answer) => told(message, &answer),
            Verdict::Ask(servers) => format!("ask {servers:?}"),
        },
    }
}

#[test]
fn both_families_pointers_and_other_kinds_are_answered() {
    let ask = |name, kind| asked(&question(name, kind, None));
    assert_eq!(ask("web", kind::A), "0 10.5.0.2");
    assert_eq!(ask("WeB", kind::AAAA), "0 fd00:5::2");
    assert_eq!(ask("db", kind::AAAA), "0", "the name is there, and has none");
    assert_eq!(ask("web", kind::ANY), "0 10.5.0.2 fd00:5::2");
    assert_eq!(ask("web", 15), "0", "no mail server, and none outside");
    assert_eq!(ask("3.0.5.10.in-addr.arpa", kind::PTR), "0 \"\\u{2}db\\u{5}front\\0\"");
    assert_eq!(ask("9.0.5.10.in-addr.arpa", kind::PTR), "ask [9.9.9.9]");
    assert_eq!(ask("example.org", kind::A), "ask [9.9.9.9]");
    assert_eq!(ask("", 2), "ask [9.9.9.9]", "the root's servers");
    assert_eq!(asked(&question("web", kind::A, Some(1232))), "0 10.5.0.2");
}

#[test]
fn those_who_share_a_name_take_turns() {
    let (message, texts) = (question("www", kind::A, None), Texts::of(&[FRONT]));
    let query = Query::parse(&message).expect("a question");
    let first = |turn| match decide(&query, &Plan::default(), &texts, turn, true) {
        Verdict::Answer(answer) => told(&message, &answer),
        Verdict::Ask(_) => panic!("it is there"),
    };
    assert_eq!([0, 1, 2].map(first), ["0 10.5.0.2 10.5.0.3 10.5.0.4", "0 10.5.0.3 10.5.0.4 10.5.0.2", "0 10.5.0.4 10.5.0.2 10.5.0.3"]);
}

#[test]
fn what_a_datagram_cannot_hold_is_cut_off_and_said_to_be() {
    let all: Vec<_> = (0..100).map(|last| Neighbour { ipv4: Some([10, 5, 1, last].into()), ipv6: None, names: vec!["many".to_owned()] }).collect();
    let text = encode("front", &all);
    for (size, by_datagram, most, records) in [(None, true, 512, 30), (Some(100), true, 512, 29), (Some(1232), true, 1232, 74), (None, false, 2000, 100)] {
        let message = question("many", kind::A, size);
        let query = Query::parse(&message).expect("a question");
        let Verdict::Answer(answer) = decide(&query, &Plan::default(), &Texts::of(&[&text]), 0, by_datagram) else { panic!("it is there") };
        let told = told(&message, &answer);
        assert!(answer.len() <= most, "{}", answer.len());
        assert_eq!((told.split(" 10.").count() - 1, told.starts_with("0 cut")), (records, records < 100), "{told}");
    }
}

#[test]
fn what_is_no_question_is_refused_or_passed_over() {
    let good = question("web", kind::A, None);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        asked(&bytes)
    };
    assert_eq!(changed(2, 0x81), "nothing", "an answer");
    assert_eq!(changed(2, 0x28), "refused 4", "an update");
    assert_eq!(changed(5, 0), "refused 1", "no question");
    assert_eq!(changed(5, 2), "refused 1", "two questions");
    assert_eq!(changed(12, 0xc0), "refused 1", "a pointer");
    assert_eq!(changed(12, 64), "refused 1", "a label of unknown kind");
    assert_eq!(changed(12, 60), "refused 1", "a label beyond the end");
    assert_eq!(changed(11, 1), "refused 1", "a record that is not there");
    assert_eq!(changed(13, b'.'), "ask [9.9.9.9]", "a dot in a label is no name of ours");
    for len in 0..good.len() {
        assert_eq!(asked(&good[..len]), if len < 12 { "nothing" } else { "refused 1" }, "{len} bytes");
    }
    assert_eq!(asked(&question(&"a.".repeat(130), kind::A, None)), "refused 1", "longer than a name may be");
}

#[test]
fn an_answer_from_outside_must_be_to_the_same_question() {
    let message = question("Example.org", kind::A, None);
    let query = Query::parse(&message).expect("a question");
    let mut answer = message.clone();
    answer[..4].copy_from_slice(&[1, 2, 0x81, 0x80]);
    assert!(query.is_answered_by([1, 2], &answer));
    assert!(!query.is_answered_by([1, 3], &answer));
    let at_end = answer.len() - 3;
    for (at, value) in [(2, 1), (5, 0), (13, b'f'), (at_end, 28)] {
        let mut other = answer.clone();
        other[at] = value;
        assert!(!query.is_answered_by([1, 2], &other), "byte {at}");
    }
    answer[13] = b'e';
    assert!(query.is_answered_by([1, 2], &answer), "case may change");
    answer.resize(600, 0);
    answer[7] = 9;
    query.fit(&mut answer);
    assert_eq!((answer.len(), answer[2] & 2, answer[7]), (message.len(), 2, 0));
}

proptest! {
    #[test]
    fn no_message_does_harm(random in proptest::collection::vec(any::<u8>(), 0..600), at in 0_usize..60, value: u8, name in "(web|www|db|[a-z.]{0,40})", kind in 0_u16..260, size: Option<u16>) {
        let mut mutated = question(&name, kind, size);
        let len = mutated.len();
        mutated[at % len] = value;
        let texts = Texts::of(&[FRONT]);
        for message in [&random, &mutated] {
            let Ok(query) = Query::parse(message) else { continue };
            if let Verdict::Answer(answer) = decide(&query, &Plan::default(), &texts, at, true) {
                prop_assert!(answer.len() <= query.limit());
            }
            for mut answer in [random.clone(), mutated.clone()] {
                if query.is_answered_by(query.id(), &answer) {
                    query.fit(&mut answer);
                }
            }
        }
    }
}

/// A host's network, in which the server runs, and a container's, in which somebody asks.
struct Lab {
    container: Child,
    folder: tempfile::TempDir,
    host: PathBuf,
    over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

/// Runs `act` in another network.
fn inside<T: Send>(namespace: &std::path::Path, act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            let file = std::fs::File::open(namespace).expect("it lives");
            nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("entered");
            act()
        };
        scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn namespace() -> (Child, PathBuf) {
    let mut child =
        Command::new("unshare").args(["-n", "sh", "-c", "ip link set lo up; echo up; exec sleep 300"]).stdout(Stdio::piped()).spawn().expect("root");
    child.stdout.take().expect("piped").read_exact(&mut [0; 3]).expect("it is up");
    let path = format!("/proc/{}/ns/net", child.id()).into();
    (child, path)
}

impl Lab {
    fn new(outside: Outside) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        std::fs::write(folder.path().join("names"), FRONT).expect("written");
        let plan = Plan { files: vec![folder.path().join("names")], outside, ..Plan::default() };
        let ((container, _), (mut keeper, host)) = (namespace(), namespace());
        let over = Arc::new(AtomicBool::new(false));
        let (pid, ends, ready) = (container.id() as i32, over.clone(), std::sync::mpsc::channel());
        let home = std::fs::File::open(&host).expect("it lives");
        let serve = move || {
            nix::sched::setns(home, nix::sched::CloneFlags::CLONE_NEWNET).expect("entered");
            let poll = Poll::new().expect("possible");
            let mut server = Server::open(&plan, pid, &poll).unwrap_or_else(|error| panic!("{error}"));
            server.settle();
            ready.0.send(PathBuf::from(format!("/proc/self/task/{}/ns/net", nix::unistd::gettid()))).expect("awaited");
            while !ends.load(Ordering::Relaxed) {
                for ready in poll.wait(Some(Duration::from_millis(20))).expect("possible") {
                    let Token::Names(number) = ready.token else { panic!("not ours") };
                    server.ready(Part::of(number), ready.hung_up, &poll);
                }
                if server.deadline().is_some_and(|at| at <= Instant::now()) {
                    server.expired(&poll);
                }
            }
        };
        let server = Some(std::thread::spawn(serve));
        let host = ready.1.recv().expect("it serves");
        // The server's thread holds the namespace from now on.
        keeper.kill().expect("killed");
        keeper.wait().expect("reaped");
        Self { container, folder, host, over, server }
    }

    fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        inside(format!("/proc/{}/ns/net", self.container.id()).as_ref(), act)
    }

    fn ask(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.inside(|| ask(&client(), message))
    }

    fn told(&self, name: &str, kind: u16) -> String {
        let message = question(name, kind, None);
        self.ask(&message).map_or_else(|| "nothing".to_owned(), |answer| told(&message, &answer))
    }

    /// As clients do it: what is lost in a flood is asked again.
    fn told_at_last(&self, name: &str) -> String {
        let message = question(name, kind::A, None);
        let answer = self.inside(|| {
            let socket = client();
            socket.set_read_timeout(Some(Duration::from_millis(300))).expect("possible");
            (0..20).find_map(|_| ask(&socket, &message))
        });
        answer.map_or_else(|| "nothing".to_owned(), |answer| told(&message, &answer))
    }

    fn ask_by_tcp(&self, messages: &[&[u8]]) -> Vec<Vec<u8>> {
        self.inside(|| {
            let mut stream = TcpStream::connect("127.0.0.11:53").expect("it listens");
            stream.set_read_timeout(Some(Duration::from_secs(6))).expect("possible");
            for message in messages {
                stream.write_all(&(message.len() as u16).to_be_bytes()).and_then(|()| stream.write_all(message)).expect("taken");
            }
            let mut answer = || {
                let mut len = [0; 2];
                stream.read_exact(&mut len).expect("an answer");
                let mut answer = vec![0; u16::from_be_bytes(len).into()];
                stream.read_exact(&mut answer).expect("all of it");
                answer
            };
            messages.iter().map(|_| answer()).collect()
        })
    }

    /// A server outside; `answer` is given a question and says what is sent back, in this order.
    fn outside(&self, address: &str, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Arc<AtomicU32> {
        let socket = inside(&self.host, || UdpSocket::bind((address, 53)).expect("free"));
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                count.fetch_add(1, Ordering::Relaxed);
                for bytes in answer(&buffer[..len]) {
                    let _ = socket.send_to(&bytes, from);
                }
            }
        });
        asked
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.server.take().map(JoinHandle::join);
        let _ = self.container.kill();
        let _ = self.container.wait();
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the server fell");
    }
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("free");
    socket.set_read_timeout(Some(Duration::from_secs(6))).expect("possible");
    socket.connect("127.0.0.11:53").expect("possible");
    socket
}

fn ask(client: &UdpSocket, message: &[u8]) -> Option<Vec<u8>> {
    client.send(message).expect("sent");
    let mut buffer = vec![0; 70_000];
    let len = client.recv(&mut buffer).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

/// An answer with one address.
fn address(question: &[u8], last: u8) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer[3] = 0x80;
    answer[7] = 1;
    answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 192, 0, 2, last]);
    answer
}

fn with_code(question: &[u8], code: u8) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer[3] = 0x80 | code;
    answer
}

fn at(addresses: &[&str]) -> Outside {
    Outside::Servers(addresses.iter().map(|ip| ip.parse().expect("an address")).collect())
}

#[test]
#[ignore = "needs root"]
fn names_are_answered_at_port_53_which_stays_free_for_the_container() {
    let lab = Lab::new(Outside::Nobody);
    assert_eq!(lab.told("web", kind::A), "0 10.5.0.2");
    let (one, other) = (question("db", kind::A, None), question("web", kind::AAAA, None));
    let by_tcp = lab.ask_by_tcp(&[&one, &other]);
    assert_eq!((told(&one, &by_tcp[0]), told(&other, &by_tcp[1])), ("0 10.5.0.3".to_owned(), "0 fd00:5::2".to_owned()));
    let held = lab.inside(|| (UdpSocket::bind("0.0.0.0:53").expect("free"), TcpListener::bind("0.0.0.0:53").expect("free")));
    assert_eq!(lab.told("db", kind::A), "0 10.5.0.3");
    drop(held);
}

#[test]
#[ignore = "needs root"]
fn a_change_of_names_is_known_at_once() {
    let lab = Lab::new(Outside::Nobody);
    for last in 1..50 {
        let new = lab.folder.path().join("new");
        std::fs::write(&new, FRONT.replace("10.5.0.3", &format!("10.5.1.{last}")))
            .and_then(|()| std::fs::rename(&new, lab.folder.path().join("names")))
            .expect("replaced");
        assert_eq!(lab.told("db", kind::A), format!("0 10.5.1.{last}"));
    }
    std::fs::remove_file(lab.folder.path().join("names")).expect("removed");
    assert_eq!(lab.told("db", kind::A), "2");
}

#[test]
#[ignore = "needs root"]
fn other_names_are_asked_for_outside_and_nobody_else_can_answer() {
    let lab = Lab::new(at(&["127.9.0.1"]));
    let size_is_kept = |question: &[u8]| question.ends_with(&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
    let asked = lab.outside("127.9.0.1", move |question| {
        assert_ne!(question[..2], [0, 7], "one in 65,536 runs fails here");
        let (mut other_id, mut other_name) = (address(question, 66), address(question, 66));
        other_id[0] ^= 1;
        other_name[13] ^= 1;
        vec![other_id, other_name, vec![], vec![0; 3], address(question, if size_is_kept(question) { 2 } else { 1 })]
    });
    assert_eq!(lab.told("example.org", kind::A), "0 192.0.2.1");
    let answer = lab.ask(&question("example.org", kind::A, Some(1232))).expect("an answer");
    assert_eq!((&answer[..2], answer.last()), (&[0, 7][..], Some(&2)));
    assert_eq!(lab.told("web", kind::A), "0 10.5.0.2");
    assert_eq!(asked.load(Ordering::Relaxed), 2, "names inside are no matter of others");
}

#[test]
#[ignore = "needs root"]
fn the_next_server_is_asked_when_one_fails_or_is_silent() {
    // The first one is not there, which the kernel tells.
    let lab = Lab::new(at(&["127.9.0.1", "127.9.0.2", "127.9.0.3"]));
    lab.outside("127.9.0.2", |question| vec![with_code(question, 2)]);
    lab.outside("127.9.0.3", |question| vec![address(question, 3)]);
    let begin = Instant::now();
    assert_eq!(lab.told("example.org", kind::A), "0 192.0.2.3");
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    let lab = Lab::new(at(&["127.9.0.1", "127.9.0.2"]));
    let silent = lab.outside("127.9.0.1", |_| Vec::new());
    lab.outside("127.9.0.2", |question| vec![with_code(question, 3)]);
    assert_eq!(lab.told("nobody.example", kind::A), "3", "an answer is an answer");
    assert_eq!(silent.load(Ordering::Relaxed), 1);
    let lab = Lab::new(at(&["127.9.0.1"]));
    assert_eq!(lab.told("example.org", kind::A), "2");
}

#[test]
#[ignore = "needs root"]
fn large_answers_come_by_tcp() {
    let lab = Lab::new(at(&["127.9.0.1"]));
    lab.outside("127.9.0.1", |question| vec![address(question, 1).into_iter().chain([0; 600]).collect()]);
    let listener = inside(&lab.host, || TcpListener::bind("127.9.0.1:53").expect("free"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut question = [0; 31];
            stream.read_exact(&mut question).expect("a question");
            let answer: Vec<u8> = address(&question[2..], 1).into_iter().chain(std::iter::repeat_n(0, 60_000)).collect();
            // In pieces.
            let bytes: Vec<u8> = (answer.len() as u16).to_be_bytes().into_iter().chain(answer).collect();
            bytes.chunks(7000).for_each(|chunk| stream.write_all(chunk).expect("taken"));
        }
    });
    assert_eq!(lab.told("example.org", kind::A), "0 cut");
    let whole = lab.ask_by_tcp(&[&question("example.org", kind::A, None), &question("web", kind::A, None)]);
    assert_eq!((whole[0].len(), &whole[0][..2]), (60_000 + 45, &[0, 7][..]));
    assert_eq!(told(&question("web", kind::A, None), &whole[1]), "0 10.5.0.2");
}

#[test]
#[ignore = "needs root"]
fn an_internal_network_has_no_way_out() {
    let lab = Lab::new(Outside::Nobody);
    let asked = lab.outside("127.0.0.1", |question| vec![address(question, 1)]);
    let begin = Instant::now();
    assert_eq!(lab.told("example.org", kind::A), "2");
    assert!(begin.elapsed() < Duration::from_millis(500));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[test]
#[ignore = "needs root"]
fn a_hostile_container_harms_only_its_own_names_and_not_for_long() {
    let lab = Lab::new(at(&["127.9.0.1"]));
    lab.outside("127.9.0.1", |_| Vec::new());
    let mut seed = 1_u64;
    let mut chance = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    let garbage: Vec<Vec<u8>> = (0..3000)
        .map(|index| {
            let mut bytes = if index % 2 == 0 { question("web.example", kind::A, Some(512)) } else { (0..chance() % 600).map(|_| chance() as u8).collect() };
            for _ in 0..chance() % 4 {
                let (len, value) = (bytes.len().max(1), chance() as u8);
                if let Some(byte) = bytes.get_mut(chance() % len) {
                    *byte = value;
                }
            }
            bytes
        })
        .collect();
    let streams: Vec<TcpStream> = lab.inside(|| {
        let flood = client();
        garbage.iter().for_each(|bytes| drop(flood.send(bytes)));
        let _ = flood.send(&vec![1; 60_000]);
        let streams: Vec<_> = (0..100).filter_map(|_| TcpStream::connect("127.0.0.11:53").ok()).collect();
        for (mut stream, bytes) in streams.iter().zip(&garbage) {
            let _ = stream.write_all(bytes);
        }
        streams
    });
    assert_eq!(lab.told_at_last("web"), "0 10.5.0.2");
    drop(streams);
    // More questions than may be on their way: the rest are refused at once.
    let refused = lab.inside(|| {
        let flood = client();
        let message = question("silent.example", kind::A, None);
        (0..400).filter(|_| flood.send(&message).is_ok()).count();
        flood.set_read_timeout(Some(Duration::from_millis(300))).expect("possible");
        let mut buffer = [0; 512];
        std::iter::from_fn(|| flood.recv(&mut buffer).ok()).count()
    });
    assert!((100..=400).contains(&refused), "{refused}");
    assert_eq!(lab.told_at_last("db"), "0 10.5.0.3");
    let one = question("db", kind::A, None);
    assert_eq!(told(&one, &lab.ask_by_tcp(&[&one])[0]), "0 10.5.0.3");
}

#[test]
#[ignore = "needs root"]
fn a_hundred_clients_at_once_are_all_answered() {
    let lab = Lab::new(Outside::Nobody);
    let mut times: Vec<Duration> = lab.inside(|| {
        let home = std::fs::File::open("/proc/thread-self/ns/net").expect("ours");
        let clients: Vec<_> = (0..100).map(|_| client()).collect();
        drop(home);
        let run = |socket: &UdpSocket| {
            let message = question("web", kind::A, None);
            let once = |_| {
                let begin = Instant::now();
                assert_eq!(told(&message, &ask(socket, &message).expect("none is lost")), "0 10.5.0.2");
                begin.elapsed()
            };
            (0..20).map(once).collect::<Vec<_>>()
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = clients.iter().map(|socket| scope.spawn(move || run(socket))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("answered")).collect()
        })
    });
    times.sort();
    println!("100 clients, 20 questions each: median {:?}, p99 {:?}, longest {:?}", times[1000], times[1980], times[1999]);
    assert!(times[1000] < Duration::from_millis(100), "{:?}", times[1000]);
}
