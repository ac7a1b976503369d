//! `completion` and `man`: made of the same tree as the commands themselves.

use super::{CHAPTERS, FAMILIES};
use crate::client::Client;
use crate::complete;
use crate::failure::{Attempt, Failure};
use crate::parse::{build, print};
use crate::tree::Verb;
use clap::{Arg, ArgAction, Args, Command};
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
        print(match self.shell.as_str() {
            "bash" => complete::BASH,
            "zsh" => complete::ZSH,
            _ => complete::FISH,
        })?;
        Ok(0)
    }
}

#[derive(Args)]
pub struct Man {
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Verb for Man {
    const USAGE: &'static str = "[FOLDER]";
    const ABOUT: &'static str = "Print the man page, or write one for each command into a folder";
    const EXAMPLE: &'static str = "man /usr/local/share/man/man1";

    async fn run(self, _: Client) -> Result<i32, Failure> {
        let Some(folder) = self.folder else {
            let mut page = Vec::new();
            clap_mangen::Man::new(whole()).render(&mut page).attempt(|| "make the man page".to_owned())?;
            print(&String::from_utf8_lossy(&page))?;
            return Ok(0);
        };
        std::fs::create_dir_all(&folder).attempt(|| format!("make the folder {}", folder.display()))?;
        clap_mangen::generate_to(whole(), &folder).attempt(|| format!("write man pages into {}", folder.display()))?;
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
