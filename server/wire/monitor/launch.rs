//! What a monitor starts: written by the engine into the container's data folder, read at each start and restart.

use super::HealthPlan;
use gantry_model::{ContainerId, Kind, PortBinding, RestartPolicy, Signal, TermSize};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// Everything about one start. Unknown fields of a later release are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    pub id: ContainerId,
    pub name: String,
    /// The OCI runtime spec.
    pub config_path: PathBuf,
    /// Where the root filesystem is, or where the overlay is mounted inside the container's mount namespace.
    pub rootfs: PathBuf,
    pub overlay: Option<Overlay>,
    /// `user[:group]`, looked up in the container's own files; empty is root.
    #[serde(default)]
    pub user: String,
    /// Further groups, names or numbers.
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub tty: bool,
    #[serde(default)]
    pub open_stdin: bool,
    /// Closes stdin when the first client attached to it goes.
    #[serde(default)]
    pub stdin_once: bool,
    #[serde(default)]
    pub term_size: Option<TermSize>,
    /// Path of the cgroup as in the spec's `cgroupsPath`.
    pub cgroup_path: String,
    pub log: LogPlan,
    /// Output of a terminal kept for clients that come back.
    #[serde(default = "Launch::default_keep_bytes")]
    pub keep_bytes: u64,
    #[serde(default)]
    pub restart: RestartPolicy,
    #[serde(default)]
    pub network: Network,
    /// Bridges besides the one of `network`. A release that does not know them joins the first only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_bridges: Vec<Bridge>,
    /// Containers whose namespaces this one joins.
    #[serde(default)]
    pub shares: Vec<Share>,
    pub stop_signal: Signal,
    pub stop_timeout_ms: u64,
    #[serde(default)]
    pub init: bool,
    #[serde(default)]
    pub auto_remove: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthPlan>,
    /// The spec's system call filter, compiled for this machine: it takes as long to compile as the rest of a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// For a container on networks of users: what is answered to questions for names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Names>,
}

/// The name server of a container, at 127.0.0.11.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    /// Files of [`crate::names`], in the order of the container's networks: the first that has a name answers.
    pub files: Vec<PathBuf>,
    /// Names for this container alone, each for another name (`--link db:database` is `("database", "db")`).
    pub links: Vec<(String, String)>,
    pub outside: Outside,
}

/// Who is asked for all other names. They are asked from the host's network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// Nobody: all networks of the container are internal. A name server reached through the host would be a way out (CVE-2024-29018).
    #[default]
    Nobody,
    /// The servers in the host's /etc/resolv.conf, as it is when somebody asks.
    Host,
    /// These, in this order.
    Servers(Vec<IpAddr>),
}

/// A classic BPF program for seccomp(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Instructions: code, two jumps and the operand, from the highest bits on.
    pub program: Vec<u64>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
}

impl Launch {
    pub fn default_keep_bytes() -> u64 {
        1 << 20
    }

    /// The bridges it is on, in the order of its interfaces.
    pub fn bridges(&self) -> impl Iterator<Item = &Bridge> {
        let first = if let Network::Bridge(bridge) = &self.network { Some(&**bridge) } else { None };
        first.into_iter().chain(&self.more_bridges)
    }

