//! The cgroup and the filter of a container, as the command line uses them. In: the spec and the saved state. Out: files of `cgroup`, programs of `seccomp`.

use super::args::Global;
use super::error::{OciError, Result};
use super::state::{Container, Saved, Status};
use crate::cgroup::{Cgroup, CgroupPath, Layout};
use crate::process::SeccompProgram;
use oci_spec::runtime::{LinuxNamespaceType, LinuxResources, Spec};

/// Where the container's cgroup will be; `None` if none is wanted. Nothing is made yet.
pub(super) fn place(global: &Global, id: &str, spec: &Spec) -> Result<Option<Cgroup>> {
    let manager = global.cgroup_manager.as_deref().unwrap_or(if global.systemd_cgroup { "systemd" } else { "cgroupfs" });
    let asked = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_ref()).map(|path| path.display().to_string()).filter(|path| !path.is_empty());
    match manager {
        "cgroupfs" => {}
        "disabled" => return Ok(None),
        "systemd" => return Err(OciError::Refused(no_systemd())),
        other => return Err(OciError::Refused(format!("cgroup manager {other:?}: use cgroupfs, systemd or disabled"))),
    }
    let rootless = global.rootless == "true" || (global.rootless != "false" && !rustix::process::geteuid().is_root());
    if rootless && asked.is_none() {
        return Ok(None);
    }
    let path: CgroupPath = asked.as_deref().unwrap_or(id).parse()?;
    Ok(Some(Cgroup::at(&Layout::detect()?, &path)))
}

fn no_systemd() -> String {
    let why = if std::path::Path::new("/run/systemd/system").is_dir() { "this release does not talk to systemd" } else { "systemd does not run on this host" };
    format!("--systemd-cgroup: {why}: leave it out to let gantry make the cgroup, with a cgroupsPath like /gantry/web")
}

/// Makes the cgroup with its limits.
pub(super) fn create(saved: &Saved, spec: &Spec) -> Result<Option<Cgroup>> {
    let Some(cgroup) = &saved.cgroup else { return Ok(None) };
    if cgroup.exists() {
        let pids = cgroup.pids()?;
        if !pids.is_empty() {
            return Err(OciError::Refused(format!("container's cgroup is not empty: {} process(es) found", pids.len())));
        }
        if cgroup.is_frozen() {
            return Err(OciError::Refused("container's cgroup unexpectedly frozen".to_owned()));
        }
    }
    cgroup.make(&Layout::detect()?)?;
    let mut resources = spec.linux().as_ref().and_then(|linux| linux.resources().clone()).unwrap_or_default();
    if resources.devices().is_none() {
        // No rules are not no limits: a container has only what every container may use.
        resources.set_devices(Some(Vec::new()));
    }
    cgroup.set(&resources)?;
    Ok(Some(cgroup.clone()))
}

/// The filter of a spec; a listener is told about the container in the state `status`.
pub(super) fn seccomp(container: &Container, spec: &Spec, status: Status) -> Result<Option<SeccompProgram>> {
    let Some(filter) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else { return Ok(None) };
    let program = SeccompProgram::compile(filter).map_err(|error| OciError::Refused(error.to_string()))?;
    Ok(Some(program.about(|| serde_json::to_value(container.shown(status)).unwrap_or_default())))
}

pub(super) fn remove(saved: &Saved) -> Result<()> {
    saved.cgroup.as_ref().map_or(Ok(()), |cgroup| Ok(cgroup.remove()?))
}

/// After a failed start. A cgroup in which others are is not ours.
pub(super) fn undo(saved: &Saved) {
    if let Some(cgroup) = saved.cgroup.as_ref().filter(|cgroup| cgroup.pids().is_ok_and(|pids| pids.is_empty())) {
        let _ = cgroup.remove();
    }
}

pub(super) fn is_paused(saved: &Saved) -> bool {
    saved.cgroup.as_ref().is_some_and(Cgroup::is_frozen)
}

fn needed(saved: &Saved) -> Result<&Cgroup> {
    saved.cgroup.as_ref().ok_or_else(|| OciError::Refused(format!("container {} has no cgroup", saved.id)))
}

pub(super) fn pids(saved: &Saved) -> Result<Vec<i32>> {
    match &saved.cgroup {
        Some(cgroup) => Ok(cgroup.pids()?),
        None => Ok(vec![saved.pid]),
    }
}

pub(super) fn thaw(saved: &Saved) -> Result<()> {
    Ok(needed(saved)?.thaw()?)
}

pub(super) fn freeze(saved: &Saved) -> Result<()> {
    Ok(needed(saved)?.freeze()?)
}

pub(super) fn signal_all(saved: &Saved, signal: i32) -> Result<()> {
    Ok(needed(saved)?.signal_all(signal)?)
}

pub(super) fn kill_all(saved: &Saved) -> Result<()> {
    saved.cgroup.as_ref().map_or(Ok(()), |cgroup| Ok(cgroup.kill_all()?))
}

/// True if the end of the first process is not the end of all: they share a pid namespace with others.
pub(super) fn may_leave_processes(spec: &Spec) -> bool {
    let namespaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
    !namespaces.into_iter().flatten().any(|namespace| namespace.typ() == LinuxNamespaceType::Pid && namespace.path().is_none())
}

/// The cgroup of one more process.
pub(super) fn join(saved: &Saved, below: Option<&str>) -> Result<Option<Cgroup>> {
    match (&saved.cgroup, below) {
        (Some(cgroup), Some(below)) => Ok(Some(cgroup.moved_below(below)?)),
        (None, Some(_)) => needed(saved).map(|_| None),
        (cgroup, None) => Ok(cgroup.clone()),
    }
}

/// The sections that `change` has, each with what it leaves out taken from `old`: quota and period, memory and swap belong together.
pub(super) fn merged(old: &LinuxResources, change: &LinuxResources) -> Result<LinuxResources> {
    let value = |resources: &LinuxResources| serde_json::to_value(resources).map_err(|source| OciError::Json { what: "read the resources".to_owned(), source });
    let (old, mut new) = (value(old)?, value(change)?);
    if let Some(sections) = new.as_object_mut() {
        for (name, section) in sections {
            if let (Some(section), Some(old)) = (section.as_object_mut(), old.get(name).and_then(|old| old.as_object())) {
                for (key, value) in old {
                    section.entry(key).or_insert_with(|| value.clone());
                }
            }
        }
    }
    if change.memory().is_some_and(|memory| memory.limit() == Some(-1) && memory.swap().is_none()) {
        new["memory"]["swap"] = (-1).into();
    }
    serde_json::from_value(new).map_err(|source| OciError::Json { what: "merge the resources".to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together_changes_together() {
        use serde_json::json;
        let resources = |json| serde_json::from_value::<LinuxResources>(json).expect("resources");
        let old = resources(json!({ "cpu": { "quota": 5, "period": 10 }, "memory": { "limit": 100, "swap": 200 }, "pids": { "limit": 3 } }));
        let check = |change, expected| assert_eq!(merged(&old, &resources(change)).expect("merges"), resources(expected));
        check(json!({ "cpu": { "quota": 7 } }), json!({ "cpu": { "quota": 7, "period": 10 } }));
        check(json!({ "memory": { "limit": -1 } }), json!({ "memory": { "limit": -1, "swap": -1 } }));
        check(json!({ "pids": { "limit": 9 } }), json!({ "pids": { "limit": 9 } }));
    }
}
