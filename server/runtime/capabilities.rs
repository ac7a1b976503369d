//! Capability sets. In: names of the spec. Out: this process's sets, exactly those, within what the caller has.

use crate::failure::{Attempt, Failure};
use oci_spec::runtime::{Capabilities, LinuxCapabilities};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
};

/// Numbers of the kernel's capabilities, in its order. Source: Linux `include/uapi/linux/capability.h`.
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The number of a capability by its name, with or without `CAP_`.
pub fn number(name: &str) -> Option<u32> {
    let name = name.strip_prefix("CAP_").unwrap_or(name);
    NAMES.iter().position(|known| *known == name).map(|position| position as u32)
}

/// The five sets as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    bounding: u64,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
}

impl Sets {
    pub(crate) fn from_spec(sets: Option<&LinuxCapabilities>) -> Self {
        let Some(sets) = sets else { return Self::default() };
        Self {
            bounding: bits(sets.bounding().as_ref()),
            effective: bits(sets.effective().as_ref()),
            permitted: bits(sets.permitted().as_ref()),
            inheritable: bits(sets.inheritable().as_ref()),
            ambient: bits(sets.ambient().as_ref()),
        }
    }

    /// Leaves out what this process may not hand out itself; a second value names it.
    pub(crate) fn within_own(self) -> (Self, Vec<&'static str>) {
        let mut own = 0;
        for number in 0..NAMES.len() as u32 {
            if capability_is_in_bounding_set(one(number)) == Ok(true) {
                own |= 1 << number;
            }
        }
        let missing = NAMES.iter().enumerate().filter(|(number, _)| self.bounding & !own & 1 << number != 0).map(|(_, name)| *name).collect();
        let permitted = self.permitted & own;
        let sets = Self {
            bounding: self.bounding & own,
            permitted,
            effective: self.effective & permitted,
            inheritable: self.inheritable & own,
            ambient: self.ambient & permitted & self.inheritable,
        };
        (sets, missing)
    }

    /// The bounding set; needs CAP_SETPCAP, so it comes before the change of user.
    pub(crate) fn limit(self) -> Result<(), Failure> {
        for number in 0..64 {
            if self.bounding & 1 << number == 0 {
                match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
                    Ok(()) => {}
                    Err(Errno::INVAL) => break,
                    Err(errno) => return Err(Failure::step("limit the capabilities", errno)),
                }
            }
        }
        set_keep_capabilities(true).attempting(|| "keep capabilities over the change of user".to_owned())
    }

    /// What execve shall see, and `extra` until [`Self::settle`] takes it away.
    pub(crate) fn hold(self, extra: CapabilitySet) -> Result<(), Failure> {
        let own = capabilities(None).attempting(|| "read the capabilities".to_owned())?;
        let extra = extra & own.permitted;
        set_capabilities(
            None,
            CapabilitySets {
                effective: CapabilitySet::from_bits_retain(self.effective) | extra,
                permitted: CapabilitySet::from_bits_retain(self.permitted) | extra,
                inheritable: CapabilitySet::from_bits_retain(self.inheritable),
            },
        )
        .attempting(|| "set the capabilities".to_owned())
    }

    /// The final sets.
    pub(crate) fn settle(self) -> Result<(), Failure> {
        self.hold(CapabilitySet::empty())?;
        match clear_ambient_capability_set() {
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(Failure::step("clear the ambient capabilities", errno)),
        }
        for number in (0..NAMES.len() as u32).filter(|number| self.ambient & 1 << number != 0) {
            configure_capability_in_ambient_set(one(number), true).attempting(|| format!("make {} ambient", NAMES[number as usize]))?;
        }
        Ok(())
    }
}

fn one(number: u32) -> CapabilitySet {
    CapabilitySet::from_bits_retain(1 << number)
}

fn bits(set: Option<&Capabilities>) -> u64 {
    set.into_iter().flatten().filter_map(|capability| number(&capability.to_string())).fold(0, |bits, number| bits | 1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_of_the_spec_has_its_number() {
        for (position, name) in NAMES.iter().enumerate() {
            let parsed: oci_spec::runtime::Capability = name.parse().expect(name);
            assert_eq!(number(&parsed.to_string()), Some(position as u32), "{name}");
        }
        assert_eq!(number("CAP_SYS_ADMIN"), Some(21));
        assert_eq!(number("NOPE"), None);
    }
}
