//! The tree of commands: each verb once, under each name that docker gives it.

use crate::client::Client;
use crate::failure::Failure;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::future::Future;

/// A verb: its arguments, and what it does with them.
pub trait Verb: Args + FromArgMatches {
    /// What stands after the name in the usage line, for example `[OPTIONS] CONTAINER [CONTAINER...]`.
    const USAGE: &'static str;
    /// One line for lists, without full stop.
    const ABOUT: &'static str;
    /// A line people can copy, without the program's name.
    const EXAMPLE: &'static str;

    /// Does it, and returns the exit code.
    fn run(self, client: Client) -> impl Future<Output = Result<i32, Failure>>;
}

/// One command under one name.
pub struct Entry {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub usage: &'static str,
    pub about: &'static str,
    pub example: &'static str,
    pub args: fn(Command) -> Command,
    pub run: fn(&ArgMatches, Client) -> Result<i32, Failure>,
}

/// A command with commands below it, for example `container`.
pub struct Family {
    pub name: &'static str,
    pub about: &'static str,
    pub verbs: &'static [Entry],
}

/// A heading of the help and what stands below it.
pub struct Chapter {
    pub title: &'static str,
    pub verbs: &'static [Entry],
}

/// Makes the entry of a verb.
pub const fn entry<V: Verb>(name: &'static str, aliases: &'static [&'static str]) -> Entry {
    Entry { name, aliases, usage: V::USAGE, about: V::ABOUT, example: V::EXAMPLE, args: V::augment_args, run: run::<V> }
}

fn run<V: Verb>(matches: &ArgMatches, client: Client) -> Result<i32, Failure> {
    let verb = V::from_arg_matches(matches).map_err(|error| Failure::usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::new(format!("start: {error}")))?;
    let done = runtime.block_on(verb.run(client));
    // A thread may still sit in a read of stdin.
    runtime.shutdown_background();
    done
}
