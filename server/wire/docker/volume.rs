//! Volumes.

use std::collections::BTreeMap;

docker! {
    pub struct Volume {
        #[serde(skip_serializing_if = "String::is_empty")]
        pub created_at: String,
        pub driver: String,
        pub labels: Option<BTreeMap<String, String>>,
        pub mountpoint: String,
        pub name: String,
        pub options: Option<BTreeMap<String, String>>,
        pub scope: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub usage_data: Option<UsageData>,
    }

    pub struct UsageData {
        /// Containers that use it.
        pub ref_count: i64,
        /// Bytes; -1 is unknown.
        pub size: i64,
    }

    /// Answer of `GET /volumes`.
    pub struct List {
        pub volumes: Vec<Volume>,
        pub warnings: Option<Vec<String>>,
    }

    /// Body of `POST /volumes/create`.
    pub struct Create {
        pub name: String,
        pub driver: String,
        pub driver_opts: Option<BTreeMap<String, String>>,
        pub labels: Option<BTreeMap<String, String>>,
    }

    /// Answer of `POST /volumes/prune`.
    pub struct Pruned {
        pub volumes_deleted: Option<Vec<String>>,
        pub space_reclaimed: u64,
    }
}
