//! What networks leave in the kernel, kept in step with the containers that run. Bridge and firewall table are made with the first
//! container and stay when the last one ends; they go with the network, or with a server that ends in order while nobody is on it.

use super::members::Member;
use super::places::LINK_PREFIX;
use super::{Network, Place};
use crate::registry::Container;
use crate::{Engine, EngineError, Finding, Result};
use gantry_model::{ContainerId, Kind, NetworkMode, PortBinding};
use gantry_plan::network::{Element, Ruleset, Wish, collide, plan, published};
use gantry_runtime::netlink::{NetworkError, apply_host_sysctls, bridge_ports, delete_link, ensure_bridge, remove_bridge};
use gantry_runtime::nft::{Firewall, Watch, obstacles};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

fn network_error(error: NetworkError) -> EngineError {
    EngineError::said(error.kind(), error.to_string())
}

impl Network {
    fn firewall(&self) -> Result<Firewall> {
        Firewall::open(&self.table).map_err(network_error)
    }

    /// The plan of the bridge; what belongs to one container is left empty.
    fn plan(&self) -> Result<gantry_plan::network::Plan> {
        let wish = Wish {
            bridge: &self.bridge,
            addresses: &[(IpAddr::V4(self.gateway), self.subnet.bits())],
            mtu: self.mtu,
            masquerade: self.options.masquerade,
            inter_container: self.options.inter_container,
            internal: self.spec.internal,
            table: &self.table,
            interface: "",
            host_interface: "",
            mac: "02:42:00:00:00:00",
            container_addresses: &[],
            gateways: &[],
            publishes: false,
        };
        plan(&wish).map_err(|error| EngineError::said(Kind::Invalid, error.to_string()))
    }

    /// Takes back what containers left that do not run. For a moment when none is being started.
    fn sweep(&self, running: &[Member]) -> Result<()> {
        let firewall = self.firewall()?;
        let present = firewall.published().map_err(network_error)?;
        let gone: Vec<Element> = present.iter().filter(|element| !running.iter().any(|member| member.container.as_str() == element.owner)).cloned().collect();
        firewall.withdraw(&gone).map_err(network_error)?;
        self.delete_links(|name| !running.iter().any(|member| name.starts_with(&member.link)))
    }

    /// Lays what the containers that run need: bridge, rules, published ports. What others have stays.
    fn restore(&self, running: &[Member]) -> Result<()> {
        if running.is_empty() {
            return Ok(());
        }
        let plan = self.plan()?;
        ensure_bridge(&plan.bridge).map_err(network_error)?;
        self.restore_rules(&plan.rules, running)?;
        for told in apply_host_sysctls(&plan.host_sysctls).map_err(network_error)? {
            tracing::info!("{told}");
        }
        Ok(())
    }

    fn restore_rules(&self, rules: &Ruleset, running: &[Member]) -> Result<()> {
        let firewall = self.firewall()?;
        firewall.ensure(rules).map_err(network_error)?;
        let present = firewall.published().map_err(network_error)?;
        let wanted = running.iter().flat_map(|member| published(member.container.as_str(), member.ip, &member.ports));
        let missing: Vec<Element> = wanted.filter(|element| !present.contains(element)).collect();
        firewall.publish(&missing).map_err(network_error)
    }

    /// Takes back what a container had here whose monitor can't do it any more. Links of it begin with `link`.
    pub(crate) fn forget(&self, id: &ContainerId, link: &str) -> Result<()> {
        let firewall = self.firewall()?;
        let present = firewall.published().map_err(network_error)?;
        let owned: Vec<Element> = present.into_iter().filter(|element| element.owner == id.as_str()).collect();
        firewall.withdraw(&owned).map_err(network_error)?;
        self.delete_links(|name| name.starts_with(link))
    }

    fn delete_links(&self, doomed: impl Fn(&str) -> bool) -> Result<()> {
        for port in bridge_ports(&self.bridge).map_err(network_error)? {
            if port.name.starts_with(LINK_PREFIX) && doomed(&port.name) {
                delete_link(port.index).map_err(network_error)?;
            }
        }
        Ok(())
    }

    /// Removes table and bridge of a network that nobody is on. A bridge that somebody put other links on stays.
    pub(crate) fn remove(&self) -> Result<()> {
        self.firewall()?.remove().map_err(network_error)?;
        self.delete_links(|_| true)?;
        if bridge_ports(&self.bridge).map_err(network_error)?.is_empty() {
            remove_bridge(&self.bridge).map_err(network_error)?;
        }
        Ok(())
    }

    /// What of this host's firewall is in our way. Rules of others are never changed.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let what = "network of containers".to_owned();
        let obstacles = match obstacles(&self.table) {
            Ok(obstacles) => obstacles,
            Err(error) => return vec![Finding { what, ok: false, costs: format!("{error}: only the networks host and none work") }],
        };
        let finding = |obstacle: gantry_runtime::nft::Obstacle| Finding {
            what: what.clone(),
            ok: false,
            costs: format!(
                "the firewall chain \"{}\" drops what it does not know: containers reach no other host, and published ports answer on this host only; {}",
                obstacle.chain,
                self.way_out(&obstacle)
            ),
        };
        obstacles.into_iter().map(finding).collect()
    }

    fn way_out(&self, obstacle: &gantry_runtime::nft::Obstacle) -> String {
        let bridge = &self.bridge;
        if obstacle.chain == "ip filter FORWARD" {
            let chain = if obstacle.has_docker_user { "DOCKER-USER" } else { "FORWARD" };
            format!(
                "to let them through: iptables -I {chain} -i {bridge} -j ACCEPT; iptables -I {chain} -o {bridge} -j ACCEPT; and the same with gt-+ for networks of your own"
            )
        } else {
            let chain = &obstacle.chain;
            format!(
                "to let them through: nft insert rule {chain} iifname {bridge} accept; nft insert rule {chain} oifname {bridge} accept; and the same with \"gt-*\" for networks of your own"
            )
        }
    }
}

