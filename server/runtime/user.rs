//! Finds a user in the container's own `/etc/passwd` and `/etc/group`, opened beneath its root.
//! Source: dockerd's `-u name|uid[:group|gid]`.

use std::os::fd::BorrowedFd;

/// What the user asked for: `-u` and `--group-add`. An empty name is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserWish<'a> {
    pub user: &'a str,
    pub groups: &'a [String],
}

/// The ids, and the home folder if the user has an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserFound {
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
    pub home: Option<String>,
}

/// Why there is no such user. The wording is docker's.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
    #[error("read {path} in the container")]
    Read { path: &'static str, source: std::io::Error },
}

/// Looks `wish` up beneath `root`, a directory descriptor; no link in the tree can lead out of it.
pub fn lookup(root: BorrowedFd<'_>, wish: UserWish<'_>) -> Result<UserFound, UserError> {
    let _ = (root, wish);
    todo!()
}
