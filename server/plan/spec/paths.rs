//! Paths of /proc and /sys that a container may not see or not write.
//! Source: moby `oci/defaults.go` of 2026-08, and GHSA-6fw5-f8r9-fgfm, GHSA-jq35-85cj-fj4p.

use gantry_model::ContainerSpec;

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Those that a container does not see, on a host with so many processors.
pub fn masked_paths(wish: &ContainerSpec, cpus: u32) -> Vec<String> {
    if let Some(own) = &wish.security.masked_paths {
        return own.clone();
    }
    if wish.security.privileged {
        return Vec::new();
    }
    let throttle = (0..cpus).map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"));
    MASKED.iter().map(|path| (*path).to_owned()).chain(throttle).collect()
}

/// Those that it can only read.
pub fn readonly_paths(wish: &ContainerSpec) -> Vec<String> {
    match &wish.security.readonly_paths {
        Some(own) => own.clone(),
        None if wish.security.privileged => Vec::new(),
        None => READONLY.iter().map(|path| (*path).to_owned()).collect(),
    }
}
