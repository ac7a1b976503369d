//! Table `containers`.

use crate::endpoints::{self, EndpointRow};
use crate::error::{Result, json, parsed, to_json, unique};
use crate::{Db, StoreError};
use gantry_model::{ContainerId, ContainerName, ContainerSpec, Digest, PortBinding, State};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::net::IpAddr;

/// What a user wants of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desired {
    Running,
    Stopped,
    Removed,
}

impl Desired {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
        }
    }
}

/// The process that runs, image defaults merged in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessRow {
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    pub user: String,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRow {
    pub id: ContainerId,
    pub name: ContainerName,
    pub image_id: Digest,
    pub spec: ContainerSpec,
    pub process: ProcessRow,
    pub desired: Desired,
    pub ip: Option<IpAddr>,
    /// On networks made by users.
    pub endpoints: Vec<EndpointRow>,
    pub fact: Fact,
    pub created_at_ms: i64,
}

/// The part that a run changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub state: State,
    pub exit_code: Option<i32>,
    pub oom_killed: bool,
    pub error: String,
    pub restart_count: u32,
    pub ports: Vec<PortBinding>,
    pub started_at_ms: Option<i64>,
    pub finished_at_ms: Option<i64>,
}

impl Default for Fact {
    fn default() -> Self {
        Self {
            state: State::Created,
            exit_code: None,
            oom_killed: false,
            error: String::new(),
            restart_count: 0,
            ports: Vec::new(),
            started_at_ms: None,
            finished_at_ms: None,
        }
    }
}

