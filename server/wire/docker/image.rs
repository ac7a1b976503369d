//! Images.

use super::container::Config;
use super::inspect::GraphDriver;
use std::collections::BTreeMap;

docker! {
    /// One row of `GET /images/json`.
    pub struct Summary {
        pub id: String,
        pub parent_id: String,
        pub repo_tags: Vec<String>,
        pub repo_digests: Vec<String>,
        /// Unix seconds.
        pub created: i64,
        /// Bytes of all layers.
        pub size: i64,
        /// Bytes shared with other images; -1 if not asked for.
        pub shared_size: i64,
        /// As `Size`; until 1.43.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub virtual_size: Option<i64>,
        pub labels: Option<BTreeMap<String, String>>,
        /// Containers made from it; -1 if not asked for.
        pub containers: i64,
    }

    /// `GET /images/{name}/json`.
    pub struct Inspect {
        pub id: String,
        pub repo_tags: Vec<String>,
        pub repo_digests: Vec<String>,
        pub parent: String,
        pub comment: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        pub created: String,
        pub docker_version: String,
        pub author: String,
        pub config: Config,
        /// Of the container that the image was made from, an object; empty from 1.45 on.
        pub container_config: serde_json::Value,
        pub architecture: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        pub variant: String,
        pub os: String,
        pub size: i64,
        /// As `Size`; until 1.43.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub virtual_size: Option<i64>,
        pub graph_driver: GraphDriver,
        #[serde(rename = "RootFS")]
        pub root_fs: RootFs,
        pub metadata: Metadata,
    }

    pub struct RootFs {
        #[serde(rename = "Type")]
        pub kind: String,
        /// Digests of the uncompressed layers, lowest first.
        pub layers: Option<Vec<String>>,
    }

    pub struct Metadata {
        pub last_tag_time: String,
    }

    /// One row of `GET /images/{name}/history`, newest first.
    pub struct History {
        /// An image's id or `<missing>`.
        pub id: String,
        /// Unix seconds.
        pub created: i64,
        pub created_by: String,
        pub tags: Option<Vec<String>>,
        pub size: i64,
        pub comment: String,
    }

    /// One row of the answer of `DELETE /images/{name}`: one of both.
    pub struct Removed {
        #[serde(skip_serializing_if = "String::is_empty")]
        pub untagged: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        pub deleted: String,
    }

    /// Answer of `POST /images/prune`.
    pub struct Pruned {
        pub images_deleted: Option<Vec<Removed>>,
        pub space_reclaimed: u64,
    }

    /// Answer of `POST /commit`.
    pub struct Committed {
        pub id: String,
    }
}