    /// Reads a description.
    ///
    /// # Errors
    /// [`LaunchError`] for what is no description.
    pub fn parse(json: &[u8]) -> Result<Self, LaunchError> {
        serde_json::from_slice(json).map_err(|error| LaunchError(error.to_string()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read a launch description: {0}")]
pub struct LaunchError(String);

impl LaunchError {
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Layers and folders of an overlay mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Uppermost layer first.
    pub lowers: Vec<PathBuf>,
    pub upper: PathBuf,
    pub work: PathBuf,
    /// Skips syncing at the end: for containers that are removed then.
    #[serde(default)]
    pub volatile: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogDriver {
    #[default]
    Local,
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlan {
    pub driver: LogDriver,
    pub path: PathBuf,
    /// The file is full when it would grow beyond this.
    pub max_bytes: u64,
    /// The current one and the full ones that are kept.
    #[serde(default = "LogPlan::two")]
    pub max_files: u32,
    /// Full files are packed.
    #[serde(default)]
    pub compress: bool,
}

impl LogPlan {
    /// What a release kept that did not say.
    fn two() -> u32 {
        2
    }
}

/// The container's network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A namespace with loopback.
    #[default]
    None,
    /// The namespace of the host.
    Host,
    /// A namespace that exists: another container's.
    Path(PathBuf),
    Bridge(Box<Bridge>),
}

/// A container whose namespaces are joined, as it was when this was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub name: String,
    /// Its main process in the host's numbers.
    pub pid: i32,
    /// That one's start in clock ticks since boot: another process may have its number later.
    pub pid_started: Option<u64>,
}

/// A bridge and the container's place on it. Addresses are given by the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Interface on the host; made if it is not there.
    pub bridge: String,
    /// The bridge's own addresses, with prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    pub mtu: Option<u32>,
    /// Hides the containers behind the host's address on their way out.
    pub masquerade: bool,
    /// Containers on this bridge may talk to each other.
    pub inter_container: bool,
    /// Nothing leads from it to other networks, and from them to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// nftables table of this network.
    pub table: String,
    pub endpoint: Endpoint,
    pub publish: Vec<Published>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Inside the container, `eth0`.
    pub interface: String,
    /// The other end, on the host.
    pub host_interface: String,
    /// `02:42:…`
    pub mac: String,
    pub addresses: Vec<(IpAddr, u8)>,
    pub gateways: Vec<IpAddr>,
}

/// One published port; `host_port` 0 takes a free one, kept in [`super::Status::ports`].
pub type Published = PortBinding;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_names_come_from_is_read() {
        let json = r#"{"files":["/run/gantry/networks/1/names"],"links":[["database","db"]],"outside":{"servers":["10.0.0.1","fd00::1"]},"later":1}"#;
        let names: Names = serde_json::from_str(json).expect("well formed");
        assert_eq!(names.links, [("database".to_owned(), "db".to_owned())]);
        assert!(matches!(&names.outside, Outside::Servers(servers) if servers.len() == 2));
        assert_eq!(serde_json::from_str::<Names>("{}").expect("well formed").outside, Outside::Nobody);
        assert_eq!(serde_json::from_str::<Outside>("\"host\"").expect("well formed"), Outside::Host);
    }

    #[test]
    fn a_description_of_the_first_release_is_read() {
        let id = "ab".repeat(32);
        let json = format!(
            r#"{{"id":"{id}","name":"web","config_path":"/d/config.json","rootfs":"/d/rootfs",
            "overlay":{{"lowers":["/l/2","/l/1"],"upper":"/d/upper","work":"/d/work"}},
            "cgroup_path":"/gantry/web","log":{{"driver":"local","path":"/d/log","max_bytes":1000}},
            "network":{{"bridge":{{"bridge":"gantry0","addresses":[["10.0.0.1",16]],"mtu":null,"masquerade":true,"inter_container":true,"table":"gantry",
              "endpoint":{{"interface":"eth0","host_interface":"g1","mac":"02:42:0a:00:00:02","addresses":[["10.0.0.2",16]],"gateways":["10.0.0.1"]}},
              "publish":[{{"host_ip":null,"host_port":8080,"container_port":80,"protocol":"tcp"}}]}}}},
            "restart":{{"on-failure":{{"max_retries":3}}}},"stop_signal":15,"stop_timeout_ms":10000,"of_a_later_release":1}}"#
        );
        let launch = Launch::parse(json.as_bytes()).expect("well formed");
        assert_eq!(launch.keep_bytes, 1 << 20);
        assert!(matches!(&launch.network, Network::Bridge(bridge) if bridge.publish[0].container_port == 80));
        assert_eq!(launch.bridges().count(), 1);
        assert_eq!(Launch::parse(&serde_json::to_vec(&launch).expect("prints")), Ok(launch));
    }
}
