//! The user's terminal: its size, and raw mode with the way back.

use crate::failure::Failure;
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::Write as _;
use std::os::fd::AsFd;

/// Rows and columns of the terminal at stdout, or `None`.
pub fn size() -> Option<[u16; 2]> {
    let size = tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some([size.ws_row, size.ws_col])
}

pub fn is_terminal(stream: impl AsFd) -> bool {
    isatty(stream)
}

/// Refuses `-t` with a stdin that is no terminal, as docker does: keys would not arrive as the program expects them.
pub fn check_tty(attach_stdin: bool, tty: bool) -> Result<(), Failure> {
    if attach_stdin && tty && !is_terminal(std::io::stdin()) {
        return Err(Failure::new("the input device is not a TTY").hint("leave out -t when stdin is a file or a pipe"));
    }
    Ok(())
}

/// Asks at the terminal and returns the line; with `echo` off what is typed is not seen.
pub fn prompt(question: &str, echo: bool) -> Result<String, Failure> {
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    let before = if echo { None } else { Some(Raw { before: tcgetattr(std::io::stdin()).map_err(std::io::Error::from)? }) };
    if let Some(Raw { before }) = &before {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden).map_err(std::io::Error::from)?;
    }
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    if before.is_some() {
        let _ = writeln!(stderr);
    }
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Raw mode of the terminal at stdin, until dropped: keys come one by one and unchanged.
/// Dropping restores it, also when a panic unwinds; signals end the session by its ordinary way out.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// `None` if stdin is no terminal.
    pub fn enter() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Drain: output that is still on its way was made for raw mode.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    use std::io::Read;

    /// The program of the test below, which runs it in a terminal; without one there is nothing to do.
    #[test]
    #[ignore = "run by the test of a panic"]
    fn panics_in_raw_mode() {
        if let Some(_raw) = Raw::enter() {
            eprintln!("in raw mode: {:?}", tcgetattr(std::io::stdin()).expect("a terminal").local_modes);
            panic!("as asked");
        }
    }

    #[test]
    fn a_panic_leaves_the_terminal_as_it_was() {
        let pair = native_pty_system().openpty(PtySize::default()).expect("a pty");
        let before = format!("{:?}", pair.master.get_termios());
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "stream::terminal::tests::panics_in_raw_mode", "--ignored", "--nocapture"]);
        let mut child = pair.slave.spawn_command(command).expect("start it");
        let mut reader = pair.master.try_clone_reader().expect("read the pty");
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        // Its last word.
        while !String::from_utf8_lossy(&seen).contains("test result") {
            let count = reader.read(&mut buffer).expect("the slave is open");
            seen.extend_from_slice(&buffer[..count]);
        }
        assert!(!child.wait().expect("wait").success());
        let seen = String::from_utf8_lossy(&seen);
        assert!(seen.contains("in raw mode") && !seen.contains("ECHO |") && !seen.contains("ICANON") && seen.contains("as asked"), "{seen}");
        assert_eq!(format!("{:?}", pair.master.get_termios()), before);
    }
}
