//! Stop, restart, kill, pause, unpause, wait, rm, rename: orders to containers by name.

use super::each;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::container::Waited;

/// How many containers are asked at once.
const AT_ONCE: usize = 50;

#[derive(Args)]
pub struct Stop {
    /// Signal to send first
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Seconds to wait before SIGKILL; -1 waits for ever
    #[arg(short, long, alias = "time", value_name = "SECONDS")]
    timeout: Option<i64>,
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

#[derive(Args)]
pub struct Restart {
    #[command(flatten)]
    stop: Stop,
}

async fn halt(client: &Client, verb: &str, asked: &Stop) -> Result<i32, Failure> {
    let mut query = Vec::new();
    query.extend(asked.timeout.map(|seconds| ("t", seconds.to_string())));
    query.extend(asked.signal.clone().map(|signal| ("signal", signal)));
    order(client, verb, &query, &asked.containers).await
}

impl Verb for Stop {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const ABOUT: &'static str = "Stop containers: a signal, and after a while SIGKILL";
    const EXAMPLE: &'static str = "stop -t 30 web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        halt(&client, "stop", &self).await
    }
}

impl Verb for Restart {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const ABOUT: &'static str = "Stop containers and start them again";
    const EXAMPLE: &'static str = "restart web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        halt(&client, "restart", &self.stop).await
    }
}

#[derive(Args)]
pub struct Kill {
    /// Signal to send, by name or number [default: KILL]
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Kill {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const ABOUT: &'static str = "Send a signal to containers, SIGKILL if not told otherwise";
    const EXAMPLE: &'static str = "kill -s HUP web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let query: Vec<_> = self.signal.into_iter().map(|signal| ("signal", signal)).collect();
        order(&client, "kill", &query, &self.containers).await
    }
}

macro_rules! plain {
    ($name:ident, $verb:literal, $about:literal) => {
        #[derive(Args)]
        pub struct $name {
            #[arg(value_name = "CONTAINER", required = true)]
            containers: Vec<String>,
        }

        impl Verb for $name {
            const USAGE: &'static str = "CONTAINER [CONTAINER...]";
            const ABOUT: &'static str = $about;
            const EXAMPLE: &'static str = concat!($verb, " web");

            async fn run(self, client: Client) -> Result<i32, Failure> {
                order(&client, $verb, &[], &self.containers).await
            }
        }
    };
}

plain!(Pause, "pause", "Freeze all processes of containers");
plain!(Unpause, "unpause", "Let the processes of frozen containers go on");

async fn order(client: &Client, verb: &str, query: crate::client::Query<'_>, containers: &[String]) -> Result<i32, Failure> {
    each(containers, AT_ONCE, async |name| {
        client.order(&format!("/containers/{}/{verb}", segment(name)), query).await?;
        Ok(format!("{name}\n"))
    })
    .await
}

#[derive(Args)]
pub struct Wait {
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Wait {
    const USAGE: &'static str = "CONTAINER [CONTAINER...]";
    const ABOUT: &'static str = "Wait until containers have ended, and print their exit codes";
    const EXAMPLE: &'static str = "wait job";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        each(&self.containers, AT_ONCE, async |name| {
            let waited: Waited = client.post(&format!("/containers/{}/wait", segment(name)), &[], &()).await?;
            match waited.error.filter(|error| !error.message.is_empty()) {
                Some(error) => Err(Failure::new(error.message)),
                None => Ok(format!("{}\n", waited.status_code)),
            }
        })
        .await
    }
}

#[derive(Args)]
pub struct Remove {
    /// Kill containers that run
    #[arg(short, long)]
    force: bool,
    /// Remove a link instead
    #[arg(short, long)]
    link: bool,
    /// Remove their anonymous volumes, too
    #[arg(short, long)]
    volumes: bool,
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const ABOUT: &'static str = "Remove containers";
    const EXAMPLE: &'static str = "rm -f web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let mut query = Vec::new();
        for (name, wanted) in [("force", self.force), ("link", self.link), ("v", self.volumes)] {
            if wanted {
                query.push((name, "1".to_owned()));
            }
        }
        each(&self.containers, AT_ONCE, async |name| {
            let name = name.trim_matches('/');
            if name.is_empty() {
                return Err(Failure::new("a container's name is missing"));
            }
            match client.delete(&format!("/containers/{}", segment(name)), &query).await {
                // Forced removal of what is gone is done.
                Err(failure) if self.force && failure.status == Some(404) => {
                    eprintln!("gantry: {}", failure.message);
                    Ok(String::new())
                }
                Err(failure) if failure.status == Some(409) && !self.force => Err(failure.hint("stop it first, or remove it with -f")),
                Err(failure) => Err(failure),
                Ok(_) => Ok(format!("{name}\n")),
            }
        })
        .await
    }
}

#[derive(Args)]
pub struct Rename {
    #[arg(value_name = "CONTAINER")]
    container: String,
    #[arg(value_name = "NEW_NAME")]
    name: String,
}

impl Verb for Rename {
    const USAGE: &'static str = "CONTAINER NEW_NAME";
    const ABOUT: &'static str = "Give a container another name";
    const EXAMPLE: &'static str = "rename web web-old";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        client.order(&format!("/containers/{}/rename", segment(&self.container)), &[("name", self.name)]).await?;
        Ok(0)
    }
}
