//! What went wrong, what to do about it, and the exit code that says so.

use std::fmt;
use std::io::{IsTerminal, Write};

/// A command's end without success.
#[derive(Debug)]
pub struct Failure {
    /// One sentence; empty when everything was said already and only the code is left to tell.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
    /// 1 for most, 2 never; 125 when `run` itself failed, 126 and 127 when its program did.
    pub code: i32,
    /// The HTTP status, when the server said so.
    pub status: Option<u16>,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: 1, status: None }
    }

    /// Wrong flags: docker's exit code for them is 125.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(message).code(125)
    }

    /// All was said; end with `code`.
    pub fn silent(code: i32) -> Self {
        Self::new("").code(code)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// Says it on stderr and returns the exit code.
    pub fn report(&self) -> i32 {
        if !self.message.is_empty() {
            let mut stderr = std::io::stderr().lock();
            let (bold, plain) = if stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            let _ = writeln!(stderr, "{bold}gantry:{plain} {}", self.message);
            if let Some(hint) = &self.hint {
                let _ = writeln!(stderr, "hint: {hint}");
            }
        }
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<std::io::Error> for Failure {
    /// For stdin, stdout and stderr; what names a file says so itself. A closed pipe ends the command quietly, as a signal would.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::silent(141) } else { Self::new(format!("read or write the terminal: {error}")) }
    }
}

/// Adds what was attempted to an error.
pub trait Attempt<T> {
    /// `what` is a phrase such as `read file x`.
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Attempt<T> for Result<T, E> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{}: {error}", what())))
    }
}
