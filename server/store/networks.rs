//! Table `networks`.

use crate::Db;
use crate::error::{Result, json, parsed, to_json, unique};
use gantry_model::{NetworkId, NetworkSpec, Subnet};
use std::net::Ipv4Addr;

/// One network made by a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRow {
    pub id: NetworkId,
    pub spec: NetworkSpec,
    pub subnet: Subnet,
    pub gateway: Ipv4Addr,
    /// Interface on the host.
    pub bridge: String,
    /// Its removal was begun.
    pub doomed: bool,
    pub created_at_ms: i64,
}

/// All networks by name.
pub async fn all(db: &Db) -> Result<Vec<NetworkRow>> {
    let rows: Vec<(String, String, String, String, String, bool, i64)> =
        sqlx::query_as("SELECT id, spec, subnet, gateway, bridge, desired = 'removed', created_at_ms FROM networks ORDER BY name")
            .fetch_all(&db.readers)
            .await?;
    let row = |(id, spec, subnet, gateway, bridge, doomed, created_at_ms): (String, String, String, String, String, bool, i64)| {
        Ok(NetworkRow {
            id: parsed("networks.id", &id)?,
            spec: json("networks.spec", &spec)?,
            subnet: parsed("networks.subnet", &subnet)?,
            gateway: parsed("networks.gateway", &gateway)?,
            bridge,
            doomed,
            created_at_ms,
        })
    };
    rows.into_iter().map(row).collect()
}

/// # Errors
/// [`crate::StoreError::Taken`] if name, subnet or bridge are another's.
pub async fn insert(db: &Db, row: &NetworkRow) -> Result<()> {
    sqlx::query("INSERT INTO networks (id, name, spec, subnet, gateway, bridge, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(row.id.as_str())
        .bind(&row.spec.name)
        .bind(to_json(&row.spec))
        .bind(row.subnet.to_string())
        .bind(row.gateway.to_string())
        .bind(&row.bridge)
        .bind(row.created_at_ms)
        .execute(&db.writer)
        .await
        .map_err(unique("the network's name, subnet or bridge"))?;
    Ok(())
}

/// Begins a removal: should the server die now, its next start goes on with it.
pub async fn doom(db: &Db, id: &NetworkId) -> Result<()> {
    sqlx::query("UPDATE networks SET desired = 'removed' WHERE id = ?").bind(id.as_str()).execute(&db.writer).await?;
    Ok(())
}

/// Forgets a network. Places on it are without one from now on.
pub async fn delete(db: &Db, id: &NetworkId) -> Result<()> {
    sqlx::query("DELETE FROM networks WHERE id = ?").bind(id.as_str()).execute(&db.writer).await?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::StoreError;
    use crate::db::tests::scratch;

    pub(crate) fn network(byte: u8) -> NetworkRow {
        NetworkRow {
            id: NetworkId::from_bytes([byte; 32]),
            spec: NetworkSpec { name: format!("net{byte}"), internal: true, ..NetworkSpec::default() },
            subnet: Subnet::around(Ipv4Addr::new(10, byte, 0, 0), 16),
            gateway: Ipv4Addr::new(10, byte, 0, 1),
            bridge: format!("br{byte}"),
            doomed: false,
            created_at_ms: 1,
        }
    }

    #[tokio::test]
    async fn a_network_comes_back_as_it_was_written_until_it_is_removed() {
        let (_folder, db) = scratch().await;
        insert(&db, &network(1)).await.expect("insert");
        assert_eq!(all(&db).await.expect("read"), [network(1)]);
        doom(&db, &network(1).id).await.expect("update");
        assert!(all(&db).await.expect("read")[0].doomed);
        delete(&db, &network(1).id).await.expect("delete");
        assert!(all(&db).await.expect("read").is_empty());
    }

    #[tokio::test]
    async fn no_two_networks_have_a_name_a_subnet_or_a_bridge() {
        let (_folder, db) = scratch().await;
        insert(&db, &network(1)).await.expect("insert");
        let other = network(2);
        for row in [
            NetworkRow { spec: network(1).spec, ..other.clone() },
            NetworkRow { subnet: network(1).subnet, ..other.clone() },
            NetworkRow { bridge: network(1).bridge, ..other.clone() },
        ] {
            assert!(matches!(insert(&db, &row).await, Err(StoreError::Taken { .. })), "{row:?}");
        }
        insert(&db, &other).await.expect("insert");
    }
}
