//! One line of `GET /containers/{id}/stats`. Names are snake case here, as dockerd's are.

use super::json::or_default;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! snake {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name { $($(#[$field_meta])* #[serde(deserialize_with = "or_default")] pub $field: $type,)* }
    )*};
}

snake! {
    pub struct Stats {
        /// Begins with `/`.
        pub name: String,
        pub id: String,
        pub read: String,
        pub preread: String,
        pub pids_stats: Pids,
        pub blkio_stats: Blkio,
        pub num_procs: u32,
        pub storage_stats: BTreeMap<String, u64>,
        pub cpu_stats: Cpu,
        pub precpu_stats: Cpu,
        pub memory_stats: Memory,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub networks: Option<BTreeMap<String, Network>>,
    }

    pub struct Pids {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub current: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub limit: Option<u64>,
    }

    pub struct Blkio {
        pub io_service_bytes_recursive: Option<Vec<BlkioEntry>>,
        pub io_serviced_recursive: Option<Vec<BlkioEntry>>,
        pub io_queue_recursive: Option<Vec<BlkioEntry>>,
        pub io_service_time_recursive: Option<Vec<BlkioEntry>>,
        pub io_wait_time_recursive: Option<Vec<BlkioEntry>>,
        pub io_merged_recursive: Option<Vec<BlkioEntry>>,
        pub io_time_recursive: Option<Vec<BlkioEntry>>,
        pub sectors_recursive: Option<Vec<BlkioEntry>>,
    }

    pub struct BlkioEntry {
        pub major: u64,
        pub minor: u64,
        pub op: String,
        pub value: u64,
    }

    pub struct Cpu {
        pub cpu_usage: CpuUsage,
        /// Nanoseconds of all processors of the host together.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub system_cpu_usage: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub online_cpus: Option<u32>,
        pub throttling_data: Throttling,
    }

    /// Nanoseconds.
    pub struct CpuUsage {
        pub total_usage: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub percpu_usage: Option<Vec<u64>>,
        pub usage_in_kernelmode: u64,
        pub usage_in_usermode: u64,
    }

    pub struct Throttling {
        pub periods: u64,
        pub throttled_periods: u64,
        pub throttled_time: u64,
    }

    /// Bytes.
    pub struct Memory {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub usage: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_usage: Option<u64>,
        /// memory.stat of the kernel; on cgroup v1 docker reads `total_inactive_file` of it, on v2 `inactive_file`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub stats: Option<BTreeMap<String, u64>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub failcnt: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub limit: Option<u64>,
    }

    pub struct Network {
        pub rx_bytes: u64,
        pub rx_packets: u64,
        pub rx_errors: u64,
        pub rx_dropped: u64,
        pub tx_bytes: u64,
        pub tx_packets: u64,
        pub tx_errors: u64,
        pub tx_dropped: u64,
    }
}
