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

impl Ground {
    pub(crate) fn prepare(_launch: &Launch, _spec: &Spec) -> Result<Self> {
        Ok(Self::default())
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
