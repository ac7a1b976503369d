//! Table `terminals`: sessions opened in the browser.

use crate::error::{Result, json, parsed, to_json};
use crate::{Db, StoreError};
use gantry_model::{ContainerId, ExecId};
use sqlx::Row as _;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalRow {
    pub id: ExecId,
    pub container_id: ContainerId,
    pub command: Vec<String>,
    pub user: String,
    pub opened_by: String,
    pub opened_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    pub ended: Option<String>,
}

pub async fn insert(db: &Db, row: &TerminalRow) -> Result<()> {
    sqlx::query("INSERT INTO terminals (id, container_id, command, user, opened_by, opened_at_ms) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(row.id.as_str())
        .bind(row.container_id.as_str())
        .bind(to_json(&row.command))
        .bind(&row.user)
        .bind(&row.opened_by)
        .bind(row.opened_at_ms)
        .execute(&db.writer)
        .await?;
    Ok(())
}

/// Writes why a terminal ended; the first reason stays.
pub async fn end(db: &Db, id: &ExecId, at_ms: i64, why: &str) -> Result<()> {
    sqlx::query("UPDATE terminals SET ended_at_ms = ?, ended = ? WHERE id = ? AND ended_at_ms IS NULL")
        .bind(at_ms)
        .bind(why)
        .bind(id.as_str())
        .execute(&db.writer)
        .await?;
    Ok(())
}

/// Forgets those that ended before a time.
pub async fn forget_ended(db: &Db, before_ms: i64) -> Result<()> {
    sqlx::query("DELETE FROM terminals WHERE ended_at_ms < ?").bind(before_ms).execute(&db.writer).await?;
    Ok(())
}

/// Oldest first.
pub async fn all(db: &Db) -> Result<Vec<TerminalRow>> {
    let rows = sqlx::query("SELECT id, container_id, command, user, opened_by, opened_at_ms, ended_at_ms, ended FROM terminals ORDER BY opened_at_ms, id")
        .fetch_all(&db.readers)
        .await?;
    rows.iter()
        .map(|row| {
            let text = |column: &'static str| row.try_get::<String, _>(column).map_err(StoreError::from);
            Ok(TerminalRow {
                id: parsed("terminals.id", &text("id")?)?,
                container_id: parsed("terminals.container_id", &text("container_id")?)?,
                command: json("terminals.command", &text("command")?)?,
                user: text("user")?,
                opened_by: text("opened_by")?,
                opened_at_ms: row.try_get("opened_at_ms")?,
                ended_at_ms: row.try_get("ended_at_ms")?,
                ended: row.try_get("ended")?,
            })
        })
        .collect()
}
