//! What a run stands on besides its process: cgroup, system call filter, network. In: the launch description. Out: all of it, undone in reverse.

use crate::error::{MonitorError, Result};
use crate::monitor::Monitor;
use gantry_model::{Kind, PortBinding, Signal};
use gantry_runtime::process::{Cgroup, SeccompProgram};
use gantry_wire::monitor::{Launch, Network};
use oci_spec::runtime::Spec;

#[derive(Debug, Default)]
pub(crate) struct Ground {
    cgroup: Option<Cgroup>,
    seccomp: Option<SeccompProgram>,
    pub ports: Vec<PortBinding>,
}

fn unsupported(what: &str) -> MonitorError {
    MonitorError::refused(Kind::Unsupported, format!("{what} is not possible without cgroups"))
}

/// The filter that the engine compiled, or the one of the spec.
fn seccomp(launch: &Launch, spec: &Spec) -> Result<Option<SeccompProgram>> {
    if let Some(filter) = &launch.filter {
        return Ok(Some(SeccompProgram::from_words(&filter.program, filter.flags)));
    }
    let Some(filter) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else { return Ok(None) };
    let program = SeccompProgram::compile(filter).map_err(|error| MonitorError::refused(Kind::Invalid, error.to_string()))?;
    let state = || serde_json::json!({ "ociVersion": spec.version(), "id": launch.id, "status": "creating", "bundle": launch.config_path.parent() });
    Ok(Some(program.about(state)))
}

impl Ground {
    pub(crate) fn prepare(launch: &Launch, spec: &Spec) -> Result<Self> {
        Ok(Self { seccomp: seccomp(launch, spec)?, ..Self::default() })
    }

    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    pub(crate) fn seccomp(&self) -> Option<&SeccompProgram> {
        self.seccomp.as_ref()
    }

    pub(crate) fn join_network(&mut self, launch: &Launch, _pid: i32) -> Result<()> {
        match &launch.network {
            Network::Bridge(_) => Err(unsupported("a bridge")),
            Network::None | Network::Host | Network::Path(_) => Ok(()),
        }
    }

    pub(crate) fn leave_network(&mut self) {
        self.ports = Vec::new();
    }

    pub(crate) fn signal_all(&self, _signal: Signal) -> Result<()> {
        Ok(())
    }

    pub(crate) fn kill_all(&self) {}

    pub(crate) fn update(&self, _resources: serde_json::Value) -> Result<()> {
        Err(unsupported("changing limits"))
    }

    /// The run is over: gives back what the kernel keeps for it.
    pub(crate) fn remove(self) {}

    /// The run did not begin.
    pub(crate) fn undo(&mut self) {
        self.leave_network();
    }
}

impl Monitor {
    pub(crate) fn freeze(&self) -> Result<()> {
        Err(unsupported("pausing"))
    }

    pub(crate) fn thaw(&self) -> Result<()> {
        Err(unsupported("pausing"))
    }

    pub(crate) fn watch_memory(&self, _ground: &Ground) {}

    pub(crate) fn out_of_memory(&mut self) {}

    pub(crate) fn check_memory(&mut self, _ground: &Ground) {}
}
