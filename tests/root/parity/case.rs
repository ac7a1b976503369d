//! Cases as text: `== name`, perhaps `[rules]` or `[once]`, then command lines for `sh`. What is indented below a line is done in its terminal.

/// Command lines that run one after the other, in an empty folder, with no container there.
pub struct Case {
    pub name: String,
    /// More that is taken out of the answers: names of rules in `normal.rs`.
    pub rules: Vec<String>,
    /// About the daemon and not about what a client makes of it: one client tells all.
    pub once: bool,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub command: String,
    /// Not empty: the command runs in a terminal.
    pub steps: Vec<Step>,
}

/// What somebody does in front of a terminal.
pub enum Step {
    /// Waits until it shows this.
    See(String),
    /// Types; `\n` is Enter, `\x10` Ctrl-P.
    Type(String),
    Resize(u16, u16),
}

/// All cases, file by file.
pub fn all() -> Vec<Case> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/root/parity/cases");
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("readable").flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().flat_map(|file| parse(&std::fs::read_to_string(file).expect("readable"))).collect()
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix("== ") {
            let (name, rules) = head.split_once(" [").unwrap_or((head, ""));
            let rules: Vec<String> = rules.trim_end_matches(']').split(' ').filter(|rule| !rule.is_empty()).map(str::to_owned).collect();
            let (once, rules) = rules.into_iter().partition::<Vec<_>, _>(|rule| rule == "once");
            cases.push(Case { name: name.to_owned(), rules, once: !once.is_empty(), lines: Vec::new() });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with ==");
        match line.strip_prefix("  ") {
            None => case.lines.push(Line { command: line.to_owned(), steps: Vec::new() }),
            Some(step) => case.lines.last_mut().expect("a step follows a command").steps.push(parse_step(step)),
        }
    }
    cases
}

fn parse_step(text: &str) -> Step {
    let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
    match what {
        "see" => Step::See(rest.trim_matches('\'').to_owned()),
        "type" => Step::Type(unescaped(rest)),
        "resize" => {
            let (rows, cols) = rest.split_once(' ').expect("rows and columns");
            Step::Resize(rows.parse().expect("rows"), cols.parse().expect("columns"))
        }
        other => panic!("a step is see, type or resize, not {other}"),
    }
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.strip_prefix('x') {
            Some(hex) => {
                all.push(char::from(u8::from_str_radix(&hex[..2], 16).expect("two hex digits")));
                all.push_str(&hex[2..]);
            }
            None => {
                assert!(part.starts_with('n'), "\\{part} is \\n or \\x00");
                all.push('\n');
                all.push_str(&part[1..]);
            }
        }
    }
    all
}
