//! What the server asks of its spawner: one datagram each way on a `SOCK_SEQPACKET` pair, in order.
//! A successful answer carries the monitor's pidfd. The monitor's socket listens before the answer is sent.

use gantry_model::Kind;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Asks for a monitor beside one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnRequest {
    /// The container's data folder, with the launch description.
    pub launch_dir: PathBuf,
    /// Its run folder, which exists; sockets have short paths, so connect through `/proc/self/fd` of this folder.
    pub run_dir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpawnReply {
    Spawned {
        pid: i32,
    },
    /// [`Kind::Conflict`]: a monitor lives there already.
    Failed {
        kind: Kind,
        message: String,
    },
}
