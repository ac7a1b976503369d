//! What a child tells its parent when a step fails. In: a step, an object, an errno. Out: bytes for the channel, and the error on the other side.

use crate::process::LaunchError;
use rustix::io::Errno;

/// Why a child gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: FailureKind,
    errno: i32,
    what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureKind {
    /// A system call; `what` was attempted.
    Step = 0,
    /// The program `what` could not be executed.
    Exec = 1,
    /// `what` is the whole sentence.
    Refused = 2,
    /// A hook; `what` is the whole sentence.
    Hook = 3,
}

impl Failure {
    pub(crate) fn step(what: impl Into<String>, errno: Errno) -> Self {
        Self { kind: FailureKind::Step, errno: errno.raw_os_error(), what: what.into() }
    }

    /// `errno` 0: not found in any folder of `PATH`.
    pub(crate) fn exec(program: &str, errno: i32) -> Self {
        Self { kind: FailureKind::Exec, errno, what: program.to_owned() }
    }

    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, errno: 0, what: sentence.into() }
    }

    pub(crate) fn hook(sentence: impl Into<String>) -> Self {
        Self { kind: FailureKind::Hook, errno: 0, what: sentence.into() }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind as u8];
        bytes.extend_from_slice(&self.errno.to_le_bytes());
        bytes.extend_from_slice(self.what.as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (errno, what) = rest.split_first_chunk::<4>()?;
        let kind = match kind {
            0 => FailureKind::Step,
            1 => FailureKind::Exec,
            2 => FailureKind::Refused,
            3 => FailureKind::Hook,
            _ => return None,
        };
        Some(Self { kind, errno: i32::from_le_bytes(*errno), what: String::from_utf8_lossy(what).into_owned() })
    }
}

impl From<Failure> for LaunchError {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            FailureKind::Step => Self::Step { step: failure.what, errno: failure.errno },
            FailureKind::Exec => Self::Exec { program: failure.what, errno: failure.errno },
            FailureKind::Refused => Self::Invalid(failure.what),
            FailureKind::Hook => Self::Hook(failure.what),
        }
    }
}

/// Names the step that an errno belongs to.
pub(crate) trait Attempt<T> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Attempt<T> for Result<T, Errno> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|errno| Failure::step(what(), errno))
    }
}

impl<T> Attempt<T> for std::io::Result<T> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::step(what(), Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_channel() {
        for failure in [Failure::step("mount proc at /proc", Errno::PERM), Failure::exec("sh", 0), Failure::refused("no"), Failure::hook("x")] {
            assert_eq!(Failure::decode(&failure.encode()), Some(failure));
        }
        assert_eq!(Failure::decode(&[9, 0, 0, 0, 0]), None);
        assert_eq!(Failure::decode(&[0, 1]), None);
    }

    #[test]
    fn a_missing_program_is_told_as_docker_tells_it() {
        let text = |errno| LaunchError::from(Failure::exec("foo", errno)).to_string();
        assert_eq!(text(0), r#"exec: "foo": executable file not found in $PATH"#);
        assert_eq!(text(libc::EACCES), r#"exec: "foo": permission denied"#);
    }
}
