//! Turns a container's wish into an OCI runtime spec.
//! In: the wish with image defaults merged, ids, resolved paths and facts of the host. Out: the spec `runtime` carries out.
//! Source: OCI runtime specification 1.2, `config.md` and `config-linux.md`; defaults as dockerd has them.

mod capabilities;
mod devices;
mod mounts;
mod namespaces;
mod paths;
mod rlimits;

pub use capabilities::{DEFAULT_CAPABILITIES, capabilities};
pub use devices::HostDevice;
pub use mounts::ResolvedMount;
pub use paths::{masked_paths, readonly_paths};
pub use rlimits::all as rlimits;

use crate::process::FinalProcess;
use gantry_model::{ContainerId, ContainerSpec, Security};
use oci_spec::runtime::{Linux, LinuxCapabilities, LinuxIdMappingBuilder, LinuxResources, LinuxSeccomp, Process, Root, Spec, User};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// Numeric ids of a user, looked up in the container's own files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserIds {
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
}

/// What the host can do, as far as the spec depends on it.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    pub cgroup_v2: bool,
    pub time_namespaces: bool,
    /// Processors of the host, for the masked `thermal_throttle` folders.
    pub cpus: u32,
    /// Capabilities the engine itself may hand out, without `CAP_`.
    pub bounding: BTreeSet<String>,
}

/// Namespaces of other containers to join, by path.
#[derive(Debug, Clone, Default)]
pub struct JoinedNamespaces {
    pub network: Option<PathBuf>,
    pub pid: Option<PathBuf>,
    pub ipc: Option<PathBuf>,
}

/// Everything the spec is made of.
#[derive(Debug)]
pub struct SpecInput<'a> {
    pub id: &'a ContainerId,
    pub wish: &'a ContainerSpec,
    pub process: &'a FinalProcess,
    pub user: UserIds,
    /// Where the root filesystem will be mounted.
    pub rootfs: PathBuf,
    /// As `Launch` names it; below the engine's parent.
    pub cgroups_path: PathBuf,
    pub hostname: String,
    /// Binds and volumes with their folders on the host, and the generated files under /etc.
    pub mounts: Vec<ResolvedMount>,
    /// Devices asked for by `--device`, as they stand on the host; all of them for a privileged container.
    pub devices: Vec<HostDevice>,
    pub resources: LinuxResources,
    /// Resolved for the capabilities; absent for a container that is not filtered.
    pub seccomp: Option<LinuxSeccomp>,
    pub joined: JoinedNamespaces,
    /// Host ids of root and the number of ids, for a container with a user namespace.
    pub id_map: Option<(u32, u32)>,
    pub facts: &'a HostFacts,
}

