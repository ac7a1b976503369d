//! `--filter name=value`, as the API wants it.

use crate::failure::Failure;
use gantry_wire::docker::Filters;

/// Reads all `--filter` flags.
pub fn filters(flags: &[String]) -> Result<Filters, Failure> {
    let mut all = Filters::default();
    for flag in flags {
        let (key, value) = flag
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("invalid argument {flag:?} for --filter: bad format of filter (expected name=value)")))?;
        all.add(key.trim().to_lowercase(), value.trim());
    }
    Ok(all)
}

/// The query pair of filters, if there are any.
pub fn query(flags: &[String]) -> Result<Option<(&'static str, String)>, Failure> {
    let all = filters(flags)?;
    Ok((!all.is_empty()).then(|| ("filters", all.to_json())))
}
