//! `network …`.

use super::volumes::natural;
use super::{each, filter};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::flags::pairs;
use crate::format::{Column, Listing, Value};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_model::Subnet;
use gantry_wire::docker::network::{ConfigFrom, Connect, Create, Created, Disconnect, EndpointIpam, EndpointSettings, Ipam, IpamConfig, Network};
use std::net::Ipv4Addr;

#[derive(Args)]
pub struct Ls {
    /// Show those that fit, for example driver=bridge (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// table, json, a Go template, or "table TEMPLATE"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show ids in full
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
}

const FIELDS: &[Column] = &[
    Column { field: "ID", title: "NETWORK ID" },
    Column { field: "Name", title: "NAME" },
    Column { field: "Driver", title: "DRIVER" },
    Column { field: "Scope", title: "SCOPE" },
    Column { field: "IPv4", title: "IPV4" },
    Column { field: "IPv6", title: "IPV6" },
    Column { field: "Internal", title: "INTERNAL" },
    Column { field: "Labels", title: "LABELS" },
    Column { field: "CreatedAt", title: "CREATED AT" },
];

impl Verb for Ls {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "List networks";
    const EXAMPLE: &'static str = "network ls --filter type=custom";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let query: Vec<_> = filter::query(&self.filter)?.into_iter().collect();
        let mut list: Vec<Network> = client.get("/networks", &query).await?;
        list.sort_by(|a, b| natural(&a.name, &b.name));
        let labels: Vec<Value> = list.iter().map(|network| super::ps::texts(&network.labels)).collect();
        let rows: Vec<Value> = list.iter().map(|network| row(network, self.no_trunc)).collect();
        let listing = Listing { fields: FIELDS, table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", quiet: "{{.ID}}" };
        print(&listing.render(self.format.as_deref(), self.quiet, &rows, &labels)?)?;
        Ok(0)
    }
}

fn row(network: &Network, whole: bool) -> Value {
    let fields = [
        ("ID", if whole { network.id.clone() } else { network.id.chars().take(12).collect() }),
        ("Name", network.name.clone()),
        ("Driver", network.driver.clone()),
        ("Scope", network.scope.clone()),
        ("IPv4", network.enable_ipv4.to_string()),
        ("IPv6", network.enable_ipv6.to_string()),
        ("Internal", network.internal.to_string()),
        ("Labels", super::ps::label_text(&network.labels)),
        ("CreatedAt", network.created.clone()),
    ];
    Value::Map(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect())
}

#[derive(Args)]
pub struct New {
    /// Containers may be joined to it by hand; here every network's may
    #[arg(long)]
    attachable: bool,
    /// Address that no container gets (may be repeated)
    #[arg(long, value_name = "NAME=ADDRESS")]
    aux_address: Vec<String>,
    /// Network whose configuration it takes
    #[arg(long, value_name = "NAME")]
    config_from: Option<String>,
    /// Be a configuration for others
    #[arg(long)]
    config_only: bool,
    /// Driver of the network
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge")]
    driver: String,
    /// Address of the bridge (may be repeated)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// Be the network of a swarm's routing mesh
    #[arg(long)]
    ingress: bool,
    /// Lead to no other network
    #[arg(long)]
    internal: bool,
    /// Part of the subnet that containers get addresses from (may be repeated)
    #[arg(long, value_name = "CIDR")]
    ip_range: Vec<String>,
    /// Driver that manages addresses
    #[arg(long, value_name = "DRIVER", default_value = "default")]
    ipam_driver: String,
    /// Option of that driver (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    ipam_opt: Vec<String>,
    /// Give out IPv4 addresses
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    ipv4: Option<bool>,
    /// Give out IPv6 addresses
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    ipv6: Option<bool>,
    /// Set a label (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Option of the driver (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    opt: Vec<String>,
    /// Reach of the network
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Its addresses, for example 10.5.0.0/24 (may be repeated)
    #[arg(long, value_name = "CIDR")]
    subnet: Vec<String>,
    #[arg(value_name = "NAME")]
    name: String,
}

impl Verb for New {
    const USAGE: &'static str = "[OPTIONS] NAME";
    const ABOUT: &'static str = "Create a network";
    const EXAMPLE: &'static str = "network create --subnet 10.5.0.0/24 shop";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let config = ipam(&self.subnet, &self.ip_range, &self.gateway, &self.aux_address)?;
        let asked = Create {
            name: self.name,
            driver: self.driver,
            scope: self.scope.unwrap_or_default(),
            enable_ipv4: self.ipv4,
            enable_ipv6: self.ipv6,
            ipam: Some(Ipam { driver: self.ipam_driver, options: Some(pairs(&self.ipam_opt)), config: Some(config) }),
            internal: self.internal,
            attachable: self.attachable,
            ingress: self.ingress,
            config_only: self.config_only,
            config_from: self.config_from.map(|network| ConfigFrom { network }),
            options: Some(pairs(&self.opt)),
            labels: Some(pairs(&self.label)),
        };
        let created: Created = client.post("/networks/create", &[], &asked).await?;
        println!("{}", created.id);
        Ok(0)
    }
}

