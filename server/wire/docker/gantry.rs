//! Our own endpoints on the same socket, below `/gantry`. Names are snake case; times are Unix milliseconds.

use gantry_model::{JobId, Role, TokenName, UserName};
use serde::{Deserialize, Serialize};

/// Body of `POST /gantry/users`; the answer is 201 without a body, 409 if the name is taken.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUser {
    pub name: UserName,
    pub role: Role,
    pub password: String,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Body of `POST /gantry/users/{name}`: what is there is changed; 204.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeUser {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl std::fmt::Debug for ChangeUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeUser").field("role", &self.role).finish_non_exhaustive()
    }
}

/// One row of `GET /gantry/users`. `DELETE /gantry/users/{name}` answers 204.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: UserName,
    pub role: Role,
    pub created_at_ms: i64,
    pub last_login_at_ms: Option<i64>,
    pub disabled: bool,
}

/// Body of `POST /gantry/tokens`; 409 if the name is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    pub name: TokenName,
    pub role: Role,
    /// `null`: never.
    pub expires_at_ms: Option<i64>,
}

/// Its answer, 201: the only time that the token is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeToken {
    pub token: String,
}

/// One row of `GET /gantry/tokens`. `DELETE /gantry/tokens/{name}` answers 204.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub name: TokenName,
    pub role: Role,
    /// Who made it.
    pub owner: String,
    pub created_at_ms: i64,
    pub expires_at_ms: Option<i64>,
    pub last_used_at_ms: Option<i64>,
}

/// One row of `GET /gantry/jobs`, newest first, and the answer of `GET /gantry/jobs/{id}`. `POST /gantry/jobs/{id}/cancel` answers 204.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    /// `load`, `import`, `start`, `remove`.
    pub kind: String,
    pub title: String,
    pub state: JobState,
    /// Why it failed; empty otherwise.
    pub error: String,
    pub asked_by: String,
    pub started_at_ms: i64,
    pub finished_at_ms: Option<i64>,
    /// Done and total, in bytes; total 0 is unknown.
    pub progress: Option<(u64, u64)>,
    /// Lines of output.
    pub output: Vec<String>,
    /// Image references or ids that came out.
    pub results: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Running,
    Done,
    Failed,
    Cancelled,
}

/// Answer of `GET /gantry/containers/{id}/explain`: how it is walled in, in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// The command that makes the same container.
    pub command_line: String,
    pub parts: Vec<ExplainedPart>,
    /// What weakens it, worst first.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExplainedPart {
    /// `namespaces`, `limits`, `capabilities`, `seccomp`, `paths`.
    pub title: String,
    pub facts: Vec<ExplainedFact>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExplainedFact {
    pub name: String,
    pub value: String,
    pub meaning: String,
    /// False: shared with the host, or switched off.
    pub strong: bool,
}

/// Answer of `GET /gantry/setup`: the code that makes the first admin; `null` once there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Setup {
    pub code: Option<String>,
}
