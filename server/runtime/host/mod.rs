//! What this host can't do, and what that costs. In: where data will lie. Out: findings, each with its remedy in one sentence.

mod probes;

use crate::capabilities;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Where the server keeps things.
#[derive(Debug, Clone)]
pub struct Paths {
    pub data_dir: PathBuf,
}

/// Something this host can or can't do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// For example `overlay file system`.
    pub what: String,
    pub ok: bool,
    /// One sentence: what the user loses, and how to get it. Empty if all is well.
    pub costs: String,
}

/// Looks at everything. Nothing is changed but a scratch folder in the data folder, which is gone again.
pub fn probe(paths: &Paths) -> Vec<Finding> {
    let mut findings = probes::kernel();
    findings.extend(probes::rights());
    findings.extend(probes::storage(paths));
    findings.extend(probes::cgroups());
    findings.extend(probes::isolation());
    findings.extend(probes::network());
    findings
}

/// The capabilities this process may hand out, without `CAP_`.
pub fn bounding_capabilities() -> BTreeSet<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    capability_names(mask.unwrap_or(0)).into_iter().collect()
}

/// The names of the bits of a mask as `/proc/PID/status` has it, in the kernel's order.
pub fn capability_names(mask: u64) -> Vec<String> {
    capabilities::NAMES.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, name)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shortcoming_says_what_it_costs() {
        let folder = tempfile::tempdir().expect("a folder");
        let findings = probe(&Paths { data_dir: folder.path().to_owned() });
        assert!(findings.len() > 15, "{findings:?}");
        for finding in &findings {
            println!("{}: {}", finding.what, if finding.ok { "yes" } else { &finding.costs });
            assert_eq!(finding.ok, finding.costs.is_empty(), "{finding:?}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "nothing is left");
    }

    #[test]
    fn bits_have_names() {
        assert_eq!(capability_names(0b11 | 1 << 40), ["CHOWN", "DAC_OVERRIDE", "CHECKPOINT_RESTORE"]);
    }
}
