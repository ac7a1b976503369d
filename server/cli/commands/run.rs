//! `run` and `create`.

use crate::client::{Client, escape};
use crate::failure::{Attempt, Failure};
use crate::flags::body::body;
use crate::flags::container::ContainerFlags;
use crate::stream::{self, Keys, Link, Resize, Session, Signals};
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::container::{Create as Body, Created, Waited};
use reqwest::{Method, Response};

#[derive(Args)]
pub struct Run {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    detach: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Pass signals to the process, if it has no terminal
    #[arg(long, action = clap::ArgAction::Set, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    sig_proxy: bool,
    #[command(flatten)]
    flags: ContainerFlags,
    #[arg(value_name = "IMAGE", required = true, num_args = 1.., trailing_var_arg = true)]
    words: Vec<String>,
}

#[derive(Args)]
pub struct Create {
    #[command(flatten)]
    flags: ContainerFlags,
    #[arg(value_name = "IMAGE", required = true, num_args = 1.., trailing_var_arg = true)]
    words: Vec<String>,
}

impl Verb for Create {
    const USAGE: &'static str = "[OPTIONS] IMAGE [COMMAND] [ARG...]";
    const ABOUT: &'static str = "Create a container without starting it";
    const EXAMPLE: &'static str = "create --name web -p 8080:80 nginx";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let body = body(&self.flags, &self.words, false).map_err(refused)?;
        let created = create(&client, &self.flags, body).await?;
        println!("{}", created.id);
        Ok(0)
    }
}

impl Verb for Run {
    const USAGE: &'static str = "[OPTIONS] IMAGE [COMMAND] [ARG...]";
    const ABOUT: &'static str = "Create and start a container from an image";
    const EXAMPLE: &'static str = "run --rm -it -v \"$PWD:/src\" -w /src alpine sh";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let keys = Keys::parse(self.detach_keys.as_deref()).map_err(refused)?;
        if self.detach && !self.flags.attach.is_empty() {
            return Err(Failure::new("conflicting options: cannot specify both --attach and --detach"));
        }
        let body = body(&self.flags, &self.words, self.detach).map_err(refused)?;
        stream::check_tty(body.config.attach_stdin, body.config.tty)?;
        // All that goes wrong from here on is the engine's refusal to run it.
        self.foreground(&client, body, keys).await.map_err(refused)
    }
}

/// What keeps a container from being made or started has docker's code 125.
fn refused(failure: Failure) -> Failure {
    if failure.code == 1 { failure.code(125) } else { failure }
}

impl Run {
    async fn foreground(&self, client: &Client, mut body: Body, keys: Keys) -> Result<i32, Failure> {
        body.host_config.console_size = stream::size().filter(|_| body.config.tty);
        let config = body.config.clone();
        let created = create(client, &self.flags, body).await?;
        let id = &created.id;
        if self.detach {
            start(client, id, id).await?;
            println!("{id}");
            return Ok(0);
        }
        let mut signals = Signals::take()?;
        let wait_until = if self.flags.life.rm { "removed" } else { "next-exit" };
        let (link, waiting) = tokio::join!(
            attach(client, id, [config.attach_stdin, config.attach_stdout, config.attach_stderr], self.detach_keys.as_deref()),
            wait(client, id, wait_until)
        );
        let (link, waiting) = (link?, waiting?);
        start(client, id, id).await?;
        let resize = config.tty.then(|| Resize { client, path: format!("/containers/{id}/resize") });
        if let Some(resize) = &resize {
            resize.tell().await;
        }
        let kill = (self.sig_proxy && !config.tty).then(|| (client, format!("/containers/{id}/kill")));
        if !config.attach_stdout && !config.attach_stderr {
            println!("{id}");
        }
        let session = Session { link, tty: config.tty, stdin: config.attach_stdin, keys, resize, kill };
        stream::pump(session, &mut signals, exit_code(client, waiting)).await
    }
}

/// Asks for the container; gets the image first if it is missing and may be got.
async fn create(client: &Client, flags: &ContainerFlags, body: Body) -> Result<Created, Failure> {
    if let Some(file) = &flags.cidfile
        && std::path::Path::new(file).exists()
    {
        return Err(Failure::usage(format!("container ID file found, make sure the other container isn't running or delete {file}")));
    }
    let mut query = Vec::new();
    query.extend(flags.name.clone().map(|name| ("name", name)));
    query.extend(flags.platform.clone().map(|platform| ("platform", platform)));
    let image = &body.config.image;
    if flags.pull == "always" {
        super::pull::pull(client, image, flags.platform.as_deref(), flags.quiet).await?;
    }
    let created: Result<Created, Failure> = client.post("/containers/create", &query, &body).await;
    let created = match created {
        Err(failure) if failure.status == Some(404) && flags.pull == "missing" && failure.message.contains("No such image") => {
            eprintln!("Unable to find image '{image}' locally");
            super::pull::pull(client, image, flags.platform.as_deref(), flags.quiet).await?;
            client.post("/containers/create", &query, &body).await?
        }
        created => created?,
    };
    for warning in &created.warnings {
        eprintln!("WARNING: {warning}");
    }
    if let Some(file) = &flags.cidfile {
        std::fs::write(file, &created.id).attempt(|| format!("write the container's id to {file}"))?;
    }
    Ok(created)
}

/// Starts a container; `said` is the name the user knows it by. The exit code tells why its program did not run.
pub async fn start(client: &Client, id: &str, said: &str) -> Result<(), Failure> {
    let path = format!("/containers/{}/start", crate::client::segment(id));
    client.order(&path, &[]).await.map(drop).map_err(|failure| {
        let says = |texts: &[&str]| texts.iter().any(|text| failure.message.contains(text));
        let code = match failure.status {
            _ if says(&["executable file not found", "no such file or directory", "system cannot find the file specified"]) => 127,
            _ if says(&["permission denied", "is a directory"]) => 126,
            _ => 125,
        };
        let failure =
            if failure.message.contains(said) || said.len() == 64 { failure } else { Failure { message: format!("{said}: {}", failure.message), ..failure } };
        failure.code(code)
    })
}

/// Opens stdin, stdout and stderr of a container, before it is started or while it runs.
pub async fn attach(client: &Client, id: &str, [stdin, stdout, stderr]: [bool; 3], keys: Option<&str>) -> Result<Link, Failure> {
    let mut query = vec![("stream", "1".to_owned())];
    for (name, wanted) in [("stdin", stdin), ("stdout", stdout), ("stderr", stderr)] {
        if wanted {
            query.push((name, "1".to_owned()));
        }
    }
    query.extend(keys.filter(|keys| !keys.is_empty()).map(|keys| ("detachKeys", keys.to_owned())));
    Link::open(client, &format!("/containers/{}/attach", escape(id, false)), &query, None).await
}

/// Registers a wait; the server has it when this returns.
pub async fn wait(client: &Client, id: &str, condition: &str) -> Result<Response, Failure> {
    client.send(Method::POST, &format!("/containers/{}/wait", escape(id, false)), &[("condition", condition.to_owned())], None).await
}

/// The end of a wait.
pub async fn exit_code(client: &Client, waiting: Response) -> Result<i32, Failure> {
    let bytes = client.whole(waiting).await?;
    let waited: Waited = serde_json::from_slice(&bytes).attempt(|| "understand the server's answer about the exit code".to_owned())?;
    match waited.error.filter(|error| !error.message.is_empty()) {
        Some(error) => Err(Failure::new(error.message).code(125)),
        None => Ok(waited.status_code as i32),
    }
}
