//! The first request head of a connection: does it ask for the connection itself? Bytes in, an answer out; `connection` reads the socket.
//!
//! Docker's clients say `Upgrade: tcp` or, the older ones, nothing: after the request the connection carries raw bytes both ways.
//! The HTTP decoder would take those for the next request, so it gets the request and nothing more.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// More bytes are needed.
    Partial,
    /// A request like any other, or none at all.
    Other,
    /// A request for the connection: after this many bytes, head and body, it is the client's.
    Asks(Hijack, usize),
}

/// Looks at the first bytes of a connection. A body of more than `max_body` bytes is no request for a connection.
pub fn examine(bytes: &[u8], max_body: usize) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => match (wanted(&request), body_length(&request)) {
            (Hijack::No, _) | (_, None) => Head::Other,
            (_, Some(body)) if body > max_body => Head::Other,
            (hijack, Some(body)) => Head::Asks(hijack, head + body),
        },
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Head::Partial,
        // The decoder says what is wrong with it.
        Ok(httparse::Status::Partial) | Err(_) => Head::Other,
    }
}

fn wanted(request: &httparse::Request<'_, '_>) -> Hijack {
    let asks = values(request, "connection").any(|value| value.split(|b| *b == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade")));
    match values(request, "upgrade").next() {
        Some(to) if asks && to.eq_ignore_ascii_case(b"tcp") => Hijack::Upgrade,
        None if request.method == Some("POST") && is_stream(request.path.unwrap_or_default()) => Hijack::Plain,
        _ => Hijack::No,
    }
}

/// `None` if the head does not tell.
fn body_length(request: &httparse::Request<'_, '_>) -> Option<usize> {
    if values(request, "transfer-encoding").next().is_some() {
        return None;
    }
    match values(request, "content-length").next() {
        None => Some(0),
        Some(text) => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

fn values<'a>(request: &'a httparse::Request<'_, '_>, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.trim_ascii())
}

/// `/containers/{id}/attach` and `/exec/{id}/start`, with or without a version.
fn is_stream(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip(1).skip_while(|part| part.starts_with("v1."));
    matches!(
        (parts.next(), parts.next(), parts.next(), parts.next()),
        (Some("containers"), Some(_), Some("attach"), None) | (Some("exec"), Some(_), Some("start"), None)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    #[test]
    fn a_head_that_asks_for_tcp_is_known_and_so_is_where_the_request_ends() {
        let asked = b"POST /v1.51/exec/ab/start HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nConnection: keep-alive, Upgrade\r\nUpgrade: TCP\r\n\r\n{}stdin";
        let head = asked.len() - "{}stdin".len();
        for cut in 0..head {
            assert_eq!(examine(&asked[..cut], MAX), Head::Partial, "{cut}");
        }
        for cut in head..=asked.len() {
            assert_eq!(examine(&asked[..cut], MAX), Head::Asks(Hijack::Upgrade, head + 2), "{cut}");
        }
        assert_eq!(examine(asked, 1), Head::Other);
    }

    #[test]
    fn old_clients_hijack_without_a_word() {
        let plain = |target: &str| examine(format!("POST {target} HTTP/1.1\r\nHost: d\r\n\r\n").as_bytes(), MAX);
        for target in ["/containers/web/attach?stream=1", "/v1.24/containers/web/attach", "/exec/ab/start", "/v1.40/exec/ab/start?x"] {
            assert!(matches!(plain(target), Head::Asks(Hijack::Plain, _)), "{target}");
        }
        for target in ["/containers/web/start", "/exec/ab/resize", "/containers/attach", "/containers/a/b/attach"] {
            assert_eq!(plain(target), Head::Other, "{target}");
        }
    }

    #[test]
    fn everything_else_is_a_request_like_any_other() {
        for asked in [
            "GET /events HTTP/1.1\r\nHost: d\r\n\r\n",
            "GET /containers/a/attach/ws HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "POST /session HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            "POST /exec/a/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /exec/a/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: -1\r\n\r\n",
            "\x16\x03\x01 not HTTP",
        ] {
            assert_eq!(examine(asked.as_bytes(), MAX), Head::Other, "{asked}");
        }
        assert_eq!(examine(&vec![b'a'; MAX_HEAD], MAX), Head::Other);
    }
}
