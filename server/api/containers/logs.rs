//! `GET /containers/{id}/logs`.

use crate::answer::streaming;
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::query::{Params, instant};
use crate::streams::content_type;
use crate::version::Spoken;
use actix_web::web::{Bytes, Data, Path};
use gantry_engine::{Engine, LogEntry, LogQuery, OutputStream};
use gantry_wire::docker::{Stream, header};

/// How lines are dressed.
#[derive(Clone, Copy)]
struct Dress {
    tty: bool,
    timestamps: bool,
    /// Attributes of the log driver; there are none, but the blank between them and the line is there.
    details: bool,
}

pub async fn logs(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, id: Path<String>, params: Params) -> ApiResult {
    let (stdout, stderr) = (params.flag("stdout"), params.flag("stderr"));
    if !stdout && !stderr {
        return Err(ApiError::invalid("Bad parameters: you must choose at least one stream"));
    }
    let query = LogQuery {
        stdout,
        stderr,
        follow: params.flag("follow"),
        since_ns: instant("since", params.text("since"))?.filter(|at| *at > 0),
        until_ns: instant("until", params.text("until"))?.filter(|at| *at > 0),
        // Whatever is no number is all, as with dockerd.
        tail: params.text("tail").parse().ok(),
    };
    let stream = engine.logs(&caller, &id, query).await?;
    let dress = Dress { tty: stream.tty, timestamps: params.flag("timestamps"), details: params.flag("details") };
    let batches = futures_util::stream::unfold(stream.entries, move |mut entries| async move {
        match entries.recv().await? {
            Ok(batch) => Some((dressed(&batch, dress), entries)),
            Err(error) => {
                entries.close();
                Some((framed(Stream::System, format!("error from the server: {}\n", error.chain()).as_bytes(), dress.tty), entries))
            }
        }
    });
    Ok(streaming(&engine, content_type(dress.tty, true, spoken), batches))
}

fn framed(stream: Stream, bytes: &[u8], tty: bool) -> Bytes {
    let head = header(stream, bytes.len() as u32);
    if tty { Bytes::copy_from_slice(bytes) } else { [&head, bytes].concat().into() }
}

fn dressed(batch: &[LogEntry], dress: Dress) -> Bytes {
    let mut out = Vec::with_capacity(batch.iter().map(|entry| entry.bytes.len() + 48).sum());
    let mut prefix = String::new();
    for entry in batch {
        prefix.clear();
        if dress.timestamps {
            stamp(entry.at_ns, &mut prefix);
        }
        if dress.details {
            prefix.push(' ');
        }
        if !dress.tty {
            let stream = if entry.stream == OutputStream::Stderr { Stream::Stderr } else { Stream::Stdout };
            out.extend_from_slice(&header(stream, (prefix.len() + entry.bytes.len()) as u32));
        }
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(&entry.bytes);
    }
    out.into()
}

/// RFC 3339 with all nine digits, and a blank.
fn stamp(at_ns: i128, out: &mut String) {
    use std::fmt::Write as _;
    if let Ok(at) = jiff::Timestamp::from_nanosecond(at_ns) {
        let _ = write!(out, "{at:.9} ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_framed_and_stamped() {
        let entry = LogEntry { stream: OutputStream::Stderr, at_ns: 1_700_000_000_000_000_042, bytes: Bytes::from_static(b"hi\n") };
        let with = |tty, timestamps, details| String::from_utf8_lossy(&dressed(std::slice::from_ref(&entry), Dress { tty, timestamps, details })).into_owned();
        assert_eq!(with(true, false, false), "hi\n");
        assert_eq!(with(false, false, true), "\u{2}\0\0\0\0\0\0\u{4} hi\n");
        assert_eq!(with(true, true, false), "2023-11-14T22:13:20.000000042Z hi\n");
    }
}
