//! What a user asked for becomes OCI resources, by docker's rules. Source: moby `daemon/daemon_unix.go`, `verifyPlatformContainerResources`.

use super::{LimitError, invalid};
use gantry_model::{DeviceRate, Limits};
use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, LinuxThrottleDevice, LinuxThrottleDeviceBuilder, LinuxWeightDeviceBuilder,
};

/// Docker's least memory: what a start itself needs.
const LEAST_MEMORY: u64 = 6 << 20;

/// What of the host decides about limits.
pub struct HostLimits<'a> {
    /// Processors.
    pub cpus: u32,
    /// Processors and memory nodes that a container may be given, for example `0-3`. Empty: unknown, anything goes.
    pub cpuset_cpus: &'a str,
    pub cpuset_mems: &'a str,
    pub cgroup_v2: bool,
    /// Swap is counted.
    pub swap_limit: bool,
    /// Major and minor number of a block device's path.
    pub device: &'a dyn Fn(&str) -> Option<(i64, i64)>,
}

/// Checks the limits and makes resources of them. Device rules are the spec's.
///
/// # Errors
/// [`LimitError`] in docker's words.
pub fn resources(limits: &Limits, host: &HostLimits<'_>) -> Result<LinuxResources, LimitError> {
    let mut resources = LinuxResources::default();
    resources.set_devices(None);
    resources.set_memory(memory(limits, host)?);
    resources.set_cpu(cpu(limits, host)?);
    if let Some(pids) = limits.pids {
        let mut limit = LinuxPids::default();
        limit.set_limit(if pids > 0 { pids } else { -1 });
        resources.set_pids(Some(limit));
    }
    resources.set_block_io(io(limits, host)?);
    Ok(resources)
}

