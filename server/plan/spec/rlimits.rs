//! Ulimits as the OCI spec has them.

use super::SpecError;
use gantry_model::Ulimit;
use oci_spec::runtime::{PosixRlimit, PosixRlimitBuilder, PosixRlimitType};

/// -1 is unlimited. Source: getrlimit(2).
pub fn all(ulimits: &[Ulimit]) -> Result<Vec<PosixRlimit>, SpecError> {
    ulimits.iter().map(one).collect()
}

fn one(ulimit: &Ulimit) -> Result<PosixRlimit, SpecError> {
    let typ = typ(&ulimit.name).ok_or_else(|| SpecError::UnknownUlimit(ulimit.name.clone()))?;
    let (soft, hard) = (value(ulimit.soft), value(ulimit.hard));
    if soft > hard {
        return Err(SpecError::UlimitOrder { name: ulimit.name.clone(), soft: ulimit.soft, hard: ulimit.hard });
    }
    Ok(PosixRlimitBuilder::default().typ(typ).soft(soft).hard(hard).build().expect("every field is set"))
}

fn value(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(u64::MAX)
}

fn typ(name: &str) -> Option<PosixRlimitType> {
    let name = name.to_ascii_uppercase();
    serde_json::from_value(serde_json::Value::String(format!("RLIMIT_{}", name.strip_prefix("RLIMIT_").unwrap_or(&name)))).ok()
}
