//! `exec`: another process in a running container.

use crate::client::{Client, segment};
use crate::failure::{Attempt, Failure};
use crate::flags;
use crate::stream::{self, Keys, Link, Resize, Session, Signals};
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::exec::{CreateExec, ExecId, ExecInspect, StartExec};
use reqwest::Method;

#[derive(Args)]
pub struct Exec {
    /// Run in the background
    #[arg(short, long)]
    detach: bool,
    /// Keys that leave the process running
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Set a variable, or pass the caller's (may be repeated)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// Keep stdin open
    #[arg(short, long)]
    interactive: bool,
    /// Give it all capabilities
    #[arg(long)]
    privileged: bool,
    /// Allocate a terminal
    #[arg(short, long)]
    tty: bool,
    /// Run as this user
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Folder to begin in
    #[arg(short, long, value_name = "FOLDER")]
    workdir: Option<String>,
    #[arg(value_name = "CONTAINER COMMAND", required = true, num_args = 1.., trailing_var_arg = true)]
    words: Vec<String>,
}

impl Verb for Exec {
    const USAGE: &'static str = "[OPTIONS] CONTAINER COMMAND [ARG...]";
    const ABOUT: &'static str = "Run a command in a running container";
    const EXAMPLE: &'static str = "exec -it web sh";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let keys = Keys::parse(self.detach_keys.as_deref())?;
        let Some((container, command)) = self.words.split_first().filter(|(_, command)| !command.is_empty()) else {
            return Err(Failure::new("gantry exec needs a container and a command").hint("usage: gantry exec [OPTIONS] CONTAINER COMMAND [ARG...]"));
        };
        let stdin = self.interactive && !self.detach;
        stream::check_tty(stdin, self.tty)?;
        let env = flags::environment(&self.env_file, &self.env, |name| std::env::var(name).ok())?;
        let console_size = stream::size().filter(|_| self.tty);
        let asked = CreateExec {
            user: self.user.unwrap_or_default(),
            privileged: self.privileged,
            tty: self.tty,
            console_size,
            attach_stdin: stdin,
            attach_stderr: !self.detach,
            attach_stdout: !self.detach,
            detach: self.detach,
            detach_keys: self.detach_keys.unwrap_or_default(),
            env: (!env.is_empty()).then_some(env),
            working_dir: self.workdir.unwrap_or_default(),
            cmd: Some(command.to_vec()),
        };
        let ExecId { id } = client.post(&format!("/containers/{}/exec", segment(container)), &[], &asked).await?;
        let body = serde_json::to_vec(&StartExec { detach: self.detach, tty: self.tty, console_size }).attempt(|| "write the request".to_owned())?;
        let path = format!("/exec/{id}/start");
        if self.detach {
            client.send(Method::POST, &path, &[], Some(body)).await?;
            return Ok(0);
        }
        let mut signals = Signals::take()?;
        let link = Link::open(&client, &path, &[], Some(body)).await?;
        let resize = self.tty.then(|| Resize { client: &client, path: format!("/exec/{id}/resize") });
        if let Some(resize) = &resize {
            resize.tell().await;
        }
        let ending = async {
            let ended: ExecInspect = client.get(&format!("/exec/{id}/json"), &[]).await?;
            Ok(ended.exit_code.unwrap_or_default())
        };
        stream::pump(Session { link, tty: self.tty, stdin, keys, resize, kill: None }, &mut signals, ending).await
    }
}
