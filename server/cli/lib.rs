//! The docker-like command line: a client of the Docker Engine API on Gantry's socket.
//! Arguments in, requests out; data goes to stdout, talk to stderr, and the exit code is docker's.

mod client;
mod commands;
mod complete;
mod copy;
mod credentials;
mod failure;
mod flags;
mod format;
mod help;
mod host;
mod parse;
mod progress;
mod stream;
mod tree;

use client::Client;
use failure::Failure;
use host::Host;
use std::ffi::OsString;

/// Runs the command that `args` name (`args[0]` is the program) and returns its exit code: 0, docker's 1, 125, 126 or 127,
/// or the code of the program in the container.
pub fn main(args: Vec<OsString>) -> i32 {
    match run(args) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(args: Vec<OsString>) -> Result<i32, Failure> {
    match parse::parse(args)? {
        parse::Asked::Text(text) => {
            parse::print(&text)?;
            Ok(0)
        }
        parse::Asked::Completion(words) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            parse::print(&runtime.block_on(complete::answer(&words)))?;
            Ok(0)
        }
        parse::Asked::Command(asked) => (asked.entry.run)(&asked.matches, Client::new(Host::find(&asked.host)?)),
    }
}
