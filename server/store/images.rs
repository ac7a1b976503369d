//! Tables `images` and `tags`.

use crate::error::{Result, parsed};
use crate::{Db, StoreError};
use gantry_model::{Digest, ImageRef};
use sqlx::Row as _;

/// One image with its names, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    pub id: Digest,
    pub created_at_ms: i64,
    pub added_at_ms: i64,
    pub size_bytes: u64,
    pub tags: Vec<ImageRef>,
}

/// Adds an image and moves `tags` to it, in one transaction.
pub async fn put(db: &Db, row: &ImageRow) -> Result<()> {
    let mut tx = db.writer.begin().await?;
    sqlx::query(
        "INSERT INTO images (id, created_at_ms, added_at_ms, size_bytes) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET size_bytes = excluded.size_bytes",
    )
    .bind(row.id.as_str())
    .bind(row.created_at_ms)
    .bind(row.added_at_ms)
    .bind(row.size_bytes as i64)
    .execute(&mut *tx)
    .await?;
    for tag in &row.tags {
        sqlx::query("INSERT INTO tags (reference, image_id) VALUES (?, ?) ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id")
            .bind(tag.to_string())
            .bind(row.id.as_str())
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}

/// Every image, newest first.
pub async fn all(db: &Db) -> Result<Vec<ImageRow>> {
    let rows = sqlx::query(
        "SELECT images.id, created_at_ms, added_at_ms, size_bytes, reference FROM images LEFT JOIN tags ON tags.image_id = images.id \
         ORDER BY created_at_ms DESC, added_at_ms DESC, images.id, reference",
    )
    .fetch_all(&db.readers)
    .await?;
    let mut images: Vec<ImageRow> = Vec::new();
    for row in &rows {
        let id: Digest = parsed("images.id", &row.try_get::<String, _>("id")?)?;
        let tag = row.try_get::<Option<String>, _>("reference")?.map(|text| parsed("tags.reference", &text)).transpose()?;
        if images.last().is_none_or(|last| last.id != id) {
            let size: i64 = row.try_get("size_bytes")?;
            images.push(ImageRow {
                id,
                created_at_ms: row.try_get("created_at_ms")?,
                added_at_ms: row.try_get("added_at_ms")?,
                size_bytes: size as u64,
                tags: Vec::new(),
            });
        }
        if let (Some(image), Some(tag)) = (images.last_mut(), tag) {
            image.tags.push(tag);
        }
    }
    Ok(images)
}

/// Points a name to an image.
pub async fn tag(db: &Db, reference: &ImageRef, id: &Digest) -> Result<()> {
    sqlx::query("INSERT INTO tags (reference, image_id) VALUES (?, ?) ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id")
        .bind(reference.to_string())
        .bind(id.as_str())
        .execute(&db.writer)
        .await?;
    Ok(())
}

/// Takes a name away. False if there was none.
pub async fn untag(db: &Db, reference: &ImageRef) -> Result<bool> {
    let done = sqlx::query("DELETE FROM tags WHERE reference = ?").bind(reference.to_string()).execute(&db.writer).await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets an image and its names. Its files are swept later.
pub async fn delete(db: &Db, id: &Digest) -> Result<()> {
    sqlx::query("DELETE FROM images WHERE id = ?").bind(id.as_str()).execute(&db.writer).await.map_err(StoreError::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::scratch;

    fn image(byte: u8, tags: &[&str]) -> ImageRow {
        ImageRow {
            id: Digest::sha256([byte; 32]),
            created_at_ms: 1,
            added_at_ms: i64::from(byte),
            size_bytes: 7,
            tags: tags.iter().map(|tag| tag.parse().expect("a reference")).collect(),
        }
    }

    #[tokio::test]
    async fn a_name_moves_to_the_newer_image() {
        let (_folder, db) = scratch().await;
        put(&db, &image(1, &["app:1", "app:2"])).await.expect("put");
        put(&db, &image(2, &["app:2"])).await.expect("put");
        assert_eq!(all(&db).await.expect("read"), [image(2, &["app:2"]), image(1, &["app:1"])]);
        delete(&db, &image(2, &[]).id).await.expect("delete");
        assert!(!untag(&db, &"app:2".parse().expect("a reference")).await.expect("untag"));
    }
}
