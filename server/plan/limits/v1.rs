//! Lines for cgroup v1. Source: Linux `Documentation/admin-guide/cgroup-v1/`; meaning of each value: OCI runtime specification, `config-linux.md`.
//! The order is the one for a new cgroup; who changes a used one tries refused lines again after the others.

use super::line::Controller::{Cpu, Cpuset, Hugetlb, Io, Memory, NetCls, NetPrio, Pids, Rdma};
use super::{LimitError, Line, invalid};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

/// Lines of everything but devices. What is absent or 0 in `resources` is left as it is.
///
/// # Errors
/// [`LimitError`] for values that no kernel takes, and for `unified`, which v1 does not have.
pub fn lines(resources: &LinuxResources) -> Result<Vec<Line>, LimitError> {
    if resources.unified().as_ref().is_some_and(|unified| !unified.is_empty()) {
        return Err(LimitError::Unsupported("linux.resources.unified needs cgroup v2, and this host has cgroup v1".to_owned()));
    }
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
        lines.push(Line::new(Hugetlb, format!("hugetlb.{size}.limit_in_bytes"), page.limit()));
        lines.push(Line::new(Hugetlb, format!("hugetlb.{size}.rsvd.limit_in_bytes"), page.limit()).optional());
    }
    if let Some(network) = resources.network() {
        lines.extend(network.class_id().filter(|class| *class > 0).map(|class| Line::new(NetCls, "net_cls.classid", class)));
        let priorities = network.priorities().iter().flatten();
        lines.extend(priorities.map(|entry| Line::new(NetPrio, "net_prio.ifpriomap", format!("{} {}", entry.name(), entry.priority()))));
    }
    lines.extend(rdma(resources));
    Ok(lines)
}

fn cpu(cpu: &LinuxCpu, lines: &mut Vec<Line>) {
    let mut put = |file: &'static str, value: Option<String>| lines.extend(value.map(|value| Line::new(Cpu, file, value)));
    put("cpu.shares", set(cpu.shares()));
    put("cpu.idle", cpu.idle().map(|idle| idle.to_string()));
    put("cpu.cfs_period_us", set(cpu.period()));
    put("cpu.cfs_quota_us", cpu.quota().filter(|quota| *quota != 0).map(|quota| quota.max(-1).to_string()));
    put("cpu.cfs_burst_us", cpu.burst().map(|burst| burst.to_string()));
    put("cpu.rt_period_us", set(cpu.realtime_period()));
    put("cpu.rt_runtime_us", cpu.realtime_runtime().filter(|runtime| *runtime != 0).map(|runtime| runtime.to_string()));
    let lists = [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())];
    lines.extend(lists.into_iter().filter_map(|(file, list)| list.as_ref().filter(|list| !list.is_empty()).map(|list| Line::new(Cpuset, file, list))));
}

fn memory(memory: &LinuxMemory, lines: &mut Vec<Line>) -> Result<(), LimitError> {
    let limit = memory.limit().filter(|limit| *limit != 0);
    // Without a limit of its own, memory and swap together follow an unlimited memory.
    let swap = memory.swap().filter(|swap| *swap != 0).or(limit.filter(|limit| *limit < 0));
    if let (Some(limit @ 1..), Some(swap @ 1..)) = (limit, swap)
        && swap < limit
    {
        return invalid("memory+swap limit should be >= memory limit");
    }
    let mut put = |file: &'static str, value: Option<i64>| lines.extend(value.map(|value| Line::new(Memory, file, value.max(-1))));
    put("memory.limit_in_bytes", limit);
    put("memory.soft_limit_in_bytes", memory.reservation().filter(|bytes| *bytes != 0));
    if let Some(swap) = swap {
        let line = Line::new(Memory, "memory.memsw.limit_in_bytes", swap.max(-1));
        // A kernel that does not count swap has none to limit, or none that was asked for explicitly.
        lines.push(if memory.swap().is_none_or(|swap| swap <= 0) { line.optional() } else { line });
    }
    if let Some(swappiness) = memory.swappiness() {
        if swappiness > 100 {
            return invalid(format!("invalid memory swappiness value: {swappiness}. Valid range is 0-100"));
        }
        lines.push(Line::new(Memory, "memory.swappiness", swappiness));
    }
    lines.extend(memory.disable_oom_killer().map(|disable| Line::new(Memory, "memory.oom_control", u8::from(disable))));
    lines.extend(memory.kernel_tcp().filter(|bytes| *bytes != 0).map(|bytes| Line::new(Memory, "memory.kmem.tcp.limit_in_bytes", bytes).optional()));
    Ok(())
}

