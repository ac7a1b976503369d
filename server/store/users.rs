//! Tables `users` and `login_failures`.

use crate::error::{Result, parsed, unique};
use crate::{Db, StoreError};
use gantry_model::{Role, UserName};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    pub name: UserName,
    pub role: Role,
    /// argon2id in PHC form.
    pub password_hash: String,
    pub disabled: bool,
    pub created_at_ms: i64,
    pub last_login_at_ms: Option<i64>,
}

pub async fn count(db: &Db) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&db.readers).await?)
}

pub async fn all(db: &Db) -> Result<Vec<UserRow>> {
    let rows =
        sqlx::query("SELECT name, role, password_hash, disabled, created_at_ms, last_login_at_ms FROM users ORDER BY name").fetch_all(&db.readers).await?;
    rows.iter().map(read).collect()
}

pub async fn get(db: &Db, name: &str) -> Result<Option<UserRow>> {
    let row = sqlx::query("SELECT name, role, password_hash, disabled, created_at_ms, last_login_at_ms FROM users WHERE name = ?")
        .bind(name)
        .fetch_optional(&db.readers)
        .await?;
    row.as_ref().map(read).transpose()
}

/// # Errors
/// [`StoreError::Taken`] if the name is another's.
pub async fn insert(db: &Db, row: &UserRow) -> Result<()> {
    sqlx::query("INSERT INTO users (name, role, password_hash, created_at_ms) VALUES (?, ?, ?, ?)")
        .bind(row.name.as_str())
        .bind(row.role.as_str())
        .bind(&row.password_hash)
        .bind(row.created_at_ms)
        .execute(&db.writer)
        .await
        .map_err(unique("the user name"))?;
    Ok(())
}

/// Adds a user only while there is none. False if somebody was first.
pub async fn insert_first(db: &Db, row: &UserRow) -> Result<bool> {
    let done = sqlx::query("INSERT INTO users (name, role, password_hash, created_at_ms) SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM users)")
        .bind(row.name.as_str())
        .bind(row.role.as_str())
        .bind(&row.password_hash)
        .bind(row.created_at_ms)
        .execute(&db.writer)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Changes a role, unless that would leave no admin. False if it would, or if there is no such user.
pub async fn set_role(db: &Db, name: &UserName, role: Role) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE users SET role = ?1 WHERE name = ?2 AND (?1 = 'admin' OR EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND disabled = 0 AND name <> ?2))",
    )
    .bind(role.as_str())
    .bind(name.as_str())
    .execute(&db.writer)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn set_password(db: &Db, name: &UserName, password_hash: &str) -> Result<bool> {
    let done = sqlx::query("UPDATE users SET password_hash = ? WHERE name = ?").bind(password_hash).bind(name.as_str()).execute(&db.writer).await?;
    Ok(done.rows_affected() == 1)
}

/// Removes a user with the sessions and tokens, unless no admin would be left. False if so, or if there is no such user.
pub async fn delete(db: &Db, name: &UserName) -> Result<bool> {
    let mut tx = db.writer.begin().await?;
    let done = sqlx::query("DELETE FROM users WHERE name = ?1 AND EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND disabled = 0 AND name <> ?1)")
        .bind(name.as_str())
        .execute(&mut *tx)
        .await?;
    if done.rows_affected() == 1 {
        sqlx::query("DELETE FROM tokens WHERE owner = ?").bind(name.as_str()).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(done.rows_affected() == 1)
}

pub async fn set_last_login(db: &Db, name: &UserName, at_ms: i64) -> Result<()> {
    sqlx::query("UPDATE users SET last_login_at_ms = ? WHERE name = ?").bind(at_ms).bind(name.as_str()).execute(&db.writer).await?;
    Ok(())
}

/// Failures of `subject` since a time, with the time of the oldest of them.
pub async fn failures(db: &Db, subject: &str, since_ms: i64) -> Result<(i64, Option<i64>)> {
    let row = sqlx::query("SELECT count(*) AS n, min(at_ms) AS oldest FROM login_failures WHERE subject = ? AND at_ms >= ?")
        .bind(subject)
        .bind(since_ms)
        .fetch_one(&db.readers)
        .await?;
    Ok((row.try_get("n")?, row.try_get("oldest")?))
}

/// Notes a failure and forgets those before `forget_ms`.
pub async fn add_failure(db: &Db, subject: &str, at_ms: i64, forget_ms: i64) -> Result<()> {
    let mut tx = db.writer.begin().await?;
    sqlx::query("DELETE FROM login_failures WHERE at_ms < ?").bind(forget_ms).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO login_failures (subject, at_ms) VALUES (?, ?)").bind(subject).bind(at_ms).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

pub async fn clear_failures(db: &Db, subject: &str) -> Result<()> {
    sqlx::query("DELETE FROM login_failures WHERE subject = ?").bind(subject).execute(&db.writer).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<UserRow> {
    let text = |column: &'static str| row.try_get::<String, _>(column).map_err(StoreError::from);
    Ok(UserRow {
        name: parsed("users.name", &text("name")?)?,
        role: parsed("users.role", &text("role")?)?,
        password_hash: text("password_hash")?,
        disabled: row.try_get("disabled")?,
        created_at_ms: row.try_get("created_at_ms")?,
        last_login_at_ms: row.try_get("last_login_at_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::scratch;

    fn user(name: &str, role: Role) -> UserRow {
        UserRow { name: name.parse().expect("a name"), role, password_hash: "x".into(), disabled: false, created_at_ms: 1, last_login_at_ms: None }
    }

    #[tokio::test]
    async fn the_last_admin_stays() {
        let (_folder, db) = scratch().await;
        assert!(insert_first(&db, &user("ada", Role::Admin)).await.expect("insert"));
        assert!(!insert_first(&db, &user("eve", Role::Admin)).await.expect("insert"));
        insert(&db, &user("bob", Role::Viewer)).await.expect("insert");
        let ada = user("ada", Role::Admin).name;
        assert!(!delete(&db, &ada).await.expect("delete"));
        assert!(!set_role(&db, &ada, Role::Viewer).await.expect("set"));
        assert!(set_role(&db, &user("bob", Role::Viewer).name, Role::Admin).await.expect("set"));
        assert!(delete(&db, &ada).await.expect("delete"));
    }
}
