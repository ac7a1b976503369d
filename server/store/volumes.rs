//! Tables `volumes` and `volume_uses`.

use crate::Db;
use crate::error::{Result, json, to_json};
use gantry_model::ContainerId;
use std::collections::BTreeMap;

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    pub name: String,
    pub anonymous: bool,
    pub created_at_ms: i64,
    pub labels: BTreeMap<String, String>,
    /// Containers that mount it.
    pub uses: u32,
}

/// All volumes by name.
pub async fn all(db: &Db) -> Result<Vec<VolumeRow>> {
    let rows: Vec<(String, bool, i64, String, u32)> =
        sqlx::query_as("SELECT name, anonymous, created_at_ms, labels, (SELECT COUNT(*) FROM volume_uses WHERE volume_name = name) FROM volumes ORDER BY name")
            .fetch_all(&db.readers)
            .await?;
    let row = |(name, anonymous, created_at_ms, labels, uses): (_, _, _, String, _)| {
        Ok(VolumeRow { name, anonymous, created_at_ms, labels: json("labels", &labels)?, uses })
    };
    rows.into_iter().map(row).collect()
}

/// Keeps the labels of a volume.
pub async fn label(db: &Db, name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
    sqlx::query("UPDATE volumes SET labels = ? WHERE name = ?").bind(to_json(labels)).bind(name).execute(&db.writer).await?;
    Ok(())
}

/// Makes a volume known. False if it was already.
pub async fn ensure(db: &Db, name: &str, anonymous: bool, now_ms: i64) -> Result<bool> {
    let done = sqlx::query("INSERT OR IGNORE INTO volumes (name, anonymous, created_at_ms) VALUES (?, ?, ?)")
        .bind(name)
        .bind(anonymous)
        .bind(now_ms)
        .execute(&db.writer)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Anonymous volumes that only this container uses.
pub async fn anonymous_of(db: &Db, id: &ContainerId) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT name FROM volumes JOIN volume_uses ON volume_name = name WHERE anonymous = 1 AND container_id = ?1 \
         AND NOT EXISTS (SELECT 1 FROM volume_uses AS other WHERE other.volume_name = name AND other.container_id <> ?1)",
    )
    .bind(id.as_str())
    .fetch_all(&db.readers)
    .await?)
}

/// Anonymous volumes that no container uses.
pub async fn orphans(db: &Db) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT name FROM volumes WHERE anonymous = 1 AND name NOT IN (SELECT volume_name FROM volume_uses)").fetch_all(&db.readers).await?)
}

/// Forgets a volume that no container uses. False if one does.
pub async fn delete(db: &Db, name: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM volumes WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM volume_uses WHERE volume_name = ?1)")
        .bind(name)
        .execute(&db.writer)
        .await?;
    Ok(done.rows_affected() == 1)
}
