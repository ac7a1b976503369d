//! Finds a user in the container's own `/etc/passwd` and `/etc/group`, opened beneath its root.
//! Source: dockerd's `-u name|uid[:group|gid]`; a number is an id even without an entry, and an id out of range is an error, never another user
//! (crun CVE-2026-30892, containerd CVE-2024-40635).

use crate::tree::Tree;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::BorrowedFd;
use std::path::Path;

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
    Range(String),
    #[error("read {path} in the container")]
    Read { path: &'static str, source: std::io::Error },
}

/// Larger files are an attack on our memory.
const LARGEST: u64 = 16 << 20;

/// Looks `wish` up beneath `root`, a directory descriptor; no link in the tree can lead out of it.
pub fn lookup(root: BorrowedFd<'_>, wish: UserWish<'_>) -> Result<UserFound, UserError> {
    resolve(&read(root, "/etc/passwd")?, &read(root, "/etc/group")?, wish)
}

/// The home folder of a user id, if it has an entry.
pub(crate) fn home(root: BorrowedFd<'_>, uid: u32) -> Option<String> {
    let passwd = read(root, "/etc/passwd").ok()?;
    entries(&passwd).find(|entry| number(entry, 2) == Some(uid)).and_then(|entry| field(&entry, 5)).map(str::to_owned)
}

fn read(root: BorrowedFd<'_>, path: &'static str) -> Result<String, UserError> {
    let failed = |source: std::io::Error| UserError::Read { path, source };
    // A pipe or a device in its place must neither block nor act.
    let file = match Tree::new(root).open(Path::new(path), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        Err(errno) => return Err(failed(errno.into())),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| line.split(':').collect())
}

fn field<'a>(entry: &[&'a str], at: usize) -> Option<&'a str> {
    entry.get(at).copied().filter(|value| !value.is_empty())
}

fn number(entry: &[&str], at: usize) -> Option<u32> {
    entry.get(at)?.parse().ok()
}

fn resolve(passwd: &str, group: &str, wish: UserWish<'_>) -> Result<UserFound, UserError> {
    let (user, primary) = wish.user.split_once(':').map_or((wish.user, ""), |(user, group)| (user, group));
    let mut found = match user {
        "" => by_id(passwd, 0),
        name => match entries(passwd).find(|entry| entry.first() == Some(&name)) {
            Some(entry) => from_entry(&entry).ok_or_else(|| UserError::NoUser(name.to_owned()))?,
            None => by_id(passwd, id(name)?.ok_or_else(|| UserError::NoUser(name.to_owned()))?),
        },
    };
    // With a group named, the user's other groups do not count.
    let (name, mut found) = (found.0.take(), found.1);
    if !primary.is_empty() {
        found.gid = group_id(group, primary)?;
    } else if let Some(name) = name {
        let member = |entry: &Vec<&str>| field(entry, 3).is_some_and(|members| members.split(',').any(|member| member.trim() == name));
        found.additional_gids = entries(group).filter(member).filter_map(|entry| number(&entry, 2)).collect();
    }
    // The primary group is listed too: a program that drops it must not gain by it (moby CVE-2022-36109).
    found.additional_gids.retain(|gid| *gid != found.gid);
    found.additional_gids.insert(0, found.gid);
    for wanted in wish.groups {
        let gid = group_id(group, wanted)?;
        if !found.additional_gids.contains(&gid) {
            found.additional_gids.push(gid);
        }
    }
    Ok(found)
}

fn by_id(passwd: &str, uid: u32) -> (Option<String>, UserFound) {
    let entry = entries(passwd).find(|entry| number(entry, 2) == Some(uid));
    entry.and_then(|entry| from_entry(&entry)).unwrap_or((None, UserFound { uid, ..UserFound::default() }))
}

fn from_entry(entry: &[&str]) -> Option<(Option<String>, UserFound)> {
    let found = UserFound { uid: number(entry, 2)?, gid: number(entry, 3)?, additional_gids: Vec::new(), home: field(entry, 5).map(str::to_owned) };
    Some((field(entry, 0).map(str::to_owned), found))
}

fn group_id(group: &str, wanted: &str) -> Result<u32, UserError> {
    match entries(group).find(|entry| entry.first() == Some(&wanted)) {
        Some(entry) => number(&entry, 2).ok_or_else(|| UserError::NoGroup(wanted.to_owned())),
        None => id(wanted)?.ok_or_else(|| UserError::NoGroup(wanted.to_owned())),
    }
}

/// A number as an id; `None` if it is no number at all.
fn id(text: &str) -> Result<Option<u32>, UserError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<i32>() {
        Ok(value) if value >= 0 => Ok(Some(value as u32)),
        _ => Err(UserError::Range(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbin:x:1:2:bin:/bin:/bin/false\nweb:x:33:33::/var/www:\nbroken:x:y:z::/:\n12:x:77:77::/odd:\n";
    const GROUP: &str = "root:x:0:root\nadm:x:4:root,web\nweb:x:33:\nextra:x:50:bin,web\n";

    fn check(user: &str, groups: &[&str]) -> Result<String, String> {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let found = resolve(PASSWD, GROUP, UserWish { user, groups: &groups }).map_err(|error| error.to_string())?;
        Ok(format!("{}:{} {:?} {}", found.uid, found.gid, found.additional_gids, found.home.unwrap_or_default()))
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        for (user, expected) in [
            ("", "0:0 [0, 4] /root"),
            ("root", "0:0 [0, 4] /root"),
            ("web", "33:33 [33, 4, 50] /var/www"),
            ("1", "1:2 [2, 50] /bin"),
            ("01", "1:2 [2, 50] /bin"),
            ("1:", "1:2 [2, 50] /bin"),
            ("65536", "65536:0 [0] "),
            ("2147483647", "2147483647:0 [0] "),
            ("web:adm", "33:4 [4] /var/www"),
            ("web:1234", "33:1234 [1234] /var/www"),
            (":33", "0:33 [33] /root"),
            ("12", "77:77 [77] /odd"),
        ] {
            assert_eq!(check(user, &[]).as_deref(), Ok(expected), "{user}");
        }
    }

    #[test]
    fn an_impossible_id_is_an_error_and_never_root() {
        for user in ["-1", "4294967296", "2147483648", "99999999999999999999", "1:-1", "1:4294967296"] {
            assert!(check(user, &[]).expect_err(user).contains("range"), "{user}");
        }
        for user in ["nobody", "1x", "broken", "0x1", "web:none"] {
            assert!(check(user, &[]).expect_err(user).contains("no matching entries"), "{user}");
        }
    }

    #[test]
    fn added_groups_come_on_top_once() {
        assert_eq!(check("web", &["adm", "77", "web"]).as_deref(), Ok("33:33 [33, 4, 50, 77] /var/www"));
        assert!(check("web", &["none"]).is_err());
    }
}
