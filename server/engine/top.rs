//! The processes of a container, seen from the host.

use crate::authorize::authorize;
use crate::containers::ProcessTable;
use crate::procfs::{self, Process};
use crate::{Engine, EngineError, Result};
use gantry_model::{Action, Caller, Kind};

impl Engine {
    /// Docker runs the host's `ps`; we read /proc ourselves and know its two common forms, `-ef` and `aux`.
    pub async fn top(&self, caller: &Caller, reference: &str, ps_args: &str) -> Result<ProcessTable> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        self.needs_live(&container)?;
        let wide = match ps_args.trim().trim_start_matches('-') {
            "" | "ef" | "e" | "f" => false,
            "aux" | "ux" | "au" => true,
            other => return Err(EngineError::hinted(Kind::Invalid, format!("ps arguments {other:?} are not known here"), "use -ef or aux")),
        };
        let (engine, path) = (self.clone(), self.cgroup_of(&container));
        let pids = tokio::task::spawn_blocking(move || engine.inner.hand.pids(&path)).await??;
        let mut processes: Vec<Process> = pids.into_iter().filter_map(procfs::process).collect();
        processes.sort_by_key(|process| (process.started_secs, process.pid));
        let titles = if wide { "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND" } else { "UID PID PPID C STIME TTY TIME CMD" };
        Ok(ProcessTable {
            titles: titles.split(' ').map(str::to_owned).collect(),
            rows: processes.iter().map(|process| if wide { row_aux(process) } else { row_ef(process) }).collect(),
        })
    }
}

fn row_ef(process: &Process) -> Vec<String> {
    let p = process;
    vec![p.uid.to_string(), p.pid.to_string(), p.ppid.to_string(), format!("{:.0}", cpu(p)), start(p), p.tty.clone(), time(p), p.command.clone()]
}

fn row_aux(process: &Process) -> Vec<String> {
    let p = process;
    let memory = p.rss_bytes as f64 / procfs::meminfo("MemTotal").max(1) as f64 * 100.0;
    vec![
        p.uid.to_string(),
        p.pid.to_string(),
        format!("{:.1}", cpu(p)),
        format!("{memory:.1}"),
        (p.vsize_bytes / 1024).to_string(),
        (p.rss_bytes / 1024).to_string(),
        p.tty.clone(),
        p.state.to_string(),
        start(p),
        time(p),
        p.command.clone(),
    ]
}

/// Percent of one processor over its life.
fn cpu(process: &Process) -> f64 {
    process.cpu_secs as f64 / (procfs::uptime_secs() - process.started_secs as f64).max(1.0) * 100.0
}

/// Hour and minute of the start, UTC.
fn start(process: &Process) -> String {
    let at = crate::clock::now_ms() / 1000 - (procfs::uptime_secs() as i64 - process.started_secs as i64);
    format!("{:02}:{:02}", at / 3600 % 24, at / 60 % 60)
}

fn time(process: &Process) -> String {
    let secs = process.cpu_secs;
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}
