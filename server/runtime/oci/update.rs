//! `update` and `events`. In: new limits, or a wish to know. Out: limits that hold, and lines of JSON as runc prints them.

use super::args::{Global, Update};
use super::error::{During, OciError, Result};
use super::limits;
use super::show::print_json;
use super::state::{Container, Status};
use crate::cgroup::{Cgroup, OomWatch, Stats};
use oci_spec::runtime::LinuxResources;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn update(global: &Global, args: &Update) -> Result<i32> {
    let container = Container::load(&global.root, &args.id)?;
    if container.status() == Status::Stopped {
        return Err(OciError::NotRunning);
    }
    let cgroup = cgroup(&container)?;
    let change = match &args.resources {
        Some(path) => read(path)?,
        None => from_words(args)?,
    };
    let mut spec = container.spec()?;
    let old = spec.linux().as_ref().and_then(|linux| linux.resources().clone()).unwrap_or_default();
    let new = limits::merged(&old, &change)?;
    cgroup.set(&new)?;
    if let Some(linux) = spec.linux_mut() {
        let kept = serde_json::to_value(&old).and_then(|mut all| {
            if let (Some(all), Value::Object(new)) = (all.as_object_mut(), serde_json::to_value(&new)?) {
                all.extend(new);
            }
            serde_json::from_value::<LinuxResources>(all)
        });
        linux.set_resources(Some(kept.map_err(|source| OciError::Json { what: "save the resources".to_owned(), source })?));
    }
    container.save_spec(&spec)?;
    Ok(0)
}

fn cgroup(container: &Container) -> Result<&Cgroup> {
    container.saved.cgroup.as_ref().ok_or_else(|| OciError::Refused(format!("container {} has no cgroup", container.saved.id)))
}

fn read(path: &Path) -> Result<LinuxResources> {
    let what = || format!("read {}", path.display());
    let mut text = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut text).during(what)?;
    } else {
        text = std::fs::read(path).during(what)?;
    }
    serde_json::from_slice(&text).map_err(|source| OciError::Json { what: what(), source })
}

fn from_words(args: &Update) -> Result<LinuxResources> {
    let bytes = |name: &str, text: &Option<String>| text.as_deref().map(|text| size(name, text)).transpose();
    let mut sections = json!({
        "cpu": {
            "shares": args.cpu_shares, "quota": args.cpu_quota, "period": args.cpu_period, "burst": args.cpu_burst, "idle": args.cpu_idle,
            "realtimePeriod": args.cpu_rt_period, "realtimeRuntime": args.cpu_rt_runtime, "cpus": args.cpuset_cpus, "mems": args.cpuset_mems,
        },
        "memory": {
            "limit": bytes("memory", &args.memory)?, "reservation": bytes("memory-reservation", &args.memory_reservation)?,
            "swap": bytes("memory-swap", &args.memory_swap)?,
        },
        "pids": { "limit": args.pids_limit },
        "blockIO": { "weight": args.blkio_weight },
    });
    // What was not said is absent, not null.
    if let Some(sections) = sections.as_object_mut() {
        for section in sections.values_mut().filter_map(Value::as_object_mut) {
            section.retain(|_, value| !value.is_null());
        }
        sections.retain(|_, section| section.as_object().is_some_and(|section| !section.is_empty()));
    }
    serde_json::from_value(sections).map_err(|source| OciError::Json { what: "understand the limits".to_owned(), source })
}

/// Bytes: a number, perhaps with b, k, m, g or t; -1 is no limit.
fn size(name: &str, text: &str) -> Result<i64> {
    let bad = || OciError::Refused(format!("invalid value for {name}: {text:?} is no size, for example 512m or -1"));
    if text == "-1" {
        return Ok(-1);
    }
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(bad()),
    };
    let number: i64 = digits.trim().parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes >= 0).ok_or_else(bad)
}

