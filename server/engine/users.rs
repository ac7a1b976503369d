//! Accounts, sessions of the page, and the first admin.

use crate::{Engine, Result};
use gantry_model::{Caller, Role, UserName};
use std::net::IpAddr;

#[derive(Debug, Clone)]
pub struct UserRow {
    pub name: UserName,
    pub role: Role,
    pub created_at_ms: i64,
    pub last_login_at_ms: Option<i64>,
    pub disabled: bool,
}

/// A session just made; the token is shown to the browser once and stored only as a hash.
pub struct NewSession {
    /// 64 hex digits: the cookie's value.
    pub token: String,
    pub user: UserName,
    pub role: Role,
}

#[derive(Debug, Clone)]
pub struct SessionInfo {
    pub caller: Caller,
    /// Bound to the session; forms carry it.
    pub csrf_token: String,
    /// Hash of the token: names the session in lists.
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("wrong name or password")]
    Wrong,
    #[error("too many attempts; try again in {0} seconds")]
    TooMany(u64),
    #[error("{0}")]
    Failed(String),
}

impl Engine {
    /// The one-time code that makes the first admin; `None` once there is a user.
    pub async fn setup_code(&self) -> Result<Option<String>> {
        todo!()
    }
    /// True until the first user exists.
    pub fn needs_setup(&self) -> bool {
        todo!()
    }
    /// Makes the first admin and logs in. Attempts are limited by address.
    pub async fn set_up(&self, code: &str, name: UserName, password: &str, from: IpAddr) -> std::result::Result<NewSession, LoginError> {
        todo!()
    }
    /// Takes equal time for unknown names; limited by name and address.
    pub async fn log_in(&self, name: &str, password: &str, from: IpAddr, user_agent: &str) -> std::result::Result<NewSession, LoginError> {
        todo!()
    }
    /// The session of a cookie; slides its expiry. `None` if unknown, expired or revoked.
    pub async fn session(&self, token: &str) -> Result<Option<SessionInfo>> {
        todo!()
    }
    pub async fn log_out(&self, token: &str) -> Result<()> {
        todo!()
    }
    pub async fn list_users(&self, caller: &Caller) -> Result<Vec<UserRow>> {
        todo!()
    }
    pub async fn add_user(&self, caller: &Caller, name: UserName, role: Role, password: &str) -> Result<()> {
        todo!()
    }
    pub async fn set_role(&self, caller: &Caller, name: &UserName, role: Role) -> Result<()> {
        todo!()
    }
    pub async fn set_password(&self, caller: &Caller, name: &UserName, password: &str) -> Result<()> {
        todo!()
    }
    /// The last admin can't be removed.
    pub async fn remove_user(&self, caller: &Caller, name: &UserName) -> Result<()> {
        todo!()
    }
}
