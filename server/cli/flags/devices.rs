//! Devices, their rates and weights, and ulimits.

use super::units;
use crate::failure::Failure;
use gantry_wire::docker::host_config::{DeviceMapping, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice};

/// `/dev/a[:/dev/b][:rwm]`.
pub fn device(flag: &str) -> Result<DeviceMapping, Failure> {
    let parts: Vec<&str> = flag.split(':').collect();
    let is_rights = |text: &str| !text.is_empty() && text.len() <= 3 && text.chars().all(|c| "rwm".contains(c));
    let (host, inside, rights) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, rights] if is_rights(rights) => (*host, *host, *rights),
        [host, inside] => (*host, *inside, "rwm"),
        [host, inside, rights] if is_rights(rights) => (*host, *inside, *rights),
        _ => return Err(Failure::usage(format!("invalid device specification: {flag}")).hint("write /dev/NAME[:PATH-INSIDE[:rwm]]")),
    };
    if host.is_empty() {
        return Err(Failure::usage(format!("invalid device specification: {flag}")).hint("write /dev/NAME[:PATH-INSIDE[:rwm]]"));
    }
    let inside = if inside.is_empty() { host } else { inside };
    Ok(DeviceMapping { path_on_host: host.to_owned(), path_in_container: inside.to_owned(), cgroup_permissions: rights.to_owned() })
}

/// Devices by path, and those asked for by their CDI name (`vendor.com/class=name`).
pub fn devices(flags: &[String]) -> Result<(Vec<DeviceMapping>, Option<DeviceRequest>), Failure> {
    let is_cdi = |flag: &&String| !flag.starts_with('/') && flag.split_once('=').is_some_and(|(kind, _)| kind.contains('/'));
    let (named, plain): (Vec<_>, Vec<_>) = flags.iter().partition(is_cdi);
    let mappings = plain.into_iter().map(|flag| device(flag)).collect::<Result<_, _>>()?;
    let request = (!named.is_empty()).then(|| DeviceRequest {
        driver: "cdi".to_owned(),
        device_ids: Some(named.into_iter().cloned().collect()),
        ..DeviceRequest::default()
    });
    Ok((mappings, request))
}

/// `/dev/sda:500`, 10 to 1000.
pub fn weight(flag: &str) -> Result<WeightDevice, Failure> {
    let (path, weight) = rate_parts(flag)?;
    let weight = weight.parse().map_err(|_| Failure::usage(format!("invalid weight for device: {flag}")))?;
    if weight > 0 && !(10..=1000).contains(&weight) {
        return Err(Failure::usage(format!("invalid weight for device: {flag}: it is 10 to 1000")));
    }
    Ok(WeightDevice { path, weight })
}

/// `/dev/sda:10m`.
pub fn bytes_rate(flag: &str) -> Result<ThrottleDevice, Failure> {
    let (path, rate) = rate_parts(flag)?;
    let bad = |_| {
        Failure::usage(format!(
            "invalid rate for device: {flag}. The correct format is <device-path>:<number>[<unit>]. Unit is optional and can be kb, mb, or gb"
        ))
    };
    Ok(ThrottleDevice { path, rate: units::bytes(&rate).map_err(bad)? as u64 })
}

/// `/dev/sda:1000`.
pub fn count_rate(flag: &str) -> Result<ThrottleDevice, Failure> {
    let (path, rate) = rate_parts(flag)?;
    Ok(ThrottleDevice {
        path,
        rate: rate.parse().map_err(|_| Failure::usage(format!("invalid rate for device: {flag}. The correct format is <device-path>:<number>")))?,
    })
}

fn rate_parts(flag: &str) -> Result<(String, String), Failure> {
    match flag.split_once(':') {
        Some((path, value)) if path.starts_with("/dev/") && !value.contains(':') => Ok((path.to_owned(), value.to_owned())),
        Some((path, _)) if !path.starts_with("/dev/") => Err(Failure::usage(format!("bad format for device path: {flag}"))),
        _ => Err(Failure::usage(format!("bad format: {flag}: write /dev/NAME:NUMBER"))),
    }
}

/// Source: go-units `ulimit.go`.
const ULIMITS: [&str; 15] =
    ["core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"];

/// `nofile=1024[:2048]`; -1 is unlimited.
pub fn ulimit(flag: &str) -> Result<Ulimit, Failure> {
    let bad = |why: String| Failure::usage(format!("invalid ulimit argument: {flag}: {why}")).hint("write NAME=SOFT[:HARD], for example nofile=1024:2048");
    let (name, values) = flag.split_once('=').ok_or_else(|| bad("there is no =".to_owned()))?;
    if !ULIMITS.contains(&name) {
        return Err(bad(format!("invalid ulimit type: {name}")));
    }
    let number = |text: &str| text.parse::<i64>().map_err(|_| bad(format!("{text:?} is no number")));
    let (soft, hard) = match values.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(values)?, number(values)?),
    };
    if hard != -1 && (soft > hard || soft == -1) {
        return Err(bad(format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")));
    }
    Ok(Ulimit { name: name.to_owned(), hard, soft })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_a_place_and_rights() {
        let one = |flag: &str| device(flag).map(|d| format!("{} {} {}", d.path_on_host, d.path_in_container, d.cgroup_permissions));
        assert_eq!(one("/dev/fuse").expect("valid"), "/dev/fuse /dev/fuse rwm");
        assert_eq!(one("/dev/fuse:r").expect("valid"), "/dev/fuse /dev/fuse r");
        assert_eq!(one("/dev/a:/dev/b").expect("valid"), "/dev/a /dev/b rwm");
        assert_eq!(one("/dev/a:/dev/b:rw").expect("valid"), "/dev/a /dev/b rw");
        assert!(one("").is_err() && one("/dev/a:/dev/b:x").is_err());
        let (plain, named) = devices(&["/dev/a".into(), "vendor.com/gpu=0".into()]).expect("valid");
        assert_eq!((plain.len(), named.and_then(|named| named.device_ids)), (1, Some(vec!["vendor.com/gpu=0".to_owned()])));
    }

    #[test]
    fn rates_weights_and_ulimits_are_checked() {
        assert_eq!(bytes_rate("/dev/sda:10m").map(|r| r.rate).expect("valid"), 10 << 20);
        assert_eq!(count_rate("/dev/sda:7").map(|r| r.rate).expect("valid"), 7);
        assert_eq!(weight("/dev/sda:500").map(|r| r.weight).expect("valid"), 500);
        assert!(weight("/dev/sda:5").is_err() && bytes_rate("sda:1").is_err() && count_rate("/dev/sda:1m").is_err());
        let one = |flag: &str| ulimit(flag).map(|u| (u.soft, u.hard)).ok();
        assert_eq!((one("nofile=1024"), one("nofile=1:2"), one("memlock=-1:-1")), (Some((1024, 1024)), Some((1, 2)), Some((-1, -1))));
        assert_eq!((one("nofile=2:1"), one("bogus=1"), one("nofile"), one("nofile=x")), (None, None, None, None));
    }
}
