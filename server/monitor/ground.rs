//! What a run stands on besides its process: cgroup, system call filter, network. In: the launch description. Out: all of it, undone in reverse.

use crate::error::{MonitorError, Result};
use crate::monitor::Monitor;
use crate::network::Place;
use crate::poll::{READ, Token};
use gantry_model::{Kind, Signal};
use gantry_runtime::cgroup::{Cgroup, Layout, OomWatch};
use gantry_runtime::process::SeccompProgram;
use gantry_wire::monitor::{EventKind, Launch};
use oci_spec::runtime::{LinuxResources, Spec};
use rustix::event::epoll::EventFlags;

#[derive(Debug, Default)]
pub(crate) struct Ground {
    cgroup: Option<Cgroup>,
    memory: Option<OomWatch>,
    seccomp: Option<SeccompProgram>,
    pub network: Place,
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
    /// The cgroup with its limits. Whatever an earlier run left in it goes.
    pub(crate) fn prepare(launch: &Launch, spec: &Spec) -> Result<Self> {
        let seccomp = seccomp(launch, spec)?;
        let layout = Layout::detect()?;
        let cgroup = Cgroup::at(&layout, &launch.cgroup_path.parse()?);
        if cgroup.exists() {
            cgroup.kill_all()?;
            cgroup.remove()?;
        }
        cgroup.make(&layout)?;
        if let Some(resources) = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref())
            && let Err(error) = cgroup.set(resources)
        {
            let _ = cgroup.remove();
            return Err(error.into());
        }
        Ok(Self { cgroup: Some(cgroup), seccomp, ..Self::default() })
    }

    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    pub(crate) fn seccomp(&self) -> Option<&SeccompProgram> {
        self.seccomp.as_ref()
    }

    pub(crate) fn signal_all(&self, signal: Signal) -> Result<()> {
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| Ok(cgroup.signal_all(signal.number())?))
    }

    pub(crate) fn kill_all(&self) -> Result<()> {
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| Ok(cgroup.kill_all()?))
    }

    pub(crate) fn update(&self, resources: serde_json::Value) -> Result<()> {
        let resources: LinuxResources =
            serde_json::from_value(resources).map_err(|error| MonitorError::refused(Kind::Invalid, format!("read the new limits: {error}")))?;
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| Ok(cgroup.set(&resources)?))
    }

    /// The run is over: gives back what the kernel keeps for it.
    pub(crate) fn remove(mut self) -> Result<()> {
        self.memory = None;
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| Ok(cgroup.remove()?))
    }

    /// The run did not begin.
    pub(crate) fn undo(&mut self) {
        let _ = self.network.leave();
        if let Some(cgroup) = self.cgroup.take() {
            let _ = cgroup.kill_all().and_then(|()| cgroup.remove());
        }
    }
}

impl Monitor {
    fn cgroup(&self) -> Result<&Cgroup> {
        let cgroup = self.run.as_ref().and_then(|run| run.ground.cgroup());
        cgroup.ok_or_else(|| MonitorError::refused(Kind::Conflict, "the container is not running"))
    }

    pub(crate) fn freeze(&self) -> Result<()> {
        Ok(self.cgroup()?.freeze()?)
    }

    pub(crate) fn thaw(&self) -> Result<()> {
        Ok(self.cgroup()?.thaw()?)
    }

    /// Wakes the loop when the run's memory is used up. Without a notice the end of the run still tells.
    pub(crate) fn watch_memory(&self, ground: &mut Ground) {
        let Some(Ok(Some(watch))) = ground.cgroup.as_ref().map(Cgroup::watch_oom) else { return };
        let flags = if watch.is_priority() { EventFlags::PRI } else { READ };
        if self.poll.add(&watch, Token::Oom, flags).is_ok() {
            ground.memory = Some(watch);
        }
    }

    /// The kernel's notice.
    pub(crate) fn out_of_memory(&mut self) {
        let Some(run) = &self.run else { return };
        if let Some(watch) = &run.ground.memory {
            watch.clear();
        }
        let kills = run.ground.cgroup.as_ref().map_or(0, Cgroup::oom_kills);
        self.count_kills(kills);
    }

    /// The run is over: a kill of the last moment may be untold.
    pub(crate) fn check_memory(&mut self, ground: &Ground) {
        let kills = ground.cgroup.as_ref().map_or(0, Cgroup::oom_kills);
        self.count_kills(kills);
    }

    fn count_kills(&mut self, kills: u64) {
        // Notices come before the kill, more than once, and also for what was no kill.
        if kills > 0 && !self.status.oom_killed {
            self.status.oom_killed = true;
            self.announce(EventKind::Oom);
        }
    }
}
