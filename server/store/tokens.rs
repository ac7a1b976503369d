//! Table `tokens`: what lets programs in over TCP.

use crate::error::{Result, parsed, unique};
use crate::{Db, StoreError};
use gantry_model::{Role, TokenName};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub name: TokenName,
    pub role: Role,
    pub owner: String,
    pub created_at_ms: i64,
    pub expires_at_ms: Option<i64>,
    pub last_used_at_ms: Option<i64>,
}

/// Adds a token, of which only the hash is kept.
///
/// # Errors
/// [`StoreError::Taken`] if the name is another's.
pub async fn insert(db: &Db, row: &TokenRow, hash: &str) -> Result<()> {
    sqlx::query("INSERT INTO tokens (name, hash, role, owner, created_at_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(row.name.as_str())
        .bind(hash)
        .bind(row.role.as_str())
        .bind(&row.owner)
        .bind(row.created_at_ms)
        .bind(row.expires_at_ms)
        .execute(&db.writer)
        .await
        .map_err(unique("the token name"))?;
    Ok(())
}

pub async fn all(db: &Db) -> Result<Vec<TokenRow>> {
    let rows = sqlx::query("SELECT name, role, owner, created_at_ms, expires_at_ms, last_used_at_ms FROM tokens ORDER BY name").fetch_all(&db.readers).await?;
    rows.iter().map(read).collect()
}

/// The token with this hash, if it is alive and its owner, where that is a user of the pages, may log in. Its role is at most the owner's.
pub async fn alive(db: &Db, hash: &str, now_ms: i64) -> Result<Option<TokenRow>> {
    let row = sqlx::query(
        "SELECT tokens.name, tokens.role, owner, tokens.created_at_ms, expires_at_ms, last_used_at_ms, users.role AS owner_role \
         FROM tokens LEFT JOIN users ON users.name = owner \
         WHERE hash = ? AND (expires_at_ms IS NULL OR expires_at_ms > ?) AND coalesce(disabled, 0) = 0",
    )
    .bind(hash)
    .bind(now_ms)
    .fetch_optional(&db.readers)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut token = read(&row)?;
    if let Some(most) = row.try_get::<Option<String>, _>("owner_role").map_err(StoreError::from)? {
        token.role = token.role.min(parsed("users.role", &most)?);
    }
    Ok(Some(token))
}

pub async fn set_last_used(db: &Db, name: &TokenName, at_ms: i64) -> Result<()> {
    sqlx::query("UPDATE tokens SET last_used_at_ms = ? WHERE name = ?").bind(at_ms).bind(name.as_str()).execute(&db.writer).await?;
    Ok(())
}

/// False if there is no such token.
pub async fn delete(db: &Db, name: &TokenName) -> Result<bool> {
    let done = sqlx::query("DELETE FROM tokens WHERE name = ?").bind(name.as_str()).execute(&db.writer).await?;
    Ok(done.rows_affected() == 1)
}

fn read(row: &SqliteRow) -> Result<TokenRow> {
    let text = |column: &'static str| row.try_get::<String, _>(column).map_err(StoreError::from);
    Ok(TokenRow {
        name: parsed("tokens.name", &text("name")?)?,
        role: parsed("tokens.role", &text("role")?)?,
        owner: text("owner")?,
        created_at_ms: row.try_get("created_at_ms")?,
        expires_at_ms: row.try_get("expires_at_ms")?,
        last_used_at_ms: row.try_get("last_used_at_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::scratch;
    use crate::users;

    fn token(name: &str, role: Role, owner: &str) -> TokenRow {
        let name = name.parse().expect("a name");
        TokenRow { name, role, owner: owner.to_owned(), created_at_ms: 1, expires_at_ms: None, last_used_at_ms: None }
    }

    #[tokio::test]
    async fn a_token_lives_until_its_end_and_as_long_as_its_owner() {
        let (_folder, db) = scratch().await;
        for (name, role) in [("ada", Role::Admin), ("bob", Role::Viewer)] {
            let row = users::UserRow {
                name: name.parse().expect("a name"),
                role,
                password_hash: "x".into(),
                disabled: false,
                created_at_ms: 1,
                last_login_at_ms: None,
            };
            users::insert(&db, &row).await.expect("insert");
        }
        insert(&db, &token("old", Role::Admin, "root"), "h1").await.expect("insert");
        insert(&db, &TokenRow { expires_at_ms: Some(100), ..token("ends", Role::Operator, "root") }, "h2").await.expect("insert");
        insert(&db, &token("bobs", Role::Admin, "bob"), "h3").await.expect("insert");
        assert!(matches!(insert(&db, &token("old", Role::Admin, "x"), "h4").await, Err(StoreError::Taken { .. })));
        let role = async |hash: &str, now| alive(&db, hash, now).await.expect("answered").map(|token| token.role);
        assert_eq!(role("h1", 1_000).await, Some(Role::Admin));
        assert_eq!((role("h2", 99).await, role("h2", 100).await), (Some(Role::Operator), None));
        assert_eq!(role("h3", 1).await, Some(Role::Viewer), "not more than its owner may");
        assert_eq!(role("none", 1).await, None);
        assert!(users::delete(&db, &"bob".parse().expect("a name")).await.expect("delete"));
        assert_eq!(role("h3", 1).await, None, "it goes with its owner");
        assert!(delete(&db, &"old".parse().expect("a name")).await.expect("delete"));
        assert_eq!(all(&db).await.expect("listed").len(), 1);
    }
}
