//! Connections taken over, waits, logs, events.

use super::support::{Server, half_close, read, rest, streams, until};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

#[track_caller]
fn exec(server: &Server, container: &str, command: &[&str], more: Value) -> String {
    let mut body = json!({ "Cmd": command, "AttachStdout": true, "AttachStderr": true });
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    let answer = server.post(&format!("/containers/{container}/exec"), &body);
    answer.is(201);
    answer.json()["Id"].as_str().expect("an id").to_owned()
}

fn exit_code(server: &Server, id: &str) -> Value {
    server.get(&format!("/exec/{id}/json")).json()["ExitCode"].clone()
}

#[test]
#[ignore = "needs root"]
fn an_exec_streams_in_frames_and_its_code_is_known_when_they_end() {
    let server = Server::with_busybox();
    server.run("box", "exec sleep 1000", Value::Null);
    for _ in 0..20 {
        let id = exec(&server, "box", &["sh", "-c", "echo out; echo err >&2; exit 7"], Value::Null);
        let (stream, head) = server.hijack(&format!("/exec/{id}/start"), "{\"Detach\":false}", true, b"");
        assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
        assert!(head.contains("content-type: application/vnd.docker.multiplexed-stream"), "{head}");
        assert_eq!(streams(&rest(stream)), ("out\n".to_owned(), "err\n".to_owned()));
        assert_eq!(exit_code(&server, &id), json!(7));
    }
}

#[test]
#[ignore = "needs root"]
fn input_that_comes_with_the_request_is_the_process_s_and_old_clients_need_no_upgrade() {
    let server = Server::with_busybox();
    server.run("box", "exec sleep 1000", Value::Null);
    for (version, upgrade, begins, kind) in
        [("", true, "HTTP/1.1 101", "multiplexed"), ("/v1.41", true, "HTTP/1.1 101", "raw"), ("/v1.24", false, "HTTP/1.1 200", "raw")]
    {
        let id = exec(&server, "box", &["cat"], json!({ "AttachStdin": true }));
        let (mut stream, head) = server.hijack(&format!("{version}/exec/{id}/start"), "{}", upgrade, b"first ");
        assert!(head.starts_with(begins) && head.contains(&format!("docker.{kind}-stream")), "{head}");
        assert!(!head.contains("chunked") && !head.contains("content-length"), "{head}");
        stream.write_all(b"second").expect("sent");
        half_close(&stream);
        assert_eq!(streams(&rest(stream)).0, "first second", "{version}");
        assert_eq!(exit_code(&server, &id), json!(0));
    }
}

