//! Which namespaces a container has for itself, and which it shares.

use super::SpecInput;
use gantry_model::{IpcMode, NetworkMode, PidMode};
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};
use std::path::PathBuf;

pub(super) fn all(input: &SpecInput<'_>) -> Vec<LinuxNamespace> {
    let wish = input.wish;
    let mut list = vec![of(LinuxNamespaceType::Mount, None)];
    let mut add = |typ, wanted: bool, path: &Option<PathBuf>| {
        if wanted {
            list.push(of(typ, path.clone()));
        }
    };
    add(LinuxNamespaceType::Network, wish.network != NetworkMode::Host, &input.joined.network);
    add(LinuxNamespaceType::Uts, !wish.host_uts, &None);
    add(LinuxNamespaceType::Pid, wish.pid_mode != PidMode::Host, &input.joined.pid);
    add(LinuxNamespaceType::Ipc, wish.ipc_mode != IpcMode::Host, &input.joined.ipc);
    add(LinuxNamespaceType::Cgroup, !host_cgroupns(input), &None);
    add(LinuxNamespaceType::User, input.id_map.is_some(), &None);
    add(LinuxNamespaceType::Time, input.facts.time_namespaces && !wish.security.privileged && input.id_map.is_none(), &None);
    list
}

/// Docker's default: private on cgroup v2, the host's on v1 and for privileged containers there.
fn host_cgroupns(input: &SpecInput<'_>) -> bool {
    input.wish.host_cgroupns.unwrap_or(!input.facts.cgroup_v2)
}

pub(super) fn has_own_network(input: &SpecInput<'_>) -> bool {
    !matches!(input.wish.network, NetworkMode::Host | NetworkMode::Container(_))
}

pub(super) fn has_own_ipc(input: &SpecInput<'_>) -> bool {
    !matches!(input.wish.ipc_mode, IpcMode::Host | IpcMode::Container(_))
}

fn of(typ: LinuxNamespaceType, path: Option<PathBuf>) -> LinuxNamespace {
    let mut namespace = LinuxNamespace::default();
    namespace.set_typ(typ).set_path(path);
    namespace
}
