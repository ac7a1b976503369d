//! Finds the shell a container has, by looking into its root.

use crate::registry::Container;
use crate::{Engine, EngineError, Result};
use gantry_model::Kind;

/// The best first.
const SHELLS: [&str; 12] = [
    "/bin/bash",
    "/usr/bin/bash",
    "/usr/local/bin/bash",
    "/bin/zsh",
    "/usr/bin/zsh",
    "/usr/bin/fish",
    "/bin/ash",
    "/bin/dash",
    "/usr/bin/dash",
    "/bin/sh",
    "/usr/bin/sh",
    "/bin/busybox",
];

impl Engine {
    pub(crate) async fn find_shell(&self, container: &Container) -> Result<String> {
        let pid = container.lock().pid;
        let pid = pid.ok_or_else(|| EngineError::said(Kind::Conflict, "the container does not run"))?;
        let found = tokio::task::spawn_blocking(move || gantry_runtime::inside::first_executable(pid, &SHELLS)).await?;
        found
            .map(str::to_owned)
            .ok_or_else(|| EngineError::hinted(Kind::CommandNotFound, "the container has no shell that Gantry knows", "give the command to run"))
    }
}
