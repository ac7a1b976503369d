//! Stands in for the cgroup and seccomp modules until they are here.

/// A cgroup to join.
#[derive(Debug)]
pub struct Cgroup;

/// A compiled filter.
#[derive(Debug)]
pub struct SeccompProgram;
