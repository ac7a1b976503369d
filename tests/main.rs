//! End to end: the one binary, as its users have it. Each test has a server, folders, a bridge and a cgroup of its own.

mod browser;
mod layers;
mod modules;
mod root;
#[allow(dead_code, reason = "the benchmark uses the rest")]
mod support;
mod vm;