/// A decoder in between once dropped what it had read when the client half-closed while the process was slow.
#[test]
#[ignore = "needs root"]
fn sixteen_megabytes_come_back_byte_for_byte_from_a_slow_reader() {
    let server = Server::with_busybox();
    server.run("box", "exec sleep 1000", Value::Null);
    let sent: Vec<u8> = (0..16 << 20).map(|number: u32| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for _ in 0..3 {
        let id = exec(&server, "box", &["sh", "-c", "sleep 0.2; cat"], json!({ "AttachStdin": true, "Tty": false }));
        let (mut stream, _) = server.hijack(&format!("/exec/{id}/start"), "{}", true, b"");
        let (mut way_in, bytes) = (stream.try_clone().expect("cloned"), sent.clone());
        let sender = std::thread::spawn(move || {
            way_in.write_all(&bytes).expect("taken");
            half_close(&way_in);
        });
        let (mut decoder, mut back, mut piece) = (gantry_wire::docker::FrameDecoder::default(), Vec::new(), vec![0; 1 << 16]);
        loop {
            let n = stream.read(&mut piece).expect("in time");
            if n == 0 {
                break;
            }
            decoder.feed(&piece[..n], |_, bytes| back.extend_from_slice(bytes)).expect("frames");
        }
        sender.join().expect("sent");
        assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
    }
}

#[test]
#[ignore = "needs root"]
fn attach_and_wait_before_the_start_miss_nothing() {
    let server = Server::with_busybox();
    server.create("box", "cat; echo done >&2; exit 3", json!({ "OpenStdin": true, "StdinOnce": true, "AttachStdin": true }));
    let (mut stream, _) = server.hijack("/containers/box/attach?stream=1&stdin=1&stdout=1&stderr=1", "", true, b"");
    let mut waiting = server.connect();
    write!(waiting, "POST /containers/box/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n").expect("sent");
    let mut head = [0; 15];
    waiting.read_exact(&mut head).expect("the head comes before the end");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    server.post("/containers/box/start", &Value::Null).is(204);
    server.post("/containers/box/start", &Value::Null).is(304);
    stream.write_all(b"hello").expect("sent");
    half_close(&stream);
    assert_eq!(streams(&rest(stream)), ("hello".to_owned(), "done\n".to_owned()));
    let waited = String::from_utf8(rest(waiting)).expect("UTF-8");
    assert!(waited.contains("{\"StatusCode\":3}"), "{waited}");
}

#[test]
#[ignore = "needs root"]
fn a_wait_for_the_removal_ends_with_it() {
    let server = Server::with_busybox();
    server.create("box", "exit 5", json!({ "HostConfig": { "NetworkMode": "none", "AutoRemove": true } }));
    let mut waiting = server.connect();
    write!(waiting, "POST /containers/box/wait?condition=removed HTTP/1.1\r\nHost: d\r\n\r\n").expect("sent");
    waiting.read_exact(&mut [0; 15]).expect("the head");
    server.post("/containers/box/start", &Value::Null).is(204);
    assert!(String::from_utf8_lossy(&rest(waiting)).contains("{\"StatusCode\":5}"));
    server.get("/containers/box/json").is(404);
    server.post("/containers/box/wait?condition=sometime", &Value::Null).is(400);
}

#[test]
#[ignore = "needs root"]
fn the_detach_keys_leave_a_terminal_and_it_goes_on() {
    let server = Server::with_busybox();
    server.run("box", "stty -echo; read line; echo got $line; read line; echo and $line", json!({ "Tty": true, "OpenStdin": true, "StdinOnce": true }));
    let attach = "/containers/box/attach?stream=1&stdin=1&stdout=1&stderr=1&detachKeys=ctrl-a,x";
    let (mut stream, head) = server.hijack(attach, "", true, b"");
    assert!(head.contains("docker.raw-stream"), "{head}");
    stream.write_all(b"one\n").expect("sent");
    let mut seen = Vec::new();
    while !seen.ends_with(b"got one\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("in time"), 1);
        seen.push(byte[0]);
    }
    stream.write_all(b"\x01x").expect("sent");
    assert_eq!(rest(stream), b"");
    // A client that vanishes leaves the terminal's input open too.
    drop(server.hijack(attach, "", true, b""));
    let (mut stream, _) = server.hijack(attach, "", true, b"");
    stream.write_all(b"two\n").expect("sent");
    assert!(String::from_utf8_lossy(&rest(stream)).ends_with("and two\r\n"));
}

#[test]
#[ignore = "needs root"]
fn a_client_that_does_not_read_holds_up_itself_alone_and_one_that_goes_leaves_nothing() {
    let server = Server::with_busybox();
    server.run("box", "exec sleep 1000", Value::Null);
    let fds = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("it runs").count();
    let before = fds();
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let id = exec(&server, "box", &["yes"], Value::Null);
        stalled.push(server.hijack(&format!("/exec/{id}/start"), "{}", true, b"").0);
    }
    // Idle, with its input closed: only the socket tells that it goes.
    let id = exec(&server, "box", &["sleep", "1000"], json!({ "AttachStdin": true }));
    let (quiet, _) = server.hijack(&format!("/exec/{id}/start"), "{}", true, b"");
    half_close(&quiet);
    let id = exec(&server, "box", &["echo", "still here"], Value::Null);
    assert_eq!(streams(&rest(server.hijack(&format!("/exec/{id}/start"), "{}", true, b"").0)).0, "still here\n");
    drop((stalled, quiet));
    until(&format!("the server lets go of {} descriptors, it has {}", before, fds()), || fds() <= before);
}

