//! Changing limits of a container that exists. In: the limits it has and what is asked to change. Out: the limits it shall have.
//! Source: moby `container/container_unix.go`, `UpdateContainer`.

use super::{LimitError, invalid};
use gantry_model::Limits;

/// `old` with what `change` sets. Lists of devices and the settings of a start stay: docker changes them in no running container either.
///
/// # Errors
/// [`LimitError`] where a part can't change without another.
pub fn merged(old: &Limits, change: &Limits) -> Result<Limits, LimitError> {
    let set = |value: Option<i64>| value.is_some_and(|value| value != 0);
    let period = change.cpu_period_us.is_some_and(|period| period != 0);
    if set(change.nano_cpus) && old.cpu_period_us.is_some_and(|period| period != 0) {
        return invalid("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
    }
    if set(change.nano_cpus) && set(old.cpu_quota_us) {
        return invalid("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
    }
    if set(change.cpu_quota_us) && set(old.nano_cpus) {
        return invalid("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
    }
    if period && set(old.nano_cpus) {
        return invalid("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
    }
    let swap = old.memory_swap_bytes.filter(|swap| *swap > 0);
    if let (Some(memory), Some(swap)) = (change.memory_bytes, swap)
        && memory > swap as u64
        && !set(change.memory_swap_bytes)
    {
        return invalid("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
    }
    let mut new = old.clone();
    macro_rules! take {
        ($($field:ident),*) => { $( if change.$field.is_some() { new.$field.clone_from(&change.$field); } )* };
    }
    take!(memory_bytes, memory_swap_bytes, memory_reservation_bytes, nano_cpus, cpu_shares, cpu_quota_us, cpu_period_us);
    take!(cpuset_cpus, cpuset_mems, pids, blkio_weight);
    Ok(new)
}

/// True if `change` would change anything.
pub fn changed(old: &Limits, change: &Limits) -> bool {
    merged(old, change).is_ok_and(|new| new != *old)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: serde_json::Value) -> Limits {
        serde_json::from_value(json).expect("limits")
    }

    #[test]
    fn what_is_not_named_stays() {
        use serde_json::json;
        let old = limits(json!({ "memory_bytes": 100, "pids": 5, "device_rules": ["c 1:3 r"] }));
        let new = merged(&old, &limits(json!({ "memory_bytes": 50 }))).expect("allowed");
        assert_eq!(new, limits(json!({ "memory_bytes": 50, "pids": 5, "device_rules": ["c 1:3 r"] })));
        assert!(changed(&old, &limits(json!({ "pids": 6 }))) && !changed(&old, &limits(json!({ "pids": 5 }))));
    }

    #[test]
    fn parts_that_contradict_are_refused() {
        use serde_json::json;
        for (old, change) in [
            (json!({ "cpu_quota_us": 1000 }), json!({ "nano_cpus": 5 })),
            (json!({ "nano_cpus": 5 }), json!({ "cpu_quota_us": 1000 })),
            (json!({ "nano_cpus": 5 }), json!({ "cpu_period_us": 1000 })),
            (json!({ "memory_bytes": 10, "memory_swap_bytes": 20 }), json!({ "memory_bytes": 30 })),
        ] {
            assert!(merged(&limits(old.clone()), &limits(change.clone())).is_err(), "{old} {change}");
        }
    }
}
