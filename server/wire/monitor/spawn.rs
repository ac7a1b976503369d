//! What the server asks of its spawner: one datagram each way on a `SOCK_SEQPACKET` pair, in order.

use gantry_model::Kind;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpawnRequest {
    /// A monitor beside one container. The answer carries its pidfd; its socket listens before the answer is sent.
    Monitor {
        /// The container's data folder, with the launch description.
        launch_dir: PathBuf,
        /// Its run folder, which exists; sockets have short paths, so connect through `/proc/self/fd` of this folder.
        run_dir: PathBuf,
    },
    /// The root of a container that does not run, as a mount nobody else sees. The answer carries its descriptor.
    Root { launch_dir: PathBuf },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpawnReply {
    Spawned {
        pid: i32,
    },
    Mounted,
    /// [`Kind::Conflict`]: a monitor lives there already.
    Failed {
        kind: Kind,
        message: String,
    },
}
