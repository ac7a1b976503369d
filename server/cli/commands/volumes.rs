//! `volume …`.

use super::{each, filter};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::flags::pairs;
use crate::format::{Column, Listing, Value, decimal_size};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::volume::{Create, List, Volume};
use std::cmp::Ordering;

#[derive(Args)]
pub struct Ls {
    /// Show those that fit, for example dangling=true (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// table, json, a Go template, or "table TEMPLATE"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show names only
    #[arg(short, long)]
    quiet: bool,
}

const FIELDS: &[Column] = &[
    Column { field: "Name", title: "VOLUME NAME" },
    Column { field: "Driver", title: "DRIVER" },
    Column { field: "Scope", title: "SCOPE" },
    Column { field: "Mountpoint", title: "MOUNTPOINT" },
    Column { field: "Labels", title: "LABELS" },
    Column { field: "Links", title: "LINKS" },
    Column { field: "Size", title: "SIZE" },
    Column { field: "Availability", title: "AVAILABILITY" },
    Column { field: "Group", title: "GROUP" },
    Column { field: "Status", title: "STATUS" },
];

impl Verb for Ls {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "List volumes";
    const EXAMPLE: &'static str = "volume ls --filter dangling=true";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let query: Vec<_> = filter::query(&self.filter)?.into_iter().collect();
        let mut list: List = client.get("/volumes", &query).await?;
        list.volumes.sort_by(|a, b| natural(&a.name, &b.name));
        let labels: Vec<Value> = list.volumes.iter().map(|volume| super::ps::texts(&volume.labels.clone().unwrap_or_default())).collect();
        let rows: Vec<Value> = list.volumes.iter().map(row).collect();
        let listing = Listing { fields: FIELDS, table: "{{.Driver}}\t{{.Name}}", quiet: "{{.Name}}" };
        print(&listing.render(self.format.as_deref(), self.quiet, &rows, &labels)?)?;
        Ok(0)
    }
}

/// As people count: `v2` before `v10`. Source: fvbommel/sortorder, which docker uses.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let ((m, rest_a), (n, rest_b)) = (a.split_at(digits(a)), b.split_at(digits(b)));
            let (p, q) = (m.trim_start_matches('0'), n.trim_start_matches('0'));
            let order = p.len().cmp(&q.len()).then_with(|| p.cmp(q)).then_with(|| m.len().cmp(&n.len()));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (rest_a, rest_b);
        } else if x == y {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
        } else {
            return x.cmp(&y);
        }
    }
}

pub fn row(volume: &Volume) -> Value {
    let usage = volume.usage_data.as_ref();
    let unknown = || "N/A".to_owned();
    let fields = [
        ("Name", volume.name.clone()),
        ("Driver", volume.driver.clone()),
        ("Scope", volume.scope.clone()),
        ("Mountpoint", volume.mountpoint.clone()),
        ("Labels", volume.labels.as_ref().map(super::ps::label_text).unwrap_or_default()),
        ("Links", usage.map_or_else(unknown, |usage| usage.ref_count.to_string())),
        ("Size", usage.map_or_else(unknown, |usage| decimal_size(usage.size as f64))),
        ("Availability", unknown()),
        ("Group", unknown()),
        ("Status", unknown()),
    ];
    Value::Map(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect())
}

#[derive(Args)]
pub struct New {
    /// Driver of the volume
    #[arg(short, long, value_name = "DRIVER", default_value = "local")]
    driver: String,
    /// Set a label (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Option of the driver (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    opt: Vec<String>,
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Verb for New {
    const USAGE: &'static str = "[OPTIONS] [NAME]";
    const ABOUT: &'static str = "Create a volume";
    const EXAMPLE: &'static str = "volume create data";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let asked = Create { name: self.name.unwrap_or_default(), driver: self.driver, driver_opts: Some(pairs(&self.opt)), labels: Some(pairs(&self.label)) };
        let volume: Volume = client.post("/volumes/create", &[], &asked).await?;
        println!("{}", volume.name);
        Ok(0)
    }
}

#[derive(Args)]
pub struct Remove {
    /// A volume that is gone is no error
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "[OPTIONS] NAME [NAME...]";
    const ABOUT: &'static str = "Remove volumes";
    const EXAMPLE: &'static str = "volume rm data";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let query: Vec<_> = self.force.then(|| ("force", "1".to_owned())).into_iter().collect();
        each(&self.names, 1, async |name| {
            client.delete(&format!("/volumes/{}", segment(name)), &query).await?;
            Ok(format!("{name}\n"))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_people_count() {
        let mut names = ["v10", "v2", "a", "v02", "v2x", "1b", "12a"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["1b", "12a", "a", "v2", "v2x", "v02", "v10"]);
    }
}
