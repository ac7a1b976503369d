//! One row of `GET /containers/json`.

use super::json::is_zero;
use super::network::EndpointSettings;
use std::collections::BTreeMap;

docker! {
    pub struct Summary {
        pub id: String,
        /// Each begins with `/`.
        pub names: Vec<String>,
        pub image: String,
        #[serde(rename = "ImageID")]
        pub image_id: String,
        pub command: String,
        /// Unix seconds.
        pub created: i64,
        pub ports: Vec<Port>,
        /// Bytes of the writable layer, if asked for.
        #[serde(skip_serializing_if = "is_zero")]
        pub size_rw: i64,
        /// Bytes of all layers, if asked for.
        #[serde(skip_serializing_if = "is_zero")]
        pub size_root_fs: i64,
        pub labels: BTreeMap<String, String>,
        /// One word.
        pub state: String,
        /// A sentence: `Up 3 minutes`.
        pub status: String,
        pub host_config: SummaryHostConfig,
        pub network_settings: SummaryNetworks,
        pub mounts: Vec<MountPoint>,
    }

    pub struct SummaryHostConfig {
        pub network_mode: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub annotations: Option<BTreeMap<String, String>>,
    }

    pub struct SummaryNetworks {
        pub networks: BTreeMap<String, EndpointSettings>,
    }

    pub struct Port {
        #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
        pub ip: String,
        pub private_port: u16,
        #[serde(skip_serializing_if = "is_zero")]
        pub public_port: u16,
        #[serde(rename = "Type")]
        pub kind: String,
    }

    /// A mount as it is.
    pub struct MountPoint {
        /// `bind`, `volume`, `tmpfs`.
        #[serde(rename = "Type")]
        pub kind: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        pub name: String,
        pub source: String,
        pub destination: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        pub driver: String,
        pub mode: String,
        #[serde(rename = "RW")]
        pub rw: bool,
        pub propagation: String,
    }
}
