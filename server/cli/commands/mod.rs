//! All commands: which stand under which heading, and in which family.

mod archives;
mod completion;
mod cp;
mod disk;
mod events;
mod exec;
mod filter;
mod images;
mod info;
mod inspect;
mod life;
mod login;
mod logs;
mod look;
mod networks;
mod prune;
mod ps;
mod pull;
mod run;
mod start;
mod stats;
mod tokens;
mod update;
mod users;
mod version;
mod volumes;

use crate::failure::Failure;
use crate::tree::{Chapter, Entry, Family, Verb, entry};
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
const UPDATE: Entry = entry::<update::Update>("update", &[]);
const LOGS: Entry = entry::<logs::Logs>("logs", &[]);
const TOP: Entry = entry::<look::Top>("top", &[]);
const STATS: Entry = entry::<stats::Stats>("stats", &[]);
const PORT: Entry = entry::<look::Port>("port", &[]);
const DIFF: Entry = entry::<look::Diff>("diff", &[]);
const EXPLAIN: Entry = entry::<users::Explain>("explain", &[]);
const CP: Entry = entry::<cp::Cp>("cp", &[]);
const EXPORT: Entry = entry::<archives::Export>("export", &[]);
const COMMIT: Entry = entry::<archives::Commit>("commit", &[]);
const LOAD: Entry = entry::<archives::Load>("load", &[]);
const SAVE: Entry = entry::<archives::Save>("save", &[]);
const IMPORT: Entry = entry::<archives::Import>("import", &[]);
const TAG: Entry = entry::<archives::Tag>("tag", &[]);
const HISTORY: Entry = entry::<images::History>("history", &[]);
const EVENTS: Entry = entry::<events::Events>("events", &[]);
const PULL: Entry = entry::<pull::Pull>("pull", &[]);
const PUSH: Entry = entry::<pull::Push>("push", &[]);
const INFO: Entry = entry::<info::Info>("info", &[]);

const fn alone<V: Verb>(name: &'static str) -> Entry {
    entry::<V>(name, &[])
}

/// The headings of the first page.
pub const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "Run",
        verbs: &[RUN, EXEC, CREATE, START, ATTACH, STOP, RESTART, KILL, PAUSE, UNPAUSE, WAIT, RENAME, UPDATE, alone::<life::Remove>("rm")],
    },
    Chapter { title: "Look", verbs: &[alone::<ps::Ps>("ps"), LOGS, TOP, STATS, PORT, DIFF, alone::<inspect::Inspect>("inspect"), EXPLAIN, EVENTS] },
    Chapter {
        title: "Images and files",
        verbs: &[alone::<images::Images>("images"), PULL, PUSH, LOAD, SAVE, IMPORT, CP, EXPORT, COMMIT, TAG, HISTORY, alone::<archives::RemoveImage>("rmi")],
    },
    Chapter { title: "Registries", verbs: &[alone::<login::Login>("login"), alone::<login::Logout>("logout"), alone::<login::Search>("search")] },
    Chapter {
        title: "This host",
        verbs: &[alone::<version::Version>("version"), INFO, alone::<completion::Completion>("completion"), alone::<completion::Man>("man")],
    },
];

/// Commands with commands below them.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "container",
        about: "All that concerns containers",
        verbs: &[
            RUN,
            EXEC,
            CREATE,
            START,
            ATTACH,
            STOP,
            RESTART,
            KILL,
            PAUSE,
            UNPAUSE,
            WAIT,
            RENAME,
            UPDATE,
            entry::<life::Remove>("rm", &["remove"]),
            entry::<ps::Ps>("ls", &["list", "ps"]),
            LOGS,
            TOP,
            STATS,
            PORT,
            DIFF,
            alone::<inspect::InspectContainer>("inspect"),
            EXPLAIN,
            CP,
            EXPORT,
            COMMIT,
            alone::<prune::Containers>("prune"),
        ],
    },
    Family {
        name: "image",
        about: "All that concerns images",
        verbs: &[
            entry::<images::Images>("ls", &["list"]),
            PULL,
            PUSH,
            LOAD,
            SAVE,
            IMPORT,
            TAG,
            HISTORY,
            alone::<inspect::InspectImage>("inspect"),
            entry::<archives::RemoveImage>("rm", &["remove"]),
            alone::<prune::Images>("prune"),
        ],
    },
    Family {
        name: "network",
        about: "All that concerns networks",
        verbs: &[
            entry::<networks::Ls>("ls", &["list"]),
            alone::<networks::New>("create"),
            alone::<inspect::InspectNetwork>("inspect"),
            alone::<networks::Join>("connect"),
            alone::<networks::Leave>("disconnect"),
            entry::<networks::Remove>("rm", &["remove"]),
            alone::<prune::Networks>("prune"),
        ],
    },
    Family {
        name: "volume",
        about: "All that concerns volumes",
        verbs: &[
            entry::<volumes::Ls>("ls", &["list"]),
            alone::<volumes::New>("create"),
            alone::<inspect::InspectVolume>("inspect"),
            entry::<volumes::Remove>("rm", &["remove"]),
            alone::<prune::Volumes>("prune"),
        ],
    },
    Family { name: "system", about: "Look at and tidy up this host", verbs: &[alone::<disk::Df>("df"), EVENTS, INFO, alone::<prune::System>("prune")] },
    Family {
        name: "token",
        about: "Tokens for the Docker API over TCP",
        verbs: &[alone::<tokens::Create>("create"), entry::<tokens::Ls>("ls", &["list"]), entry::<tokens::Remove>("rm", &["remove"])],
    },
    Family {
        name: "user",
        about: "Users of the pages",
        verbs: &[
            alone::<users::Add>("add"),
            alone::<users::Change>("change"),
            entry::<users::Ls>("ls", &["list"]),
            entry::<users::Remove>("rm", &["remove"]),
            alone::<users::SetupCode>("setup-code"),
        ],
    },
];

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