fn io(io: &LinuxBlockIo, lines: &mut Vec<Line>) {
    let weights = |weight: Option<u16>| weight.filter(|weight| *weight != 0);
    lines.extend(weights(io.weight()).map(|weight| Line::new(Io, "blkio.weight", weight).or("blkio.bfq.weight", weight).optional()));
    lines.extend(weights(io.leaf_weight()).map(|weight| Line::new(Io, "blkio.leaf_weight", weight).optional()));
    for device in io.weight_device().iter().flatten() {
        let of = |weight: u16| format!("{}:{} {weight}", device.major(), device.minor());
        lines.extend(
            weights(device.weight()).map(|weight| Line::new(Io, "blkio.weight_device", of(weight)).or("blkio.bfq.weight_device", of(weight)).optional()),
        );
        lines.extend(weights(device.leaf_weight()).map(|weight| Line::new(Io, "blkio.leaf_weight_device", of(weight)).optional()));
    }
    let mut throttle = |file: &'static str, list: &Option<Vec<LinuxThrottleDevice>>| {
        lines.extend(list.iter().flatten().map(|device| Line::new(Io, file, format!("{}:{} {}", device.major(), device.minor(), device.rate()))));
    };
    throttle("blkio.throttle.read_bps_device", io.throttle_read_bps_device());
    throttle("blkio.throttle.write_bps_device", io.throttle_write_bps_device());
    throttle("blkio.throttle.read_iops_device", io.throttle_read_iops_device());
    throttle("blkio.throttle.write_iops_device", io.throttle_write_iops_device());
}

fn set(value: Option<u64>) -> Option<String> {
    value.filter(|value| *value != 0).map(|value| value.to_string())
}

/// 0 and negative numbers are no limit.
pub(super) fn max_or(limit: i64) -> String {
    if limit > 0 { limit.to_string() } else { "max".to_owned() }
}

/// As the kernel writes it into file names, for example `2MB`.
pub(super) fn page_size(text: &str) -> Result<&str, LimitError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_uppercase());
    let unit = &text[digits.len()..];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(unit, "KB" | "MB" | "GB") {
        return invalid(format!("huge page size {text:?}: use for example 2MB"));
    }
    Ok(text)
}

/// The same on both.
pub(super) fn rdma(resources: &LinuxResources) -> Vec<Line> {
    let mut lines = Vec::new();
    for (device, limits) in resources.rdma().iter().flatten() {
        let part = |name: &str, value: Option<u32>| value.map(|value| format!(" {name}={value}")).unwrap_or_default();
        let value = format!("{device}{}{}", part("hca_handle", limits.hca_handles()), part("hca_object", limits.hca_objects()));
        lines.push(Line::new(Rdma, "rdma.max", value));
    }
    lines.sort_by(|one, other| one.value.cmp(&other.value));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: serde_json::Value, expected: &[&str]) {
        let resources: LinuxResources = serde_json::from_value(json.clone()).expect("resources");
        let lines = lines(&resources).expect("valid");
        let text: Vec<_> = lines.iter().map(|line| format!("{}={}", line.file, line.value)).collect();
        assert_eq!(text, expected, "{json}");
    }

    #[test]
    fn each_limit_has_its_line() {
        use serde_json::json;
        check(json!({}), &[]);
        check(
            json!({ "cpu": { "shares": 512, "quota": 50000, "period": 100_000, "cpus": "0-1", "mems": "0", "burst": 1000 } }),
            &["cpu.shares=512", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000", "cpu.cfs_burst_us=1000", "cpuset.cpus=0-1", "cpuset.mems=0"],
        );
        check(
            json!({ "memory": { "limit": 100, "swap": 200, "reservation": 50, "swappiness": 10, "disableOOMKiller": true } }),
            &["memory.limit_in_bytes=100", "memory.soft_limit_in_bytes=50", "memory.memsw.limit_in_bytes=200", "memory.swappiness=10", "memory.oom_control=1"],
        );
        check(json!({ "memory": { "limit": -1 } }), &["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"]);
        check(json!({ "memory": { "limit": 100, "swap": -1 } }), &["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=-1"]);
        check(json!({ "pids": { "limit": 5 } }), &["pids.max=5"]);
        check(json!({ "pids": { "limit": 0 } }), &["pids.max=max"]);
        check(
            json!({ "blockIO": { "weight": 300, "throttleReadBpsDevice": [{ "major": 8, "minor": 0, "rate": 1000 }], "throttleWriteIOPSDevice": [{ "major": 8, "minor": 16, "rate": 5 }] } }),
            &["blkio.weight=300", "blkio.throttle.read_bps_device=8:0 1000", "blkio.throttle.write_iops_device=8:16 5"],
        );
        check(
            json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4096 }] }),
            &["hugetlb.2MB.limit_in_bytes=4096", "hugetlb.2MB.rsvd.limit_in_bytes=4096"],
        );
        check(json!({ "network": { "classID": 7, "priorities": [{ "name": "eth0", "priority": 3 }] } }), &["net_cls.classid=7", "net_prio.ifpriomap=eth0 3"]);
        check(json!({ "rdma": { "mlx5_1": { "hcaHandles": 3, "hcaObjects": 10000 } } }), &["rdma.max=mlx5_1 hca_handle=3 hca_object=10000"]);
    }

    #[test]
    fn what_no_kernel_takes_is_refused() {
        for bad in [
            serde_json::json!({ "memory": { "limit": 200, "swap": 100 } }),
            serde_json::json!({ "memory": { "swappiness": 101 } }),
            serde_json::json!({ "unified": { "memory.max": "1" } }),
            serde_json::json!({ "hugepageLimits": [{ "pageSize": "../2MB", "limit": 1 }] }),
        ] {
            assert!(lines(&serde_json::from_value(bad.clone()).expect("resources")).is_err(), "{bad}");
        }
    }
}