/// Adds a row, with the volumes it uses and its places on networks.
///
/// # Errors
/// [`StoreError::Taken`] if the name or address is another's.
pub async fn insert(db: &Db, row: &ContainerRow, volumes: &[String]) -> Result<()> {
    let mut tx = db.writer.begin().await?;
    sqlx::query("INSERT INTO containers (id, name, image_id, spec, process, state, desired, ip, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(row.id.as_str())
        .bind(row.name.as_str())
        .bind(row.image_id.as_str())
        .bind(to_json(&row.spec))
        .bind(to_json(&row.process))
        .bind(row.fact.state.as_str())
        .bind(row.desired.as_str())
        .bind(row.ip.map(|ip| ip.to_string()))
        .bind(row.created_at_ms)
        .execute(&mut *tx)
        .await
        .map_err(unique("the container's name or address"))?;
    for volume in volumes {
        sqlx::query("INSERT OR IGNORE INTO volume_uses (volume_name, container_id) VALUES (?, ?)").bind(volume).bind(row.id.as_str()).execute(&mut *tx).await?;
    }
    for endpoint in &row.endpoints {
        endpoints::add(&mut tx, &row.id, endpoint).await?;
    }
    Ok(tx.commit().await?)
}

/// Every row, oldest first.
pub async fn all(db: &Db) -> Result<Vec<ContainerRow>> {
    let rows = sqlx::query(
        "SELECT id, name, image_id, spec, process, state, desired, ip, exit_code, oom_killed, error, restart_count, ports, created_at_ms, started_at_ms, finished_at_ms \
         FROM containers ORDER BY created_at_ms, id",
    )
    .fetch_all(&db.readers)
    .await?;
    let mut places = endpoints::all(db).await?;
    rows.iter().map(|row| read(row).map(|row| ContainerRow { endpoints: places.remove(&row.id).unwrap_or_default(), ..row })).collect()
}

/// Writes what a run changed.
pub async fn set_fact(db: &Db, id: &ContainerId, fact: &Fact) -> Result<()> {
    sqlx::query(
        "UPDATE containers SET state = ?, exit_code = ?, oom_killed = ?, error = ?, restart_count = ?, ports = ?, started_at_ms = ?, finished_at_ms = ? WHERE id = ?",
    )
    .bind(fact.state.as_str())
    .bind(fact.exit_code)
    .bind(fact.oom_killed)
    .bind(&fact.error)
    .bind(fact.restart_count)
    .bind(to_json(&fact.ports))
    .bind(fact.started_at_ms)
    .bind(fact.finished_at_ms)
    .bind(id.as_str())
    .execute(&db.writer)
    .await?;
    Ok(())
}

pub async fn set_desired(db: &Db, id: &ContainerId, desired: Desired) -> Result<()> {
    sqlx::query("UPDATE containers SET desired = ? WHERE id = ?").bind(desired.as_str()).bind(id.as_str()).execute(&db.writer).await?;
    Ok(())
}

/// # Errors
/// [`StoreError::Taken`] if another container has the name.
pub async fn rename(db: &Db, id: &ContainerId, name: &ContainerName) -> Result<()> {
    sqlx::query("UPDATE containers SET name = ? WHERE id = ?")
        .bind(name.as_str())
        .bind(id.as_str())
        .execute(&db.writer)
        .await
        .map_err(unique("the container's name"))?;
    Ok(())
}

/// Gives the container an address on the default bridge, or takes it back.
///
/// # Errors
/// [`StoreError::Taken`] if another container has it.
pub async fn set_ip(db: &Db, id: &ContainerId, ip: Option<IpAddr>) -> Result<()> {
    sqlx::query("UPDATE containers SET ip = ? WHERE id = ?")
        .bind(ip.map(|ip| ip.to_string()))
        .bind(id.as_str())
        .execute(&db.writer)
        .await
        .map_err(unique("the container's address"))?;
    Ok(())
}

/// Writes a changed wish (`update`, a first terminal size).
pub async fn set_spec(db: &Db, id: &ContainerId, spec: &ContainerSpec) -> Result<()> {
    sqlx::query("UPDATE containers SET spec = ? WHERE id = ?").bind(to_json(spec)).bind(id.as_str()).execute(&db.writer).await?;
    Ok(())
}

/// Removes a row; its terminals and volume uses go with it.
pub async fn delete(db: &Db, id: &ContainerId) -> Result<()> {
    sqlx::query("DELETE FROM containers WHERE id = ?").bind(id.as_str()).execute(&db.writer).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<ContainerRow> {
    let text = |column: &'static str| row.try_get::<String, _>(column).map_err(StoreError::from);
    let desired = match text("desired")?.as_str() {
        "running" => Desired::Running,
        "removed" => Desired::Removed,
        _ => Desired::Stopped,
    };
    Ok(ContainerRow {
        id: parsed("containers.id", &text("id")?)?,
        name: parsed("containers.name", &text("name")?)?,
        image_id: parsed("containers.image_id", &text("image_id")?)?,
        spec: json("containers.spec", &text("spec")?)?,
        process: json("containers.process", &text("process")?)?,
        desired,
        ip: row.try_get::<Option<String>, _>("ip")?.map(|ip| parsed("containers.ip", &ip)).transpose()?,
        endpoints: Vec::new(),
        fact: Fact {
            state: parsed("containers.state", &text("state")?)?,
            exit_code: row.try_get("exit_code")?,
            oom_killed: row.try_get("oom_killed")?,
            error: text("error")?,
            restart_count: row.try_get("restart_count")?,
            ports: json("containers.ports", &text("ports")?)?,
            started_at_ms: row.try_get("started_at_ms")?,
            finished_at_ms: row.try_get("finished_at_ms")?,
        },
        created_at_ms: row.try_get("created_at_ms")?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::db::tests::scratch;

    pub(crate) fn row(byte: u8, name: &str) -> ContainerRow {
        ContainerRow {
            id: ContainerId::from_bytes([byte; 32]),
            name: name.parse().expect("a name"),
            image_id: Digest::sha256([1; 32]),
            spec: ContainerSpec { image: "busybox".into(), ..ContainerSpec::default() },
            process: ProcessRow { args: vec!["sh".into()], ..ProcessRow::default() },
            desired: Desired::Stopped,
            ip: None,
            endpoints: Vec::new(),
            fact: Fact::default(),
            created_at_ms: i64::from(byte),
        }
    }

    #[tokio::test]
    async fn a_row_comes_back_as_it_was_written() {
        let (_folder, db) = scratch().await;
        let mut web = row(1, "web");
        insert(&db, &web, &[]).await.expect("insert");
        web.fact = Fact {
            state: State::Exited,
            exit_code: Some(3),
            error: "why".into(),
            started_at_ms: Some(5),
            ports: PortBinding::parse("80:80").expect("valid"),
            ..Fact::default()
        };
        set_fact(&db, &web.id, &web.fact).await.expect("update");
        web.spec.limits.pids = Some(7);
        set_spec(&db, &web.id, &web.spec).await.expect("update");
        assert_eq!(all(&db).await.expect("read"), [web]);
    }

    #[tokio::test]
    async fn two_containers_never_have_one_name() {
        let (_folder, db) = scratch().await;
        insert(&db, &row(1, "web"), &[]).await.expect("insert");
        assert!(matches!(insert(&db, &row(2, "web"), &[]).await, Err(StoreError::Taken { .. })));
        insert(&db, &row(3, "db1"), &[]).await.expect("insert");
        assert!(matches!(rename(&db, &row(3, "db1").id, &"web".parse().expect("a name")).await, Err(StoreError::Taken { .. })));
    }
}
