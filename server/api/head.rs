//! The first request head of a connection: does it ask for the connection itself, and the same head as the HTTP decoder must see it.
//! Bytes in, bytes out; `connection` reads and writes the socket.
//!
//! actix hands a connection over as raw bytes both ways only for `Upgrade: websocket`. Docker's clients say `Upgrade: tcp`, older ones
//! say nothing and just go on. Their heads are rewritten here; how they asked is told beside the bytes, never in a header a client could forge.

/// Heads beyond this are not looked at.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 96;

/// How a client asked for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hijack {
    #[default]
    No,
    /// `Upgrade: tcp`: answered with 101.
    Upgrade,
    /// A plain POST to attach or to start an exec session: answered with 200 and no length.
    Plain,
}

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub enum Head {
    /// More bytes are needed.
    Partial,
    /// Not a head that is rewritten.
    Untouched,
    /// Bytes to be read instead: the rewritten head, and what came after it as it was.
    Rewritten(Hijack, Vec<u8>),
}

/// Looks at the first bytes of a connection.
pub fn examine(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => match wanted(&request) {
            Hijack::No => Head::Untouched,
            hijack => Head::Rewritten(hijack, rewrite(&request, &bytes[length..])),
        },
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Head::Partial,
        // The decoder says what is wrong with it.
        Ok(httparse::Status::Partial) | Err(_) => Head::Untouched,
    }
}

fn wanted(request: &httparse::Request<'_, '_>) -> Hijack {
    let framed = values(request, "transfer-encoding").next().is_some();
    let asks = values(request, "connection").any(|value| value.split(|b| *b == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade")));
    match values(request, "upgrade").next() {
        _ if framed => Hijack::No,
        Some(to) if asks && to.eq_ignore_ascii_case(b"tcp") => Hijack::Upgrade,
        None if request.method == Some("POST") && is_stream(request.path.unwrap_or_default()) => Hijack::Plain,
        _ => Hijack::No,
    }
}

fn values<'a>(request: &'a httparse::Request<'_, '_>, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.trim_ascii())
}

/// `/containers/{id}/attach` and `/exec/{id}/start`, with or without a version.
fn is_stream(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip(1).skip_while(|part| part.starts_with("v1."));
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("containers"), Some(_), Some("attach"), None) | (Some("exec"), Some(_), Some("start"), None) => true,
        _ => false,
    }
}

fn rewrite(request: &httparse::Request<'_, '_>, rest: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(512 + rest.len());
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    head.extend_from_slice(format!("{method} {path} HTTP/1.{}\r\n", request.version.unwrap_or(1)).as_bytes());
    for header in request.headers.iter().filter(|header| !["connection", "upgrade"].iter().any(|name| header.name.eq_ignore_ascii_case(name))) {
        head.extend_from_slice(header.name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(header.value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    head.extend_from_slice(rest);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(head: Head) -> (Hijack, String) {
        match head {
            Head::Rewritten(hijack, bytes) => (hijack, String::from_utf8(bytes).expect("ASCII")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_head_that_asks_for_tcp_is_rewritten_and_what_follows_stays() {
        let asked = b"POST /v1.51/exec/ab/start HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nConnection: keep-alive, Upgrade\r\nUpgrade: TCP\r\n\r\n{}stdin";
        for cut in 0..asked.len() - 7 {
            assert_eq!(examine(&asked[..cut]), Head::Partial, "{cut}");
        }
        let (hijack, head) = text(examine(asked));
        assert_eq!(hijack, Hijack::Upgrade);
        assert_eq!(head, "POST /v1.51/exec/ab/start HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n{}stdin");
    }

    #[test]
    fn old_clients_hijack_without_a_word() {
        let plain = |target: &str| examine(format!("POST {target} HTTP/1.1\r\nHost: d\r\n\r\n").as_bytes());
        for target in ["/containers/web/attach?stream=1", "/v1.24/containers/web/attach", "/exec/ab/start", "/v1.40/exec/ab/start?x"] {
            assert_eq!(text(plain(target)).0, Hijack::Plain, "{target}");
        }
        for target in ["/containers/web/start", "/exec/ab/resize", "/containers/attach", "/containers/a/b/attach"] {
            assert_eq!(plain(target), Head::Untouched, "{target}");
        }
    }

    #[test]
    fn everything_else_goes_through_as_it_is() {
        for asked in [
            "GET /events HTTP/1.1\r\nHost: d\r\n\r\n",
            "GET /containers/a/attach/ws HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "POST /session HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            "POST /exec/a/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nTransfer-Encoding: chunked\r\n\r\n",
            "\x16\x03\x01 not HTTP",
        ] {
            assert_eq!(examine(asked.as_bytes()), Head::Untouched, "{asked}");
        }
        assert_eq!(examine(&vec![b'a'; MAX_HEAD]), Head::Untouched);
    }
}
