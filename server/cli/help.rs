//! Help texts: the page of all commands, of a family, and of one command.

use crate::commands::{CHAPTERS, FAMILIES};
use crate::parse;
use crate::tree::{Entry, Family};
use clap::{Arg, ArgAction};
use std::fmt::Write;

/// The first page.
pub fn root(width: usize) -> String {
    let mut text = String::from("Gantry runs containers, and shows them in a browser.\n\nUsage: gantry [--host ADDRESS] COMMAND [ARG...]\n");
    for chapter in CHAPTERS {
        list(&mut text, chapter.title, chapter.verbs.iter().map(|entry| (entry.name, entry.about)), width);
    }
    list(&mut text, "Families of commands", FAMILIES.iter().map(|family| (family.name, family.about)), width);
    let roles = [("serve", "Start the server: pages, terminals and the Docker API"), ("oci", "Run bundles with runc's command line")];
    list(&mut text, "Other roles of this program", roles.into_iter(), width);
    let flags = [
        (
            "-H, --host ADDRESS",
            "Server to talk to, unix:///PATH, https://HOST:PORT or tcp://HOST:PORT; also GANTRY_HOST [default: unix:///run/gantry/gantry.sock]",
        ),
        ("    --tls", "Speak TLS to a tcp:// host; so do the flags below, and GANTRY_CERT_PATH, a folder of ca.pem, cert.pem, key.pem"),
        ("    --tlscacert FILE", "Authority of the server's certificate [default: those of this system]"),
        ("    --tlscert FILE", "Our certificate"),
        ("    --tlskey FILE", "Its key"),
        ("-v, --version", "Print the version"),
        ("    --help", "Print help; also behind each command"),
    ];
    list(&mut text, "Flags before the command", flags.into_iter(), width);
    text.push_str("\nExample: gantry run --rm -it alpine sh\nMore on a command: gantry COMMAND --help\n");
    text
}

/// The page of a family.
pub fn family(family: &Family, width: usize) -> String {
    let mut text = format!("{}\n\nUsage: gantry {} COMMAND [ARG...]\n", family.about, family.name);
    list(&mut text, "Commands", family.verbs.iter().map(|entry| (entry.name, entry.about)), width);
    let _ = write!(text, "\nMore on a command: gantry {} COMMAND --help\n", family.name);
    text
}

/// The page of one command, called by the words in `path`.
pub fn entry(entry: &Entry, path: &str, width: usize) -> String {
    let mut text = format!("{}\n\nUsage: {path} {}\n", entry.about, entry.usage);
    if !entry.aliases.is_empty() {
        let _ = writeln!(text, "Also: {}", entry.aliases.join(", "));
    }
    let command = parse::build(entry, path);
    let mut headings: Vec<&str> = vec!["Flags"];
    for heading in command.get_arguments().filter_map(|arg| arg.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        let flags: Vec<(String, String)> = command
            .get_arguments()
            .filter(|arg| !arg.is_positional() && !arg.is_hide_set() && arg.get_help_heading().unwrap_or("Flags") == heading)
            .map(|arg| (flag(arg), about(arg)))
            .collect();
        if !flags.is_empty() {
            list(&mut text, heading, flags.iter().map(|(flag, about)| (flag.as_str(), about.as_str())), width);
        }
    }
    let _ = write!(text, "\nExample: gantry {}\n", entry.example);
    text
}

fn flag(arg: &Arg) -> String {
    let short = arg.get_short().map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    if matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count) {
        return format!("{short}{long}");
    }
    let value = arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
    format!("{short}{long} {value}")
}

fn about(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults: Vec<_> = arg.get_default_values().iter().filter_map(|value| value.to_str()).filter(|value| !value.is_empty()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        let _ = write!(text, " [default: {}]", defaults.join(" "));
    }
    text
}

/// Writes a heading and two columns; the second is wrapped at `width`.
fn list<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>, width: usize) {
    let rows: Vec<_> = rows.collect();
    let _ = write!(text, "\n{title}\n");
    let left = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default().min(32);
    for (name, about) in rows {
        let _ = write!(text, "  {name:left$}  ");
        let mut column = left + 4;
        if name.len() > left {
            let _ = write!(text, "\n{:1$}", "", left + 4);
        }
        for word in about.split_whitespace() {
            if column > left + 4 && column + 1 + word.chars().count() > width.max(left + 24) {
                let _ = write!(text, "\n{:1$}", "", left + 4);
                column = left + 4;
            }
            if column > left + 4 {
                text.push(' ');
                column += 1;
            }
            text.push_str(word);
            column += word.chars().count();
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_the_first_page_is_wider_than_asked() {
        let page = root(80);
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert!(page.contains("serve") && page.contains("version"), "{page}");
    }
}
