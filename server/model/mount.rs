//! Mounts a user asks for.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One mount. Paths are absolute; `target` is inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mount {
    pub kind: MountKind,
    pub target: String,
    #[serde(default)]
    pub read_only: bool,
    /// Asked for as `--mount` has it, and shown so.
    #[serde(default)]
    pub described: bool,
    /// For the volume, if it is made for this.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A file or folder of the host.
    Bind {
        source: String,
        #[serde(default)]
        propagation: Propagation,
        /// Takes the mounts below `source` along.
        #[serde(default)]
        recursive: bool,
        /// Makes the folder on the host when missing (`-v` does, `--mount` does not).
        #[serde(default)]
        create_source: bool,
    },
    /// A named volume; an empty name is an anonymous one.
    Volume {
        name: String,
        #[serde(default)]
        no_copy: bool,
    },
    Tmpfs {
        #[serde(default)]
        size_bytes: Option<u64>,
        /// Permission bits, 0o1777 when absent.
        #[serde(default)]
        mode: Option<u32>,
        /// Further mount options, as `--tmpfs /x:noexec,uid=1` has them.
        #[serde(default)]
        options: Vec<String>,
    },
}

/// How mounts made later travel. Source: mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    Private,
    #[default]
    Rprivate,
    Shared,
    Rshared,
    Slave,
    Rslave,
}

impl Default for MountKind {
    /// An anonymous volume.
    fn default() -> Self {
        Self::Volume { name: String::new(), no_copy: false }
    }
}

impl Propagation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Rprivate => "rprivate",
            Self::Shared => "shared",
            Self::Rshared => "rshared",
            Self::Slave => "slave",
            Self::Rslave => "rslave",
        }
    }
}