/// Why a wish has no spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// `CapAdd` or `CapDrop`, and what it has.
    #[error("invalid {0}: unknown capability: {1:?}")]
    UnknownCapability(&'static str, String),
    #[error("unknown ulimit {0:?}: use names as in getrlimit(2), for example nofile")]
    UnknownUlimit(String),
    #[error("ulimit {name}: the soft limit {soft} is above the hard limit {hard}")]
    UlimitOrder { name: String, soft: i64, hard: i64 },
    #[error("sysctl {0:?} is not separately settable for a container{1}")]
    Sysctl(String, &'static str),
    #[error("device rule {0:?}: use `type major:minor access`, for example `c 1:3 rwm`")]
    DeviceRule(String),
}

impl SpecError {
    pub fn kind(&self) -> gantry_model::Kind {
        gantry_model::Kind::Invalid
    }
}

/// Makes the spec.
///
/// # Errors
/// [`SpecError`] for a value that no host could honour.
pub fn runtime_spec(input: SpecInput<'_>) -> Result<Spec, SpecError> {
    let wish = input.wish;
    let privileged = wish.security.privileged;
    let mut spec = Spec::default();
    spec.set_version("1.2.0".to_owned());
    let mut root = Root::default();
    root.set_path(input.rootfs.clone()).set_readonly(Some(wish.security.read_only_rootfs));
    spec.set_root(Some(root));
    spec.set_hostname((!wish.host_uts).then(|| input.hostname.clone()));
    spec.set_domainname((!wish.host_uts && !wish.domainname.is_empty()).then(|| wish.domainname.clone()));
    spec.set_mounts(Some(mounts::all(&input)));
    spec.set_annotations((!wish.annotations.is_empty()).then(|| wish.annotations.clone().into_iter().collect()));
    spec.set_process(Some(process(&input)?));
    let mut linux = Linux::default();
    linux.set_namespaces(Some(namespaces::all(&input)));
    linux.set_cgroups_path(Some(input.cgroups_path.clone()));
    linux.set_sysctl(Some(sysctls(&input)?));
    linux.set_devices(Some(devices::nodes(&input.devices)));
    let mut resources = input.resources.clone();
    resources.set_devices(Some(devices::rules(privileged, &input.devices, &wish.limits.device_rules)?));
    linux.set_resources(Some(resources));
    linux.set_seccomp(input.seccomp.clone());
    linux.set_masked_paths(Some(paths::masked_paths(wish, input.facts.cpus)));
    linux.set_readonly_paths(Some(paths::readonly_paths(wish)));
    linux.set_rootfs_propagation(mounts::rootfs_propagation(&input.mounts));
    if let Some((host_id, size)) = input.id_map {
        let map = LinuxIdMappingBuilder::default().container_id(0u32).host_id(host_id).size(size).build().expect("every field is set");
        linux.set_uid_mappings(Some(vec![map]));
        linux.set_gid_mappings(Some(vec![map]));
    }
    spec.set_linux(Some(linux));
    Ok(spec)
}

fn process(input: &SpecInput<'_>) -> Result<Process, SpecError> {
    let wish = input.wish;
    let names = capabilities(&wish.security, &input.facts.bounding)?;
    let mut process = Process::default();
    process.set_terminal(Some(wish.tty));
    process.set_user(user(&input.user));
    process.set_args(Some(input.process.args.clone()));
    process.set_env(Some(input.process.env.clone()));
    process.set_cwd(PathBuf::from(&input.process.cwd));
    process.set_capabilities(Some(capability_sets(&names)?));
    process.set_rlimits(Some(rlimits::all(&wish.ulimits)?));
    process.set_no_new_privileges(Some(wish.security.no_new_privileges));
    process.set_oom_score_adj(wish.oom_score_adj);
    process.set_apparmor_profile(apparmor(&wish.security));
    Ok(process)
}

/// The AppArmor profile a process changes to, if any.
pub fn apparmor(security: &Security) -> Option<String> {
    security.apparmor.clone().filter(|profile| profile != "unconfined" && !profile.is_empty())
}

/// The OCI form of a user.
pub fn user(ids: &UserIds) -> User {
    let mut user = User::default();
    user.set_uid(ids.uid).set_gid(ids.gid);
    user.set_additional_gids((!ids.additional_gids.is_empty()).then(|| ids.additional_gids.clone()));
    user
}

/// Bounding, permitted and effective hold `names`; inheritable and ambient stay empty (runc CVE-2022-29162).
pub fn capability_sets(names: &[String]) -> Result<LinuxCapabilities, SpecError> {
    let set: oci_spec::runtime::Capabilities =
        names.iter().map(|name| name.parse().map_err(|_| SpecError::UnknownCapability("capabilities", name.clone()))).collect::<Result<_, _>>()?;
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(set.clone())).set_permitted(Some(set.clone())).set_effective(Some(set));
    sets.set_inheritable(Some(oci_spec::runtime::Capabilities::new())).set_ambient(Some(oci_spec::runtime::Capabilities::new()));
    Ok(sets)
}

/// Only sysctls of a namespace that the container has for itself. Source: dockerd, `--sysctl`.
fn sysctls(input: &SpecInput<'_>) -> Result<HashMap<String, String>, SpecError> {
    const IPC: [&str; 7] = ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni"];
    let own_network = namespaces::has_own_network(input);
    let own_ipc = namespaces::has_own_ipc(input);
    let mut all = HashMap::new();
    if own_network {
        all.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        if input.id_map.is_none() {
            all.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
        }
    }
    for (name, value) in &input.wish.sysctls {
        let name = name.replace('/', ".");
        let ipc = IPC.contains(&name.as_str()) || name == "kernel.shm_rmid_forced" || name.starts_with("fs.mqueue.");
        match () {
            () if name.starts_with("net.") && !own_network => return Err(SpecError::Sysctl(name, ": it shares another network namespace")),
            () if ipc && !own_ipc => return Err(SpecError::Sysctl(name, ": it shares another IPC namespace")),
            () if name.contains("..") || !(name.starts_with("net.") || ipc) => return Err(SpecError::Sysctl(name, "")),
            () => all.insert(name, value.clone()),
        };
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
