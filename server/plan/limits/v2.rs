//! Lines for cgroup v2. Source: Linux `Documentation/admin-guide/cgroup-v2.rst`; OCI runtime specification, `config-linux.md`.

use super::line::Controller::{Cpu, Cpuset, Hugetlb, Io, Memory, Pids};
use super::v1::{max_or, page_size, rdma};
use super::{Controller, LimitError, Line, invalid};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

const DEFAULT_PERIOD_US: u64 = 100_000;

/// Lines of everything but devices. What is absent or 0 in `resources` is left as it is; `unified` comes last and wins.
///
/// # Errors
/// [`LimitError`] for values that no kernel takes.
pub fn lines(resources: &LinuxResources) -> Result<Vec<Line>, LimitError> {
    let mut lines = Vec::new();
    if let Some(cpu) = resources.cpu() {
        self::cpu(cpu, &mut lines);
    }
    if let Some(memory) = resources.memory() {
        self::memory(memory, &mut lines)?;
    }
    if let Some(pids) = resources.pids() {
        lines.push(Line::new(Pids, "pids.max", max_or(pids.limit())));
    }
    if let Some(io) = resources.block_io() {
        self::io(io, &mut lines);
    }
    for page in resources.hugepage_limits().iter().flatten() {
        let size = page_size(page.page_size())?;
        lines.push(Line::new(Hugetlb, format!("hugetlb.{size}.max"), page.limit()));
        lines.push(Line::new(Hugetlb, format!("hugetlb.{size}.rsvd.max"), page.limit()).optional());
    }
    lines.extend(rdma(resources));
    let mut unified: Vec<_> = resources.unified().iter().flatten().collect();
    unified.sort();
    for (file, value) in unified {
        if file.contains('/') || !file.contains('.') || file.starts_with("cgroup.") {
            return invalid(format!("linux.resources.unified: {file:?} is no name of a resource file"));
        }
        // The kernel takes one entry a write.
        lines.extend(value.lines().map(|entry| Line {
            controller: Controller::of_v2_file(file),
            file: file.clone().into(),
            value: entry.to_owned(),
            instead: None,
            optional: false,
        }));
    }
    Ok(lines)
}

fn cpu(cpu: &LinuxCpu, lines: &mut Vec<Line>) {
    lines.extend(cpu.idle().map(|idle| Line::new(Cpu, "cpu.idle", idle)));
    // An idle cgroup has no weight.
    let shares = cpu.shares().filter(|shares| *shares != 0 && cpu.idle() != Some(1));
    lines.extend(shares.map(|shares| Line::new(Cpu, "cpu.weight", cpu_weight(shares))));
    let quota = cpu.quota().filter(|quota| *quota != 0);
    let period = cpu.period().filter(|period| *period != 0);
    if quota.is_some() || period.is_some() {
        let quota = quota.filter(|quota| *quota > 0).map_or_else(|| "max".to_owned(), |quota| quota.to_string());
        lines.push(Line::new(Cpu, "cpu.max", format!("{quota} {}", period.unwrap_or(DEFAULT_PERIOD_US))));
    }
    lines.extend(cpu.burst().map(|burst| Line::new(Cpu, "cpu.max.burst", burst)));
    let lists = [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())];
    lines.extend(lists.into_iter().filter_map(|(file, list)| list.as_ref().filter(|list| !list.is_empty()).map(|list| Line::new(Cpuset, file, list))));
}

fn memory(memory: &LinuxMemory, lines: &mut Vec<Line>) -> Result<(), LimitError> {
    let bytes = |bytes: i64| if bytes < 0 { "max".to_owned() } else { bytes.to_string() };
    let limit = memory.limit().filter(|limit| *limit != 0);
    // Without a limit of its own swap follows an unlimited memory.
    if let Some(swap) = memory.swap().filter(|swap| *swap != 0).or(limit.filter(|limit| *limit < 0)) {
        // A kernel without swap has none to limit.
        lines.push(Line::new(Memory, "memory.swap.max", bytes(only_swap(swap, limit)?)).optional());
    }
    lines.extend(limit.map(|limit| Line::new(Memory, "memory.max", bytes(limit))));
    lines.extend(memory.reservation().filter(|low| *low != 0).map(|low| Line::new(Memory, "memory.low", bytes(low))));
    Ok(())
}

/// v1 and OCI limit memory and swap together, v2 swap alone.
fn only_swap(both: i64, memory: Option<i64>) -> Result<i64, LimitError> {
    match memory {
        _ if both < 0 => Ok(-1),
        None | Some(..0) => invalid("unable to set swap limit without memory limit"),
        Some(memory) if both < memory => invalid("memory+swap limit should be >= memory limit"),
        Some(memory) => Ok(both - memory),
    }
}

