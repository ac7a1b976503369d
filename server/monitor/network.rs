//! The container's places on its networks: ports held before anything starts, joined before the program begins, left when it is over.
//! In: the launch description. Out: the ports in use; what the kernel keeps is taken back, or goes with the namespace.

use crate::error::{MonitorError, Result};
use crate::files::start_time;
use gantry_model::{Kind, PortBinding};
use gantry_plan::network::{Element, Plan, Wish, plan, published};
use gantry_runtime::netlink::{Namespace, apply_host_sysctls, delete_link_named, ensure_bridge, join, route_default, settle};
use gantry_runtime::nft::Firewall;
use gantry_runtime::ports::Reservation;
use gantry_wire::monitor::{Bridge, Launch};
use oci_spec::runtime::Spec;
use std::net::{IpAddr, Ipv4Addr};

#[derive(Debug, Default)]
pub(crate) struct Place {
    held: Reservation,
    joints: Vec<Joint>,
    /// The user's own wishes for IPv6 were carried out already.
    sets_ipv6: bool,
    /// Sentences for the container's owner.
    told: Vec<String>,
}

/// One network of the container.
#[derive(Debug)]
struct Joint {
    plan: Plan,
    /// What this run has in the maps of the firewall.
    elements: Vec<Element>,
    /// Kept to the end: closing it may take 10 ms.
    firewall: Option<Firewall>,
    /// The link's end on the host.
    link: Option<String>,
}

impl Place {
    /// Looks for those whose namespaces are shared, and takes the ports of the host, so that a start that can't be fails before it begins.
    pub(crate) fn reserve(launch: &Launch, spec: &Spec) -> Result<Self> {
        if let Some(gone) = launch.shares.iter().find(|share| start_time(share.pid) != share.pid_started) {
            let message = format!("container {}, whose namespaces this one shares, was stopped or started again: start this one again after it", gone.name);
            return Err(MonitorError::refused(Kind::Conflict, message));
        }
        let mut place = Self { sets_ipv6: sets_ipv6(spec), ..Self::default() };
        for bridge in launch.bridges() {
            let joint = place.joint(bridge)?;
            place.joints.push(joint);
        }
        if let Some(publish) = publish(launch) {
            place.held = Reservation::take(publish, &endpoint(launch))?;
        }
        Ok(place)
    }

    fn joint(&self, bridge: &Bridge) -> Result<Joint> {
        if let Some(port) = bridge.publish.iter().find(|port| port.host_ip.is_some_and(|ip| ip.is_ipv6())) {
            let message = format!("port {port} can't be published: containers on this bridge have no IPv6 address; leave the host's address out");
            return Err(MonitorError::refused(Kind::Unsupported, message));
        }
        let mut plan = plan(&wish(bridge)).map_err(|error| MonitorError::refused(Kind::Invalid, error.to_string()))?;
        if self.sets_ipv6 {
            plan.container_sysctls.clear();
        }
        Ok(Joint { plan, elements: Vec::new(), firewall: None, link: None })
    }

    /// Joins the namespace of the container's first process, which waits.
    pub(crate) fn join(&mut self, launch: &Launch, pid: i32) -> Result<()> {
        if self.joints.is_empty() {
            return Ok(());
        }
        let namespace = Namespace::of(pid)?;
        for (joint, bridge) in self.joints.iter_mut().zip(launch.bridges()) {
            self.told.extend(joint.join(&namespace)?);
            if !bridge.publish.is_empty() {
                joint.publish(launch, &self.held.ports)?;
            }
        }
        Ok(())
    }

