//! The container's place on its network: ports held before anything starts, joined before the program begins, left when it is over.
//! In: the launch description. Out: the ports in use; what the kernel keeps is taken back, or goes with the namespace.

use crate::error::{MonitorError, Result};
use crate::files::start_time;
use gantry_model::{Kind, PortBinding};
use gantry_plan::network::{Element, Plan, Wish, plan, published};
use gantry_runtime::netlink::{Namespace, apply_host_sysctls, ensure_bridge, join, settle};
use gantry_runtime::nft::Firewall;
use gantry_runtime::ports::Reservation;
use gantry_wire::monitor::{Bridge, Launch, Network};
use oci_spec::runtime::Spec;
use std::net::{IpAddr, Ipv4Addr};

#[derive(Debug, Default)]
pub(crate) struct Place {
    held: Reservation,
    plan: Option<Box<Plan>>,
    /// What this run has in the maps of the firewall.
    elements: Vec<Element>,
    /// Kept to the end: closing it may take 10 ms.
    firewall: Option<Firewall>,
    /// The link's end on the host.
    link: Option<String>,
    /// Sentences for the container's owner.
    told: Vec<String>,
}

impl Place {
    /// Looks for those whose namespaces are shared, and takes the ports of the host, so that a start that can't be fails before it begins.
    pub(crate) fn reserve(launch: &Launch, spec: &Spec) -> Result<Self> {
        if let Some(gone) = launch.shares.iter().find(|share| start_time(share.pid) != share.pid_started) {
            let message = format!("container {}, whose namespaces this one shares, was stopped or started again: start this one again after it", gone.name);
            return Err(MonitorError::refused(Kind::Conflict, message));
        }
        let Network::Bridge(bridge) = &launch.network else { return Ok(Self::default()) };
        if let Some(port) = bridge.publish.iter().find(|port| port.host_ip.is_some_and(|ip| ip.is_ipv6())) {
            let message = format!("port {port} can't be published: containers on this bridge have no IPv6 address; leave the host's address out");
            return Err(MonitorError::refused(Kind::Unsupported, message));
        }
        let mut plan = plan(&wish(bridge)).map_err(|error| MonitorError::refused(Kind::Invalid, error.to_string()))?;
        if sets_ipv6(spec) {
            // The user's own wishes were carried out already.
            plan.container_sysctls.clear();
        }
        let endpoint = format!("{} ({})", launch.name, launch.id);
        Ok(Self { held: Reservation::take(&bridge.publish, &endpoint)?, plan: Some(Box::new(plan)), ..Self::default() })
    }

    /// Joins the namespace of the container's first process, which waits.
    pub(crate) fn join(&mut self, launch: &Launch, pid: i32) -> Result<()> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let bridge = ensure_bridge(&plan.bridge)?;
        let firewall = self.firewall.insert(Firewall::open(&plan.rules.table)?);
        firewall.ensure(&plan.rules)?;
        self.told = apply_host_sysctls(&plan.host_sysctls)?;
        self.link = Some(join(plan, bridge, &Namespace::of(pid)?)?);
        let address = plan.veth.addresses.iter().find_map(|(ip, _)| ipv4(*ip));
        if let Some(address) = address.filter(|_| !self.held.ports.is_empty()) {
            let elements = published(launch.id.as_str(), address, &self.held.ports);
            firewall.publish(&elements)?;
            self.elements = elements;
        }
        Ok(())
    }

    /// With the numbers in use.
    pub(crate) fn ports(&self) -> &[PortBinding] {
        &self.held.ports
    }

    pub(crate) fn take_told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// What the program need not wait for: it may take 10 ms.
    pub(crate) fn tidy(&self) -> Result<()> {
        match (&self.plan, &self.link) {
            (Some(plan), Some(link)) => Ok(settle(&plan.veth, link)?),
            _ => Ok(()),
        }
    }

    /// Gives the ports back. The link goes with the namespace, in the background.
    pub(crate) fn leave(&mut self) -> Result<()> {
        let elements = std::mem::take(&mut self.elements);
        let withdrawn = self.firewall.as_ref().map_or(Ok(()), |firewall| firewall.withdraw(&elements));
        self.held = Reservation::default();
        Ok(withdrawn?)
    }
}

fn ipv4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

fn wish(bridge: &Bridge) -> Wish<'_> {
    Wish {
        bridge: &bridge.bridge,
        addresses: &bridge.addresses,
        mtu: bridge.mtu,
        masquerade: bridge.masquerade,
        inter_container: bridge.inter_container,
        table: &bridge.table,
        interface: &bridge.endpoint.interface,
        host_interface: &bridge.endpoint.host_interface,
        mac: &bridge.endpoint.mac,
        container_addresses: &bridge.endpoint.addresses,
        gateways: &bridge.endpoint.gateways,
        publishes: !bridge.publish.is_empty(),
    }
}

fn sets_ipv6(spec: &Spec) -> bool {
    let sysctls = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    sysctls.is_some_and(|sysctls| sysctls.keys().any(|key| key.replace('/', ".").starts_with("net.ipv6.conf.")))
}
