//! `container prune`, `image prune`, `network prune`, `volume prune`, `system prune`: what nothing uses goes, after a question.

use super::archives::removed_text;
use super::filter;
use crate::client::Client;
use crate::failure::Failure;
use crate::format::decimal_size;
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::Filters;
use gantry_wire::docker::{container, image, network, system, volume};
use std::io::BufRead;

#[derive(Args)]
pub struct Containers {
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args)]
pub struct Images {
    /// Remove all images that no container uses, not only untagged ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args)]
pub struct Networks {
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args)]
pub struct Volumes {
    /// Remove named volumes, too
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args)]
pub struct System {
    /// Remove all images that no container uses, not only untagged ones
    #[arg(short, long)]
    all: bool,
    /// Remove anonymous volumes, too
    #[arg(long)]
    volumes: bool,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args)]
struct Asked {
    /// Remove only those that fit, for example until=24h or label=a=b (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

impl Asked {
    /// Asks unless told not to; `false` ends the command without a change, and as docker's with code 0.
    fn sure(&self, warning: &str) -> Result<bool, Failure> {
        if self.force {
            return Ok(true);
        }
        print(&format!("WARNING! {warning}\nAre you sure you want to continue? [y/N] "))?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        let yes = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
        if !yes {
            eprintln!("gantry: nothing was removed");
        }
        Ok(yes)
    }
}

fn query(filters: &Filters) -> Vec<(&'static str, String)> {
    if filters.is_empty() { Vec::new() } else { vec![("filters", filters.to_json())] }
}

/// What one kind gave: text about it, and bytes.
type Freed = (String, u64);

async fn containers(client: &Client, filters: &Filters) -> Result<Freed, Failure> {
    let pruned: container::Pruned = client.post("/containers/prune", &query(filters), &()).await?;
    Ok((said("Deleted Containers:", pruned.containers_deleted.as_deref()), pruned.space_reclaimed))
}

async fn images(client: &Client, mut filters: Filters, all: bool) -> Result<Freed, Failure> {
    filters.add("dangling", if all { "false" } else { "true" });
    let pruned: image::Pruned = client.post("/images/prune", &query(&filters), &()).await?;
    let removed = pruned.images_deleted.unwrap_or_default();
    // Here docker writes these words small.
    let lines = removed_text(&removed).replace("Untagged: ", "untagged: ").replace("Deleted: ", "deleted: ");
    Ok((if lines.is_empty() { lines } else { format!("Deleted Images:\n{lines}\n") }, pruned.space_reclaimed))
}

async fn networks(client: &Client, filters: &Filters) -> Result<Freed, Failure> {
    let pruned: network::Pruned = client.post("/networks/prune", &query(filters), &()).await?;
    Ok((said("Deleted Networks:", pruned.networks_deleted.as_deref()), 0))
}

async fn volumes(client: &Client, mut filters: Filters, all: bool) -> Result<Freed, Failure> {
    if all {
        filters.add("all", "true");
    }
    let pruned: volume::Pruned = client.post("/volumes/prune", &query(&filters), &()).await?;
    Ok((said("Deleted Volumes:", pruned.volumes_deleted.as_deref()), pruned.space_reclaimed))
}

fn said(title: &str, names: Option<&[String]>) -> String {
    match names {
        Some(names) if !names.is_empty() => format!("{title}\n{}\n\n", names.join("\n")),
        _ => String::new(),
    }
}

fn report(freed: &[Freed]) -> Result<i32, Failure> {
    let text: String = freed.iter().map(|(text, _)| text.as_str()).collect();
    let bytes: u64 = freed.iter().map(|(_, bytes)| bytes).sum();
    print(&format!("{text}Total reclaimed space: {}\n", decimal_size(bytes as f64)))?;
    Ok(0)
}

impl Verb for Containers {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Remove all stopped containers";
    const EXAMPLE: &'static str = "container prune --filter until=24h";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        if !self.asked.sure("This will remove all stopped containers.")? {
            return Ok(0);
        }
        report(&[containers(&client, &filter::filters(&self.asked.filter)?).await?])
    }
}

impl Verb for Images {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Remove images that nothing uses";
    const EXAMPLE: &'static str = "image prune -a";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let warning =
            if self.all { "This will remove all images without at least one container associated to them." } else { "This will remove all dangling images." };
        if !self.asked.sure(warning)? {
            return Ok(0);
        }
        report(&[images(&client, filter::filters(&self.asked.filter)?, self.all).await?])
    }
}

impl Verb for Networks {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Remove networks that no container uses";
    const EXAMPLE: &'static str = "network prune";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        if !self.asked.sure("This will remove all custom networks not used by at least one container.")? {
            return Ok(1);
        }
        // No bytes are freed, and docker tells none.
        print(&networks(&client, &filter::filters(&self.asked.filter)?).await?.0)?;
        Ok(0)
    }
}

impl Verb for Volumes {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Remove volumes that no container uses";
    const EXAMPLE: &'static str = "volume prune";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let which = if self.all { "all" } else { "anonymous" };
        if !self.asked.sure(&format!("This will remove {which} local volumes not used by at least one container."))? {
            return Ok(0);
        }
        report(&[volumes(&client, filter::filters(&self.asked.filter)?, self.all).await?])
    }
}

impl Verb for System {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Remove all that nothing uses";
    const EXAMPLE: &'static str = "system prune";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let volumes_too = if self.volumes { "  - all anonymous volumes not used by at least one container\n" } else { "" };
        let which = if self.all {
            "  - all images without at least one container associated to them\n  - all build cache\n"
        } else {
            "  - all dangling images\n  - unused build cache\n"
        };
        if !self
            .asked
            .sure(&format!("This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n{volumes_too}{which}"))?
        {
            return Ok(0);
        }
        let filters = filter::filters(&self.asked.filter)?;
        let mut freed = vec![containers(&client, &filters).await?];
        // A server may have no networks or builds of its own.
        let absent = |failure: &Failure| matches!(failure.status, Some(404 | 501));
        match networks(&client, &filters).await {
            Err(failure) if absent(&failure) => {}
            pruned => freed.push(pruned?),
        }
        if self.volumes {
            freed.push(volumes(&client, filters.clone(), false).await?);
        }
        freed.push(images(&client, filters.clone(), self.all).await?);
        match client.post::<_, system::BuildPruned>("/build/prune", &query(&filters), &()).await {
            Err(failure) if absent(&failure) => {}
            pruned => {
                let pruned = pruned?;
                freed.push((said("Deleted build cache objects:", pruned.caches_deleted.as_deref()), pruned.space_reclaimed));
            }
        }
        report(&freed)
    }
}
