//! `ps`: the list of containers.

use super::filter;
use crate::client::{Client, Query};
use crate::failure::Failure;
use crate::flags::now_secs;
use crate::format::{Column, Listing, Value, ago, decimal_size, ellipsis, local_time, quote, short_id};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::list::{Port, Summary};
use std::collections::BTreeMap;

#[derive(Args)]
pub struct Ps {
    /// Show all containers, not only those that run
    #[arg(short, long)]
    all: bool,
    /// Show those that fit, for example status=exited or label=a=b (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// table, json, a Go template, or "table TEMPLATE"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show the last N, whatever their state
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<i64>,
    /// Show the latest one
    #[arg(short, long)]
    latest: bool,
    /// Don't cut long texts
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show sizes
    #[arg(short, long)]
    size: bool,
}

const FIELDS: &[Column] = &[
    Column { field: "ID", title: "CONTAINER ID" },
    Column { field: "Names", title: "NAMES" },
    Column { field: "Image", title: "IMAGE" },
    Column { field: "Command", title: "COMMAND" },
    Column { field: "CreatedAt", title: "CREATED AT" },
    Column { field: "RunningFor", title: "CREATED" },
    Column { field: "Ports", title: "PORTS" },
    Column { field: "State", title: "STATE" },
    Column { field: "Status", title: "STATUS" },
    Column { field: "Size", title: "SIZE" },
    Column { field: "Labels", title: "LABELS" },
    Column { field: "Mounts", title: "MOUNTS" },
    Column { field: "LocalVolumes", title: "LOCAL VOLUMES" },
    Column { field: "Networks", title: "NETWORKS" },
    Column { field: "Platform", title: "PLATFORM" },
];

const TABLE: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

impl Verb for Ps {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "List containers";
    const EXAMPLE: &'static str = "ps -a --format 'table {{.Names}}\\t{{.Status}}'";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let format = self.format.as_deref().filter(|_| !self.quiet);
        if self.quiet && self.format.is_some() {
            eprintln!("gantry: --quiet shows ids only: --format is left aside");
        }
        let size = self.size || format.is_some_and(|format| format.contains(".Size") || format.contains("json .}}"));
        let limit = if self.latest { Some(1) } else { self.last.filter(|last| *last > 0) };
        let mut query = Vec::new();
        query.extend(self.all.then(|| ("all", "1".to_owned())));
        query.extend(limit.map(|limit| ("limit", limit.to_string())));
        query.extend(size.then(|| ("size", "1".to_owned())));
        query.extend(filter::query(&self.filter)?);
        let table = if self.size { format!("{TABLE}\t{{{{.Size}}}}") } else { TABLE.to_owned() };
        list(&client, &query, !self.no_trunc, &Listing { fields: FIELDS, table: &table, quiet: "{{.ID}}" }, format, self.quiet).await
    }
}

async fn list(client: &Client, query: Query<'_>, cut: bool, listing: &Listing<'_>, format: Option<&str>, quiet: bool) -> Result<i32, Failure> {
    let containers: Vec<Summary> = client.get("/containers/json", query).await?;
    let now = now_secs();
    let rows: Vec<Value> = containers.iter().map(|container| row(container, cut, now)).collect();
    let labels: Vec<Value> = containers.iter().map(|container| texts(&container.labels)).collect();
    print(&listing.render(format, quiet, &rows, &labels)?)?;
    Ok(0)
}

/// Labels as a value, for `{{.Label "x"}}`.
pub fn texts(labels: &BTreeMap<String, String>) -> Value {
    Value::Map(labels.iter().map(|(name, value)| (name.clone(), Value::text(value.clone()))).collect())
}

