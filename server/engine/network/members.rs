//! Who is on which network now.

use super::{Network, Place, places};
use crate::Engine;
use crate::registry::Container;
use gantry_model::{ContainerId, PortBinding, State};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// A container that runs, on one network.
#[derive(Debug)]
pub(super) struct Member {
    pub container: ContainerId,
    /// Its end on the host begins so.
    pub link: String,
    pub ip: Ipv4Addr,
    /// Those that lead over this network.
    pub ports: Vec<PortBinding>,
}

/// Whether it has, or will have at any moment, what it needs on its networks.
pub(super) fn is_up(state: State) -> bool {
    state.is_live() || state == State::Restarting
}

impl Engine {
    /// Every network with those on it, the default bridge first.
    pub(super) fn members(&self) -> Vec<(Arc<Network>, Vec<Member>)> {
        let networks = std::iter::once(self.inner.network.clone()).chain(self.inner.networks.all());
        let mut all: Vec<(Arc<Network>, Vec<Member>)> = networks.map(|network| (network, Vec::new())).collect();
        for container in self.inner.containers.all() {
            let (places, ports) = self.live_places(&container);
            let out = places::way_out(&places).map(|place| place.id.clone());
            for place in &places {
                let (Some((_, members)), Some(ip)) = (all.iter_mut().find(|(network, _)| network.id == place.network.id), place.ip) else { continue };
                let ports = if out.as_ref() == Some(&place.id) { ports.clone() } else { Vec::new() };
                members.push(Member { container: container.id.clone(), link: place.link.clone(), ip, ports });
            }
        }
        all
    }

    /// The places of a container that is up, and its published ports; nothing of others.
    pub(super) fn live_places(&self, container: &Arc<Container>) -> (Vec<Place>, Vec<PortBinding>) {
        let live = container.lock();
        if !is_up(live.fact.state) {
            return (Vec::new(), Vec::new());
        }
        let ports = if live.fact.state.is_live() { live.fact.ports.clone() } else { Vec::new() };
        (self.places(&container.id, &live), ports)
    }
}
