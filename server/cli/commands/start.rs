//! `start` and `attach`: containers that exist already.

use super::each;
use super::run::{attach, exit_code, start, wait};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::stream::{self, Keys, Resize, Session, Signals};
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::inspect::Inspect;

#[derive(Args)]
pub struct Start {
    /// Attach to stdout and stderr, and pass on signals
    #[arg(short, long)]
    attach: bool,
    /// Attach to stdin
    #[arg(short, long)]
    interactive: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

#[derive(Args)]
pub struct Attach {
    /// Don't attach to stdin
    #[arg(long)]
    no_stdin: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Pass signals to the process, if it has no terminal
    #[arg(long, action = clap::ArgAction::Set, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    sig_proxy: bool,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Start {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const ABOUT: &'static str = "Start containers that are stopped";
    const EXAMPLE: &'static str = "start web db";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let keys = Keys::parse(self.detach_keys.as_deref())?;
        if !self.attach && !self.interactive {
            return each(&self.containers, 8, async |name| {
                start(&client, name, name).await.map_err(|failure| failure.code(1))?;
                Ok(format!("{name}\n"))
            })
            .await;
        }
        let [name] = self.containers.as_slice() else { return Err(Failure::new("you cannot start and attach multiple containers at once")) };
        let inspect = inspect(&client, name).await?;
        let stdin = self.interactive && inspect.config.open_stdin;
        stream::check_tty(stdin, inspect.config.tty)?;
        let mut signals = Signals::take()?;
        let condition = if inspect.host_config.auto_remove { "removed" } else { "next-exit" };
        let link = attach(&client, &inspect.id, [stdin, true, true], self.detach_keys.as_deref()).await?;
        // A wait for the next exit of what runs already would be right, too.
        let waiting = wait(&client, &inspect.id, condition).await?;
        start(&client, &inspect.id, name).await.map_err(|failure| failure.code(1))?;
        session(&client, &inspect, link, stdin, keys, true, waiting, &mut signals).await
    }
}

impl Verb for Attach {
    const USAGE: &'static str = "[OPTIONS] CONTAINER";
    const ABOUT: &'static str = "Join the input and output of a running container";
    const EXAMPLE: &'static str = "attach --detach-keys ctrl-a,d web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let keys = Keys::parse(self.detach_keys.as_deref())?;
        let inspect = inspect(&client, &self.container).await?;
        let refused = |what: &str, way: &str| {
            Err(Failure::new(format!("you cannot attach to a {what} container, {way} it first")).hint(format!("gantry {way} {}", self.container)))
        };
        match &inspect.state {
            state if state.paused => return refused("paused", "unpause"),
            state if state.restarting => return Err(Failure::new("you cannot attach to a restarting container, wait until it is running")),
            state if !state.running => return refused("stopped", "start"),
            _ => {}
        }
        let stdin = !self.no_stdin && inspect.config.open_stdin;
        stream::check_tty(stdin, inspect.config.tty)?;
        let mut signals = Signals::take()?;
        let waiting = wait(&client, &inspect.id, "not-running").await?;
        let link = attach(&client, &inspect.id, [stdin, true, true], self.detach_keys.as_deref()).await?;
        session(&client, &inspect, link, stdin, keys, self.sig_proxy, waiting, &mut signals).await
    }
}

async fn inspect(client: &Client, name: &str) -> Result<Inspect, Failure> {
    client.get(&format!("/containers/{}/json", segment(name)), &[]).await
}

#[expect(clippy::too_many_arguments, reason = "the parts of a session, named at both callers")]
async fn session(
    client: &Client,
    inspect: &Inspect,
    link: stream::Link,
    stdin: bool,
    keys: Keys,
    sig_proxy: bool,
    waiting: reqwest::Response,
    signals: &mut Signals,
) -> Result<i32, Failure> {
    let tty = inspect.config.tty;
    let resize = tty.then(|| Resize { client, path: format!("/containers/{}/resize", inspect.id) });
    if let Some(resize) = &resize {
        resize.tell().await;
    }
    let kill = (sig_proxy && !tty).then(|| (client, format!("/containers/{}/kill", inspect.id)));
    stream::pump(Session { link, tty, stdin, keys, resize, kill }, signals, exit_code(client, waiting)).await
}
