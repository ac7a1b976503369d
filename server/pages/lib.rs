//! The pages: server-rendered HTML, live fragments, terminal sockets, embedded files.

pub mod assets;
