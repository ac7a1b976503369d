//! What a cgroup uses. In: its files. Out: numbers in one form for v1 and v2; what the kernel does not count is zero.

use super::error::Result;
use super::{Cgroup, CgroupError, Folder};
use gantry_plan::limits::Controller;
use std::collections::BTreeMap;

/// Counters run from the cgroup's making. Times are nanoseconds, sizes bytes; a limit of `None` is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    pub cpu_total_ns: u64,
    pub cpu_user_ns: u64,
    pub cpu_system_ns: u64,
    /// Only v1 counts by processor.
    pub cpu_percpu_ns: Vec<u64>,
    pub cpu_periods: u64,
    pub cpu_throttled_periods: u64,
    pub cpu_throttled_ns: u64,
    pub memory_usage: u64,
    pub memory_inactive_file: u64,
    /// The most that was used at once.
    pub memory_max_usage: u64,
    pub memory_limit: Option<u64>,
    /// How often a limit was hit.
    pub memory_failures: u64,
    /// Memory and swap together on v1, swap alone on v2.
    pub swap_usage: u64,
    pub swap_limit: Option<u64>,
    /// The kernel's `memory.stat`.
    pub memory_stat: BTreeMap<String, u64>,
    pub oom_kills: u64,
    pub pids: u64,
    pub pids_limit: Option<u64>,
    pub blkio_read_bytes: u64,
    pub blkio_write_bytes: u64,
    pub blkio_read_ops: u64,
    pub blkio_write_ops: u64,
    pub blkio_devices: Vec<DeviceIo>,
}

/// What one block device did for the cgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceIo {
    pub major: u64,
    pub minor: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_ops: u64,
    pub write_ops: u64,
}

impl Cgroup {
    /// # Errors
    /// [`CgroupError::Missing`] if the cgroup is gone.
    pub fn stats(&self) -> Result<Stats> {
        if !self.exists() {
            return Err(CgroupError::Missing(self.folders.first().map(|folder| folder.path.display().to_string()).unwrap_or_default()));
        }
        let mut stats = Stats::default();
        match self.of(Controller::Cpu) {
            Some(folder) if folder.v2 => cpu_v2(folder, &mut stats),
            Some(folder) => throttling(&folder.read("cpu.stat").unwrap_or_default(), "throttled_time", 1, &mut stats),
            None => {}
        }
        match self.of(Controller::Cpuacct) {
            Some(folder) => cpuacct(folder, &mut stats),
            // Every v2 cgroup counts time, with or without the controller.
            None if stats.cpu_total_ns == 0 => self.unified().into_iter().for_each(|folder| cpu_v2(folder, &mut stats)),
            None => {}
        }
        match self.of(Controller::Memory) {
            Some(folder) if folder.v2 => memory_v2(folder, &mut stats),
            Some(folder) => memory_v1(folder, &mut stats),
            None => {}
        }
        stats.oom_kills = self.oom_kills();
        if let Some(folder) = self.of(Controller::Pids) {
            stats.pids = folder.number("pids.current").unwrap_or(0);
            stats.pids_limit = folder.number("pids.max");
        }
        match self.of(Controller::Io) {
            Some(folder) if folder.v2 => stats.blkio_devices = io_v2(&folder.read("io.stat").unwrap_or_default()),
            Some(folder) => stats.blkio_devices = io_v1(folder),
            None => {}
        }
        let sum = |of: fn(&DeviceIo) -> u64| stats.blkio_devices.iter().map(of).sum();
        (stats.blkio_read_bytes, stats.blkio_write_bytes) = (sum(|io| io.read_bytes), sum(|io| io.write_bytes));
        (stats.blkio_read_ops, stats.blkio_write_ops) = (sum(|io| io.read_ops), sum(|io| io.write_ops));
        Ok(stats)
    }
}

fn cpu_v2(folder: &Folder, stats: &mut Stats) {
    let text = folder.read("cpu.stat").unwrap_or_default();
    let us = |key| super::files::field(&text, key).unwrap_or(0) * 1000;
    (stats.cpu_total_ns, stats.cpu_user_ns, stats.cpu_system_ns) = (us("usage_usec"), us("user_usec"), us("system_usec"));
    throttling(&text, "throttled_usec", 1000, stats);
}

fn throttling(text: &str, time: &str, unit_ns: u64, stats: &mut Stats) {
    let field = |key| super::files::field(text, key).unwrap_or(0);
    (stats.cpu_periods, stats.cpu_throttled_periods, stats.cpu_throttled_ns) = (field("nr_periods"), field("nr_throttled"), field(time) * unit_ns);
}

