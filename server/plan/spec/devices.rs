//! Device nodes and device rules.

use super::SpecError;
use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};
use std::path::PathBuf;

/// A device of the host as it stands, for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDevice {
    pub path_in_container: PathBuf,
    pub block: bool,
    pub major: i64,
    pub minor: i64,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Any of `rwm`.
    pub access: String,
}

/// Character devices every container may use: null, zero, full, random, urandom, tty, ptmx and the pty slaves.
const ALLOWED: [(i64, Option<i64>); 8] = [(1, Some(3)), (1, Some(5)), (1, Some(7)), (1, Some(8)), (1, Some(9)), (5, Some(0)), (5, Some(2)), (136, None)];

pub(super) fn nodes(devices: &[HostDevice]) -> Vec<LinuxDevice> {
    devices
        .iter()
        .map(|device| {
            let mut node = LinuxDevice::default();
            node.set_path(device.path_in_container.clone()).set_typ(kind(device)).set_major(device.major).set_minor(device.minor);
            node.set_file_mode(Some(device.mode)).set_uid(Some(device.uid)).set_gid(Some(device.gid));
            node
        })
        .collect()
}

/// Docker's rules: nothing, then mknod of anything, then the harmless ones, then what was asked for. Privileged: everything.
pub(super) fn rules(privileged: bool, devices: &[HostDevice], extra: &[String]) -> Result<Vec<LinuxDeviceCgroup>, SpecError> {
    use LinuxDeviceType::{A, B, C};
    if privileged {
        return Ok(vec![rule(true, A, None, None, "rwm")]);
    }
    let mut list = vec![rule(false, A, None, None, "rwm"), rule(true, C, None, None, "m"), rule(true, B, None, None, "m")];
    list.extend(ALLOWED.iter().map(|(major, minor)| rule(true, C, Some(*major), *minor, "rwm")));
    list.push(rule(false, C, Some(10), Some(229), "rwm"));
    list.extend(devices.iter().map(|device| rule(true, kind(device), Some(device.major), Some(device.minor), &device.access)));
    for text in extra {
        list.push(parse(text).ok_or_else(|| SpecError::DeviceRule(text.clone()))?);
    }
    Ok(list)
}

fn kind(device: &HostDevice) -> LinuxDeviceType {
    if device.block { LinuxDeviceType::B } else { LinuxDeviceType::C }
}

fn parse(text: &str) -> Option<LinuxDeviceCgroup> {
    let mut parts = text.split_ascii_whitespace();
    let typ = match parts.next()? {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        "c" => LinuxDeviceType::C,
        _ => return None,
    };
    let (major, minor) = parts.next()?.split_once(':')?;
    let number = |text: &str| if text == "*" { Some(None) } else { text.parse::<u32>().ok().map(|n| Some(i64::from(n))) };
    let (major, minor) = (number(major)?, number(minor)?);
    let access = parts.next()?;
    let good = !access.is_empty() && access.bytes().all(|b| b"rwm".contains(&b)) && parts.next().is_none();
    good.then(|| rule(true, typ, major, minor, access))
}

fn rule(allow: bool, typ: LinuxDeviceType, major: Option<i64>, minor: Option<i64>, access: &str) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow).set_typ(Some(typ)).set_major(major).set_minor(minor).set_access(Some(access.to_owned()));
    rule
}
