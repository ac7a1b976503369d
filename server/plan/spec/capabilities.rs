//! Which capabilities a container gets.

use super::SpecError;
use gantry_model::Security;
use oci_spec::runtime::Capability;
use std::collections::BTreeSet;

/// Docker's default set. Source: moby `oci/caps/defaults.go`.
pub const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The set after `--cap-add`, `--cap-drop` and `--privileged`, sorted, without `CAP_`, within what the engine itself has.
///
/// # Errors
/// [`SpecError::UnknownCapability`] for a name the kernel does not know.
pub fn capabilities(security: &Security, bounding: &BTreeSet<String>) -> Result<Vec<String>, SpecError> {
    let add = names("CapAdd", &security.cap_add)?;
    let drop = names("CapDrop", &security.cap_drop)?;
    let all = |set: &BTreeSet<String>| set.contains("ALL");
    let mut wanted: BTreeSet<String> = if security.privileged || all(&add) {
        bounding.clone()
    } else if all(&drop) {
        BTreeSet::new()
    } else {
        DEFAULT_CAPABILITIES.into_iter().map(str::to_owned).collect()
    };
    if !all(&drop) {
        wanted.retain(|name| !drop.contains(name));
    }
    wanted.extend(add.into_iter().filter(|name| name != "ALL" && !drop.contains(name)));
    Ok(wanted.intersection(bounding).cloned().collect())
}

fn names(list: &'static str, given: &[String]) -> Result<BTreeSet<String>, SpecError> {
    given
        .iter()
        .map(|name| {
            let upper = name.to_ascii_uppercase();
            let short = upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned();
            if short == "ALL" || short.parse::<Capability>().is_ok() { Ok(short) } else { Err(SpecError::UnknownCapability(list, name.clone())) }
        })
        .collect()
}
