//! All commands: which stand under which heading, and in which family.

mod exec;
mod life;
mod pull;
mod run;
mod start;
mod version;

use crate::failure::Failure;
use crate::tree::{Chapter, Entry, Family, entry};
use futures_util::StreamExt;

const RUN: Entry = entry::<run::Run>("run", &[]);
const CREATE: Entry = entry::<run::Create>("create", &[]);
const START: Entry = entry::<start::Start>("start", &[]);
const ATTACH: Entry = entry::<start::Attach>("attach", &[]);
const EXEC: Entry = entry::<exec::Exec>("exec", &[]);
const STOP: Entry = entry::<life::Stop>("stop", &[]);
const RESTART: Entry = entry::<life::Restart>("restart", &[]);
const KILL: Entry = entry::<life::Kill>("kill", &[]);
const PAUSE: Entry = entry::<life::Pause>("pause", &[]);
const UNPAUSE: Entry = entry::<life::Unpause>("unpause", &[]);
const WAIT: Entry = entry::<life::Wait>("wait", &[]);
const RENAME: Entry = entry::<life::Rename>("rename", &[]);
const RM: Entry = entry::<life::Remove>("rm", &[]);
const VERSION: Entry = entry::<version::Version>("version", &[]);

/// The headings of the first page.
pub const CHAPTERS: &[Chapter] = &[
    Chapter { title: "Run", verbs: &[RUN, EXEC, CREATE, START, ATTACH, STOP, RESTART, KILL, PAUSE, UNPAUSE, WAIT, RENAME, RM] },
    Chapter { title: "This host", verbs: &[VERSION] },
];

/// Commands with commands below them.
pub const FAMILIES: &[Family] = &[Family {
    name: "container",
    about: "All that concerns containers",
    verbs: &[RUN, EXEC, CREATE, START, ATTACH, STOP, RESTART, KILL, PAUSE, UNPAUSE, WAIT, RENAME, entry::<life::Remove>("rm", &["remove"])],
}];

/// Does something with each name, `at_once` of them at a time; prints what comes out in their order, and each failure.
/// The exit code is 1 if one failed.
pub async fn each<'a>(names: &'a [String], at_once: usize, act: impl AsyncFn(&'a str) -> Result<String, Failure>) -> Result<i32, Failure> {
    let mut code = 0;
    let act = &act;
    let mut done = futures_util::stream::iter(names).map(|name| async move { act(name).await }).buffered(at_once);
    while let Some(result) = done.next().await {
        match result {
            Ok(text) => crate::parse::print(&text)?,
            Err(failure) => {
                failure.report();
                code = 1;
            }
        }
    }
    Ok(code)
}