/// Wishes that this host or v2 can't honour and that change nothing about safety. The words are docker's.
pub fn warnings(limits: &Limits, host: &HostLimits<'_>) -> Vec<String> {
    let mut list = Vec::new();
    let mut warn = |when: bool, text: &str| {
        if when {
            list.push(text.to_owned());
        }
    };
    let swap = limits.memory_swap_bytes.is_some_and(|swap| swap > 0) || limits.memory_bytes.is_some();
    warn(
        swap && limits.memory_swap_bytes != Some(-1) && !host.swap_limit,
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    );
    warn(
        host.cgroup_v2 && limits.memory_swappiness.is_some(),
        "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    );
    warn(host.cgroup_v2 && limits.oom_kill_disable, "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    warn(
        !host.cgroup_v2 && limits.oom_kill_disable && limits.memory_bytes.is_none(),
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
    list
}

fn memory(limits: &Limits, host: &HostLimits<'_>) -> Result<Option<LinuxMemory>, LimitError> {
    let limit = limits.memory_bytes.filter(|bytes| *bytes > 0);
    let reservation = limits.memory_reservation_bytes.filter(|bytes| *bytes > 0);
    let swap = limits.memory_swap_bytes.filter(|bytes| *bytes != 0);
    for bytes in [limit, reservation].into_iter().flatten() {
        if i64::try_from(bytes).is_err() {
            return invalid(format!("memory limit {bytes} is larger than any memory"));
        }
    }
    if limit.is_some_and(|bytes| bytes < LEAST_MEMORY) {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    match (limit, swap) {
        (_, Some(..-1)) => return invalid(format!("Invalid value: {}, the memory+swap limit is a number of bytes or -1", swap.unwrap_or_default())),
        (Some(limit), Some(swap @ 1..)) if (swap as u64) < limit => {
            return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
        }
        (None, Some(1..)) => return invalid("You should always set the Memory limit when using Memoryswap limit, see usage"),
        _ => {}
    }
    if let Some(swappiness) = limits.memory_swappiness.filter(|value| *value > 100) {
        return invalid(format!("Invalid value: {swappiness}, valid memory swappiness range is 0-100"));
    }
    if reservation.is_some_and(|bytes| bytes < LEAST_MEMORY) {
        return invalid("Minimum memory reservation allowed is 6MB");
    }
    if let (Some(limit), Some(reservation)) = (limit, reservation)
        && limit < reservation
    {
        return invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    let mut memory = LinuxMemory::default();
    memory.set_limit(limit.map(|bytes| bytes as i64));
    memory.set_reservation(reservation.map(|bytes| bytes as i64));
    if host.swap_limit {
        // As much swap as memory, unless told otherwise.
        memory.set_swap(swap.or(limit.map(|bytes| (bytes as i64).saturating_mul(2))));
    }
    if !host.cgroup_v2 {
        memory.set_swappiness(limits.memory_swappiness);
        memory.set_disable_oom_killer(limits.oom_kill_disable.then_some(true));
    }
    Ok((memory != LinuxMemory::default()).then_some(memory))
}

fn cpu(limits: &Limits, host: &HostLimits<'_>) -> Result<Option<LinuxCpu>, LimitError> {
    let nano = limits.nano_cpus.filter(|nano| *nano != 0);
    let period = limits.cpu_period_us.filter(|period| *period != 0);
    let quota = limits.cpu_quota_us.filter(|quota| *quota != 0);
    if nano.is_some() && period.is_some() {
        return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if nano.is_some() && quota.is_some() {
        return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    // The kernel takes no quota below 1 ms, which is 0.01 of a period.
    if nano.is_some_and(|nano| nano < 10_000_000 || (host.cpus > 0 && nano > i64::from(host.cpus) * 1_000_000_000)) {
        return invalid(format!("Range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available", host.cpus, host.cpus));
    }
    if period.is_some_and(|period| !(1000..=1_000_000).contains(&period)) {
        return invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    }
    if quota.is_some_and(|quota| quota > 0 && quota < 1000) {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(limits.cpu_shares.filter(|shares| *shares > 0).map(|shares| shares.clamp(2, 262_144)));
    cpu.set_period(nano.map(|_| 100_000).or(period));
    cpu.set_quota(nano.map(|nano| nano / 10_000).or(quota.map(|quota| quota.max(-1))));
    cpu.set_cpus(cpuset("cpus", "CPUs", limits.cpuset_cpus.as_deref(), host.cpuset_cpus)?);
    cpu.set_mems(cpuset("mems", "memory nodes", limits.cpuset_mems.as_deref(), host.cpuset_mems)?);
    Ok((cpu != LinuxCpu::default()).then_some(cpu))
}

/// A list like `0-3,6`, all of it among `available`.
fn cpuset(file: &str, what: &str, list: Option<&str>, available: &str) -> Result<Option<String>, LimitError> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(None) };
    let ranges = ranges(list).ok_or_else(|| LimitError::Invalid(format!("Invalid value {list} for cpuset {file}")))?;
    if let Some(there) = self::ranges(available).filter(|there| !there.is_empty()) {
        let has = |number: u32| there.iter().any(|(first, last)| (*first..=*last).contains(&number));
        if !ranges.iter().all(|(first, last)| (*first..=*last).all(has)) {
            return invalid(format!("Requested {what} are not available - requested {list}, available: {available}"));
        }
    }
    Ok(Some(list.to_owned()))
}

/// Pairs of first and last number.
fn ranges(list: &str) -> Option<Vec<(u32, u32)>> {
    // More than any kernel has; keeps the check above short.
    const MOST: u32 = 8192;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number < MOST && text.bytes().all(|b| b.is_ascii_digit()));
    let parts = list.trim().split(',').filter(|_| !list.trim().is_empty());
    parts
        .map(|part| match part.split_once('-') {
            None => number(part).map(|number| (number, number)),
            Some((first, last)) => Some((number(first)?, number(last)?)).filter(|(first, last)| first <= last),
        })
        .collect()
}

fn io(limits: &Limits, host: &HostLimits<'_>) -> Result<Option<LinuxBlockIo>, LimitError> {
    let in_range = |weight: u16| (10..=1000).contains(&weight);
    let weight = limits.blkio_weight.filter(|weight| *weight != 0);
    if weight.is_some_and(|weight| !in_range(weight)) {
        return invalid("Range of blkio weight is from 10 to 1000");
    }
    let device = |path: &str| (host.device)(path).ok_or_else(|| LimitError::Invalid(format!("{path} is not a block device of this host")));
    let mut io = LinuxBlockIo::default();
    io.set_weight(weight);
    let mut weights = Vec::new();
    for wish in &limits.blkio_weight_devices {
        if wish.weight != 0 && !in_range(wish.weight) {
            return invalid("Range of blkio weight is from 10 to 1000");
        }
        let (major, minor) = device(&wish.path)?;
        let entry = LinuxWeightDeviceBuilder::default().major(major).minor(minor).weight(wish.weight).build();
        weights.push(entry.expect("every field that must be is set"));
    }
    let rates = |list: &[DeviceRate]| -> Result<Option<Vec<LinuxThrottleDevice>>, LimitError> {
        let entries = list.iter().map(|wish| {
            let (major, minor) = device(&wish.path)?;
            let entry = LinuxThrottleDeviceBuilder::default().major(major).minor(minor).rate(wish.rate).build();
            Ok(entry.expect("every field is set"))
        });
        let entries = entries.collect::<Result<Vec<_>, LimitError>>()?;
        Ok((!entries.is_empty()).then_some(entries))
    };
    io.set_weight_device((!weights.is_empty()).then_some(weights));
    io.set_throttle_read_bps_device(rates(&limits.read_bps)?);
    io.set_throttle_write_bps_device(rates(&limits.write_bps)?);
    io.set_throttle_read_iops_device(rates(&limits.read_iops)?);
    io.set_throttle_write_iops_device(rates(&limits.write_iops)?);
    Ok((io != LinuxBlockIo::default()).then_some(io))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostLimits<'static> = HostLimits {
        cpus: 2,
        cpuset_cpus: "0-1",
        cpuset_mems: "0",
        cgroup_v2: false,
        swap_limit: true,
        device: &|path| if path == "/dev/sda" { Some((8, 0)) } else { None },
    };

    fn limits(json: serde_json::Value) -> Limits {
        serde_json::from_value(json).expect("limits")
    }

    fn check(json: serde_json::Value, expected: &[&str]) {
        let lines = super::super::v1(&resources(&limits(json.clone()), &HOST).expect("valid")).expect("valid");
        let text: Vec<_> = lines.iter().map(|line| format!("{}={}", line.file, line.value)).collect();
        assert_eq!(text, expected, "{json}");
    }

    #[test]
    fn wishes_become_lines() {
        use serde_json::json;
        check(json!({}), &[]);
        check(json!({ "memory_bytes": 67_108_864 }), &["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=134217728"]);
        check(json!({ "memory_bytes": 67_108_864, "memory_swap_bytes": -1 }), &["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=-1"]);
        check(json!({ "nano_cpus": 1_500_000_000 }), &["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=150000"]);
        check(json!({ "cpu_shares": 1 }), &["cpu.shares=2"]);
        check(json!({ "cpuset_cpus": "0-1" }), &["cpuset.cpus=0-1"]);
        check(json!({ "pids": 0 }), &["pids.max=max"]);
        check(json!({ "read_bps": [{ "path": "/dev/sda", "rate": 9 }] }), &["blkio.throttle.read_bps_device=8:0 9"]);
    }

    #[test]
    fn refusals_are_dockers() {
        use serde_json::json;
        let cases = [
            (json!({ "memory_bytes": 4 << 20 }), "Minimum memory limit allowed is 6MB"),
            (json!({ "memory_bytes": 64 << 20, "memory_swap_bytes": 32 << 20 }), "Minimum memoryswap limit should be larger than memory limit, see usage"),
            (json!({ "memory_swap_bytes": 64 << 20 }), "You should always set the Memory limit when using Memoryswap limit, see usage"),
            (json!({ "memory_swappiness": 101 }), "Invalid value: 101, valid memory swappiness range is 0-100"),
            (
                json!({ "memory_bytes": 8 << 20, "memory_reservation_bytes": 9 << 20 }),
                "Minimum memory limit can not be less than memory reservation limit, see usage",
            ),
            (json!({ "nano_cpus": 1, "cpu_quota_us": 1 }), "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
            (json!({ "nano_cpus": 1, "cpu_period_us": 1 }), "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
            (json!({ "nano_cpus": 3_000_000_000i64 }), "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
            (json!({ "nano_cpus": -1 }), "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
            (json!({ "cpu_period_us": 999 }), "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"),
            (json!({ "cpu_quota_us": 999 }), "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
            (json!({ "cpuset_cpus": "1-" }), "Invalid value 1- for cpuset cpus"),
            (json!({ "cpuset_cpus": "+1" }), "Invalid value +1 for cpuset cpus"),
            (json!({ "cpuset_cpus": "0-2" }), "Requested CPUs are not available - requested 0-2, available: 0-1"),
            (json!({ "cpuset_mems": "1" }), "Requested memory nodes are not available - requested 1, available: 0"),
            (json!({ "blkio_weight": 9 }), "Range of blkio weight is from 10 to 1000"),
            (json!({ "write_iops": [{ "path": "/dev/x", "rate": 1 }] }), "/dev/x is not a block device of this host"),
        ];
        for (json, expected) in cases {
            assert_eq!(resources(&limits(json.clone()), &HOST).map_err(|error| error.to_string()), Err(expected.to_owned()), "{json}");
        }
    }

    #[test]
    fn what_v2_does_not_have_is_a_warning() {
        let limits = limits(serde_json::json!({ "memory_swappiness": 5, "oom_kill_disable": true }));
        assert_eq!(warnings(&limits, &HostLimits { cgroup_v2: true, ..HOST }).len(), 2);
        assert_eq!(resources(&limits, &HostLimits { cgroup_v2: true, ..HOST }).expect("valid").memory(), &None);
        assert_eq!(warnings(&limits, &HOST).len(), 1);
    }
}
