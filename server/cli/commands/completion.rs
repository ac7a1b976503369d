//! `completion` and `man`: made of the same tree as the commands themselves.

use super::{CHAPTERS, FAMILIES};
use crate::client::Client;
use crate::failure::{Attempt, Failure};
use crate::parse::{build, print};
use crate::tree::Verb;
use clap::{Arg, ArgAction, Args, Command};
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Args)]
pub struct Completion {
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl Verb for Completion {
    const USAGE: &'static str = "bash|zsh|fish";
    const ABOUT: &'static str = "Print the completion script of a shell";
    const EXAMPLE: &'static str = "completion bash > /etc/bash_completion.d/gantry";

    async fn run(self, _: Client) -> Result<i32, Failure> {
        let shell: Shell = self.shell.parse().map_err(Failure::usage)?;
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut whole(), "gantry", &mut script);
        print(&String::from_utf8_lossy(&script))?;
        Ok(0)
    }
}

#[derive(Args)]
pub struct Man {
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Verb for Man {
    const USAGE: &'static str = "FOLDER";
    const ABOUT: &'static str = "Write a man page for each command into a folder";
    const EXAMPLE: &'static str = "man /usr/local/share/man/man1";

    async fn run(self, _: Client) -> Result<i32, Failure> {
        clap_mangen::generate_to(whole(), &self.folder).attempt(|| format!("write man pages into {}", self.folder.display()))?;
        Ok(0)
    }
}

/// All commands as one clap tree.
fn whole() -> Command {
    let verb = |entry: &crate::tree::Entry, above: &str| {
        build(entry, &format!("{above} {}", entry.name)).about(entry.about).after_help(format!("Example: gantry {}", entry.example))
    };
    let verbs = CHAPTERS.iter().flat_map(|chapter| chapter.verbs).map(|entry| verb(entry, "gantry"));
    let families = FAMILIES.iter().map(|family| {
        let verbs = family.verbs.iter().map(|entry| verb(entry, &format!("gantry {}", family.name)));
        Command::new(family.name).about(family.about).disable_help_subcommand(true).subcommands(verbs)
    });
    let roles = [("serve", "Start the server"), ("oci", "Run bundles with runc's command line")]
        .map(|(name, about)| Command::new(name).about(about).disable_help_flag(true));
    Command::new("gantry")
        .about("Runs containers, and shows them in a browser")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .arg(Arg::new("host").short('H').long("host").value_name("ADDRESS").action(ArgAction::Set).help("Server to talk to"))
        .subcommands(verbs)
        .subcommands(families)
        .subcommands(roles)
}
