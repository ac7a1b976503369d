//! Containers that run get other networks: the launch description is what their monitor makes true, now and at each restart.

use super::places::{bridges, free_interface, names};
use crate::monitor::refused;
use crate::registry::Container;
use crate::{Engine, EngineError, Result};
use gantry_model::Kind;
use gantry_wire::monitor::{Bridge, Launch, Network, Published, Reply, Request, files};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

impl Engine {
    /// Makes a container that runs be on the networks that it has places on.
    pub(crate) async fn rewire(&self, container: &Arc<Container>) -> Result<()> {
        if !self.describe_networks(container).await? {
            return Ok(());
        }
        match self.ask(container, Request::Rewire).await {
            Ok(Reply::Done) => self.rewrite_etc_files(container).await,
            // It ended meanwhile; a start reads the description.
            Err(EngineError::MonitorGone(_)) if !container.state().is_live() => Ok(()),
            Err(error) if error.kind() == Kind::Unsupported => {
                let message = "the networks of a container that was started by an earlier release can't be changed while it runs";
                Err(EngineError::hinted(Kind::Unsupported, message, "restart the container first"))
            }
            Ok(other) => Err(refused(&other)),
            Err(error) => Err(error),
        }
    }

    /// After a server that died between writing a place down and making it so: what runs is made to agree.
    pub(crate) async fn rewire_if_changed(&self, container: &Arc<Container>) -> Result<()> {
        if container.state().is_live() { self.rewire(container).await } else { Ok(()) }
    }

    /// Writes the networks into the launch description. False if they are there already.
    async fn describe_networks(&self, container: &Arc<Container>) -> Result<bool> {
        let (places, ports, dns) = {
            let live = container.lock();
            (self.places(&container.id, &live), live.spec.ports.clone(), live.spec.dns.clone())
        };
        let path = self.data_dir(&container.id).join(files::LAUNCH);
        tokio::task::spawn_blocking(move || {
            let launch = read(&path)?;
            if !matches!(launch.network, Network::Bridge(_) | Network::None) {
                return Ok(false);
            }
            let before: Vec<Bridge> = launch.bridges().cloned().collect();
            let mut after = bridges(&places, &ports);
            keep_interfaces(&before, &mut after);
            let names = names(&places, &dns);
            if before.iter().map(wiring).eq(after.iter().map(wiring)) && names == launch.names {
                return Ok(false);
            }
            let mut after = after.into_iter();
            let network = after.next().map_or(Network::None, |first| Network::Bridge(Box::new(first)));
            replace(&path, &Launch { network, more_bridges: after.collect(), names, ..launch }).map(|()| true)
        })
        .await?
    }
}

/// What differs if a container is to be wired otherwise: settings of the bridges are those of its start.
fn wiring(bridge: &Bridge) -> (&str, &[IpAddr], &[Published]) {
    (&bridge.endpoint.host_interface, &bridge.endpoint.gateways, &bridge.publish)
}

/// Links that are there keep their names inside the container; new ones get those that are free.
fn keep_interfaces(before: &[Bridge], after: &mut [Bridge]) {
    let known = |bridge: &Bridge| before.iter().find(|old| old.endpoint.host_interface == bridge.endpoint.host_interface);
    let mut taken: Vec<String> = after.iter().filter_map(|bridge| known(bridge).map(|old| old.endpoint.interface.clone())).collect();
    for bridge in after {
        if let Some(old) = known(bridge) {
            bridge.endpoint.interface.clone_from(&old.endpoint.interface);
            continue;
        }
        let prefix = bridge.endpoint.interface.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        bridge.endpoint.interface = free_interface(&prefix, |name| taken.iter().any(|other| other == name));
        taken.push(bridge.endpoint.interface.clone());
    }
}

fn read(path: &Path) -> Result<Launch> {
    let json = std::fs::read(path).map_err(EngineError::io(format!("read {}", path.display())))?;
    Launch::parse(&json).map_err(|error| EngineError::caused(Kind::Internal, format!("read {}", path.display()), error))
}

/// As a whole or not at all: a monitor may restart its container at this moment.
fn replace(path: &Path, launch: &Launch) -> Result<()> {
    let json = serde_json::to_vec(launch).map_err(|source| EngineError::caused(Kind::Internal, format!("write {}", path.display()), source))?;
    let new = path.with_extension("new");
    std::fs::write(&new, json).and_then(|()| std::fs::rename(&new, path)).map_err(EngineError::io(format!("write {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_wire::monitor::Endpoint;

    fn bridge(link: &str, interface: &str) -> Bridge {
        Bridge {
            bridge: "b".to_owned(),
            addresses: Vec::new(),
            mtu: None,
            masquerade: true,
            inter_container: true,
            internal: false,
            table: "t".to_owned(),
            endpoint: Endpoint {
                interface: interface.to_owned(),
                host_interface: link.to_owned(),
                mac: String::new(),
                addresses: Vec::new(),
                gateways: Vec::new(),
            },
            publish: Vec::new(),
        }
    }

    #[test]
    fn links_that_stay_keep_their_names_and_new_ones_take_what_is_free() {
        let before = [bridge("a", "eth0"), bridge("b", "eth1")];
        let mut after = [bridge("b", "eth0"), bridge("c", "eth1"), bridge("d", "eth2")];
        keep_interfaces(&before, &mut after);
        assert_eq!(after.each_ref().map(|bridge| bridge.endpoint.interface.as_str()), ["eth1", "eth0", "eth2"]);
    }
}
