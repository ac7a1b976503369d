//! Why a process did not start, in one sentence that names the step, the object and the cause.

use crate::user::UserError;
use gantry_model::Kind;
use std::io;

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program; the wording is docker's and runc's.
    #[error("exec: {program:?}: {}", reason(program, *.errno))]
    Exec { program: String, errno: i32 },
    /// A step of ours in the container, for example `mount proc at /proc`.
    #[error("{step}: {}", io::Error::from_raw_os_error(*.errno))]
    Step { step: String, errno: i32 },
    /// The spec asks for what can't be.
    #[error("{0}")]
    Invalid(String),
    /// This kernel or host can't do it.
    #[error("{0}")]
    Unsupported(String),
    #[error(transparent)]
    User(#[from] UserError),
    #[error("{0}")]
    Hook(String),
    #[error("{0}")]
    Cgroup(String),
    /// The child ended without a word.
    #[error("the container's first process ended before it was started{0}")]
    Lost(String),
}

fn reason(program: &str, errno: i32) -> String {
    match errno {
        0 => "executable file not found in $PATH".to_owned(),
        libc::ENOENT => format!("stat {program}: no such file or directory"),
        libc::EACCES => "permission denied".to_owned(),
        // In the words of execve: clients know no others.
        libc::EISDIR => "permission denied".to_owned(),
        libc::ENOEXEC => "exec format error".to_owned(),
        other => io::Error::from_raw_os_error(other).to_string(),
    }
}

impl LaunchError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Exec { errno: 0 | libc::ENOENT | libc::ENOTDIR, .. } => Kind::CommandNotFound,
            Self::Exec { .. } => Kind::CommandNotExecutable,
            Self::Invalid(_) | Self::User(_) => Kind::Invalid,
            Self::Unsupported(_) => Kind::Unsupported,
            Self::Step { .. } | Self::Hook(_) | Self::Cgroup(_) | Self::Lost(_) => Kind::Internal,
        }
    }
}
