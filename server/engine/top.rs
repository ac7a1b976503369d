//! The processes of a container, seen from the host, as `ps` would show them. Docker runs the host's `ps`; we read /proc ourselves and know
//! its common forms: `-ef`, `aux`, and columns by name. Source: ps(1), "STANDARD FORMAT SPECIFIERS".

use crate::authorize::authorize;
use crate::containers::ProcessTable;
use crate::procfs::{self, Process};
use crate::{Engine, EngineError, Result};
use gantry_model::{Action, Caller, Kind};
use std::collections::HashMap;

impl Engine {
    /// # Errors
    /// [`Kind::Invalid`] in ps's words for a column that is not known, and in docker's for columns without the pid.
    pub async fn top(&self, caller: &Caller, reference: &str, ps_args: &str) -> Result<ProcessTable> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        self.needs_live(&container)?;
        let columns = columns(ps_args)?;
        if !columns.iter().any(|column| column.title == "PID") {
            return Err(EngineError::said(Kind::Invalid, "Couldn't find PID field in ps output"));
        }
        let (engine, path) = (self.clone(), self.cgroup_of(&container));
        let (mut processes, host) = tokio::task::spawn_blocking(move || {
            let pids = engine.inner.hand.pids(&path)?;
            Ok::<_, EngineError>((pids.into_iter().filter_map(procfs::process).collect::<Vec<_>>(), Host::read()))
        })
        .await??;
        processes.sort_by_key(|process| (process.started_secs, process.pid));
        self.tell(&container, "top", []);
        Ok(ProcessTable {
            titles: columns.iter().map(|column| column.title.to_owned()).collect(),
            rows: processes.iter().map(|process| columns.iter().map(|column| (column.show)(process, &host)).collect()).collect(),
        })
    }
}

/// What is the same for all rows.
struct Host {
    memory_bytes: u64,
    uptime_secs: f64,
    users: HashMap<u32, String>,
}

impl Host {
    fn read() -> Self {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            Some((fields.nth(1)?.parse().ok()?, name))
        };
        // The first of a number counts.
        let users = passwd.lines().rev().filter_map(user).collect();
        Self { memory_bytes: procfs::meminfo("MemTotal").max(1), uptime_secs: procfs::uptime_secs(), users }
    }
}

struct Column {
    names: &'static [&'static str],
    title: &'static str,
    show: fn(&Process, &Host) -> String,
}

const fn column(names: &'static [&'static str], title: &'static str, show: fn(&Process, &Host) -> String) -> Column {
    Column { names, title, show }
}

const COLUMNS: [Column; 25] = [
    column(&["pid", "tgid"], "PID", |p, _| p.pid.to_string()),
    column(&["ppid"], "PPID", |p, _| p.ppid.to_string()),
    column(&["pgid", "pgrp"], "PGID", |p, _| p.group.to_string()),
    column(&["sid", "sess", "session"], "SID", |p, _| p.session.to_string()),
    column(&["user", "euser", "uname"], "USER", user),
    column(&["uid", "euid"], "UID", |p, _| p.uid.to_string()),
    column(&["args", "command"], "COMMAND", |p, _| p.command.clone()),
    column(&["cmd"], "CMD", |p, _| p.command.clone()),
    column(&["comm", "ucmd", "ucomm"], "COMMAND", |p, _| p.name.clone()),
    column(&["pcpu", "%cpu"], "%CPU", |p, host| format!("{:.1}", cpu(p, host))),
    column(&["c"], "C", |p, host| format!("{:.0}", cpu(p, host).floor())),
    column(&["pmem", "%mem"], "%MEM", |p, host| format!("{:.1}", p.rss_bytes as f64 / host.memory_bytes as f64 * 100.0)),
    column(&["vsz", "vsize"], "VSZ", |p, _| (p.vsize_bytes / 1024).to_string()),
    column(&["rss", "rssize", "rsz"], "RSS", |p, _| (p.rss_bytes / 1024).to_string()),
    column(&["tname"], "TTY", |p, _| p.tty.clone()),
    column(&["tty", "tt"], "TT", |p, _| p.tty.clone()),
    column(&["stat"], "STAT", |p, _| p.stat.clone()),
    column(&["s", "state"], "S", |p, _| p.stat.chars().take(1).collect()),
    column(&["start"], "START", start),
    column(&["stime", "start_time"], "STIME", start),
    column(&["time", "cputime"], "TIME", |p, _| format!("{:02}:{:02}:{:02}", p.cpu_secs / 3600, p.cpu_secs / 60 % 60, p.cpu_secs % 60)),
    column(&["bsdtime"], "TIME", |p, _| format!("{}:{:02}", p.cpu_secs / 60, p.cpu_secs % 60)),
    column(&["etime"], "ELAPSED", |p, host| elapsed(age(p, host))),
    column(&["ni", "nice"], "NI", |p, _| p.nice.to_string()),
    column(&["nlwp", "thcount"], "NLWP", |p, _| p.threads.to_string()),
];

