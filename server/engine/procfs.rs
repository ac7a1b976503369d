//! Small readers of /proc.

use crate::stats::NetStats;
use std::collections::BTreeMap;

/// Kernel clock ticks per second; fixed for user space on Linux.
const TICKS: u64 = 100;

/// Processor time of the host since boot, all processors together: total and busy, nanoseconds.
pub(crate) fn host_cpu_ns() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = text.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    let total: u64 = fields.iter().sum();
    let idle = fields.get(3).copied().unwrap_or(0) + fields.get(4).copied().unwrap_or(0);
    (total * (1_000_000_000 / TICKS), (total - idle) * (1_000_000_000 / TICKS))
}

/// Counters of the interfaces in a process's network namespace, without loopback.
pub(crate) fn net_dev(pid: i32) -> BTreeMap<String, NetStats> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    text.lines().skip(2).filter_map(interface).filter(|(name, _)| name != "lo").collect()
}

fn interface(line: &str) -> Option<(String, NetStats)> {
    let (name, counters) = line.split_once(':')?;
    let n: Vec<u64> = counters.split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
    let at = |i: usize| n.get(i).copied();
    let stats = NetStats {
        rx_bytes: at(0)?,
        rx_packets: at(1)?,
        rx_errors: at(2)?,
        rx_dropped: at(3)?,
        tx_bytes: at(8)?,
        tx_packets: at(9)?,
        tx_errors: at(10)?,
        tx_dropped: at(11)?,
    };
    Some((name.trim().to_owned(), stats))
}

/// A value of /proc/meminfo in bytes.
pub(crate) fn meminfo(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    value.and_then(|value| value.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// One process, as `ps -ef` shows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process {
    pub pid: i32,
    pub ppid: i32,
    pub uid: u32,
    pub tty: String,
    /// Seconds since boot at its start.
    pub started_secs: u64,
    pub cpu_secs: u64,
    pub rss_bytes: u64,
    pub vsize_bytes: u64,
    /// State, then letters: a session's leader `s`, several threads `l`, in front of its terminal `+`, nice `N` or not `<`.
    pub stat: String,
    pub group: i32,
    pub session: i32,
    pub nice: i64,
    pub threads: i64,
    /// As the kernel knows it.
    pub name: String,
    pub command: String,
}

/// Reads a process; `None` once it is gone.
pub(crate) fn process(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything, also parentheses.
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<i64>().ok()).unwrap_or(0);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
    let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = cmdline.split(|b| *b == 0).filter(|word| !word.is_empty()).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let tty = number(4);
    let (group, session, front, nice, threads) = (number(2), number(3), number(5), number(16), number(17));
    let mut state: String = fields.first().map_or("?", |field| field).chars().take(1).collect();
    let letters = [(nice < 0, '<'), (nice > 0, 'N'), (session == i64::from(pid), 's'), (threads > 1, 'l'), (front == group && tty != 0, '+')];
    state.extend(letters.into_iter().filter(|(is, _)| *is).map(|(_, letter)| letter));
    let (major, minor) = (tty >> 8 & 0xfff, tty & 0xff | tty >> 12 & 0xfff00);
    Some(Process {
        pid,
        ppid: number(1) as i32,
        uid,
        tty: if major == 136 { format!("pts/{minor}") } else { "?".to_owned() },
        started_secs: number(19) as u64 / TICKS,
        cpu_secs: (number(11) + number(12)) as u64 / TICKS,
        vsize_bytes: number(20) as u64,
        rss_bytes: number(21) as u64 * 4096,
        stat: state,
        group: group as i32,
        session: session as i32,
        nice,
        threads,
        name: name.to_owned(),
        command: if words.is_empty() { format!("[{name}]") } else { words.join(" ") },
    })
}

/// Start of a process in clock ticks since boot. Source: proc_pid_stat(5), field 22.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; the third field follows the last one.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Seconds since boot.
pub(crate) fn uptime_secs() -> f64 {
    std::fs::read_to_string("/proc/uptime").ok().and_then(|text| text.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}