/// Prints statistics once, or every `interval` with a line for each time that memory ran out, until the container ends.
pub(super) fn events(global: &Global, id: &str, once: bool, interval: &str) -> Result<i32> {
    let container = Container::load(&global.root, id)?;
    let Some(process) = container.process().filter(|_| container.status() != Status::Stopped) else {
        return Err(OciError::Refused(format!("container with id {id} is not running")));
    };
    let cgroup = cgroup(&container)?;
    if once {
        return print_json(&json!({ "type": "stats", "id": id, "data": shown(&cgroup.stats()?) }), false);
    }
    let interval = duration(interval).filter(|interval| !interval.is_zero());
    let interval = interval.ok_or_else(|| OciError::Refused("duration interval must be greater than 0, for example 5s".to_owned()))?;
    let watch = cgroup.watch_oom()?;
    let mut kills = cgroup.oom_kills();
    let mut next = Instant::now() + interval;
    loop {
        if wait(&process, watch.as_ref(), next)? {
            return Ok(0);
        }
        if let Some(watch) = &watch {
            watch.clear();
        }
        let now = cgroup.oom_kills();
        if now > kills {
            kills = now;
            print_json(&json!({ "type": "oom", "id": id }), false)?;
        }
        if Instant::now() >= next {
            next += interval;
            if let Ok(stats) = cgroup.stats() {
                print_json(&json!({ "type": "stats", "id": id, "data": shown(&stats) }), false)?;
            }
        }
    }
}

/// True when the process has ended; false at a notice or when it is time.
fn wait(process: &OwnedFd, watch: Option<&OomWatch>, until: Instant) -> Result<bool> {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
    let mut fds = vec![PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
    fds.extend(watch.map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), watch.poll_flags())));
    match poll(&mut fds, Some(&timeout)) {
        Err(rustix::io::Errno::INTR) => Ok(false),
        other => other.during(|| "wait for events".to_owned()).map(|_| fds[0].revents().contains(PollFlags::IN)),
    }
}

/// As Go prints durations: `5s`, `100ms`, `1m`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * unit).ok()
}

/// Source: runc `types/events.go`.
fn shown(stats: &Stats) -> Value {
    let stat = |key: &str| stats.memory_stat.get(key).copied().unwrap_or(0);
    let limit = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    let devices = |of: fn(&crate::cgroup::DeviceIo) -> [(&'static str, u64); 2]| -> Vec<Value> {
        let entry = |io: &crate::cgroup::DeviceIo| of(io).map(|(op, value)| json!({ "major": io.major, "minor": io.minor, "op": op, "value": value }));
        stats.blkio_devices.iter().flat_map(entry).collect()
    };
    json!({
        "cpu": {
            "usage": { "total": stats.cpu_total_ns, "percpu": stats.cpu_percpu_ns, "kernel": stats.cpu_system_ns, "user": stats.cpu_user_ns },
            "throttling": { "periods": stats.cpu_periods, "throttledPeriods": stats.cpu_throttled_periods, "throttledTime": stats.cpu_throttled_ns },
        },
        "memory": {
            "cache": stat("total_cache").max(stat("cache")).max(stat("file")),
            "usage": { "limit": limit(stats.memory_limit), "usage": stats.memory_usage, "max": stats.memory_max_usage, "failcnt": stats.memory_failures },
            "swap": { "limit": limit(stats.swap_limit), "usage": stats.swap_usage, "failcnt": 0 },
            "kernel": { "limit": 0, "failcnt": 0 },
            "kernelTCP": { "limit": 0, "failcnt": 0 },
            "raw": stats.memory_stat,
        },
        "pids": { "current": stats.pids, "limit": stats.pids_limit.unwrap_or(0) },
        "blkio": {
            "ioServiceBytesRecursive": devices(|io| [("Read", io.read_bytes), ("Write", io.write_bytes)]),
            "ioServicedRecursive": devices(|io| [("Read", io.read_ops), ("Write", io.write_ops)]),
        },
        "hugetlb": {},
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_runc_reads_them() {
        let bytes = |text| size("memory", text).ok();
        assert_eq!([bytes("100"), bytes("64m"), bytes("1G"), bytes("-1"), bytes("0")], [Some(100), Some(64 << 20), Some(1 << 30), Some(-1), Some(0)]);
        for bad in ["", "m", "-2", "1x", "9999999999t"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        assert_eq!([duration("5s"), duration("100ms"), duration("1.5m")].map(|time| time.map(|time| time.as_millis())), [Some(5000), Some(100), Some(90_000)]);
        assert!(duration("5").is_none() && duration("-1s").is_none());
    }
}
