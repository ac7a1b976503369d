//! What may stand next on a command line, for the completion scripts of shells: commands, flags, and the names of what is on the server.
//! The words up to the cursor in, a line for each offer out: the word, a tab, what it is. The last line tells the shell what else to do.

mod names;

use crate::client::Client;
use crate::commands::{CHAPTERS, FAMILIES};
use crate::host::{Flags, Host};
use crate::parse::build;
use crate::tree::Entry;
use clap::{Arg, ArgAction, Command};
use names::Kind;

/// The scripts; each calls `gantry __complete -- WORD...`.
pub const BASH: &str = include_str!("gantry.bash");
pub const ZSH: &str = include_str!("gantry.zsh");
pub const FISH: &str = include_str!("gantry.fish");

/// What the shell does besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// Offer files, too.
    Files,
    /// Put no space behind the word.
    Joined,
}

/// What may stand at the cursor.
#[derive(Debug, PartialEq, Eq)]
struct Offers {
    words: Vec<(String, String)>,
    /// Names of these are offered, too.
    names: Option<Kind>,
    then: Then,
}

impl Offers {
    fn words(words: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { words: words.into_iter().collect(), names: None, then: Then::Nothing }
    }

    fn files() -> Self {
        Self { words: Vec::new(), names: None, then: Then::Files }
    }
}

/// The lines for the shell; `words` are those behind the program's name, the last of them being typed. Never fails: a shell has no place for errors.
pub async fn answer(words: &[String]) -> String {
    let Some((typed, before)) = words.split_last() else { return String::new() };
    let (host, offers) = offers(before, typed);
    let mut words = offers.words;
    if let Some(kind) = offers.names
        && let Ok(host) = Host::find(&Flags { host: host.map(str::to_owned), ..Flags::default() })
    {
        words.extend(names::of(&Client::new(host), kind, typed).await);
    }
    words.retain(|(word, _)| word.starts_with(typed.as_str()));
    let mut lines: String = words.iter().map(|(word, about)| if about.is_empty() { format!("{word}\n") } else { format!("{word}\t{about}\n") }).collect();
    lines.push_str(match offers.then {
        Then::Nothing => ":nothing\n",
        Then::Files => ":files\n",
        Then::Joined => ":joined\n",
    });
    lines
}

/// The host that is named, and what may stand where `typed` does.
fn offers<'a>(before: &'a [String], typed: &str) -> (Option<&'a str>, Offers) {
    let mut rest = before.iter().map(String::as_str);
    let mut host = None;
    let name = loop {
        match rest.next() {
            None => return (host, first(typed)),
            Some("-H" | "--host") => match rest.next() {
                Some(address) => host = Some(address),
                None => return (host, Offers::files()),
            },
            Some(word) if word.starts_with("--host=") => host = Some(&word["--host=".len()..]),
            Some(word) if word.starts_with('-') => {}
            Some(name) => break name,
        }
    };
    let rest: Vec<&str> = rest.collect();
    if let Some(entry) = find(CHAPTERS.iter().flat_map(|chapter| chapter.verbs), name) {
        return (host, of_command(entry, name, &rest, typed));
    }
    let offers = match (FAMILIES.iter().find(|family| family.name == name), rest.split_first()) {
        (Some(family), None) => Offers::words(family.verbs.iter().map(|entry| (entry.name.to_owned(), entry.about.to_owned()))),
        (Some(family), Some((verb, rest))) => match find(family.verbs.iter(), verb) {
            Some(entry) => of_command(entry, family.name, rest, typed),
            None => Offers::words([]),
        },
        (None, _) if name == "help" => first(""),
        (None, _) => Offers::files(),
    };
    (host, offers)
}

fn find<'a>(mut entries: impl Iterator<Item = &'a Entry>, name: &str) -> Option<&'a Entry> {
    entries.find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// The commands, or the flags before them.
