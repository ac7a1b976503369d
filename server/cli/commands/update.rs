//! `update`: limits and restart policy of containers that exist.

use super::each;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::flags::body::resources;
use crate::flags::container::ResourceFlags;
use crate::flags::restart_policy;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::container::Updated;
use gantry_wire::docker::host_config::{HostConfig, RestartPolicy};

#[derive(Args)]
pub struct Update {
    #[command(flatten)]
    resources: ResourceFlags,
    /// When to start again: no, on-failure[:TIMES], always, unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = restart_policy)]
    restart: Option<RestartPolicy>,
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Update {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const ABOUT: &'static str = "Change limits and restart policy of containers";
    const EXAMPLE: &'static str = "update --memory 512m --cpus 1.5 web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let mut wanted = HostConfig { restart_policy: self.restart.unwrap_or_default(), ..HostConfig::default() };
        resources(&self.resources, &mut wanted);
        if wanted == (HostConfig { pids_limit: Some(0), ..HostConfig::default() }) {
            return Err(Failure::new("you must provide one or more flags when using this command").hint("all flags: gantry update --help"));
        }
        each(&self.containers, 8, async |name| {
            let updated: Updated = client.post(&format!("/containers/{}/update", segment(name)), &[], &wanted).await?;
            updated.warnings.iter().flatten().for_each(|warning| eprintln!("WARNING: {warning}"));
            Ok(format!("{name}\n"))
        })
        .await
    }
}
