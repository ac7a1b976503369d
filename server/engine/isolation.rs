//! How a container is walled in, in plain words: read from what really runs, not from what was asked for.

use crate::authorize::authorize;
use crate::containers::{Isolation, IsolationFact};
use crate::registry::Container;
use crate::{Engine, Result};
use gantry_model::{Action, Caller, ContainerSpec, IpcMode, Limits, MountKind, NetworkMode, PidMode, Seccomp};

/// Namespace, what it hides, what sharing it means.
const NAMESPACES: [(&str, &str, &str); 8] = [
    ("mnt", "Has its own file tree.", "Sees the host's file tree."),
    ("pid", "Sees only its own processes; its first is number 1.", "Sees and can signal the host's processes."),
    ("net", "Has its own network interfaces, addresses and ports.", "Uses the host's network: every port it opens is the host's."),
    ("ipc", "Its shared memory and message queues are its own.", "Shares memory segments and queues with the host."),
    ("uts", "Has its own host name.", "Has the host's name and could change it."),
    ("cgroup", "Sees its own cgroup as the root.", "Sees where it is in the host's cgroup tree (usual on cgroup v1)."),
    ("user", "Root inside is an unprivileged user outside.", "Root inside is root outside, held by capabilities and seccomp."),
    ("time", "Has its own boot and monotonic clocks.", "Shares the host's boot clock."),
];

/// Capabilities worth a word; the rest are named only.
const MEANINGS: [(&str, &str); 22] = [
    ("AUDIT_WRITE", "writes to the kernel's audit log"),
    ("CHOWN", "changes owners of files"),
    ("DAC_OVERRIDE", "reads and writes files whatever their mode"),
    ("FOWNER", "changes modes of files it does not own"),
    ("FSETID", "keeps set-user-id bits on changed files"),
    ("KILL", "signals processes of other users, inside"),
    ("MKNOD", "makes device nodes; the device rules still decide what opens"),
    ("NET_BIND_SERVICE", "listens on ports below 1024"),
    ("NET_RAW", "sends raw packets, as ping does"),
    ("SETFCAP", "gives files capabilities"),
    ("SETGID", "changes its group"),
    ("SETPCAP", "drops capabilities from its set"),
    ("SETUID", "changes its user, as sudo does"),
    ("SYS_CHROOT", "changes its root folder"),
    ("SYS_ADMIN", "mounts, and much more: nearly root on the host"),
    ("NET_ADMIN", "changes interfaces, routes and firewall of its network"),
    ("SYS_PTRACE", "reads and changes memory of other processes, inside"),
    ("SYS_MODULE", "loads kernel modules: root on the host"),
    ("SYS_RAWIO", "reaches the hardware's ports: root on the host"),
    ("SYS_TIME", "sets the host's clock"),
    ("DAC_READ_SEARCH", "opens any file by handle: can read the host's files"),
    ("BPF", "loads programs into the kernel"),
];

impl Engine {
    pub async fn isolation(&self, caller: &Caller, reference: &str) -> Result<Isolation> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        let engine = self.clone();
        tokio::task::spawn_blocking(move || engine.facts_of(&container)).await?
    }

    fn facts_of(&self, container: &Container) -> Result<Isolation> {
        let (spec, pid) = {
            let live = container.lock();
            (live.spec.clone(), live.pid)
        };
        let names = gantry_plan::spec::capabilities(&spec.security, &self.inner.facts.bounding).unwrap_or_default();
        let names = pid.and_then(bounding_of).unwrap_or(names);
        Ok(Isolation {
            namespaces: namespaces(pid),
            limits: limits(&spec.limits),
            capabilities: names.iter().map(|name| capability(name)).collect(),
            seccomp: vec![seccomp(&spec, pid)],
            paths: paths(&spec),
            warnings: warnings(&spec),
        })
    }
}

fn fact(name: &str, value: impl Into<String>, meaning: impl Into<String>, strong: bool) -> IsolationFact {
    IsolationFact { name: name.to_owned(), value: value.into(), meaning: meaning.into(), strong }
}

fn namespaces(pid: Option<i32>) -> Vec<IsolationFact> {
    let Some(pid) = pid else { return Vec::new() };
    let link = |of: &str, name: &str| std::fs::read_link(format!("/proc/{of}/ns/{name}")).ok().map(|path| path.to_string_lossy().into_owned());
    NAMESPACES
        .iter()
        .filter_map(|(name, own, shared)| {
            let inside = link(&pid.to_string(), name)?;
            let separate = Some(&inside) != link("self", name).as_ref();
            Some(fact(name, inside, if separate { *own } else { *shared }, separate))
        })
        .collect()
}

fn capability(name: &str) -> IsolationFact {
    let meaning = MEANINGS.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning);
    let usual = gantry_plan::spec::DEFAULT_CAPABILITIES.contains(&name);
    fact(name, if usual { "docker's default" } else { "added" }, meaning, usual)
}