/// Puts ranges, gateways and reserved addresses to the subnets that they lie in. Source: docker/cli `cli/command/network/create.go`.
fn ipam(subnets: &[String], ranges: &[String], gateways: &[String], reserved: &[String]) -> Result<Vec<IpamConfig>, Failure> {
    if subnets.len() < ranges.len() || subnets.len() < gateways.len() {
        return Err(Failure::usage("every ip-range or gateway must have a corresponding subnet"));
    }
    let mut all: Vec<IpamConfig> = subnets.iter().map(|subnet| IpamConfig { subnet: subnet.clone(), ..IpamConfig::default() }).collect();
    let find = |all: &[IpamConfig], what: &str, text: &str| {
        let ip = text.split('/').next().and_then(|text| text.parse::<Ipv4Addr>().ok());
        let holds = |config: &IpamConfig| ip.is_some_and(|ip| config.subnet.parse::<Subnet>().is_ok_and(|subnet| subnet.contains(ip)));
        all.iter().position(holds).ok_or_else(|| Failure::usage(format!("no matching subnet for {what} {text}")))
    };
    for range in ranges {
        let index = find(&all, "range", range)?;
        if !std::mem::replace(&mut all[index].ip_range, range.clone()).is_empty() {
            return Err(Failure::usage(format!("cannot configure multiple ranges ({range}) on the same subnet ({})", all[index].subnet)));
        }
    }
    for gateway in gateways {
        let index = find(&all, "gateway", gateway)?;
        if !std::mem::replace(&mut all[index].gateway, gateway.clone()).is_empty() {
            return Err(Failure::usage(format!("cannot configure multiple gateways ({gateway}) for the same subnet ({})", all[index].subnet)));
        }
    }
    for (name, address) in pairs(reserved) {
        let index = find(&all, "aux-address", &address)?;
        all[index].auxiliary_addresses.get_or_insert_default().insert(name, address);
    }
    Ok(all)
}

#[derive(Args)]
pub struct Remove {
    /// A network that is gone is no error
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NETWORK", required = true)]
    names: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "[OPTIONS] NETWORK [NETWORK...]";
    const ABOUT: &'static str = "Remove networks";
    const EXAMPLE: &'static str = "network rm shop";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        each(&self.names, 1, async |name| match client.delete(&format!("/networks/{}", segment(name)), &[]).await {
            Err(failure) if self.force && failure.status == Some(404) => Ok(String::new()),
            done => done.map(|_| format!("{name}\n")),
        })
        .await
    }
}

#[derive(Args)]
pub struct Join {
    /// Another name on the network (may be repeated)
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Option of the driver (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    driver_opt: Vec<String>,
    /// The default route leads over the network with the highest
    #[arg(long, value_name = "NUMBER", default_value_t, allow_negative_numbers = true)]
    gw_priority: i64,
    /// Address on the network
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// IPv6 address on the network
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    /// Another container, and what it is called here (may be repeated)
    #[arg(long, value_name = "CONTAINER[:NAME]")]
    link: Vec<String>,
    /// Link-local address (may be repeated)
    #[arg(long, value_name = "ADDRESS")]
    link_local_ip: Vec<String>,
    #[arg(value_name = "NETWORK")]
    network: String,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Join {
    const USAGE: &'static str = "[OPTIONS] NETWORK CONTAINER";
    const ABOUT: &'static str = "Put a container on a network";
    const EXAMPLE: &'static str = "network connect --alias db shop postgres";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        let ipam =
            EndpointIpam { ipv4_address: self.ip.unwrap_or_default(), ipv6_address: self.ip6.unwrap_or_default(), link_local_ips: some(self.link_local_ip) };
        let settings = EndpointSettings {
            ipam_config: Some(ipam).filter(|ipam| *ipam != EndpointIpam::default()),
            links: some(self.link),
            aliases: some(self.alias),
            driver_opts: Some(pairs(&self.driver_opt)).filter(|options| !options.is_empty()),
            gw_priority: self.gw_priority,
            ..EndpointSettings::default()
        };
        let body = Connect { container: self.container, endpoint_config: Some(settings) };
        client.tell(&format!("/networks/{}/connect", segment(&self.network)), &body).await?;
        Ok(0)
    }
}

#[derive(Args)]
pub struct Leave {
    /// Take it off also if the container does not help
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NETWORK")]
    network: String,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Leave {
    const USAGE: &'static str = "[OPTIONS] NETWORK CONTAINER";
    const ABOUT: &'static str = "Take a container off a network";
    const EXAMPLE: &'static str = "network disconnect shop postgres";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let body = Disconnect { container: self.container, force: self.force };
        client.tell(&format!("/networks/{}/disconnect", segment(&self.network)), &body).await?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subnets: &[&str], ranges: &[&str], gateways: &[&str], reserved: &[&str], want: Result<&str, ()>) {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let got = ipam(&texts(subnets), &texts(ranges), &texts(gateways), &texts(reserved)).map(|all| {
            let one = |config: &IpamConfig| {
                format!("{} {} {} {}", config.subnet, config.ip_range, config.gateway, config.auxiliary_addresses.iter().flatten().count())
            };
            all.iter().map(one).collect::<Vec<_>>().join(", ")
        });
        assert_eq!(got.as_deref().map_err(|_| ()), want, "{subnets:?}");
    }

    #[test]
    fn addresses_go_to_the_subnet_they_lie_in() {
        check(&[], &[], &[], &[], Ok(""));
        check(&["10.0.0.0/24"], &["10.0.0.128/25"], &["10.0.0.1"], &["a=10.0.0.2"], Ok("10.0.0.0/24 10.0.0.128/25 10.0.0.1 1"));
        check(&["10.0.0.0/24", "10.1.0.0/24"], &[], &["10.1.0.1"], &[], Ok("10.0.0.0/24   0, 10.1.0.0/24  10.1.0.1 0"));
        check(&["10.0.0.0/24"], &[], &["10.9.0.1"], &[], Err(()));
        check(&[], &[], &["10.9.0.1"], &[], Err(()));
        check(&["10.0.0.0/24"], &[], &[], &["a=10.9.0.1"], Err(()));
    }
}
