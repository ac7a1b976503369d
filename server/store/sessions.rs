//! Table `sessions`: logged-in browsers.

use crate::error::{Result, parsed};
use crate::{Db, StoreError};
use gantry_model::{Role, UserName};
use sqlx::Row as _;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the cookie, hex.
    pub id: String,
    pub user_name: UserName,
    pub csrf_token: String,
    pub user_agent: String,
    pub created_at_ms: i64,
    pub seen_at_ms: i64,
    pub expires_at_ms: i64,
}

/// Adds a session and forgets expired ones.
pub async fn insert(db: &Db, row: &SessionRow) -> Result<()> {
    let mut tx = db.writer.begin().await?;
    sqlx::query("DELETE FROM sessions WHERE expires_at_ms < ?").bind(row.created_at_ms).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO sessions (id, user_name, csrf_token, user_agent, created_at_ms, seen_at_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(&row.id)
        .bind(row.user_name.as_str())
        .bind(&row.csrf_token)
        .bind(&row.user_agent)
        .bind(row.created_at_ms)
        .bind(row.seen_at_ms)
        .bind(row.expires_at_ms)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// The session with this id and its user's role, if it is alive and the user may log in.
pub async fn alive(db: &Db, id: &str, now_ms: i64) -> Result<Option<(SessionRow, Role)>> {
    let row = sqlx::query(
        "SELECT id, user_name, csrf_token, user_agent, sessions.created_at_ms, seen_at_ms, expires_at_ms, role \
         FROM sessions JOIN users ON users.name = user_name WHERE id = ? AND expires_at_ms > ? AND disabled = 0",
    )
    .bind(id)
    .bind(now_ms)
    .fetch_optional(&db.readers)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let text = |column: &'static str| row.try_get::<String, _>(column).map_err(StoreError::from);
    let session = SessionRow {
        id: text("id")?,
        user_name: parsed("sessions.user_name", &text("user_name")?)?,
        csrf_token: text("csrf_token")?,
        user_agent: text("user_agent")?,
        created_at_ms: row.try_get("created_at_ms")?,
        seen_at_ms: row.try_get("seen_at_ms")?,
        expires_at_ms: row.try_get("expires_at_ms")?,
    };
    Ok(Some((session, parsed("users.role", &text("role")?)?)))
}

/// Slides the end of a session.
pub async fn touch(db: &Db, id: &str, seen_at_ms: i64, expires_at_ms: i64) -> Result<()> {
    sqlx::query("UPDATE sessions SET seen_at_ms = ?, expires_at_ms = ? WHERE id = ?").bind(seen_at_ms).bind(expires_at_ms).bind(id).execute(&db.writer).await?;
    Ok(())
}

pub async fn delete(db: &Db, id: &str) -> Result<()> {
    sqlx::query("DELETE FROM sessions WHERE id = ?").bind(id).execute(&db.writer).await?;
    Ok(())
}

/// Logs a user out everywhere.
pub async fn delete_of(db: &Db, name: &UserName) -> Result<()> {
    sqlx::query("DELETE FROM sessions WHERE user_name = ?").bind(name.as_str()).execute(&db.writer).await?;
    Ok(())
}
