//! `state`, `list`, `ps`, `events`. In: saved states and cgroups. Out: text as runc prints it.

use super::args::Global;
use super::error::{During, OciError, Result};
use super::limits;
use super::state::{Container, Status};
use serde::Serialize;
use std::fmt::Write as _;

pub(super) fn state(global: &Global, id: &str) -> Result<i32> {
    let container = Container::load(&global.root, id)?;
    print_json(&container.shown(container.status()), true)
}

pub(super) fn print_json(value: &impl Serialize, pretty: bool) -> Result<i32> {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    let text = text.map_err(|source| OciError::Json { what: "print the answer".to_owned(), source })?;
    super::print(&format!("{text}\n"));
    Ok(0)
}

pub(super) fn list(global: &Global, format: &str, quiet: bool) -> Result<i32> {
    let all = Container::all(&global.root)?;
    let shown: Vec<_> = all.iter().map(|container| (container, container.status())).collect();
    if quiet {
        super::print(&all.iter().fold(String::new(), |text, container| text + &container.saved.id + "\n"));
        return Ok(0);
    }
    match format {
        "json" if all.is_empty() => super::print("null\n"),
        "json" => return print_json(&shown.iter().map(|(container, status)| container.shown(*status)).collect::<Vec<_>>(), false),
        "table" => {
            let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned)];
            rows.extend(shown.iter().map(|(container, status)| row(container, *status)));
            super::print(&table(&rows));
        }
        other => return Err(OciError::Refused(format!("invalid format option {other:?}: use table or json"))),
    }
    Ok(0)
}

fn row(container: &Container, status: Status) -> [String; 6] {
    let saved = &container.saved;
    let pid = if status == Status::Stopped { 0 } else { saved.pid };
    [saved.id.clone(), pid.to_string(), status.word().to_owned(), saved.bundle.display().to_string(), saved.created.clone(), saved.owner.clone()]
}

/// Columns at least twelve wide with one space between, as runc's.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [12; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count() + 1);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            let width = if at + 1 == N { 0 } else { widths[at] };
            let _ = write!(text, "{cell:width$}");
        }
        text.push('\n');
    }
    text
}

pub(super) fn ps(global: &Global, id: &str, format: &str, options: &[String]) -> Result<i32> {
    let container = Container::load(&global.root, id)?;
    let pids = limits::pids(&container.saved)?;
    match format {
        "json" => print_json(&pids, false),
        "table" if !options.is_empty() => host_ps(&pids, options),
        "table" => {
            let mut rows = vec![["UID", "PID", "PPID", "STAT", "CMD"].map(str::to_owned)];
            rows.extend(pids.iter().filter_map(|pid| process_row(*pid)));
            super::print(&table(&rows));
            Ok(0)
        }
        other => Err(OciError::Refused(format!("invalid format option {other:?}: use table or json"))),
    }
}

/// With options, the host's ps is asked, as runc does it, and only lines of the container are shown.
fn host_ps(pids: &[i32], options: &[String]) -> Result<i32> {
    let output = std::process::Command::new("ps").args(options).output().during(|| "run ps".to_owned())?;
    if !output.status.success() {
        return Err(OciError::Refused(format!("ps {}: {}", options.join(" "), String::from_utf8_lossy(&output.stderr).trim_end())));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let column = header.split_ascii_whitespace().position(|title| title == "PID");
    let column = column.ok_or_else(|| OciError::Refused("couldn't find PID field in ps output".to_owned()))?;
    let ours = |line: &&str| line.split_ascii_whitespace().nth(column).and_then(|pid| pid.parse().ok()).is_some_and(|pid: i32| pids.contains(&pid));
    super::print(&lines.filter(ours).fold(format!("{header}\n"), |text, line| text + line + "\n"));
    Ok(0)
}

fn process_row(pid: i32) -> Option<[String; 5]> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap_or_default().trim();
    let first = |key: &str| value(key).split_ascii_whitespace().next().unwrap_or_default().to_owned();
    let args = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let args = String::from_utf8_lossy(&args).trim_end_matches('\0').replace('\0', " ");
    let command = if args.is_empty() { format!("[{}]", value("Name")) } else { args };
    Some([first("Uid"), pid.to_string(), first("PPid"), first("State"), command])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["ID", "PID"], ["a-name-of-length-22-ab", "1"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "ID                     PID\na-name-of-length-22-ab 1\n");
    }
}
