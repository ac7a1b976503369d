//! Accounts, sessions of the page, and the first admin.

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::events::EventKind;
use crate::{Engine, EngineError, Result, random};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use gantry_model::{Action, Caller, Door, Kind, Role, UserName};
use gantry_store::{sessions, settings, users};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

const HOUR_MS: i64 = 3_600_000;
/// A session nobody uses ends after this.
const SESSION_MS: i64 = 7 * 24 * HOUR_MS;
/// How often a used session's end is moved, so that not every request writes.
const TOUCH_MS: i64 = 5 * 60_000;
/// Failures of one name within the window before it has to wait.
const NAME_LIMIT: i64 = 10;
/// Failures of one address: more, as people share addresses.
const ADDRESS_LIMIT: i64 = 30;
const WINDOW_MS: i64 = 15 * 60_000;
const SETUP_KEY: &str = "setup_code_hash";
const SHORTEST_PASSWORD: usize = 8;

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

type LoginResult<T> = std::result::Result<T, LoginError>;

fn failed(error: impl Into<EngineError>) -> LoginError {
    LoginError::Failed(error.into().chain())
}

impl Engine {
    /// The one-time code that makes the first admin; `None` once there is a user. Each call makes a new code, the old one is void.
    pub async fn setup_code(&self, caller: &Caller) -> Result<Option<String>> {
        authorize(caller, Action::Administer)?;
        if !self.needs_setup() {
            return Ok(None);
        }
        let code = random::setup_code();
        settings::set(&self.inner.db, SETUP_KEY, &fingerprint(&code)).await?;
        Ok(Some(code))
    }

    /// True until the first user exists.
    pub fn needs_setup(&self) -> bool {
        self.inner.needs_setup.load(Ordering::Relaxed)
    }

