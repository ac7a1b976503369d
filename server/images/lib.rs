//! The hand on content: blobs, layers, image configurations and archives. Synchronous; the engine calls it where blocking is allowed.
//!
//! Goes in: streams that other people wrote. Comes out: verified blobs by digest and unpacked layers in overlay form.
//! Tags and references are kept by the engine.

mod archive;
mod changes;
mod commit;
mod compress;
mod config;
mod diff;
mod error;
mod files;
mod image;
mod import;
mod layer;
mod lease;
mod limits;
mod outgoing;
mod pack;
mod progress;
mod pull;
mod save;
mod scratch;
mod store;
mod sweep;
mod tarball;
mod verify;

pub use commit::CommitOptions;
pub use config::{HealthConfig, History, ImageConfig, ProcessConfig, RootFs};
pub use diff::{Change, ChangeKind, changes};
pub use error::ImagesError;
pub use files::{PathStat, PutOptions, Root};
pub use image::{Blob, Image, Layer, LoadedImage, RuntimeConfig, created_at_ms, runtime_config};
pub use import::ImportOptions;
pub use lease::Lease;
pub use limits::Limits;
pub use outgoing::Outgoing;
pub use pack::{PackForm, pack, pack_one};
pub use progress::{CancelFlag, LayerProgress, LayerState, Progress};
pub use pull::{Documents, Pull, PullLayer, TakenLayer, abandoned};
pub use save::SaveItem;
pub use store::ImageStore;
pub use sweep::Removed;
pub use verify::Trouble;

#[cfg(test)]
mod tests;
