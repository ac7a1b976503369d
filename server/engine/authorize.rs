//! Who may do what: checked here, on the parsed value that is executed.

use crate::{EngineError, Result};
use gantry_model::{Action, Caller, ContainerSpec, IpcMode, MountKind, NetworkMode, PidMode, Seccomp};

/// Fails unless the caller's role allows `action`.
pub fn authorize(caller: &Caller, action: Action) -> Result<()> {
    if caller.role.allows(action) { Ok(()) } else { Err(EngineError::Forbidden { role: caller.role, action }) }
}

/// What creating this container needs: one that reaches beyond its own walls needs [`Action::ReachHost`].
pub fn creating(spec: &ContainerSpec) -> Action {
    let security = &spec.security;
    let binds = spec.mounts.iter().any(|mount| matches!(mount.kind, MountKind::Bind { .. }));
    let default = gantry_plan::spec::DEFAULT_CAPABILITIES;
    let more_capabilities = security.cap_add.iter().any(|name| {
        let upper = name.to_ascii_uppercase();
        !default.contains(&upper.strip_prefix("CAP_").unwrap_or(&upper))
    });
    let reaches = security.privileged
        || binds
        || more_capabilities
        || security.seccomp != Seccomp::Default
        || security.apparmor.is_some()
        || security.masked_paths.is_some()
        || security.readonly_paths.is_some()
        || !spec.devices.is_empty()
        || !spec.limits.device_rules.is_empty()
        || spec.network == NetworkMode::Host
        || spec.pid_mode == PidMode::Host
        || spec.ipc_mode == IpcMode::Host
        || spec.host_uts
        || spec.host_cgroupns == Some(true)
        || spec.cgroup_parent.is_some()
        || spec.oom_score_adj.is_some_and(|adj| adj < 0);
    if reaches { Action::ReachHost } else { Action::Operate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_model::{Door, Mount, Propagation, Role, Security};

    fn caller(role: Role) -> Caller {
        Caller { user: "x".into(), role, door: Door::Api }
    }

    #[test]
    fn every_way_to_the_host_needs_an_admin() {
        let plain = ContainerSpec::default();
        let bind = Mount {
            kind: MountKind::Bind { source: "/etc".into(), propagation: Propagation::Rprivate, recursive: false, create_source: false },
            target: "/x".into(),
            read_only: true,
            ..Mount::default()
        };
        let ways = [
            ContainerSpec { security: Security { privileged: true, ..Security::default() }, ..plain.clone() },
            ContainerSpec { security: Security { cap_add: vec!["sys_admin".into()], ..Security::default() }, ..plain.clone() },
            ContainerSpec { security: Security { cap_add: vec!["ALL".into()], ..Security::default() }, ..plain.clone() },
            ContainerSpec { security: Security { seccomp: Seccomp::Unconfined, ..Security::default() }, ..plain.clone() },
            ContainerSpec { security: Security { masked_paths: Some(vec![]), ..Security::default() }, ..plain.clone() },
            ContainerSpec { mounts: vec![bind], ..plain.clone() },
            ContainerSpec { network: NetworkMode::Host, ..plain.clone() },
            ContainerSpec { pid_mode: PidMode::Host, ..plain.clone() },
            ContainerSpec { ipc_mode: IpcMode::Host, ..plain.clone() },
            ContainerSpec { host_uts: true, ..plain.clone() },
            ContainerSpec { cgroup_parent: Some("/".into()), ..plain.clone() },
        ];
        for way in &ways {
            assert!(authorize(&caller(Role::Operator), creating(way)).is_err(), "{way:?}");
            assert!(authorize(&caller(Role::Admin), creating(way)).is_ok());
        }
        assert!(authorize(&caller(Role::Operator), creating(&plain)).is_ok());
        assert!(authorize(&caller(Role::Viewer), creating(&plain)).is_err());
    }
}
