//! System call filters. In: an OCI filter. Out: a classic BPF program, and this process under it.
//!
//! Our own compiler: calls of equal verdict are ranges of numbers, and the ranges are the leaves of one balanced tree for each architecture. The kernel runs
//! a new program once for every number, so its depth is what a load costs. Meaning and order of rules are libseccomp's and runc's.

mod assemble;
mod calls;
mod ranges;
mod rules;
#[cfg(test)]
mod tests;

pub use assemble::Instruction;

use crate::sys;
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompFilterFlag};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompProgram {
    instructions: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_*`.
    flags: u32,
    listener: Option<Listener>,
}

/// Who answers for calls with `SCMP_ACT_NOTIFY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// A listening socket on the host.
    pub path: PathBuf,
    pub metadata: String,
    /// The container's state as the listener is told it. Source: OCI runtime specification, `runtime.md`, "State".
    pub state: serde_json::Value,
}

/// Why there is no program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeccompError {
    #[error("a seccomp rule about {name} looks at argument {index}: calls have six, from 0 to 5")]
    Argument { name: String, index: usize },
    #[error("SCMP_ACT_NOTIFY cannot be used as default action")]
    NotifyAll,
    #[error("SCMP_ACT_NOTIFY cannot be used for the write syscall")]
    NotifyWrite,
    #[error("the seccomp filter uses SCMP_ACT_NOTIFY and has no listenerPath")]
    NoListener,
    #[error("the seccomp filter has a listenerPath and no SCMP_ACT_NOTIFY")]
    NoNotify,
    #[error("the seccomp filter is too long: {0} instructions, and the kernel takes 4096")]
    TooLong(usize),
}

/// `SECCOMP_FILTER_FLAG_*`. Source: seccomp(2).
const TSYNC: u32 = 1;
const LOG: u32 = 1 << 1;
const SPEC_ALLOW: u32 = 1 << 2;
const NEW_LISTENER: u32 = 1 << 3;
const TSYNC_ESRCH: u32 = 1 << 4;
const WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// `BPF_MAXINSNS`.
const LONGEST: usize = 4096;

impl SeccompProgram {
    /// Compiles a filter for this machine and its relatives. Names that none of them knows are left out, as runc does.
    ///
    /// # Errors
    /// [`SeccompError`] for what the kernel or a listener could not honour.
    pub fn compile(filter: &LinuxSeccomp) -> Result<Self, SeccompError> {
        static X32: LazyLock<bool> = LazyLock::new(sys::has_x32);
        Self::compile_for(filter, *X32)
    }

    /// A kernel without x32 knows none of its calls: one answer for all of them spares a third of the program.
    fn compile_for(filter: &LinuxSeccomp, has_x32: bool) -> Result<Self, SeccompError> {
        let tables = rules::tables(filter, has_x32)?;
        let instructions = assemble::program(&tables);
        if instructions.len() > LONGEST {
            return Err(SeccompError::TooLong(instructions.len()));
        }
        let listener = rules::listener(filter)?;
        Ok(Self { instructions, flags: flags(filter, listener.is_some()), listener })
    }

    /// The program as numbers, for keeping it: the code in the upper half, the operand in the lower.
    pub fn to_words(&self) -> Vec<u64> {
        self.instructions.iter().map(|instruction| instruction.to_word()).collect()
    }

    /// A program that was kept. It is for this kernel only, and without a listener.
    pub fn from_words(words: &[u64], flags: u32) -> Self {
        Self { instructions: words.iter().copied().map(Instruction::from_word).collect(), flags, listener: None }
    }

    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Describes the container to the listener, if there is one.
    #[must_use]
    pub fn about(mut self, state: impl FnOnce() -> serde_json::Value) -> Self {
        if let Some(listener) = &mut self.listener {
            listener.state = state();
        }
        self
    }

    pub fn listener(&self) -> Option<&Listener> {
        self.listener.as_ref()
    }

    /// Puts this thread under the filter, for good. Returns the descriptor on which calls are told if there is a listener.
    pub(crate) fn load(&self) -> Result<Option<OwnedFd>, Errno> {
        sys::load_seccomp(&self.instructions, self.flags, self.listener.is_some())
    }
}

fn flags(filter: &LinuxSeccomp, notify: bool) -> u32 {
    use LinuxSeccompFilterFlag as Flag;
    let bit = |flag: &Flag| match flag {
        Flag::SeccompFilterFlagLog => LOG,
        Flag::SeccompFilterFlagTsync => TSYNC,
        Flag::SeccompFilterFlagSpecAllow => SPEC_ALLOW,
        Flag::SeccompFilterFlagWaitKillableRecv => WAIT_KILLABLE_RECV,
    };
    // Like runc: without a word, the mitigation that a filter would otherwise switch on, and that costs much, stays off.
    let mut flags = filter.flags().as_ref().map_or(SPEC_ALLOW, |flags| flags.iter().map(bit).fold(0, |all, one| all | one));
    if notify {
        flags |= NEW_LISTENER;
        if flags & TSYNC != 0 {
            flags |= TSYNC_ESRCH;
        }
    }
    flags
}
