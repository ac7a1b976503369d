//! Stacks layers into one tree. In: folders. Out: a detached mount that no mount table of the host ever shows.

use std::path::PathBuf;

/// Layers and the folders that take the changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayPlan {
    /// Read-only layers, the topmost first.
    pub lowers: Vec<PathBuf>,
    pub upper: PathBuf,
    /// Empty, on the file system of `upper`.
    pub work: PathBuf,
    /// Skips syncing at unmount: for trees that a crash may lose.
    pub volatile: bool,
}