fn first(typed: &str) -> Offers {
    if typed.starts_with('-') {
        return Offers::words(["--host", "--help", "--version"].map(|flag| (flag.to_owned(), String::new())));
    }
    let verbs = CHAPTERS.iter().flat_map(|chapter| chapter.verbs).map(|entry| (entry.name, entry.about));
    let families = FAMILIES.iter().map(|family| (family.name, family.about));
    let roles = [("serve", "Start the server"), ("oci", "Run bundles with runc's command line")];
    Offers::words(verbs.chain(families).chain(roles).map(|(name, about)| (name.to_owned(), about.to_owned())))
}

/// What may stand in the arguments of a command; `family` is its own name where it stands alone.
fn of_command(entry: &Entry, family: &str, before: &[&str], typed: &str) -> Offers {
    let command = build(entry, entry.name);
    let takes_value = |arg: &Arg| !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count) && !arg.is_require_equals_set();
    let mut given: Vec<&str> = Vec::new();
    let mut waiting = None;
    let mut flags_end = false;
    for word in before {
        if waiting.take().is_some() {
            continue;
        }
        match flag(&command, word) {
            _ if flags_end || !word.starts_with('-') || *word == "-" => {
                given.push(word);
                // What stands behind IMAGE or CONTAINER is the program's.
                flags_end |= command.get_positionals().any(Arg::is_trailing_var_arg_set);
            }
            _ if *word == "--" => flags_end = true,
            Some(arg) if takes_value(arg) && !word.contains('=') && !joined(word, arg) => waiting = Some(arg.clone()),
            _ => {}
        }
    }
    if let Some(arg) = waiting {
        return of_value(&arg, family, "");
    }
    if typed.starts_with('-') && !flags_end {
        if let Some((name, _)) = typed.split_once('=')
            && let Some(arg) = flag(&command, name)
        {
            return of_value(arg, family, &format!("{name}="));
        }
        let all = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| {
            let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
            Some((format!("--{}", arg.get_long()?), about))
        });
        return Offers::words(all.chain([("--help".to_owned(), "Print help".to_owned())]));
    }
    let positionals: Vec<&Arg> = command.get_positionals().collect();
    let program_follows = positionals.iter().any(|arg| arg.is_trailing_var_arg_set());
    match positionals.get(given.len().min(positionals.len().saturating_sub(1))) {
        // Only the first word of these names something of ours.
        Some(_) if program_follows && !given.is_empty() => Offers::files(),
        Some(arg) if given.len() < positionals.len() || many(arg) => of_positional(arg, entry.name, family, typed),
        _ => Offers::words([]),
    }
}

fn many(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// The flag that `word` names; of several short ones in one word the last.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    if let Some(long) = word.strip_prefix("--") {
        let long = long.split('=').next().unwrap_or_default();
        return command.get_arguments().find(|arg| {
            arg.get_long_and_visible_aliases().is_some_and(|names| names.contains(&long)) || arg.get_all_aliases().is_some_and(|names| names.contains(&long))
        });
    }
    let short = |letter: char| command.get_arguments().find(move |arg| arg.get_short() == Some(letter));
    // `-it`: both are switches; `-p80`: the first takes the rest.
    let letters: Vec<char> = word.strip_prefix('-')?.chars().collect();
    let first_with_value = letters.iter().position(|letter| short(*letter).is_some_and(|arg| matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)));
    first_with_value.and_then(|at| short(letters[at])).or_else(|| short(*letters.last()?))
}

/// True if a short flag's value stands in the same word.
fn joined(word: &str, arg: &Arg) -> bool {
    !word.starts_with("--") && arg.get_short().is_some_and(|letter| !word.ends_with(letter))
}

fn of_value(arg: &Arg, family: &str, prefix: &str) -> Offers {
    let words = arg.get_possible_values().into_iter().map(|value| (format!("{prefix}{}", value.get_name()), String::new())).collect::<Vec<_>>();
    if !words.is_empty() {
        return Offers::words(words);
    }
    let name = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let fixed = |list: &[&str]| Offers::words(list.iter().map(|word| (format!("{prefix}{word}"), String::new())));
    match (arg.get_long().unwrap_or_default(), name) {
        ("restart", _) => fixed(&["no", "always", "on-failure", "unless-stopped"]),
        ("role", _) => fixed(&["viewer", "operator", "admin"]),
        ("format", _) => fixed(&["json", "table"]),
        (_, "SIGNAL") => fixed(&["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"]),
        ("volumes-from" | "link", _) => Offers { names: Some(Kind::Containers), ..Offers::words([]) },
        ("network", _) => Offers { names: Some(Kind::Networks), ..fixed(&["bridge", "host", "none"]) },
        ("volume", _) => Offers { names: Some(Kind::Volumes), then: Then::Files, words: Vec::new() },
        (_, "FILE" | "FOLDER" | "PATH") => Offers::files(),
        _ if family == "cp" => Offers::files(),
        _ => Offers::words([]),
    }
}

