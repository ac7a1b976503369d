//! Registries that fail, lie and stall: each ends in a clear error within bounded time and memory.

mod server;

use gantry_model::{Digest, Kind};
use gantry_registry::{Credentials, Descriptor, Patience, Registry, RegistryError, Settings};
use server::{Asked, Server, chunk, reply};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn settings() -> Arc<Settings> {
    let patience = Patience {
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(2),
        stall: Duration::from_millis(300),
        least_bytes: 1000,
        tries: 3,
        backoff: Duration::from_millis(10),
        longest_wait: Duration::from_secs(1),
    };
    Arc::new(Settings { certs_dirs: Vec::new(), patience, ..Settings::default() })
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let began = Instant::now();
    let done = runtime.block_on(work);
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    done
}

async fn open(server: &Server, login: Option<Credentials>) -> Registry {
    Registry::open(&settings(), &server.name, login).await.expect("it answers")
}

fn login() -> Option<Credentials> {
    Some(Credentials { username: "ada".to_owned(), password: "secret".to_owned(), ..Credentials::default() })
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

/// All bytes of a blob that should be `content`.
async fn fetch(registry: &Registry, content: &[u8]) -> Result<Vec<u8>, RegistryError> {
    let mut body = registry.blob("a/b", &Descriptor::new(digest(content), content.len() as u64, ""));
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// A registry that answers every question but the first with `answer`.
fn with(answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Server {
    Server::start(move |asked, to| if asked.path == "/v2/" { reply(to, "200 OK", "", b"{}") } else { answer(asked, to) })
}

#[test]
fn a_manifest_that_is_not_what_its_digest_says_is_refused() {
    let server = with(|_, to| reply(to, "200 OK", "", b"{\"schemaVersion\":2}"));
    let error = run(async { open(&server, None).await.manifest("a/b", digest(b"other").as_str()).await }).expect_err("refused");
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
}

#[test]
fn a_manifest_has_an_end_and_is_never_large() {
    let announced = with(|_, to| {
        let _ = write!(to, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
    });
    let endless = with(|_, to| {
        let _ = write!(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while chunk(to, &[b' '; 65536]) {}
    });
    for server in [announced, endless] {
        let error = run(async { open(&server, None).await.manifest("a/b", "latest").await }).expect_err("refused");
        assert_eq!(error.kind(), Kind::TooLarge, "{error}");
    }
}

#[test]
fn a_blob_with_more_bytes_than_promised_is_cut_off() {
    let server = with(|_, to| {
        let _ = write!(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while chunk(to, &[b'x'; 65536]) {}
    });
    let error = run(async { fetch(&open(&server, None).await, &[b'x'; 100_000]).await }).expect_err("refused");
    assert_eq!(error.kind(), Kind::TooLarge, "{error}");
}

#[test]
fn redirects_that_lead_in_a_circle_or_to_another_protocol_end() {
    for (to, said) in [("/v2/a/b/manifests/again", "from address to address"), ("file:///etc/passwd", "not http"), ("", "without saying where")] {
        let location = if to.is_empty() { String::new() } else { format!("Location: {to}\r\n") };
        let server = with(move |_, to| reply(to, "307 Temporary Redirect", &location, b""));
        let error = run(async { open(&server, None).await.manifest("a/b", "latest").await }).expect_err("refused");
        assert!(error.to_string().contains(said), "{error}");
        assert!(server.asked().len() < 20);
    }
}

#[test]
fn a_challenge_that_nobody_can_answer_is_told() {
    for challenge in ["Bearer realm=\"gopher://x\"", "Bearer realm=\"", "Negotiate"] {
        let header = format!("WWW-Authenticate: {challenge}\r\n");
        let server = with(move |_, to| reply(to, "401 Unauthorized", &header, b""));
        let error = run(async { open(&server, None).await.manifest("a/b", "latest").await }).expect_err("refused");
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
    }
}

#[test]
fn a_body_that_drips_is_given_up() {
    let server = with(|_, to| {
        let _ = write!(to, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while to.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let error = run(async { fetch(&open(&server, None).await, &[b'x'; 100_000]).await }).expect_err("given up");
    assert!(error.to_string().contains("broke off 3 times"), "{error}");
}

#[test]
fn a_download_that_breaks_goes_on_where_it_broke() {
    let content: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    for ranges in [true, false] {
        let (sent, tries) = (content.clone(), AtomicUsize::new(0));
        let server = with(move |asked, to| {
            let start: usize =
                asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()).filter(|_| ranges).unwrap_or(0);
            let status = if start > 0 { format!("206 Partial Content\r\nContent-Range: bytes {start}-199999/200000") } else { "200 OK".to_owned() };
            let _ = write!(to, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", sent.len() - start);
            // The first two tries break off.
            let end = match tries.fetch_add(1, Ordering::Relaxed) {
                0 => 50_000,
                1 => 120_000,
                _ => sent.len(),
            };
            let _ = to.write_all(&sent[start..end]);
        });
        let bytes = run(async { fetch(&open(&server, None).await, &content).await }).expect("whole in the end");
        assert!(bytes == content);
        let asked: Vec<_> = server.asked().iter().filter_map(|asked| asked.header("range").map(str::to_owned)).collect();
        assert_eq!(asked.len(), 2, "{asked:?}");
    }
}

#[test]
fn a_login_is_for_the_registry_and_never_for_where_it_leads() {
    let content = b"of the storage".to_vec();
    let stored = content.clone();
    let storage = Server::start(move |_, to| reply(to, "200 OK", "", &stored));
    let location = format!("Location: http://localhost:{}/blob\r\n", storage.name.rsplit(':').next().expect("a port"));
    let server = Server::start(move |asked, to| {
        if asked.header("authorization") != Some("Basic YWRhOnNlY3JldA==") {
            return reply(to, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b"");
        }
        let (status, header) = if asked.path == "/v2/" { ("200 OK", "") } else { ("307 Temporary Redirect", location.as_str()) };
        reply(to, status, header, b"");
    });
    let bytes = run(async { fetch(&open(&server, login()).await, &content).await }).expect("led to the storage");
    assert_eq!(bytes, content);
    let asked = storage.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.header("authorization").is_none()), "{asked:?}");
}

#[test]
fn a_token_that_ends_in_the_middle_is_renewed() {
    let (tokens, name) = (AtomicUsize::new(0), Arc::new(std::sync::Mutex::new(String::new())));
    let realm = name.clone();
    let server = Server::start(move |asked, to| {
        if asked.path.starts_with("/token?") {
            assert!(asked.path.contains("scope=repository%3Aa%2Fb%3Apull") && asked.header("authorization").is_some(), "{asked:?}");
            let token = tokens.fetch_add(1, Ordering::Relaxed);
            return reply(to, "200 OK", "", format!("{{\"token\":\"t{token}\",\"expires_in\":300}}").as_bytes());
        }
        // The first token holds for one request.
        let holds = match asked.header("authorization") {
            Some("Bearer t0") => asked.path.ends_with("/one"),
            Some("Bearer t1") => true,
            _ => false,
        };
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"reg\"\r\n", realm.lock().expect("whole"));
        if holds { reply(to, "200 OK", "", b"{}") } else { reply(to, "401 Unauthorized", &challenge, b"") }
    });
    name.lock().expect("whole").clone_from(&server.name);
    run(async {
        let registry = open(&server, login()).await;
        registry.manifest("a/b", "one").await.expect("with the first token");
        registry.manifest("a/b", "two").await.expect("with the second");
        registry.manifest("a/b", "three").await.expect("with the second still");
    });
    assert_eq!(server.asked().iter().filter(|asked| asked.path.starts_with("/token?")).count(), 2);
}

#[test]
fn a_rate_limit_is_told_as_one_and_a_short_wait_is_waited_for() {
    let long = with(|_, to| {
        reply(to, "429 Too Many Requests", "Retry-After: 1800\r\n", b"{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"pull rate limit\"}]}")
    });
    let error = run(async { open(&long, None).await.manifest("a/b", "latest").await }).expect_err("refused");
    assert!(error.kind() == Kind::RateLimited && error.to_string().contains("try again in 1800 seconds: toomanyrequests: pull rate limit"), "{error}");
    let tries = AtomicUsize::new(0);
    let short = with(move |_, to| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => reply(to, "429 Too Many Requests", "Retry-After: 1\r\n", b""),
        1 => reply(to, "503 Service Unavailable", "", b""),
        _ => reply(to, "200 OK", "", b"{}"),
    });
    run(async { open(&short, None).await.manifest("a/b", "latest").await }).expect("in the end");
}

#[test]
fn what_is_no_registry_is_refused() {
    let error = run(async { Registry::open(&settings(), "127.0.0.1:1", None).await.map(drop) }).expect_err("nobody listens");
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    let silent = Server::start(|_, to| {
        let mut rest = [0; 1];
        let _ = std::io::Read::read(to, &mut rest);
    });
    assert!(run(async { Registry::open(&settings(), &silent.name, None).await.map(drop) }).is_err());
}
