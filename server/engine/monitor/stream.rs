//! Pumps between a monitor's connection and a client's channels.

use super::Client;
use crate::streams::{Attached, Input, InputMessage, Output, OutputStream};
use bytes::Bytes;
use gantry_wire::monitor::{Decoder, Ended, Frame, MAX_DATA, STDERR, encode};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};

/// Pieces of up to 64 KiB on their way to a client.
const OUTPUT_SLOTS: usize = 16;
const INPUT_SLOTS: usize = 16;
/// What a client sent before it went may wait so long for the process.
const LAST_INPUT: Duration = Duration::from_secs(10);

/// Turns a connection that was asked to attach into channels. `ended` hears the end before the client does,
/// so that an exit code is known when the stream closes.
///
/// The bytes move on the caller's runtime, where the client's own connection is: between threads, each key would wait for two more wake-ups.
pub(crate) fn join(client: Client, tty: bool, ended: impl FnOnce(&Ended) + Send + 'static) -> Attached {
    pump(client.stream, client.decoder, tty, ended)
}

fn pump(stream: UnixStream, decoder: Decoder, tty: bool, ended: impl FnOnce(&Ended) + Send + 'static) -> Attached {
    let (output_sender, output) = mpsc::channel(OUTPUT_SLOTS);
    let (to_monitor, input_receiver) = mpsc::channel(INPUT_SLOTS);
    let (listening, deaf) = watch::channel(());
    let (read, write) = stream.into_split();
    tokio::spawn(async move {
        pump_output(read, decoder, output_sender, ended).await;
        drop(listening);
    });
    tokio::spawn(pump_input(write, input_receiver, deaf));
    Attached { tty, output, input: Input { to_monitor } }
}

async fn pump_output(mut read: OwnedReadHalf, mut decoder: Decoder, output: mpsc::Sender<Output>, ended: impl FnOnce(&Ended)) {
    let mut chunk = vec![0u8; MAX_DATA];
    let lost = loop {
        match decoder.next() {
            Ok(Some(Frame::Output { offset, stream, bytes })) => {
                let stream = if stream == STDERR { OutputStream::Stderr } else { OutputStream::Stdout };
                if output.send(Output::Data { stream, offset, bytes: Bytes::from(bytes) }).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(Some(Frame::Gap { from, to })) => {
                if output.send(Output::Gap { from, to }).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(Some(Frame::Ended(end))) => break end,
            Ok(Some(_)) => continue,
            Err(error) => break Ended { exit_code: None, reason: format!("the monitor sent something odd: {error}") },
            Ok(None) => {}
        }
        // A client that went is noticed even when nothing comes.
        let read = tokio::select! {
            read = read.read(&mut chunk) => read,
            () = output.closed() => return,
        };
        match read {
            Ok(n) if n > 0 => decoder.feed(&chunk[..n]),
            _ => break Ended { exit_code: None, reason: "the container's monitor went away".to_owned() },
        }
    };
    ended(&lost);
    let _ = output.send(Output::Ended { exit_code: lost.exit_code, reason: lost.reason }).await;
}

async fn pump_input(mut write: OwnedWriteHalf, mut input: mpsc::Receiver<InputMessage>, mut deaf: watch::Receiver<()>) {
    let mut buffer = Vec::new();
    while let Some(message) = input.recv().await {
        buffer.clear();
        match message {
            InputMessage::Data(bytes) => bytes.chunks(MAX_DATA).for_each(|part| encode(&Frame::Input(part.to_vec()), &mut buffer)),
            InputMessage::Close => encode(&Frame::CloseInput, &mut buffer),
            InputMessage::Resize(size) => encode(&Frame::Resize(size), &mut buffer),
            InputMessage::Ack(offset) => encode(&Frame::Ack { offset }, &mut buffer),
        }
        let late = async {
            let _ = deaf.changed().await;
            tokio::time::sleep(LAST_INPUT).await;
        };
        tokio::select! {
            written = write.write_all(&buffer) => if written.is_err() { return },
            // The process does not read, and whoever sent this is gone.
            () = late => return,
        }
    }
    // The client dropped its way in: nothing more comes, but stdin stays as it is until nobody listens either.
    let _ = deaf.changed().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our end, joined, and the monitor's end.
    fn joined() -> (Attached, UnixStream) {
        let (ours, monitors) = UnixStream::pair().expect("a socket pair");
        (pump(ours, Decoder::default(), true, |_| {}), monitors)
    }

    #[tokio::test]
    async fn a_client_that_drops_both_ways_leaves_the_monitor_after_its_last_input() {
        let (attached, mut monitor) = joined();
        assert!(attached.input.send(Bytes::from_static(b"last words")).await);
        drop(attached);
        let mut got = Vec::new();
        tokio::time::timeout(Duration::from_secs(5), monitor.read_to_end(&mut got)).await.expect("the connection ends").expect("read");
        let mut wanted = Vec::new();
        encode(&Frame::Input(b"last words".to_vec()), &mut wanted);
        assert_eq!(got, wanted);
    }

    #[tokio::test]
    async fn a_client_that_only_listens_stays() {
        let (Attached { output: mut listening, input, .. }, mut monitor) = joined();
        drop(input);
        let read = tokio::time::timeout(Duration::from_millis(200), monitor.read_u8()).await;
        assert!(read.is_err(), "the monitor saw the client go: {read:?}");
        let mut frame = Vec::new();
        encode(&Frame::Output { offset: 0, stream: 1, bytes: b"still here".to_vec() }, &mut frame);
        monitor.write_all(&frame).await.expect("the connection stands");
        assert!(matches!(listening.recv().await, Some(Output::Data { bytes, .. }) if bytes == "still here"));
    }
}
