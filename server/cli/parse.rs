//! From arguments to one command: clap with docker's habits (`--flag=false` for switches, the last of a repeated flag wins,
//! exit code 125 for an unknown flag and 1 for a wrong number of arguments).

use crate::commands::{CHAPTERS, FAMILIES};
use crate::failure::Failure;
use crate::help;
use crate::host;
use crate::tree::Entry;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};

/// What the arguments ask for.
pub enum Asked {
    /// Help or version: print it, code 0.
    Text(String),
    /// A shell asks what may follow these words.
    Completion(Vec<String>),
    Command(Box<Invocation>),
}

/// A command with its arguments.
pub struct Invocation {
    pub entry: &'static Entry,
    pub matches: ArgMatches,
    pub host: host::Flags,
}

/// Parses the whole command line, `args[0]` included.
pub fn parse(args: Vec<OsString>) -> Result<Asked, Failure> {
    let mut rest = args.into_iter().skip(1).peekable();
    let mut host = host::Flags::default();
    // The flags before the command are few; reading them here lets only the one command that is named be built.
    loop {
        let Some(word) = rest.next() else { return Ok(Asked::Text(help::root(width()))) };
        let text = word.to_str().unwrap_or_default();
        match text {
            "--help" | "-h" => return Ok(Asked::Text(help::root(width()))),
            "--version" | "-v" => return Ok(Asked::Text(format!("Gantry version {}\n", env!("CARGO_PKG_VERSION")))),
            "help" => return help_for(&rest.filter_map(|word| word.into_string().ok()).collect::<Vec<_>>()),
            "__complete" => {
                let words = rest.skip_while(|word| word == "--").map(|word| word.to_string_lossy().into_owned());
                return Ok(Asked::Completion(words.collect()));
            }
            _ if host::Flags::knows(text) => host.take(text, || rest.next().and_then(|value| value.into_string().ok()))?,
            "serve" | "oci" => return Err(Failure::usage(format!("{text} takes no flags before it")).hint(format!("run it as: gantry {text} …"))),
            _ if text.starts_with('-') => {
                return Err(Failure::usage(format!("unknown flag: {text}")).hint("flags of a command stand behind it; see: gantry --help"));
            }
            name => return command(name, rest.collect(), host),
        }
    }
}

fn command(name: &str, mut rest: Vec<OsString>, host: host::Flags) -> Result<Asked, Failure> {
    if let Some(entry) = CHAPTERS.iter().flat_map(|chapter| chapter.verbs).find(|entry| entry.name == name || entry.aliases.contains(&name)) {
        return matches(entry, format!("gantry {name}"), rest, host);
    }
    let Some(family) = FAMILIES.iter().find(|family| family.name == name) else {
        let names = CHAPTERS.iter().flat_map(|chapter| chapter.verbs).map(|entry| entry.name).chain(FAMILIES.iter().map(|family| family.name));
        return Err(unknown(&format!("gantry {name}"), name, names));
    };
    let verb = match rest.first().and_then(|word| word.to_str()) {
        None | Some("--help" | "-h" | "help") => return Ok(Asked::Text(help::family(family, width()))),
        Some(verb) => verb.to_owned(),
    };
    match family.verbs.iter().find(|entry| entry.name == verb || entry.aliases.contains(&verb.as_str())) {
        Some(entry) => matches(entry, format!("gantry {name} {verb}"), rest.split_off(1), host),
        None => Err(unknown(&format!("gantry {name} {verb}"), &verb, family.verbs.iter().map(|entry| entry.name))),
    }
}

fn help_for(words: &[String]) -> Result<Asked, Failure> {
    match words.first() {
        None => Ok(Asked::Text(help::root(width()))),
        Some(name) => command(name, words[1..].iter().take(1).map(OsString::from).chain([OsString::from("--help")]).collect(), host::Flags::default()),
    }
}

fn unknown(path: &str, word: &str, known: impl Iterator<Item = &'static str>) -> Failure {
    let near = known.map(|name| (distance(word, name), name)).min().filter(|(distance, name)| *distance <= 2 && *distance < name.len());
    let failure = Failure::new(format!("unknown command: {path}"));
    match near {
        Some((_, name)) => failure.hint(format!("did you mean {name}? All commands: gantry --help")),
        None => failure.hint("all commands: gantry --help"),
    }
}

/// Edits that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (row[j + 1] + 1).min(row[j] + 1).min(diagonal + usize::from(x != *y));
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

/// Builds the clap command of `entry` as people see it in the help.
pub fn build(entry: &Entry, path: &str) -> Command {
    let command = Command::new(entry.name).bin_name(path.to_owned()).disable_help_flag(true).disable_help_subcommand(true).args_override_self(true);
    (entry.args)(command)
}

