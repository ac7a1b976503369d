//! Table `jobs`.

use crate::error::{Result, json, parsed, to_json};
use crate::{Db, StoreError};
use gantry_model::JobId;
use sqlx::Row as _;

/// Jobs kept for their pages.
const KEPT: i64 = 500;

/// One row. `kind` and `state` are words of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub id: JobId,
    pub kind: String,
    pub title: String,
    pub state: String,
    pub error: String,
    pub asked_by: String,
    /// Lines, each with its optional id.
    pub output: Vec<(Option<String>, String)>,
    pub results: Vec<String>,
    pub started_at_ms: i64,
    pub finished_at_ms: Option<i64>,
}

/// Adds a row and forgets the oldest beyond the 500 kept.
pub async fn insert(db: &Db, row: &JobRow) -> Result<()> {
    let mut tx = db.writer.begin().await?;
    sqlx::query("INSERT INTO jobs (id, kind, title, state, asked_by, started_at_ms) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(row.id.as_str())
        .bind(&row.kind)
        .bind(&row.title)
        .bind(&row.state)
        .bind(&row.asked_by)
        .bind(row.started_at_ms)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM jobs WHERE state <> 'running' AND id NOT IN (SELECT id FROM jobs ORDER BY started_at_ms DESC LIMIT ?)")
        .bind(KEPT)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Writes how a job ended.
pub async fn finish(db: &Db, row: &JobRow) -> Result<()> {
    sqlx::query("UPDATE jobs SET state = ?, error = ?, output = ?, results = ?, finished_at_ms = ? WHERE id = ?")
        .bind(&row.state)
        .bind(&row.error)
        .bind(to_json(&row.output))
        .bind(to_json(&row.results))
        .bind(row.finished_at_ms)
        .bind(row.id.as_str())
        .execute(&db.writer)
        .await?;
    Ok(())
}

/// Marks what a server that died left running.
pub async fn fail_running(db: &Db, why: &str, now_ms: i64) -> Result<u64> {
    let done = sqlx::query("UPDATE jobs SET state = 'failed', error = ?, finished_at_ms = ? WHERE state = 'running'")
        .bind(why)
        .bind(now_ms)
        .execute(&db.writer)
        .await?;
    Ok(done.rows_affected())
}

/// Newest first.
pub async fn all(db: &Db) -> Result<Vec<JobRow>> {
    let rows =
        sqlx::query("SELECT id, kind, title, state, error, asked_by, output, results, started_at_ms, finished_at_ms FROM jobs ORDER BY started_at_ms DESC, id")
            .fetch_all(&db.readers)
            .await?;
    rows.iter()
        .map(|row| {
            let text = |column: &'static str| row.try_get::<String, _>(column).map_err(StoreError::from);
            Ok(JobRow {
                id: parsed("jobs.id", &text("id")?)?,
                kind: text("kind")?,
                title: text("title")?,
                state: text("state")?,
                error: text("error")?,
                asked_by: text("asked_by")?,
                output: json("jobs.output", &text("output")?)?,
                results: json("jobs.results", &text("results")?)?,
                started_at_ms: row.try_get("started_at_ms")?,
                finished_at_ms: row.try_get("finished_at_ms")?,
            })
        })
        .collect()
}
