//! Verbs on containers. `reference` is always an id, a unique prefix of one, or a name with or without `/`.

mod bundle;
mod create;
mod end;
mod files;
mod list;
mod prune;
mod size;
mod start;
mod types;
mod update;
mod userns;
mod wait;

pub use files::CommitWish;
pub use types::*;