/// Every switch takes `=true` and `=false`, and every flag any value, also one that begins with `-`, as Go's flags do.
fn lenient(command: Command) -> Command {
    command.mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => {
            arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("true").default_value("false").value_parser(go_bool)
        }
        ArgAction::Set | ArgAction::Append if !arg.is_positional() && !arg.is_require_equals_set() => arg.allow_hyphen_values(true),
        _ => arg,
    })
}

/// Go's `strconv.ParseBool`.
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("give true or false".to_owned()),
    }
}

fn matches(entry: &'static Entry, path: String, rest: Vec<OsString>, host: host::Flags) -> Result<Asked, Failure> {
    let pristine = build(entry, &path);
    let short_help_is_free = pristine.get_arguments().all(|arg| arg.get_short() != Some('h'));
    let help = Arg::new("help").long("help").action(ArgAction::Help);
    let parser = lenient(pristine).arg(if short_help_is_free { help.short('h') } else { help });
    match parser.try_get_matches_from(std::iter::once(OsString::from(&path)).chain(rest)) {
        Ok(matches) => Ok(Asked::Command(Box::new(Invocation { entry, matches, host }))),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Asked::Text(help::entry(entry, &path, width()))),
        Err(error) => Err(wrong(&error, entry, &path)),
    }
}

/// Turns clap's error into one sentence and a hint.
fn wrong(error: &clap::Error, entry: &Entry, path: &str) -> Failure {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let usage = format!("usage: {path} {}", entry.usage);
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let near = context(ContextKind::SuggestedArg);
            let hint = if near.is_empty() { format!("all flags: {path} --help") } else { format!("did you mean {near}? All flags: {path} --help") };
            Failure::usage(format!("unknown flag: {argument}")).hint(hint)
        }
        ErrorKind::UnknownArgument => Failure::new(format!("{path} takes fewer arguments: {argument} is too much")).hint(usage),
        ErrorKind::MissingRequiredArgument => Failure::new(format!("{path} needs {argument}")).hint(usage),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = context(ContextKind::InvalidValue);
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            let choices = context(ContextKind::ValidValue);
            let message = match (value.is_empty(), why.is_empty()) {
                (true, _) => format!("{argument} needs a value"),
                (false, true) => format!("invalid argument {value:?} for {argument}"),
                (false, false) => format!("invalid argument {value:?} for {argument}: {why}"),
            };
            Failure::usage(message).hint(if choices.is_empty() { format!("all flags: {path} --help") } else { format!("choose one of {choices}") })
        }
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Failure::usage(first).hint(usage)
        }
    }
}

/// Columns for help texts: the terminal's, at most 120.
pub fn width() -> usize {
    if !std::io::stdout().is_terminal() {
        return 100;
    }
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(80, |size| usize::from(size.ws_col)).clamp(40, 120)
}

/// Prints to stdout.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Result<Asked, Failure> {
        parse(std::iter::once("gantry").chain(line.split_whitespace()).map(OsString::from).collect())
    }

    fn refused(line: &str) -> Failure {
        match ask(line) {
            Err(failure) => failure,
            Ok(_) => panic!("{line} is accepted"),
        }
    }

    #[test]
    fn every_command_is_well_formed_and_has_a_help_with_its_example() {
        let families = FAMILIES.iter().flat_map(|family| family.verbs);
        for entry in CHAPTERS.iter().flat_map(|chapter| chapter.verbs).chain(families) {
            lenient(build(entry, "gantry x")).debug_assert();
            let help = help::entry(entry, "gantry x", 100);
            assert!(help.contains(entry.example) && help.contains(entry.about), "{help}");
            assert!(!entry.about.ends_with('.') && entry.about.len() <= 70, "{}", entry.name);
        }
    }

    #[test]
    fn a_word_nearly_right_gets_a_suggestion() {
        assert_eq!(refused("versoin").hint.as_deref(), Some("did you mean version? All commands: gantry --help"));
        assert_eq!(refused("versoin").code, 1);
        assert_eq!(refused("--bogus").code, 125);
        assert_eq!(refused("version --bogus").code, 125);
    }

    #[test]
    fn a_flag_takes_a_value_that_looks_like_a_flag() {
        for line in ["run --memory-swap -1 --pids-limit -1 -e -x img -it", "run --health-cmd --rm img", "stop -t -1 x", "run -it=false --sig-proxy=false img"] {
            assert!(ask(line).is_ok(), "{line}");
        }
        assert_eq!(refused("run --rm=maybe img").code, 125);
        assert_eq!(refused("run").code, 1);
        assert_eq!(refused("run --rm --memory").code, 125);
    }

    #[test]
    fn the_host_may_be_named_in_every_spelling() {
        for line in ["-H tcp://a version", "--host tcp://a version", "--host=tcp://a version", "-Htcp://a version"] {
            match ask(line) {
                Ok(Asked::Command(asked)) => assert_eq!(asked.host.host.as_deref(), Some("tcp://a"), "{line}"),
                _ => panic!("{line}"),
            }
        }
    }
}