fn of_positional(arg: &Arg, verb: &str, family: &str, typed: &str) -> Offers {
    let words: Vec<_> = arg.get_possible_values().into_iter().map(|value| (value.get_name().to_owned(), String::new())).collect();
    let name = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let names = match (name.split([' ', '[', ':']).next().unwrap_or_default(), family) {
        ("CONTAINER", _) => Some(match verb {
            "exec" | "attach" | "stop" | "kill" | "top" | "pause" | "restart" => Kind::Running,
            "start" => Kind::Stopped,
            "unpause" => Kind::Paused,
            _ => Kind::Containers,
        }),
        ("IMAGE" | "REPOSITORY", _) | ("NAME", "image") => Some(Kind::Images),
        ("VOLUME", _) | ("NAME", "volume") if verb != "create" => Some(Kind::Volumes),
        ("NETWORK", _) | ("NAME", "network") if verb != "create" => Some(Kind::Networks),
        ("NAME", "container") => Some(Kind::Containers),
        ("NAME", "inspect") => Some(Kind::All),
        ("NAME", "user") if verb != "add" => Some(Kind::Users),
        ("NAME", "token") if verb != "create" => Some(Kind::Tokens),
        // One side is a container's, the other a file here.
        ("SOURCE" | "DESTINATION", _) if typed.contains('/') => return Offers::files(),
        ("SOURCE" | "DESTINATION", _) => return Offers { words, names: Some(Kind::Places), then: Then::Joined },
        _ => None,
    };
    let then = if name.starts_with("FILE") || name == "FOLDER" { Then::Files } else { Then::Nothing };
    Offers { words, names, then }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Offers {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (typed, before) = words.split_last().expect("a word");
        offers(before, typed).1
    }

    fn has(line: &str, word: &str) -> bool {
        ask(line).words.iter().any(|(known, _)| known == word)
    }

    #[test]
    fn commands_and_flags_are_offered_where_they_may_stand() {
        assert!(has("", "run") && has("", "container") && has("", "serve"));
        assert!(has("container ", "prune") && !has("container ", "images"));
        assert!(has("--host unix:///x ps -", "--filter") && has("-", "--host"));
        assert!(has("run --rm -", "--volume") && !has("run img -", "--volume"));
        assert!(has("run --restart ", "unless-stopped") && has("run --restart=", "--restart=always"));
        assert!(has("completion ", "fish"));
    }

    #[test]
    fn names_are_of_the_kind_that_the_command_takes() {
        let names = |line: &str| ask(line).names;
        assert_eq!(names("stop "), Some(Kind::Running));
        assert_eq!(names("stop -t 3 web "), Some(Kind::Running));
        assert_eq!(names("start "), Some(Kind::Stopped));
        assert_eq!(names("exec -it "), Some(Kind::Running));
        assert_eq!((names("exec -it web "), ask("exec -it web ").then), (None, Then::Files));
        assert_eq!(names("run -it --name x -p 80:80 "), Some(Kind::Images));
        assert_eq!(names("run -it -p80 --rm "), Some(Kind::Images));
        assert_eq!(names("run --name "), None);
        assert_eq!(names("rmi "), Some(Kind::Images));
        assert_eq!(names("volume rm a "), Some(Kind::Volumes));
        assert_eq!(names("inspect "), Some(Kind::All));
        assert_eq!(names("image inspect "), Some(Kind::Images));
        assert_eq!(names("rename web "), None);
        assert_eq!((names("cp "), ask("cp ").then), (Some(Kind::Places), Then::Joined));
        assert_eq!(ask("cp ./f"), Offers::files());
    }
}
