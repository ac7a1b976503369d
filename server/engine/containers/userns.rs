//! Host ids of containers in user namespaces. In: a container. Out: the ids its root and users have outside, or why it can't have any.

use crate::{Engine, EngineError, Result};
use gantry_model::{ContainerId, ContainerSpec, IpcMode, Kind, NetworkMode, PidMode};
use oci_spec::runtime::Spec;
use std::collections::BTreeSet;

/// Ids that one container gets: all that fit in 16 bits, as an image has them.
const SIZE: u32 = 1 << 16;
/// Above the ids that people, services and systemd's own containers have; below what some programs take for negative.
const FIRST: u32 = 1 << 30;
const RANGES: u32 = FIRST / SIZE;

impl Engine {
    /// The host id of the container's root, and how many ids follow. No other container that is up has them: a process that breaks out of one is nobody
    /// to all others. Files keep the image's ids on disk, so another start may have other ids.
    pub(crate) fn id_range(&self, id: &ContainerId) -> (u32, u32) {
        let taken: BTreeSet<u32> = self.inner.containers.all().iter().filter(|other| other.id != *id).filter_map(|other| self.present_range(other)).collect();
        (free_range(id, &taken), SIZE)
    }

    fn present_range(&self, container: &crate::registry::Container) -> Option<u32> {
        let up = {
            let live = container.lock();
            live.spec.userns && (live.fact.state.is_live() || live.starting || live.monitor_pid.is_some())
        };
        let json = up.then(|| std::fs::read(self.data_dir(&container.id).join("config.json")).ok())??;
        let spec: Spec = serde_json::from_slice(&json).ok()?;
        spec.linux().as_ref()?.uid_mappings().as_ref()?.first().map(|map| map.host_id())
    }
}

/// Begins at a place that the id gives, so that a container mostly keeps its range.
fn free_range(id: &ContainerId, taken: &BTreeSet<u32>) -> u32 {
    let wanted = id.as_str().get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or_default();
    let range = |step: u32| FIRST + (wanted % RANGES + step) % RANGES * SIZE;
    (0..RANGES).map(range).find(|start| !taken.contains(start)).unwrap_or_else(|| range(0))
}

/// What can't be had together with a user namespace. Source: dockerd, `--userns-remap`.
pub(super) fn check(spec: &ContainerSpec) -> Result<()> {
    if !spec.userns {
        return Ok(());
    }
    let what = match spec {
        spec if spec.security.privileged => "privileged mode",
        spec if spec.network == NetworkMode::Host => "the host's network namespace",
        spec if spec.pid_mode == PidMode::Host => "the host's PID namespace",
        spec if spec.ipc_mode == IpcMode::Host => "the host's IPC namespace",
        spec if matches!(spec.network, NetworkMode::Container(_)) => "the network namespace of another container",
        spec if matches!(spec.pid_mode, PidMode::Container(_)) => "the PID namespace of another container",
        spec if matches!(spec.ipc_mode, IpcMode::Container(_)) => "the IPC namespace of another container",
        _ => return Ok(()),
    };
    Err(EngineError::hinted(Kind::Invalid, format!("{what} can't be had in a user namespace"), "leave one of both out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_do_not_overlap_and_stay_in_bounds() {
        let mut taken = BTreeSet::new();
        for byte in [0, 0xff, 0xff, 0xfe] {
            let start = free_range(&ContainerId::from_bytes([byte; 32]), &taken);
            assert!(start >= FIRST && start.checked_add(SIZE).is_some_and(|end| end <= 1 << 31) && start % SIZE == 0, "{start}");
            assert!(taken.insert(start), "{start} was taken");
        }
    }
}