fn cpuacct(folder: &Folder, stats: &mut Stats) {
    let number = |name| folder.number(name).unwrap_or(0);
    (stats.cpu_total_ns, stats.cpu_user_ns, stats.cpu_system_ns) = (number("cpuacct.usage"), number("cpuacct.usage_user"), number("cpuacct.usage_sys"));
    let percpu = folder.read("cpuacct.usage_percpu").unwrap_or_default();
    stats.cpu_percpu_ns = percpu.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
}

fn memory_stat(folder: &Folder) -> BTreeMap<String, u64> {
    let text = folder.read("memory.stat").unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(' ')).filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?))).collect()
}

fn memory_v1(folder: &Folder, stats: &mut Stats) {
    let number = |name| folder.number(name).unwrap_or(0);
    stats.memory_usage = number("memory.usage_in_bytes");
    stats.memory_max_usage = number("memory.max_usage_in_bytes");
    stats.memory_failures = number("memory.failcnt");
    stats.memory_limit = folder.number("memory.limit_in_bytes");
    stats.swap_usage = number("memory.memsw.usage_in_bytes");
    stats.swap_limit = folder.number("memory.memsw.limit_in_bytes");
    stats.memory_stat = memory_stat(folder);
    stats.memory_inactive_file = stats.memory_stat.get("total_inactive_file").copied().unwrap_or(0);
}

fn memory_v2(folder: &Folder, stats: &mut Stats) {
    let number = |name| folder.number(name).unwrap_or(0);
    stats.memory_usage = number("memory.current");
    // Kernels before 5.19 do not keep the peak.
    stats.memory_max_usage = number("memory.peak").max(stats.memory_usage);
    stats.memory_failures = folder.field("memory.events", "max").unwrap_or(0);
    stats.memory_limit = folder.number("memory.max");
    stats.swap_usage = number("memory.swap.current");
    stats.swap_limit = folder.number("memory.swap.max");
    stats.memory_stat = memory_stat(folder);
    stats.memory_inactive_file = stats.memory_stat.get("inactive_file").copied().unwrap_or(0);
}

fn io_v1(folder: &Folder) -> Vec<DeviceIo> {
    let mut devices: BTreeMap<(u64, u64), DeviceIo> = BTreeMap::new();
    let read = |names: [&str; 2]| {
        // Without a throttle policy the scheduler's own counters may be there.
        let texts = names.map(|name| folder.read(name).unwrap_or_default());
        texts.into_iter().find(|text| text.lines().any(|line| line.contains(':'))).unwrap_or_default()
    };
    let bytes = read(["blkio.throttle.io_service_bytes_recursive", "blkio.bfq.io_service_bytes_recursive"]);
    let ops = read(["blkio.throttle.io_serviced_recursive", "blkio.bfq.io_serviced_recursive"]);
    let lines = bytes.lines().map(|line| (line, true)).chain(ops.lines().map(|line| (line, false)));
    for (line, is_bytes) in lines {
        let mut words = line.split_ascii_whitespace();
        let (Some(device), Some(what), Some(Ok(value))) = (words.next().and_then(numbers), words.next(), words.next().map(str::parse)) else { continue };
        let entry = devices.entry(device).or_insert_with(|| DeviceIo { major: device.0, minor: device.1, ..DeviceIo::default() });
        match (what, is_bytes) {
            ("Read", true) => entry.read_bytes = value,
            ("Write", true) => entry.write_bytes = value,
            ("Read", false) => entry.read_ops = value,
            ("Write", false) => entry.write_ops = value,
            _ => {}
        }
    }
    devices.into_values().collect()
}

fn io_v2(text: &str) -> Vec<DeviceIo> {
    let device = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (major, minor) = numbers(words.next()?)?;
        let mut io = DeviceIo { major, minor, ..DeviceIo::default() };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let value = value.parse().unwrap_or(0);
            match key {
                "rbytes" => io.read_bytes = value,
                "wbytes" => io.write_bytes = value,
                "rios" => io.read_ops = value,
                "wios" => io.write_ops = value,
                _ => {}
            }
        }
        Some(io)
    };
    text.lines().filter_map(device).collect()
}

fn numbers(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_of_v2_is_read_by_device() {
        let text = "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n7:0 \n";
        let first = DeviceIo { major: 254, minor: 0, read_bytes: 1, write_bytes: 2, read_ops: 3, write_ops: 4 };
        assert_eq!(io_v2(text), [first, DeviceIo { major: 7, ..DeviceIo::default() }]);
    }
}
