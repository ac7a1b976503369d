//! The OCI runtime's command line, as runc has it: `gantry oci create|start|…`. In: arguments. Out: an exit code.
//! Runs before any thread exists, since it clones.

mod args;
mod console;
mod control;
mod create;
mod describe;
mod error;
mod exec;
mod foreground;
mod hooks;
mod limits;
mod log;
mod show;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_limits;
mod update;

use args::{Cli, Command};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use error::Result;
use std::ffi::OsString;
use std::io::Write as _;

/// Runs one command. `args` begin with the program's name and the role.
pub fn main(mut args: Vec<OsString>) -> i32 {
    if args.get(1).is_some_and(|role| role == "oci") {
        args.remove(1);
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return usage_code(&error);
        }
    };
    if cli.version {
        print(&format!("gantry version {}\nspec: {}\n", env!("CARGO_PKG_VERSION"), state::OCI_VERSION));
        return 0;
    }
    let Some(command) = &cli.command else {
        let _ = Cli::command().print_help();
        return 0;
    };
    match run(&cli, command) {
        Ok(code) => code,
        Err(error) => {
            log::error(&cli.global, &error.to_string());
            // Callers tell a failing exec from a failing program by it.
            if matches!(command, Command::Exec(_)) { 255 } else { 1 }
        }
    }
}

/// runc's codes: 3 for a command it does not have, 1 for every other misuse.
fn usage_code(error: &clap::Error) -> i32 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        ErrorKind::InvalidSubcommand => 3,
        _ => 1,
    }
}

fn run(cli: &Cli, command: &Command) -> Result<i32> {
    let global = &cli.global;
    match command {
        Command::Create(args) => create::create(global, args),
        Command::Start { id } => create::start(global, id),
        Command::Run(args) => create::run(global, args),
        Command::State { id } => show::state(global, id),
        Command::Kill { all, id, signal } => control::kill(global, id, signal, *all),
        Command::Delete { force, ids } => control::delete(global, ids, *force),
        Command::Exec(args) => exec::exec(global, args),
        Command::List { format, quiet } => show::list(global, format, *quiet),
        Command::Ps { format, id, options } => show::ps(global, id, format, options),
        Command::Pause { id } => control::pause(global, id),
        Command::Resume { id } => control::resume(global, id),
        Command::Update(args) => update::update(global, args),
        Command::Events { stats, interval, id } => update::events(global, id, *stats, interval),
        Command::Spec { bundle } => describe::spec(bundle.as_deref(), global.rootless == "true"),
        Command::Features => describe::features(),
    }
}

/// To stdout; a reader that has gone is no error of ours.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
