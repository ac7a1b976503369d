//! What no two runs have in common is replaced by a word; everything else counts.

use super::case::Case;
use crate::support::Said;
use regex::{Captures, Regex};
use std::collections::HashMap;

/// Each with its reason. They apply to every answer.
const ALWAYS: [(&str, &str, &str); 14] = [
    // Moments; docker's zero time is no moment.
    ("moment", r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<moment>"),
    ("moment as Go prints it", r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} [A-Z]+\b", "<moment>"),
    ("unix time", r"\b1[78]\d{8}(\d{9}|\.\d+)?\b", "<unix time>"),
    // How long ago: one side may be a second later.
    ("age", r"\b([Ll]ess than a second|[Aa]bout a minute|\d+ seconds?|\d+ minutes?)\b( ago)?", "<age>"),
    // Which of containerd's and runc's parts passed an error on: we have none of them.
    ("way", r"(failed to create shim task: )?OCI runtime (create|exec) failed: (runc create|exec) failed: unable to start container process: ", ""),
    ("way", r"(exec: .*): unknown", "$1"),
    // The client pads columns by their widest cell, and cells have ages and ids.
    ("padding", r" {2,}", "  "),
    ("padding at the end", r"(?m) +$", ""),
    // Lines of a terminal end in both.
    ("terminal", "\r", ""),
    // The shell draws its prompt again when it hears of the window's size.
    ("redraw", r"\x1b\[(6n|J)", ""),
    ("redraw", r"(/ # )+", "/ # "),
    // Docker 20.10's client says this if it is slow to give up a wait that nobody needs.
    ("client", "(time=\\S+ level=error msg=\"|\u{1b}\\[31mERRO\u{1b}\\[0m\\[\\d+\\] )error waiting for container: context canceled *\"?\r?\n", ""),
    // And this, if the terminal's first size comes before its process.
    ("client", "failed to resize tty, using default size\n", ""),
    // Text of Go's HTTP client, with the socket's path.
    ("socket", r"unix:///[^ ]*?\.?sock(et)?\b", "<socket>"),
];

/// For the cases that name them.
const NAMED: [(&str, &str, &str); 3] = [
    // Load, memory and pids of a running system.
    ("numbers", r"\d+(\.\d+)?", "N"),
    // Bytes on disk: file systems and layers are laid out differently.
    ("sizes", r"\b\d+(\.\d+)? ?([kMG]i?)?B\b", "<size>"),
    ("macs", r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "<mac>"),
];

/// Of one case on one side: an id keeps its number through all of its lines.
pub struct Normal {
    rules: Vec<(Regex, &'static str)>,
    sorted: bool,
    id: Regex,
    ids: HashMap<String, usize>,
}

impl Normal {
    pub fn new(case: &Case) -> Self {
        let known = |rule: &&String| *rule == "sorted" || NAMED.iter().any(|(name, ..)| name == rule);
        assert!(case.rules.iter().all(|rule| known(&rule)), "{}: unknown rule in {:?}", case.name, case.rules);
        let named = NAMED.iter().filter(|(name, ..)| case.rules.iter().any(|rule| rule == name));
        let compiled = |(_, pattern, word): &(&str, &str, &'static str)| (Regex::new(pattern).expect("a pattern"), *word);
        Self {
            rules: ALWAYS.iter().chain(named).map(compiled).collect(),
            // The daemon's order is that of a map.
            sorted: case.rules.iter().any(|rule| rule == "sorted"),
            id: Regex::new(r"\b([0-9a-f]{64}|[0-9a-f]{12})\b").expect("a pattern"),
            ids: HashMap::new(),
        }
    }

    /// Exit code, stdout and stderr as lines.
    pub fn lines(&mut self, said: &Said) -> Vec<String> {
        let mut lines = vec![format!("exit code {}", said.code)];
        for (name, text) in [("", &said.out), ("stderr: ", &said.err)] {
            let mut text = self.numbered(text);
            for (pattern, word) in &self.rules {
                text = pattern.replace_all(&text, *word).into_owned();
            }
            let mut of_stream: Vec<String> = text.lines().map(|line| format!("{name}{line}")).collect();
            if self.sorted {
                of_stream.sort();
            }
            lines.append(&mut of_stream);
        }
        lines
    }

    /// Ids by the order in which the case shows them: two that are the same must be so on both sides.
    fn numbered(&mut self, text: &str) -> String {
        let ids = &mut self.ids;
        let word = |found: &Captures<'_>| {
            // A number of twelve digits is one, too: nothing prints those.
            let short = found[0][..12].to_owned();
            let next = ids.len() + 1;
            let number = *ids.entry(short).or_insert(next);
            if found[0].len() == 64 { format!("<id {number}>") } else { format!("<short id {number}>") }
        };
        self.id.replace_all(text, word).into_owned()
    }
}
