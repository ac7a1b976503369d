//! One look each. A probe asks the kernel for the thing itself where that leaves no trace, and reads what it says about itself otherwise.

use super::{Finding, Paths, bounding_capabilities};
use crate::cgroup::{Layout, Version};
use crate::overlay::OverlayPlan;
use gantry_plan::limits::Controller;
use rustix::net::netlink::NETFILTER;
use rustix::net::{AddressFamily, SocketType, socket};
use std::path::Path;

fn finding(what: &str, ok: bool, costs: &str) -> Finding {
    Finding { what: what.to_owned(), ok, costs: if ok { String::new() } else { costs.to_owned() } }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn has_file_system(name: &str) -> bool {
    // One that is a module comes when it is asked for.
    read("/proc/filesystems").lines().any(|line| line.split_ascii_whitespace().last() == Some(name))
        || rustix::mount::fsopen(name, rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC).is_ok()
}

/// Major and minor number of a release like `6.1.0-50-cloud`.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

pub(super) fn kernel() -> Vec<Finding> {
    let release = read("/proc/sys/kernel/osrelease");
    let version = version(&release);
    vec![
        finding("Linux 5.10", version >= (5, 10), &format!("containers may not start on Linux {}: use 5.10 or newer", release.trim())),
        finding(
            "Linux 5.14",
            version >= (5, 14),
            "a container is ended process by process, which takes longer against a fork bomb: the kernel can do it at once from 5.14 on",
        ),
    ]
}

pub(super) fn rights() -> Vec<Finding> {
    let bounding = bounding_capabilities();
    let capability = |name: &str, costs: &str| finding(&format!("CAP_{name}"), bounding.contains(name), costs);
    vec![
        finding("root", rustix::process::geteuid().is_root(), "no container can start: run gantry as root"),
        capability("SYS_ADMIN", "no container can start: give gantry the capability, or run it outside of the container it is in"),
        capability("NET_ADMIN", "containers have no network but their own loopback and the host's: give gantry the capability"),
        capability(
            "SYS_RESOURCE",
            "a container can't have higher limits of open files and the like than gantry has, nor a negative oom_score_adj: give gantry the capability",
        ),
        capability("SYS_PTRACE", "exec into containers of other users fails: give gantry the capability"),
    ]
}

pub(super) fn storage(paths: &Paths) -> Vec<Finding> {
    let overlay = has_file_system("overlay");
    let mut findings =
        vec![finding("overlay file system", overlay, "images can't be run: load the kernel module with `modprobe overlay`, or use a kernel that has it")];
    if overlay {
        let refused = try_overlay(&paths.data_dir).err();
        let costs = refused.map(|reason| format!("images can't be run from {}: {reason}: use a data folder on ext4, xfs or btrfs", paths.data_dir.display()));
        findings.push(Finding { what: "overlay in the data folder".to_owned(), ok: costs.is_none(), costs: costs.unwrap_or_default() });
    }
    findings
}

/// Stacks two empty folders without mounting them anywhere.
fn try_overlay(data_dir: &Path) -> Result<(), String> {
    let scratch = data_dir.join(format!(".probe-{}", std::process::id()));
    let folder = |name: &str| scratch.join(name);
    let result = ["lower", "upper", "work"].iter().try_for_each(|name| std::fs::create_dir_all(folder(name))).map_err(|error| error.to_string());
    let plan = OverlayPlan { lowers: vec![folder("lower")], upper: folder("upper"), work: folder("work"), volatile: false };
    let result = result.and_then(|()| plan.mount().map(drop).map_err(|error| error.to_string()));
    let _ = std::fs::remove_dir_all(&scratch);
    result
}

/// What is lost without a controller.
const CONTROLLERS: [(Controller, &str); 8] = [
    (Controller::Memory, "memory can't be limited or measured"),
    (Controller::Cpu, "processor time can't be limited"),
    (Controller::Cpuacct, "processor time can't be measured"),
    (Controller::Cpuset, "containers can't be bound to processors"),
    (Controller::Pids, "a fork bomb in a container takes the host's process numbers"),
    (Controller::Io, "disk speed can't be limited or measured"),
    (Controller::Freezer, "containers can't be paused"),
    (Controller::Devices, "containers with the right to make device nodes reach the host's disks"),
];

pub(super) fn cgroups() -> Vec<Finding> {
    let Ok(layout) = Layout::detect() else {
        return vec![finding("cgroups", false, "no container can start: mount cgroup2 with `mount -t cgroup2 none /sys/fs/cgroup`")];
    };
    let v2 = layout.version() == Version::V2;
    let mut findings = vec![
        finding("cgroups", true, ""),
        finding("writable cgroups", layout.is_writable(), "no container can start: the cgroup file system is mounted read-only: mount it writable"),
    ];
    for (controller, lost) in CONTROLLERS {
        let name = if v2 { controller.v2_name().unwrap_or(controller.v1_name()) } else { controller.v1_name() };
        let remedy = match controller {
            Controller::Memory => "boot with `cgroup_enable=memory`",
            _ if v2 => "use a kernel with it, or free it from a v1 hierarchy",
            _ => "mount its hierarchy below /sys/fs/cgroup, or boot with cgroup v2",
        };
        findings.push(finding(&format!("cgroup controller {name}"), layout.has(controller), &format!("{lost}: {remedy}")));
    }
    findings.push(finding("swap limits", layout.counts_swap(), "memory is limited, swap is not: boot with `swapaccount=1`"));
    findings
}

pub(super) fn isolation() -> Vec<Finding> {
    let most: u64 = read("/proc/sys/user/max_user_namespaces").trim().parse().unwrap_or(0);
    let exists = |path: &str| Path::new(path).exists();
    let apparmor = read("/sys/module/apparmor/parameters/enabled").trim() == "Y";
    vec![
        finding(
            "user namespaces",
            exists("/proc/self/ns/user") && most > 0,
            "no container can have root of its own ids: raise the sysctl user.max_user_namespaces",
        ),
        finding("time namespaces", exists("/proc/self/ns/time"), "containers share the host's boot clock: Linux has the namespace from 5.6 on"),
        finding("seccomp", exists("/proc/sys/kernel/seccomp/actions_avail"), "system calls are not filtered: use a kernel with CONFIG_SECCOMP_FILTER"),
        finding("AppArmor", apparmor, "containers run without an AppArmor profile; the other walls stand: boot with `apparmor=1` to have it"),
        finding("message queues", has_file_system("mqueue"), "containers have no /dev/mqueue: use a kernel with CONFIG_POSIX_MQUEUE"),
    ]
}

pub(super) fn network() -> Vec<Finding> {
    let nftables = socket(AddressFamily::NETLINK, SocketType::RAW, Some(NETFILTER)).is_ok() && nf_tables_answers();
    vec![
        finding("nftables", nftables, "no port is published and containers don't reach the world: load the kernel module with `modprobe nf_tables`"),
        finding("network namespaces", Path::new("/proc/self/ns/net").exists(), "containers use the host's network: use a kernel with CONFIG_NET_NS"),
    ]
}

/// Asks for the generation of the rules, which changes nothing and loads the module if there is one.
fn nf_tables_answers() -> bool {
    use rustix::net::{RecvFlags, SendFlags, recv, send};
    const GET_GENERATION: u16 = 10 << 8 | 16;
    const REQUEST: u16 = 1;
    const ERROR: u16 = 2;
    let Ok(netlink) = socket(AddressFamily::NETLINK, SocketType::RAW, Some(NETFILTER)) else { return false };
    let mut message = Vec::new();
    message.extend_from_slice(&20u32.to_ne_bytes());
    message.extend_from_slice(&GET_GENERATION.to_ne_bytes());
    message.extend_from_slice(&REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 12]);
    let mut answer = [0; 256];
    if send(&netlink, &message, SendFlags::empty()).is_err() {
        return false;
    }
    match recv(&netlink, &mut answer, RecvFlags::empty()) {
        Ok((_, length)) if length >= 6 => u16::from_ne_bytes([answer[4], answer[5]]) != ERROR,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn releases_have_two_numbers() {
        for (text, expected) in [("6.1.0-50-cloud\n", (6, 1)), ("5.10", (5, 10)), ("6.18.44-fc-v657", (6, 18)), ("", (0, 0))] {
            assert_eq!(super::version(text), expected);
        }
    }
}
