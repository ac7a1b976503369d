//! Smaller looks at one container: `top`, `port`, `diff`.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::format::columns;
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::container::{Change, Top as Processes};
use gantry_wire::docker::inspect::Inspect;

#[derive(Args)]
pub struct Top {
    #[arg(value_name = "CONTAINER [PS OPTIONS]", required = true, num_args = 1.., trailing_var_arg = true)]
    words: Vec<String>,
}

impl Verb for Top {
    const USAGE: &'static str = "CONTAINER [PS OPTIONS]";
    const ABOUT: &'static str = "Show the processes of a container";
    const EXAMPLE: &'static str = "top web aux";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let (container, arguments) = self.words.split_first().ok_or_else(|| Failure::new("the container is missing"))?;
        let query: Vec<_> = (!arguments.is_empty()).then(|| ("ps_args", arguments.join(" "))).into_iter().collect();
        let top: Processes = client.get(&format!("/containers/{}/top", segment(container)), &query).await?;
        let lines = std::iter::once(&top.titles).chain(&top.processes).map(|cells| cells.join("\t") + "\n");
        print(&columns(&lines.collect::<String>(), 20))?;
        Ok(0)
    }
}

#[derive(Args)]
pub struct Port {
    #[arg(value_name = "CONTAINER")]
    container: String,
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

impl Verb for Port {
    const USAGE: &'static str = "CONTAINER [PORT[/PROTOCOL]]";
    const ABOUT: &'static str = "Show where the ports of a container are published";
    const EXAMPLE: &'static str = "port web 80";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let inspect: Inspect = client.get(&format!("/containers/{}/json", segment(&self.container)), &[]).await?;
        let asked = self.port.map(|port| if port.contains('/') { port } else { format!("{port}/tcp") });
        let mut lines = Vec::new();
        for (port, places) in &inspect.network_settings.ports {
            for place in places.iter().flatten() {
                let ip = if place.host_ip.contains(':') { format!("[{}]", place.host_ip) } else { place.host_ip.clone() };
                let address = format!("{ip}:{}", place.host_port);
                match &asked {
                    None => lines.push(format!("{port} -> {address}")),
                    Some(asked) if asked == port => lines.push(address),
                    Some(_) => {}
                }
            }
        }
        if let Some(asked) = asked
            && lines.is_empty()
        {
            return Err(Failure::new(format!("no public port '{asked}' published for {}", self.container)));
        }
        lines.sort_by_key(|line| (line.split(['/', ':']).next().and_then(|port| port.parse::<u16>().ok()), line.clone()));
        print(&lines.into_iter().map(|line| line + "\n").collect::<String>())?;
        Ok(0)
    }
}

#[derive(Args)]
pub struct Diff {
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Diff {
    const USAGE: &'static str = "CONTAINER";
    const ABOUT: &'static str = "Show which files of a container differ from its image";
    const EXAMPLE: &'static str = "diff web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let changes: Option<Vec<Change>> = client.get(&format!("/containers/{}/changes", segment(&self.container)), &[]).await?;
        let sign = |kind: u8| ["C", "A", "D"].get(usize::from(kind)).copied().unwrap_or("?");
        print(&changes.unwrap_or_default().iter().map(|change| format!("{} {}\n", sign(change.kind), change.path)).collect::<String>())?;
        Ok(0)
    }
}