    /// Makes the first admin and logs in. Attempts are limited by address.
    pub async fn set_up(&self, code: &str, name: UserName, password: &str, from: IpAddr) -> LoginResult<NewSession> {
        let subject = format!("addr:{from}");
        self.check_limit(&subject, ADDRESS_LIMIT).await?;
        let expected = settings::get(&self.inner.db, SETUP_KEY).await.map_err(failed)?.unwrap_or_default();
        let given = fingerprint(&code.trim().to_ascii_lowercase());
        if !self.needs_setup() || !bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), given.as_bytes())) {
            self.note_failure(&subject).await?;
            return Err(LoginError::Failed("wrong setup code: the server prints it when it starts".to_owned()));
        }
        check_password(password).map_err(failed)?;
        let row = self.user_row(name.clone(), Role::Admin, password).await.map_err(failed)?;
        if !users::insert_first(&self.inner.db, &row).await.map_err(failed)? {
            return Err(LoginError::Failed("somebody else made the admin first: log in".to_owned()));
        }
        self.inner.needs_setup.store(false, Ordering::Relaxed);
        settings::remove(&self.inner.db, SETUP_KEY).await.map_err(failed)?;
        self.tell_user("create", &name);
        self.new_session(name, Role::Admin, "").await.map_err(failed)
    }

    /// Takes equal time for unknown names; limited by name and address.
    pub async fn log_in(&self, name: &str, password: &str, from: IpAddr, user_agent: &str) -> LoginResult<NewSession> {
        let name = name.trim().to_ascii_lowercase();
        let subjects = [(format!("addr:{from}"), ADDRESS_LIMIT), (format!("name:{}", name.chars().take(64).collect::<String>()), NAME_LIMIT)];
        for (subject, limit) in &subjects {
            self.check_limit(subject, *limit).await?;
        }
        let user = users::get(&self.inner.db, &name).await.map_err(failed)?.filter(|user| !user.disabled);
        let hash = user.as_ref().map_or_else(|| self.inner.decoy_hash.clone(), |user| user.password_hash.clone());
        let right = self.verify(password.to_owned(), hash).await.map_err(failed)?;
        match user {
            Some(user) if right => {
                users::clear_failures(&self.inner.db, &subjects[1].0).await.map_err(failed)?;
                users::set_last_login(&self.inner.db, &user.name, now_ms()).await.map_err(failed)?;
                self.new_session(user.name, user.role, user_agent).await.map_err(failed)
            }
            _ => {
                tracing::warn!(from = %from, "a login failed");
                for (subject, _) in &subjects {
                    self.note_failure(subject).await?;
                }
                Err(LoginError::Wrong)
            }
        }
    }

    /// The session of a cookie; slides its expiry. `None` if unknown, expired or revoked.
    pub async fn session(&self, token: &str) -> Result<Option<SessionInfo>> {
        if token.len() != 64 || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let (id, now) = (fingerprint(token), now_ms());
        let Some((session, role)) = sessions::alive(&self.inner.db, &id, now).await? else { return Ok(None) };
        if now - session.seen_at_ms > TOUCH_MS {
            sessions::touch(&self.inner.db, &id, now, now + SESSION_MS).await?;
        }
        let caller = Caller { user: session.user_name.to_string(), role, door: Door::Page };
        Ok(Some(SessionInfo { caller, csrf_token: session.csrf_token, id }))
    }

    pub async fn log_out(&self, token: &str) -> Result<()> {
        Ok(sessions::delete(&self.inner.db, &fingerprint(token)).await?)
    }

    pub async fn list_users(&self, caller: &Caller) -> Result<Vec<UserRow>> {
        authorize(caller, Action::Administer)?;
        let rows = users::all(&self.inner.db).await?;
        Ok(rows
            .into_iter()
            .map(|row| UserRow {
                name: row.name,
                role: row.role,
                created_at_ms: row.created_at_ms,
                last_login_at_ms: row.last_login_at_ms,
                disabled: row.disabled,
            })
            .collect())
    }

    pub async fn add_user(&self, caller: &Caller, name: UserName, role: Role, password: &str) -> Result<()> {
        authorize(caller, Action::Administer)?;
        check_password(password)?;
        let row = self.user_row(name.clone(), role, password).await?;
        users::insert(&self.inner.db, &row).await.map_err(|error| match error.kind() {
            Kind::Conflict => EngineError::said(Kind::Conflict, format!("there is a user {name} already")),
            _ => error.into(),
        })?;
        self.inner.needs_setup.store(false, Ordering::Relaxed);
        self.tell_user("create", &name);
        Ok(())
    }

    pub async fn set_role(&self, caller: &Caller, name: &UserName, role: Role) -> Result<()> {
        authorize(caller, Action::Administer)?;
        let done = users::set_role(&self.inner.db, name, role).await?;
        self.changed_user(name, done, "keeps the last admin: make another user admin first").await
    }

    pub async fn set_password(&self, caller: &Caller, name: &UserName, password: &str) -> Result<()> {
        // Everybody may change their own.
        if caller.user != name.as_str() || caller.door != Door::Page {
            authorize(caller, Action::Administer)?;
        }
        check_password(password)?;
        let hash = self.hash(password.to_owned()).await?;
        if !users::set_password(&self.inner.db, name, &hash).await? {
            return Err(EngineError::NoSuchUser(name.to_string()));
        }
        // Whoever knew the old password is out.
        sessions::delete_of(&self.inner.db, name).await?;
        self.tell_user("update", name);
        Ok(())
    }

    /// The last admin can't be removed.
    pub async fn remove_user(&self, caller: &Caller, name: &UserName) -> Result<()> {
        authorize(caller, Action::Administer)?;
        let done = users::delete(&self.inner.db, name).await?;
        self.changed_user(name, done, "is the last admin: make another user admin first").await
    }

    async fn changed_user(&self, name: &UserName, done: bool, why_not: &str) -> Result<()> {
        if done {
            self.tell_user("update", name);
            return Ok(());
        }
        if users::get(&self.inner.db, name.as_str()).await?.is_none() {
            return Err(EngineError::NoSuchUser(name.to_string()));
        }
        Err(EngineError::said(Kind::Conflict, format!("{name} {why_not}")))
    }

    async fn new_session(&self, user: UserName, role: Role, user_agent: &str) -> Result<NewSession> {
        let (token, now) = (random::token(), now_ms());
        let row = sessions::SessionRow {
            id: fingerprint(&token),
            user_name: user.clone(),
            csrf_token: random::token(),
            user_agent: user_agent.chars().take(200).collect(),
            created_at_ms: now,
            seen_at_ms: now,
            expires_at_ms: now + SESSION_MS,
        };
        sessions::insert(&self.inner.db, &row).await?;
        Ok(NewSession { token, user, role })
    }

    async fn user_row(&self, name: UserName, role: Role, password: &str) -> Result<users::UserRow> {
        let password_hash = self.hash(password.to_owned()).await?;
        Ok(users::UserRow { name, role, password_hash, disabled: false, created_at_ms: now_ms(), last_login_at_ms: None })
    }

    async fn check_limit(&self, subject: &str, limit: i64) -> LoginResult<()> {
        let now = now_ms();
        let (count, oldest) = users::failures(&self.inner.db, subject, now - WINDOW_MS).await.map_err(failed)?;
        if count < limit {
            return Ok(());
        }
        let wait_ms = oldest.map_or(WINDOW_MS, |oldest| oldest + WINDOW_MS - now);
        Err(LoginError::TooMany((wait_ms / 1000).max(1) as u64))
    }

    async fn note_failure(&self, subject: &str) -> LoginResult<()> {
        let now = now_ms();
        users::add_failure(&self.inner.db, subject, now, now - WINDOW_MS).await.map_err(failed)
    }

    /// Hashing takes 19 MiB and some milliseconds of a core: two at once at most, off the async threads.
    async fn hash(&self, password: String) -> Result<String> {
        let _turn = self.inner.hashing.acquire().await;
        tokio::task::spawn_blocking(move || hash_password(&password)).await?
    }

    async fn verify(&self, password: String, hash: String) -> Result<bool> {
        let _turn = self.inner.hashing.acquire().await;
        Ok(tokio::task::spawn_blocking(move || {
            PasswordHash::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await?)
    }

    fn tell_user(&self, action: &str, name: &UserName) {
        self.inner.events.publish(EventKind::User, action, name.as_str(), BTreeMap::new());
    }
}

/// argon2id in PHC form.
pub(crate) fn hash_password(password: &str) -> Result<String> {
    let hash =
        Argon2::default().hash_password(password.as_bytes()).map_err(|error| EngineError::said(Kind::Internal, format!("hash the password: {error}")))?;
    Ok(hash.to_string())
}

fn check_password(password: &str) -> Result<()> {
    if password.chars().count() < SHORTEST_PASSWORD {
        return Err(EngineError::said(Kind::Invalid, format!("the password is too short: use at least {SHORTEST_PASSWORD} characters")));
    }
    if password.len() > 1024 {
        return Err(EngineError::said(Kind::Invalid, "the password is too long: use at most 1024 bytes"));
    }
    Ok(())
}

/// SHA-256 in hex: enough for random tokens, which nobody can search.
pub(crate) fn fingerprint(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
