//! Who asks, through which door, and what a role may do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a user may do. Each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything that is not secret.
    Viewer,
    /// Runs containers and loads images, and opens terminals.
    Operator,
    /// Manages users and settings, and may ask for what reaches the host (privileged, host mounts).
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// True if this role may do `action`.
    pub fn allows(self, action: Action) -> bool {
        self >= action.needs()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| format!("unknown role {text:?}: choose viewer, operator or admin"))
    }
}

/// What a verb does, as far as rights go. `engine` checks it on the parsed value that it executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Lists, details, logs, statistics, events.
    View,
    /// Creates, starts, stops, removes containers and images.
    Operate,
    /// Opens a shell or sends input.
    Exec,
    /// Creates a container that reaches beyond its own walls: privileged, host namespaces, bind mounts, devices,
    /// added capabilities, seccomp off. Whoever may do this owns the host.
    ReachHost,
    /// Users, tokens, settings.
    Administer,
}

impl Action {
    fn needs(self) -> Role {
        match self {
            Self::View => Role::Viewer,
            Self::Operate | Self::Exec => Role::Operator,
            Self::ReachHost | Self::Administer => Role::Admin,
        }
    }
}

/// The way a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    Page,
    Api,
    Cli,
    /// Gantry itself: adopt, restart policies, jobs that go on.
    Engine,
}

/// Who asks for a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `root` for the unix socket: whoever may open it is admin, as with docker's.
    pub user: String,
    pub role: Role,
    pub door: Door,
}

impl Caller {
    /// Gantry acting for itself.
    pub fn engine() -> Self {
        Self { user: "gantry".to_owned(), role: Role::Admin, door: Door::Engine }
    }
}

/// A user's name: lower-case letters, digits, `.`, `_`, `-`, `@`; 1 to 64; begins with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

impl UserName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'@');
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if starts && text.len() <= 64 && text.bytes().all(ok) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a user name has 1 to 64 lower-case letters, digits, '.', '_', '-' or '@', and begins with a letter or digit".to_owned())
        }
    }
}

impl TryFrom<String> for UserName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> String {
        name.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token's name: of the same letters as a user's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenName(UserName);

impl TokenName {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for TokenName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: String| error.replace("a user name", "a token name"))
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_only_looks_and_only_an_admin_reaches_the_host() {
        use Action::{Administer, Exec, Operate, ReachHost, View};
        let allowed = |role: Role| [View, Operate, Exec, ReachHost, Administer].map(|a| role.allows(a));
        assert_eq!(allowed(Role::Viewer), [true, false, false, false, false]);
        assert_eq!(allowed(Role::Operator), [true, true, true, false, false]);
        assert_eq!(allowed(Role::Admin), [true; 5]);
    }
}
