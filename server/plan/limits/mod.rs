//! Limits. In: what a user asked for, or an OCI spec's `linux.resources`. Out: resources, and the lines that cgroup files take.
//! `runtime::cgroup` writes them and decides nothing.

mod devices;
mod line;
mod update;
mod v1;
mod v2;
mod wish;

pub use devices::{DeviceRule, Insn, device_lines, device_program, device_rules};
pub use line::{Controller, Line};
pub use update::{changed, merged};
pub use v1::lines as v1;
pub use v2::{cpu_weight, io_weight, lines as v2};
pub use wish::{HostLimits, resources, warnings};

use gantry_model::Kind;

/// Why limits can't be. The words are docker's where docker has some, since its users search for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error("{0}")]
    Invalid(String),
    /// This host's cgroups have no such thing.
    #[error("{0}")]
    Unsupported(String),
}

impl LimitError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::Unsupported(_) => Kind::Unsupported,
        }
    }
}

pub(crate) fn invalid<T>(message: impl Into<String>) -> Result<T, LimitError> {
    Err(LimitError::Invalid(message.into()))
}
