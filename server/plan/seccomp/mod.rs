//! System call filters: which calls a container may make.
//! In: docker's default or a profile in docker's JSON form, and what it depends on. Out: the OCI filter that `runtime` compiles.
//! Source: moby `profiles/seccomp`; OCI runtime specification, `config-linux.md`, "Seccomp".

mod builtin;
mod profile;

pub use builtin::builtin;
pub use profile::Profile;

/// What the conditions of a profile ask about.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The container's bounding set, without `CAP_`.
    pub capabilities: &'a [String],
    /// Version and patch level of the kernel: 6.1 is (6, 1).
    pub kernel: (u32, u32),
    /// As docker's profiles name it: `amd64`, `arm64`, …
    pub machine: &'a str,
}

impl Facts<'_> {
    /// The name that docker's profiles have for the machine this program is built for.
    pub const MACHINE: &'static str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
}

/// The version and patch level in a kernel release such as `6.1.0-18-amd64`.
pub fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Why a profile is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("the seccomp profile is not in docker's JSON form: {0}")]
    Json(String),
    #[error("the seccomp profile has both architectures and archMap: use one of them")]
    TwoArchitectures,
    #[error("a rule of the seccomp profile has both name and names ({0}): use names")]
    TwoNames(String),
    #[error("the seccomp profile has rules and no defaultAction")]
    NoDefault,
    #[error("the seccomp profile asks for kernel {0:?}: minKernel is a version and a patch level, for example 4.8")]
    Kernel(String),
    #[error("a rule of the seccomp profile about {name} looks at argument {index}: calls have six, from 0 to 5")]
    Argument { name: String, index: usize },
    #[error("the seccomp profile sends {0} to a listener: without it the container can't be started")]
    Notify(String),
    #[error("the seccomp profile sends calls to a listener and has no listenerPath")]
    NoListener,
}

impl ProfileError {
    pub fn kind(&self) -> gantry_model::Kind {
        gantry_model::Kind::Invalid
    }
}

#[cfg(test)]
mod tests;