impl Engine {
    /// At the start: what the last server, or a firewall that was reloaded since, left wrong.
    pub(crate) async fn restore_network(&self) -> Result<()> {
        let members = self.members();
        tokio::task::spawn_blocking(move || each(&members, |network, running| network.sweep(running).and_then(|()| network.restore(running)))).await?
    }

    /// Lays the rules again whenever somebody takes them away: without them containers are cut off, and what guards this host's loopback
    /// from them is gone.
    #[expect(deprecated, reason = "its successor is unsafe: it trusts that the descriptor stays the same, as that of a Watch does")]
    pub(crate) async fn guard_network(self) {
        let watch = Watch::open(&self.inner.config.nft_table)
            .map_err(network_error)
            .and_then(|watch| AsyncFd::with_interest(watch, Interest::READABLE).map_err(EngineError::io("wait for changes of the firewall")));
        let watch = match watch {
            Ok(watch) => watch,
            Err(error) => return tracing::warn!("a firewall that is reloaded will not be noticed: {}", error.chain()),
        };
        while let Ok(mut ready) = watch.readable().await {
            ready.clear_ready();
            match watch.get_ref().is_damaged() {
                Ok(false) => {}
                Ok(true) => {
                    let members = self.members();
                    let restored = tokio::task::spawn_blocking(move || each(&members, Network::restore)).await;
                    if let Err(error) = restored.map_err(EngineError::from).flatten() {
                        tracing::error!("restore the network of the containers: {}", error.chain());
                    }
                }
                Err(error) => return tracing::warn!("{error}"),
            }
        }
    }

    /// At the end: nothing stays of a network that nobody is on.
    pub(crate) async fn leave_network(&self) -> Result<()> {
        let members = self.members();
        tokio::task::spawn_blocking(move || each(&members, |network, running| if running.is_empty() { network.remove() } else { Ok(()) })).await?
    }

    /// Whether a container that runs shares this one's network: then that does not go with its end.
    pub(crate) fn network_is_shared(&self, id: &ContainerId) -> bool {
        let shares = |container: &Arc<Container>| {
            let live = container.lock();
            let NetworkMode::Container(of) = live.spec.network.clone() else { return false };
            let is_live = live.fact.state.is_live();
            drop(live);
            is_live && self.resolve(&of).is_ok_and(|other| other.id == *id)
        };
        self.inner.containers.all().iter().any(shares)
    }

    /// Tells who has a port that this container wants, before anything is started. Ports of other programs are the monitor's to find.
    pub(crate) fn check_ports(&self, container: &Container) -> Result<()> {
        let (name, wanted) = {
            let live = container.lock();
            (live.name.to_string(), live.spec.ports.clone())
        };
        if wanted.iter().all(|port| port.host_port == 0) {
            return Ok(());
        }
        for other in self.inner.containers.all().iter().filter(|other| other.id != container.id) {
            let live = other.lock();
            let is_taken = |port: &&PortBinding| live.fact.state.is_live() && live.fact.ports.iter().any(|taken| collide(port, taken));
            if let Some(port) = wanted.iter().find(is_taken) {
                let ip = port.host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                let message = format!(
                    "driver failed programming external connectivity on endpoint {name} ({}): Bind for {ip}:{} failed: port is already allocated",
                    container.id, port.host_port
                );
                return Err(EngineError::hinted(Kind::Conflict, message, format!("container {} has it: stop it, or publish another port", live.name)));
            }
        }
        Ok(())
    }
}

/// Takes back what a container had on its networks whose monitor can't do it any more.
pub(crate) fn forget_places(id: &ContainerId, places: &[Place]) -> Result<()> {
    places.iter().try_for_each(|place| place.network.forget(id, &place.link))
}

/// Does it for each network, whatever happens to others; the first failure is told.
fn each(networks: &[(Arc<Network>, Vec<Member>)], act: impl Fn(&Network, &[Member]) -> Result<()>) -> Result<()> {
    networks.iter().map(|(network, running)| act(network, running)).fold(Ok(()), Result::and)
}

/// Lowest MTU of the links that default routes lead over, if it is below the kernel's usual 1500: larger packets would be lost on the way.
pub(super) fn mtu_of_routes(routes: &str, mtu_of: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    let columns = routes.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let interfaces: BTreeSet<String> = columns.filter(|c| c.len() > 7 && c[1] == "00000000" && c[7] == "00000000").map(|c| c[0].to_owned()).collect();
    interfaces.iter().filter_map(|name| mtu_of(name)).min().filter(|mtu| (1280..1500).contains(mtu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_way_out_makes_a_narrow_bridge() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\nwg0\t00001EAC\t00000000\t0001\t0\t0\t0\t0000FFFF\n";
        let mtu = |eth0: u32| mtu_of_routes(routes, |name| Some(if name == "eth0" { eth0 } else { 1300 }));
        assert_eq!((mtu(1500), mtu(9000), mtu(1450)), (None, None, Some(1450)));
    }
}