#[test]
#[ignore = "needs root"]
fn logs_are_read_back_with_frames_times_and_tails() {
    let server = Server::with_busybox();
    server.run("box", "echo one; echo two >&2; printf three", Value::Null);
    server.post("/containers/box/wait", &Value::Null).is(200);
    let logs = |query: &str| server.get(&format!("/containers/box/logs?{query}"));
    assert_eq!(streams(&logs("stdout=1&stderr=1").body), ("one\nthree".to_owned(), "two\n".to_owned()));
    assert_eq!(streams(&logs("stdout=1&tail=1").body).0, "three");
    assert!(streams(&logs("stdout=1&timestamps=1&tail=1").body).0.ends_with("Z three"));
    assert_eq!(streams(&logs("stdout=1&until=1").body).0, "");
    assert!(logs("").is(400).contains("you must choose at least one stream"));
    assert!(logs("stdout=1&since=yesterday").is(400).contains("since"));
}

#[test]
#[ignore = "needs root"]
fn a_log_that_is_followed_ends_with_its_container() {
    let server = Server::with_busybox();
    server.run("box", "for i in 1 2 3; do echo $i; sleep 0.1; done", Value::Null);
    let answer = server.get("/containers/box/logs?stdout=1&follow=1");
    assert_eq!(streams(&answer.body).0, "1\n2\n3\n");
    assert!(answer.head.contains("chunked"), "{}", answer.head);
}

#[test]
#[ignore = "needs root"]
fn events_are_told_as_they_happen_and_again_from_the_past() {
    let server = Server::with_busybox();
    let mut live = server.connect();
    write!(live, "GET /events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D HTTP/1.1\r\nHost: d\r\n\r\n").expect("sent");
    live.read_exact(&mut [0; 15]).expect("the head comes at once");
    server.run("box", "exit 4", json!({ "Labels": { "tier": "front" } }));
    server.post("/containers/box/wait", &Value::Null).is(200);
    let mut seen = String::new();
    while !seen.contains("\"die\"") {
        let mut piece = [0; 4096];
        let n = live.read(&mut piece).expect("in time");
        seen.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let past = server.get(&format!("/events?since={}&until={}&filters=%7B%22event%22%3A%5B%22die%22%5D%7D", now - 100, now + 1));
    let die: Value = serde_json::from_slice(&past.body).expect("one line");
    assert_eq!((&die["Actor"]["Attributes"]["exitCode"], &die["Actor"]["Attributes"]["tier"]), (&json!("4"), &json!("front")));
    assert_eq!((&die["status"], &die["Type"], &die["scope"]), (&json!("die"), &json!("container"), &json!("local")));
    server.get("/events?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D").is(400);
}

#[test]
#[ignore = "needs root"]
fn a_stop_of_the_server_ends_open_streams_at_once() {
    let server = Server::with_busybox();
    server.run("box", "exec sleep 1000", Value::Null);
    let (attached, _) = server.hijack("/containers/box/attach?stream=1&stdout=1", "", true, b"");
    let mut open = Vec::new();
    for path in ["/events", "/containers/box/logs?stdout=1&follow=1", "/containers/box/stats"] {
        let mut stream = server.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: d\r\n\r\n").expect("sent");
        stream.read_exact(&mut [0; 15]).expect("a head");
        open.push(stream);
    }
    server.delete("/containers/box?force=1").is(204);
    let began = Instant::now();
    drop(server);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    open.into_iter().chain([attached]).for_each(|stream| drop(rest(stream)));
}

#[test]
#[ignore = "needs root"]
fn a_request_cut_short_or_malformed_is_answered_and_harms_nobody() {
    let server = Server::start();
    for garbage in [
        &b"\x16\x03\x01\x02"[..],
        b"POST /exec/x/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 100\r\n\r\n{",
        b"GET /_ping HTTP/1.1\r\n",
        b"",
    ] {
        let mut stream = server.connect();
        stream.write_all(garbage).expect("sent");
        half_close(&stream);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
    }
    assert!(server.post("/exec/zz/start", &json!({})).is(404).contains("No such exec instance"));
    let (stream, head) = server.hijack("/containers/nosuch/attach?stream=1&stdout=1", "", true, b"");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    drop(stream);
    assert_eq!(
        read({
            let mut stream = server.connect();
            write!(stream, "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n").expect("sent");
            stream
        })
        .text(),
        "OK"
    );
}
