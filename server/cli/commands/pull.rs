//! Images from registries and to them: `pull`, `push`, and what `run` does when an image is missing.

use super::archives::full_name;
use crate::client::{Client, segment};
use crate::credentials;
use crate::failure::{Attempt, Failure};
use crate::parse::print;
use crate::progress;
use crate::tree::Verb;
use clap::Args;
use gantry_model::ImageRef;
use reqwest::Method;

#[derive(Args)]
pub struct Pull {
    /// Get every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Print the name only
    #[arg(short, long)]
    quiet: bool,
    /// Platform of the image, if the registry has it for several [default: that of the server]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: String,
}

impl Verb for Pull {
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG|@DIGEST]";
    const ABOUT: &'static str = "Get an image from a registry";
    const EXAMPLE: &'static str = "pull alpine:3";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let reference = parsed(&self.name)?;
        if self.all_tags && is_named_further(&self.name) {
            return Err(Failure::new("tag can't be used with --all-tags/-a"));
        }
        if !self.all_tags && !self.quiet && !is_named_further(&self.name) {
            println!("Using default tag: latest");
        }
        let said = get(&client, &reference, self.all_tags, self.platform.as_deref(), self.quiet).await?;
        let name = if self.all_tags { full_name(&reference) } else { reference.to_string() };
        print(&if self.quiet { format!("{name}\n") } else { format!("{said}{name}\n") })?;
        Ok(0)
    }
}

#[derive(Args)]
pub struct Push {
    /// Send every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Print the name only
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "NAME[:TAG]")]
    name: String,
}

impl Verb for Push {
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG]";
    const ABOUT: &'static str = "Send an image to a registry";
    const EXAMPLE: &'static str = "push registry.example/team/app:1.4";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let reference = parsed(&self.name)?;
        if reference.digest().is_some() {
            return Err(Failure::new("cannot push a digest reference"));
        }
        if self.all_tags && is_named_further(&self.name) {
            return Err(Failure::new("tag can't be used with --all-tags/-a"));
        }
        if !self.all_tags && !self.quiet && !is_named_further(&self.name) {
            println!("Using default tag: latest");
        }
        let mut query = Vec::new();
        query.extend(reference.tag().filter(|_| !self.all_tags).map(|tag| ("tag", tag.to_owned())));
        let path = format!("/images/{}/push", segment(&full_name(&reference)));
        let request = client.request(Method::POST, &path, &query)?.header("X-Registry-Auth", credentials::header(reference.registry())?);
        let said = progress::show(&client, client.answer(request).await?, self.quiet).await?.concat();
        let name = if self.all_tags { full_name(&reference) } else { reference.to_string() };
        print(&if self.quiet { format!("{name}\n") } else { said })?;
        Ok(0)
    }
}

/// Asks the server to get `image`, for a container that needs it; all that is said goes to stderr.
pub async fn pull(client: &Client, image: &str, platform: Option<&str>, quiet: bool) -> Result<(), Failure> {
    let reference = parsed(image).map_err(|failure| failure.code(125))?;
    let said = get(client, &reference, false, platform, quiet).await?;
    if !quiet {
        eprint!("{said}");
    }
    Ok(())
}

async fn get(client: &Client, reference: &ImageRef, all_tags: bool, platform: Option<&str>, quiet: bool) -> Result<String, Failure> {
    let tag = reference.digest().map(ToString::to_string).or_else(|| reference.tag().map(str::to_owned)).filter(|_| !all_tags);
    let mut query = vec![("fromImage", full_name(reference))];
    query.extend(tag.map(|tag| ("tag", tag)));
    query.extend(platform.map(|platform| ("platform", platform.to_owned())));
    let request = client.request(Method::POST, "/images/create", &query)?.header("X-Registry-Auth", credentials::header(reference.registry())?);
    Ok(progress::show(client, client.answer(request).await?, quiet).await?.concat())
}

fn parsed(name: &str) -> Result<ImageRef, Failure> {
    name.parse().attempt(|| format!("understand the image name {name:?}"))
}

/// True for `name:tag` and `name@digest`, false for `registry:5000/name`.
fn is_named_further(name: &str) -> bool {
    name.rsplit('/').next().unwrap_or(name).contains([':', '@'])
}
