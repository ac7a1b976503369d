//! Where an engine keeps its things.

use std::path::PathBuf;

/// Settings of one engine. Several engines with folders, bridge and table of their own run beside each other.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Lasting data, `/var/lib/gantry` by default.
    pub data_dir: PathBuf,
    /// Volatile state, `/run/gantry` by default.
    pub run_dir: PathBuf,
    /// Name of the default bridge, `gantry0` by default.
    pub bridge: String,
    /// Subnet of the default bridge; `None` picks a free one.
    pub subnet: Option<String>,
    /// Name of the nftables table, `gantry` by default.
    pub nft_table: String,
    /// Parent cgroup of all containers, `/gantry` by default.
    pub cgroup_parent: String,
    /// What this host knows of registries.
    pub registries: gantry_registry::Settings,
    /// The binary to execute as `gantry spawner`; `/proc/self/exe` in production, so that an upgrade on disk is no matter.
    pub program: PathBuf,
}
