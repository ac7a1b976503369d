//! What a container may use. `None` always means: no limit asked for.

use serde::{Deserialize, Serialize};

/// Resource limits in the units the Docker Engine API uses (`HostConfig`, `Resources`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory, page cache included.
    pub memory_bytes: Option<u64>,
    /// Memory and swap together, in bytes; -1 is unlimited swap.
    pub memory_swap_bytes: Option<i64>,
    /// Soft limit, in bytes.
    pub memory_reservation_bytes: Option<u64>,
    /// 0 to 100; cgroup v1 only.
    pub memory_swappiness: Option<u64>,
    pub oom_kill_disable: bool,
    /// Processors times 10^9: 1.5 processors are 1_500_000_000.
    pub nano_cpus: Option<i64>,
    /// Relative weight, 2 to 262144; 1024 is usual.
    pub cpu_shares: Option<u64>,
    /// Microseconds of processor time per period; -1 is unlimited.
    pub cpu_quota_us: Option<i64>,
    /// Microseconds.
    pub cpu_period_us: Option<u64>,
    /// For example `0-3,6`.
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    /// Processes and threads; 0 or less is unlimited.
    pub pids: Option<i64>,
    /// 10 to 1000.
    pub blkio_weight: Option<u16>,
    pub blkio_weight_devices: Vec<WeightDevice>,
    pub read_bps: Vec<DeviceRate>,
    pub write_bps: Vec<DeviceRate>,
    pub read_iops: Vec<DeviceRate>,
    pub write_iops: Vec<DeviceRate>,
    /// As `--device-cgroup-rule`: `c 1:3 rwm`.
    pub device_rules: Vec<String>,
}

/// A device by its path on the host, and a rate (bytes or operations a second).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    pub path: String,
    pub rate: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightDevice {
    pub path: String,
    pub weight: u16,
}

/// A host device given to the container. Source: `docker run --device`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub path_on_host: String,
    pub path_in_container: String,
    /// Any of `r`, `w`, `m`.
    pub permissions: String,
}
