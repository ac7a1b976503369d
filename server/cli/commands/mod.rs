//! All commands: which stand under which heading, and in which family.

mod version;

use crate::tree::{Chapter, Family, entry};

/// The headings of the first page.
pub const CHAPTERS: &[Chapter] = &[Chapter { title: "This host", verbs: &[entry::<version::Version>("version", &[])] }];

/// Commands with commands below them.
pub const FAMILIES: &[Family] = &[Family { name: "system", about: "Look at and tidy up this host", verbs: &[entry::<version::Version>("version", &[])] }];
