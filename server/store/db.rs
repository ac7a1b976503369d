//! Opens the database and brings it up to date.

use crate::error::{Result, StoreError};
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// One writer, so that writes queue here and never in SQLite, and a few readers beside it.
#[derive(Debug, Clone)]
pub struct Db {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Db {
    /// Opens or makes the database file and applies the migrations it lacks.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a later release wrote it.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may lose the last commits but never the database; what runs is told by the monitors anyway.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new().max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None).connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await.map_err(|source| match source {
            sqlx::migrate::MigrateError::VersionMissing(version) => StoreError::Newer { version },
            source => StoreError::Migrate { source },
        })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { writer, readers })
    }

    /// Writes everything back and closes.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A database in a folder of its own.
    pub(crate) async fn scratch() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().expect("make a scratch folder");
        let db = Db::open(&folder.path().join("gantry.db")).await.expect("open a new database");
        (folder, db)
    }

    #[tokio::test]
    async fn an_old_data_folder_opens_again() {
        let (folder, db) = scratch().await;
        crate::settings::set(&db, "host_id", "x").await.expect("write");
        db.close().await;
        let db = Db::open(&folder.path().join("gantry.db")).await.expect("open again");
        assert_eq!(crate::settings::get(&db, "host_id").await.expect("read").as_deref(), Some("x"));
    }
}
