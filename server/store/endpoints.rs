//! Table `endpoints`: places of containers on networks made by users.

use crate::Db;
use crate::error::{Result, json, parsed, to_json, unique};
use gantry_model::{ContainerId, EndpointId, EndpointSpec, NetworkId};
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    pub id: EndpointId,
    /// None before the first start, and when the network is gone.
    pub network: Option<NetworkId>,
    pub spec: EndpointSpec,
    pub ip: Option<Ipv4Addr>,
    /// Order of the interfaces.
    pub position: u32,
}

/// All places by container, in the order of their interfaces.
pub async fn all(db: &Db) -> Result<HashMap<ContainerId, Vec<EndpointRow>>> {
    type Row = (String, String, Option<String>, String, Option<String>, u32);
    let rows: Vec<Row> =
        sqlx::query_as("SELECT container_id, id, network_id, spec, ip, position FROM endpoints ORDER BY position").fetch_all(&db.readers).await?;
    let mut all: HashMap<ContainerId, Vec<EndpointRow>> = HashMap::new();
    for (container, id, network, spec, ip, position) in rows {
        let row = EndpointRow {
            id: parsed("endpoints.id", &id)?,
            network: network.map(|id| parsed("endpoints.network_id", &id)).transpose()?,
            spec: json("endpoints.spec", &spec)?,
            ip: ip.map(|ip| parsed("endpoints.ip", &ip)).transpose()?,
            position,
        };
        all.entry(parsed("endpoints.container_id", &container)?).or_default().push(row);
    }
    Ok(all)
}

/// Adds a place to a container that is there.
///
/// # Errors
/// [`crate::StoreError::Taken`] if the address is another's, or the container has a place there.
pub async fn insert(db: &Db, container: &ContainerId, row: &EndpointRow) -> Result<()> {
    let mut connection = db.writer.acquire().await?;
    add(&mut connection, container, row).await
}

pub(crate) async fn add(connection: &mut SqliteConnection, container: &ContainerId, row: &EndpointRow) -> Result<()> {
    sqlx::query("INSERT INTO endpoints (id, container_id, network_id, spec, ip, position) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(row.id.as_str())
        .bind(container.as_str())
        .bind(row.network.as_ref().map(NetworkId::as_str))
        .bind(to_json(&row.spec))
        .bind(row.ip.map(|ip| ip.to_string()))
        .bind(row.position)
        .execute(connection)
        .await
        .map_err(unique("the address on the network"))?;
    Ok(())
}

/// Gives places their networks and addresses, all or none.
///
/// # Errors
/// [`crate::StoreError::Taken`] if an address is another's.
pub async fn place(db: &Db, rows: &[EndpointRow]) -> Result<()> {
    let mut tx = db.writer.begin().await?;
    for row in rows {
        sqlx::query("UPDATE endpoints SET network_id = ?, ip = ?, spec = ? WHERE id = ?")
            .bind(row.network.as_ref().map(NetworkId::as_str))
            .bind(row.ip.map(|ip| ip.to_string()))
            .bind(to_json(&row.spec))
            .bind(row.id.as_str())
            .execute(&mut *tx)
            .await
            .map_err(unique("the address on the network"))?;
    }
    Ok(tx.commit().await?)
}

/// Takes a place back.
pub async fn delete(db: &Db, id: &EndpointId) -> Result<()> {
    sqlx::query("DELETE FROM endpoints WHERE id = ?").bind(id.as_str()).execute(&db.writer).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::tests::row as container;
    use crate::db::tests::scratch;
    use crate::networks::tests::network;
    use crate::{StoreError, containers, networks};

    fn endpoint(byte: u8, ip: Option<Ipv4Addr>) -> EndpointRow {
        let spec = EndpointSpec { network: "net1".to_owned(), aliases: vec!["db".to_owned()], ..EndpointSpec::default() };
        EndpointRow { id: EndpointId::from_bytes([byte; 32]), network: Some(network(1).id), spec, ip, position: 0 }
    }

    #[tokio::test]
    async fn a_place_goes_with_its_container_and_outlives_its_network() {
        let (_folder, db) = scratch().await;
        networks::insert(&db, &network(1)).await.expect("insert");
        let (one, two) = (container(1, "one"), container(2, "two"));
        let place = endpoint(1, Some(Ipv4Addr::new(10, 1, 0, 2)));
        containers::insert(&db, &containers::ContainerRow { endpoints: vec![place.clone()], ..one.clone() }, &[]).await.expect("insert");
        containers::insert(&db, &two, &[]).await.expect("insert");
        insert(&db, &two.id, &endpoint(2, None)).await.expect("insert");
        assert_eq!(containers::all(&db).await.expect("read")[0].endpoints, [place.clone()]);
        networks::delete(&db, &network(1).id).await.expect("delete");
        assert_eq!(all(&db).await.expect("read")[&one.id], [EndpointRow { network: None, ..place }]);
        containers::delete(&db, &one.id).await.expect("delete");
        assert_eq!(all(&db).await.expect("read").keys().collect::<Vec<_>>(), [&two.id]);
    }

    #[tokio::test]
    async fn no_two_places_have_one_address() {
        let (_folder, db) = scratch().await;
        networks::insert(&db, &network(1)).await.expect("insert");
        let (one, two) = (container(1, "one"), container(2, "two"));
        let ip = Some(Ipv4Addr::new(10, 1, 0, 2));
        containers::insert(&db, &containers::ContainerRow { endpoints: vec![endpoint(1, ip)], ..one.clone() }, &[]).await.expect("insert");
        containers::insert(&db, &containers::ContainerRow { endpoints: vec![endpoint(2, None)], ..two }, &[]).await.expect("insert");
        assert!(matches!(place(&db, &[endpoint(2, ip)]).await, Err(StoreError::Taken { .. })));
        place(&db, &[endpoint(1, None), endpoint(2, ip)]).await.expect("the address moves");
        delete(&db, &endpoint(2, ip).id).await.expect("delete");
        place(&db, &[endpoint(1, ip)]).await.expect("and comes back");
    }
}
