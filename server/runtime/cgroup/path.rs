//! Names of cgroups. In: `cgroupsPath`. Out: a path that can't lead out of its tree.

use super::CgroupError;
use super::error::Result;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Source: OCI runtime specification, `config-linux.md`, "Cgroups Path".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupPath {
    /// From the root of each hierarchy.
    Absolute(PathBuf),
    /// Below the caller's own cgroup in each hierarchy, which can differ.
    Relative(PathBuf),
}

impl FromStr for CgroupPath {
    type Err = CgroupError;
    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix('/') {
            Some(below) => clean(below).map(Self::Absolute),
            None => clean(text).map(Self::Relative),
        }
    }
}

/// A relative path of at least one name. `..` is cut at the top, as runc does it.
pub(super) fn clean(text: &str) -> Result<PathBuf> {
    let mut names: Vec<&str> = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if names.is_empty() || text.contains(['\0', '\n']) {
        return Err(CgroupError::Invalid(format!("cgroup path {text:?}: name a cgroup below the root, for example /gantry/web")));
    }
    Ok(names.iter().collect())
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(path) => write!(f, "/{}", path.display()),
            Self::Relative(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_tree() {
        let parsed = |text: &str| text.parse::<CgroupPath>().ok();
        assert_eq!(parsed("/gantry//web/"), Some(CgroupPath::Absolute("gantry/web".into())));
        assert_eq!(parsed("a/../../b"), Some(CgroupPath::Relative("b".into())));
        for bad in ["", "/", "/..", "a\nb", "a\0"] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
    }
}