/// The bounding set of the process, by name.
fn bounding_of(pid: i32) -> Option<Vec<String>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = u64::from_str_radix(status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?.trim(), 16).ok()?;
    Some(gantry_runtime::host::capability_names(mask))
}

fn seccomp(spec: &ContainerSpec, pid: Option<i32>) -> IsolationFact {
    let active = pid.map(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
    });
    let profile = match &spec.security.seccomp {
        Seccomp::Default if spec.security.privileged => "none (privileged)",
        Seccomp::Unconfined => "none",
        Seccomp::Default => "default",
        Seccomp::Profile(_) => "own profile",
    };
    match active {
        Some(true) => fact("seccomp", profile, "The kernel refuses the system calls that the profile does not list.", true),
        Some(false) => fact("seccomp", profile, "No filter is loaded: every system call of the kernel can be tried.", false),
        None => fact("seccomp", profile, "Loaded at the start.", !profile.starts_with("none")),
    }
}

fn limits(limits: &Limits) -> Vec<IsolationFact> {
    let bytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    let none = |what: &str| format!("No limit: it may use all {what} of the host.");
    let row = |name: &str, value: Option<String>, limited: &str, what: &str| match value {
        Some(value) => fact(name, value, limited, true),
        None => fact(name, "unlimited", none(what), false),
    };
    let cpus = limits
        .nano_cpus
        .map(|nano| format!("{} processors", nano as f64 / 1e9))
        .or_else(|| limits.cpu_quota_us.filter(|quota| *quota > 0).map(|quota| format!("{quota} µs per period")));
    let mut list = vec![
        row("memory", limits.memory_bytes.map(bytes), "More is refused: the kernel ends a process of this container, never one outside.", "memory"),
        row("cpu", cpus, "It is slowed down beyond this.", "processors"),
        row("processes", limits.pids.filter(|pids| *pids > 0).map(|pids| pids.to_string()), "A fork bomb ends here.", "process numbers"),
    ];
    if let Some(cpus) = &limits.cpuset_cpus {
        list.push(fact("cpuset", cpus, "Runs on these processors only.", true));
    }
    list
}

fn paths(spec: &ContainerSpec) -> Vec<IsolationFact> {
    let mut list = Vec::new();
    if spec.security.read_only_rootfs {
        list.push(fact("root file system", "read-only", "Nothing in the image can be changed.", true));
    } else {
        list.push(fact("root file system", "writable layer", "Changes go to a layer of its own; the image stays as it is.", true));
    }
    if spec.security.privileged {
        list.push(fact("/proc and /sys", "open", "Nothing is masked: the host's kernel settings can be changed.", false));
    } else {
        list.push(fact("/proc and /sys", "masked", "Kernel memory, keys and firmware are hidden; settings are read-only.", true));
    }
    for mount in &spec.mounts {
        if let MountKind::Bind { source, .. } = &mount.kind {
            let (value, meaning) = if mount.read_only { ("read-only", "Reads the host's files here.") } else { ("writable", "Writes the host's files here.") };
            list.push(fact(&format!("{source} → {}", mount.target), value, meaning, mount.read_only));
        }
    }
    list
}

/// Worst first.
fn warnings(spec: &ContainerSpec) -> Vec<String> {
    let mut list = Vec::new();
    let mut warn = |weak: bool, text: String| {
        if weak {
            list.push(text);
        }
    };
    warn(spec.security.privileged, "It is privileged: a process in it can take over the host.".to_owned());
    for mount in &spec.mounts {
        if let MountKind::Bind { source, .. } = &mount.kind {
            warn(
                source.ends_with("docker.sock") || source.ends_with("gantry.sock"),
                format!("{source} is mounted: whoever is in the container controls the engine, and with it the host."),
            );
            warn(
                matches!(source.trim_end_matches('/'), "" | "/etc" | "/root" | "/var" | "/usr" | "/home"),
                format!("{source} of the host is mounted into it."),
            );
        }
    }
    warn(spec.pid_mode == PidMode::Host, "It shares the host's process numbers.".to_owned());
    warn(spec.network == NetworkMode::Host, "It shares the host's network.".to_owned());
    warn(spec.ipc_mode == IpcMode::Host, "It shares the host's memory segments.".to_owned());
    warn(spec.security.seccomp == Seccomp::Unconfined && !spec.security.privileged, "No system call is filtered.".to_owned());
    for name in &spec.security.cap_add {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        warn(
            matches!(short, "ALL" | "SYS_ADMIN" | "SYS_MODULE" | "SYS_RAWIO" | "DAC_READ_SEARCH" | "BPF"),
            format!("The capability {short} opens a way to the host."),
        );
    }
    list
}