const EF: &str = "euser pid ppid c stime tname time cmd";
const AUX: &str = "user pid pcpu pmem vsz rss tname stat start bsdtime args";

/// Columns of ps's options: those named by `o`, or those of a form.
fn columns(args: &str) -> Result<Vec<Column>> {
    let mut words = args.split_whitespace();
    let mut named: Vec<String> = Vec::new();
    let mut form = None;
    while let Some(word) = words.next() {
        let (own, long) = match word.strip_prefix("--") {
            Some(long) => (long.strip_prefix("format").map(|rest| rest.trim_start_matches('=')), true),
            None => (word.split_once('o').map(|(_, rest)| rest), false),
        };
        match own {
            Some(rest) => named.extend(if rest.is_empty() { words.next().unwrap_or_default() } else { rest }.split(',').map(str::to_owned)),
            None if long => return Err(EngineError::said(Kind::Invalid, format!("ps: error: unknown gnu long option: {word}"))),
            None if word.contains('f') || word == "-e" || word == "-A" => form = Some(EF),
            None if !word.starts_with('-') && word.contains('u') => form = Some(AUX),
            None if word.trim_start_matches('-').chars().all(|letter| "eaxAww".contains(letter)) => {}
            None => return Err(EngineError::hinted(Kind::Invalid, format!("ps arguments {word:?} are not known here"), "use -ef, aux, or -o with columns")),
        }
    }
    if named.is_empty() {
        named = form.unwrap_or(EF).split(' ').map(str::to_owned).collect();
    }
    let mut columns: Vec<Column> = named.iter().map(|name| known(name)).collect::<Result<_>>()?;
    // Its `user` is headed by what it once was.
    if let Some(first) = columns.first_mut().filter(|_| named.first().is_some_and(|name| name == "euser")) {
        first.title = "UID";
    }
    Ok(columns)
}

fn known(name: &str) -> Result<Column> {
    let found = COLUMNS.into_iter().find(|column| column.names.contains(&name));
    found.ok_or_else(|| EngineError::said(Kind::Invalid, format!("ps: error: unknown user-defined format specifier \"{name}\"")))
}

/// By the host's names, cut as ps does.
fn user(process: &Process, host: &Host) -> String {
    match host.users.get(&process.uid) {
        Some(name) if name.chars().count() > 8 => format!("{}+", name.chars().take(7).collect::<String>()),
        Some(name) => name.clone(),
        None => process.uid.to_string(),
    }
}

fn age(process: &Process, host: &Host) -> f64 {
    (host.uptime_secs - process.started_secs as f64).max(0.0)
}

/// Percent of one processor over its life.
fn cpu(process: &Process, host: &Host) -> f64 {
    process.cpu_secs as f64 / age(process, host).max(1.0) * 100.0
}

/// Hour and minute of the start, UTC.
fn start(process: &Process, host: &Host) -> String {
    let at = crate::clock::now_ms() / 1000 - age(process, host) as i64;
    format!("{:02}:{:02}", at / 3600 % 24, at / 60 % 60)
}

/// `[[days-]hours:]minutes:seconds`.
fn elapsed(secs: f64) -> String {
    let secs = secs as u64;
    let (days, hours, rest) = (secs / 86_400, secs / 3600 % 24, format!("{:02}:{:02}", secs / 60 % 60, secs % 60));
    match (days, hours) {
        (0, 0) => rest,
        (0, _) => format!("{hours:02}:{rest}"),
        _ => format!("{days}-{hours:02}:{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_ps_are_its_columns() {
        let titles = |args: &str| match columns(args) {
            Ok(columns) => columns.iter().map(|column| column.title).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        for (args, expected) in [
            ("", "UID PID PPID C STIME TTY TIME CMD"),
            ("-ef", "UID PID PPID C STIME TTY TIME CMD"),
            ("aux", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
            ("-o pid,args", "PID COMMAND"),
            ("-eo user,pid,comm", "USER PID COMMAND"),
            ("axopid,etime", "PID ELAPSED"),
            ("-e --format=pid", "PID"),
            ("-o nosuch", "ps: error: unknown user-defined format specifier \"nosuch\""),
            ("nosuch", "ps: error: unknown user-defined format specifier \"such\""),
            ("--nosuch", "ps: error: unknown gnu long option: --nosuch"),
            ("-Z", "ps arguments \"-Z\" are not known here"),
        ] {
            assert_eq!(titles(args), expected, "{args}");
        }
        assert_eq!((elapsed(61.0), elapsed(3_661.0), elapsed(90_061.0)), ("01:01".to_owned(), "01:01:01".to_owned(), "1-01:01:01".to_owned()));
    }
}