    /// Goes on and off networks while the container runs, until it is on those of the description. What is wired stays.
    pub(crate) fn rewire(&mut self, launch: &Launch, pid: i32) -> Result<()> {
        let wanted = |joint: &Joint| launch.bridges().any(|bridge| bridge.endpoint.host_interface == joint.plan.veth.host);
        let (stays, goes): (Vec<Joint>, Vec<Joint>) = std::mem::take(&mut self.joints).into_iter().partition(wanted);
        self.joints = stays;
        goes.into_iter().try_for_each(Joint::part)?;
        let namespace = Namespace::of(pid)?;
        for bridge in launch.bridges() {
            if !self.joints.iter().any(|joint| joint.plan.veth.host == bridge.endpoint.host_interface) {
                let mut joint = self.joint(bridge)?;
                // The one way out is laid when all are there.
                joint.plan.veth.gateways.clear();
                // Here a link that is half there would not go with the namespace.
                self.told.extend(joint.join(&namespace).inspect_err(|_| drop(delete_link_named(&joint.plan.veth.host)))?);
                settle_joint(&joint)?;
                self.joints.push(joint);
            }
        }
        let out = launch.bridges().find_map(|bridge| Some((bridge, *bridge.endpoint.gateways.first()?)));
        route_default(&namespace, out.map(|(bridge, gateway)| (bridge.endpoint.interface.as_str(), gateway)))?;
        self.republish(launch)
    }

    /// Ports lead over one network only; those of the host stay taken.
    fn republish(&mut self, launch: &Launch) -> Result<()> {
        let over = launch.bridges().find(|bridge| !bridge.publish.is_empty()).map(|bridge| bridge.endpoint.host_interface.clone());
        for joint in &mut self.joints {
            let leads = over.as_ref() == Some(&joint.plan.veth.host);
            if !leads && !joint.elements.is_empty() {
                joint.withdraw()?;
            }
        }
        if let Some(publish) = publish(launch)
            && self.held.ports.is_empty()
        {
            self.held = Reservation::take(publish, &endpoint(launch))?;
        }
        let leads = self.joints.iter_mut().find(|joint| over.as_ref() == Some(&joint.plan.veth.host) && joint.elements.is_empty());
        if let Some(joint) = leads {
            joint.plan.veth.hairpin = true;
            joint.publish(launch, &self.held.ports)?;
            settle_joint(joint)?;
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
        self.joints.iter().try_for_each(settle_joint)
    }

    /// Gives the ports back. The links go with the namespace, in the background.
    pub(crate) fn leave(&mut self) -> Result<()> {
        let withdrawn = self.joints.iter_mut().map(Joint::withdraw).fold(Ok(()), Result::and);
        self.held = Reservation::default();
        withdrawn
    }
}

impl Joint {
    /// Returns what the container's owner should know.
    fn join(&mut self, namespace: &Namespace) -> Result<Vec<String>> {
        let plan = &self.plan;
        let bridge = ensure_bridge(&plan.bridge)?;
        self.firewall.insert(Firewall::open(&plan.rules.table)?).ensure(&plan.rules)?;
        let told = apply_host_sysctls(&plan.host_sysctls)?;
        self.link = Some(join(plan, bridge, namespace)?);
        Ok(told)
    }

    fn publish(&mut self, launch: &Launch, ports: &[PortBinding]) -> Result<()> {
        let address = self.plan.veth.addresses.iter().find_map(|(ip, _)| ipv4(*ip));
        if let (Some(address), Some(firewall), false) = (address, &self.firewall, ports.is_empty()) {
            let elements = published(launch.id.as_str(), address, ports);
            firewall.publish(&elements)?;
            self.elements = elements;
        }
        Ok(())
    }

    fn withdraw(&mut self) -> Result<()> {
        let elements = std::mem::take(&mut self.elements);
        Ok(self.firewall.as_ref().map_or(Ok(()), |firewall| firewall.withdraw(&elements))?)
    }

    /// The container goes on without this network.
    fn part(mut self) -> Result<()> {
        self.withdraw()?;
        Ok(self.link.as_deref().map_or(Ok(()), delete_link_named)?)
    }
}

fn settle_joint(joint: &Joint) -> Result<()> {
    joint.link.as_ref().map_or(Ok(()), |link| Ok(settle(&joint.plan.veth, link)?))
}

/// The published ports of the one network that they lead over.
fn publish(launch: &Launch) -> Option<&[PortBinding]> {
    launch.bridges().map(|bridge| bridge.publish.as_slice()).find(|ports| !ports.is_empty())
}

fn endpoint(launch: &Launch) -> String {
    format!("{} ({})", launch.name, launch.id)
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
        internal: bridge.internal,
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