fn io(io: &LinuxBlockIo, lines: &mut Vec<Line>) {
    let weight = io.weight().filter(|weight| *weight != 0);
    lines.extend(weight.map(|weight| Line::new(Io, "io.bfq.weight", weight).or("io.weight", format!("default {}", io_weight(weight))).optional()));
    for device in io.weight_device().iter().flatten() {
        let name = format!("{}:{}", device.major(), device.minor());
        let weight = device.weight().filter(|weight| *weight != 0);
        lines.extend(
            weight.map(|weight| Line::new(Io, "io.bfq.weight", format!("{name} {weight}")).or("io.weight", format!("{name} {}", io_weight(weight))).optional()),
        );
    }
    let mut throttle = |word: &str, list: &Option<Vec<LinuxThrottleDevice>>| {
        lines.extend(list.iter().flatten().map(|device| {
            let rate = if device.rate() == 0 { "max".to_owned() } else { device.rate().to_string() };
            Line::new(Io, "io.max", format!("{}:{} {word}={rate}", device.major(), device.minor()))
        }));
    };
    throttle("rbps", io.throttle_read_bps_device());
    throttle("wbps", io.throttle_write_bps_device());
    throttle("riops", io.throttle_read_iops_device());
    throttle("wiops", io.throttle_write_iops_device());
}

/// `cpu.weight` (1 to 10000) for v1's shares (2 to 262144), so that the least, the most and the usual of both agree (1024 is 100).
/// Source: the curve of runc 1.4, crun 1.23 and Kubernetes.
pub fn cpu_weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            10f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0).ceil() as u64
        }
    }
}

/// `io.weight` (1 to 10000) for v1's weight (10 to 1000).
pub fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight.clamp(10, 1000) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(json: serde_json::Value, expected: &[&str]) {
        let resources: LinuxResources = serde_json::from_value(json.clone()).expect("resources");
        let lines = lines(&resources).expect("valid");
        let text: Vec<_> = lines.iter().map(|line| format!("{}={}", line.file, line.value)).collect();
        assert_eq!(text, expected, "{json}");
    }

    #[test]
    fn each_limit_has_its_line() {
        check(json!({ "cpu": { "shares": 1024, "quota": 50000 } }), &["cpu.weight=100", "cpu.max=50000 100000"]);
        check(json!({ "cpu": { "quota": -1, "period": 20000, "burst": 5 } }), &["cpu.max=max 20000", "cpu.max.burst=5"]);
        check(json!({ "cpu": { "idle": 1, "shares": 5 } }), &["cpu.idle=1"]);
        check(json!({ "cpu": { "cpus": "0", "mems": "0" } }), &["cpuset.cpus=0", "cpuset.mems=0"]);
        check(json!({ "memory": { "limit": 100, "swap": 250, "reservation": 30 } }), &["memory.swap.max=150", "memory.max=100", "memory.low=30"]);
        check(json!({ "memory": { "limit": 100, "swap": 100 } }), &["memory.swap.max=0", "memory.max=100"]);
        check(json!({ "memory": { "limit": -1 } }), &["memory.swap.max=max", "memory.max=max"]);
        check(json!({ "memory": { "limit": 100, "swap": -1 } }), &["memory.swap.max=max", "memory.max=100"]);
        check(json!({ "pids": { "limit": -1 } }), &["pids.max=max"]);
        check(
            json!({ "blockIO": { "weight": 500, "throttleWriteBpsDevice": [{ "major": 8, "minor": 1, "rate": 7 }] } }),
            &["io.bfq.weight=500", "io.max=8:1 wbps=7"],
        );
        check(json!({ "unified": { "memory.high": "5", "io.max": "8:0 rbps=1\n8:1 rbps=2" } }), &["io.max=8:0 rbps=1", "io.max=8:1 rbps=2", "memory.high=5"]);
        check(json!({ "hugepageLimits": [{ "pageSize": "1GB", "limit": 1 }] }), &["hugetlb.1GB.max=1", "hugetlb.1GB.rsvd.max=1"]);
    }

    #[test]
    fn what_no_kernel_takes_is_refused() {
        for bad in [
            json!({ "memory": { "limit": 200, "swap": 100 } }),
            json!({ "memory": { "swap": 100 } }),
            json!({ "unified": { "../memory.max": "1" } }),
            json!({ "unified": { "cgroup.procs": "1" } }),
        ] {
            assert!(lines(&serde_json::from_value(bad.clone()).expect("resources")).is_err(), "{bad}");
        }
    }

    #[test]
    fn weights_meet_at_their_ends_and_defaults() {
        assert_eq!([0, 2, 1024, 262_144, u64::MAX].map(cpu_weight), [1, 1, 100, 10_000, 10_000]);
        assert_eq!([10, 500, 1000].map(io_weight), [1, 4950, 10_000]);
    }
}
