//! End to end: the one binary, as its users have it. Each test has a server, folders, a bridge and a cgroup of its own.

mod layers;
mod modules;
#[allow(dead_code, unused_imports, reason = "the tests that use it come with the commands they need")]
mod support;
mod vm;
