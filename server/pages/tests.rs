//! The pages as a browser meets them: a server on a port of its own, an engine on scratch folders.

mod doors;
mod forms;
mod size;
mod support;