/// `a=b,c=d`.
pub fn label_text(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// A container as docker's list names its fields.
pub fn row(container: &Summary, cut: bool, now_secs: i64) -> Value {
    let mounts = container.mounts.iter().map(|mount| if mount.name.is_empty() { &mount.source } else { &mount.name });
    let fields = [
        ("ID", if cut { short_id(&container.id).to_owned() } else { container.id.clone() }),
        ("Names", names(container, cut)),
        ("Image", image(container, cut)),
        ("Command", quote(&if cut { ellipsis(&container.command, 20) } else { container.command.clone() })),
        ("CreatedAt", local_time(container.created)),
        ("RunningFor", ago(container.created, now_secs)),
        ("Ports", ports(&container.ports)),
        ("State", container.state.clone()),
        ("Status", container.status.clone()),
        ("Size", size(container)),
        ("Labels", label_text(&container.labels)),
        ("Mounts", mounts.map(|name| if cut { ellipsis(name, 15) } else { name.clone() }).collect::<Vec<_>>().join(",")),
        ("LocalVolumes", container.mounts.iter().filter(|mount| mount.driver == "local").count().to_string()),
        ("Networks", container.network_settings.networks.keys().cloned().collect::<Vec<_>>().join(",")),
    ];
    let mut members: Vec<(String, Value)> = fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect();
    members.push(("Platform".to_owned(), Value::Null));
    Value::Map(members)
}

/// Names without their `/`; names given by links (`/a/b`) only in full lists.
fn names(container: &Summary, cut: bool) -> String {
    let names = container.names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
    names.filter(|name| !cut || !name.contains('/')).collect::<Vec<_>>().join(",")
}

fn image(container: &Summary, cut: bool) -> String {
    let image = &container.image;
    if image.is_empty() {
        return "<no image>".to_owned();
    }
    if !cut {
        return image.clone();
    }
    if short_id(&container.image_id) == short_id(image) {
        return short_id(image).to_owned();
    }
    // A digest is long and seldom looked for.
    image.split_once('@').map_or(image.as_str(), |(name, _)| name).to_owned()
}

fn size(container: &Summary) -> String {
    let own = decimal_size(container.size_rw as f64);
    if container.size_root_fs > 0 { format!("{own} (virtual {})", decimal_size(container.size_root_fs as f64)) } else { own }
}

/// Ports as docker sums them up: neighbours as ranges, moved ports last. Source: docker/cli `formatter.DisplayablePorts`.
pub fn ports(ports: &[Port]) -> String {
    let mut sorted: Vec<&Port> = ports.iter().collect();
    sorted.sort_by_key(|port| (port.private_port, &port.ip, port.public_port, &port.kind));
    let host = |ip: &str| if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let group = |ip: &str, kind: &str, first: u16, last: u16| {
        let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
        if ip.is_empty() { format!("{range}/{kind}") } else { format!("{}:{range}->{range}/{kind}", host(ip)) }
    };
    let mut done = Vec::new();
    let mut moved = Vec::new();
    let mut open: Vec<(&str, &str, u16, u16)> = Vec::new();
    for port in sorted {
        if !port.ip.is_empty() && port.public_port != port.private_port {
            moved.push(format!("{}:{}->{}/{}", host(&port.ip), port.public_port, port.private_port, port.kind));
            continue;
        }
        match open.iter_mut().find(|(ip, kind, _, _)| *ip == port.ip && *kind == port.kind) {
            None => open.push((&port.ip, &port.kind, port.private_port, port.private_port)),
            Some((_, _, _, last)) if port.private_port == last.saturating_add(1) => *last = port.private_port,
            Some(found) => {
                done.push(group(found.0, found.1, found.2, found.3));
                (found.2, found.3) = (port.private_port, port.private_port);
            }
        }
    }
    done.extend(open.into_iter().map(|(ip, kind, first, last)| group(ip, kind, first, last)));
    done.extend(moved);
    done.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_summed_up_as_docker_does() {
        let port = |ip: &str, private_port, public_port| Port { ip: ip.into(), private_port, public_port, kind: "tcp".into() };
        let check = |list: &[Port], want: &str| assert_eq!(ports(list), want);
        check(&[port("", 81, 0), port("", 80, 0), port("", 90, 0)], "80-81/tcp, 90/tcp");
        check(&[port("0.0.0.0", 80, 8080), port("::", 80, 8080)], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
        check(&[port("0.0.0.0", 80, 80), port("0.0.0.0", 81, 81), port("", 443, 0)], "0.0.0.0:80-81->80-81/tcp, 443/tcp");
        check(&[], "");
    }
}
