//! `system df`: what takes room, and what could be freed.

use crate::client::Client;
use crate::failure::Failure;
use crate::flags::now_secs;
use crate::format::{Column, Listing, Value, wide_size};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::list;
use gantry_wire::docker::system::DiskUsage;

#[derive(Args)]
pub struct Df {
    /// table, json, a Go template, or "table TEMPLATE"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show each image, container and volume
    #[arg(short, long)]
    verbose: bool,
}

const FIELDS: &[Column] = &[
    Column { field: "Type", title: "TYPE" },
    Column { field: "TotalCount", title: "TOTAL" },
    Column { field: "Active", title: "ACTIVE" },
    Column { field: "Size", title: "SIZE" },
    Column { field: "Reclaimable", title: "RECLAIMABLE" },
];

impl Verb for Df {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Show what takes room on the disk, and what could be freed";
    const EXAMPLE: &'static str = "system df -v";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        if self.verbose && self.format.is_some() {
            return Err(Failure::usage("the verbose and the format options conflict"));
        }
        let usage: DiskUsage = client.get("/system/df", &[]).await?;
        if self.verbose {
            print(&in_full(&usage, now_secs())?)?;
        } else {
            let listing = Listing { fields: FIELDS, table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}", quiet: "{{.Type}}" };
            print(&listing.render(self.format.as_deref(), false, &rows(&usage), &[])?)?;
        }
        Ok(0)
    }
}

fn rows(usage: &DiskUsage) -> Vec<Value> {
    let images = usage.images.as_deref().unwrap_or_default();
    let containers = usage.containers.as_deref().unwrap_or_default();
    let volumes = usage.volumes.as_deref().unwrap_or_default();
    let caches = usage.build_cache.as_deref().unwrap_or_default();
    let own = images
        .iter()
        .filter(|image| image.containers != 0 && image.size >= 0 && image.shared_size >= 0)
        .map(|image| image.size - image.shared_size)
        .sum::<i64>();
    let lives = |state: &str| ["running", "paused", "restarting"].iter().any(|word| state.contains(word));
    let still: i64 = containers.iter().filter(|container| !lives(&container.state)).map(|container| container.size_rw).sum();
    let sizes = volumes.iter().filter_map(|volume| volume.usage_data.as_ref()).filter(|usage| usage.size >= 0);
    let cached: i64 = if usage.builder_size > 0 { usage.builder_size } else { caches.iter().map(|cache| cache.size).sum() };
    vec![
        row("Images", images.len(), images.iter().filter(|image| image.containers > 0).count(), usage.layers_size, usage.layers_size - own),
        row(
            "Containers",
            containers.len(),
            containers.iter().filter(|container| lives(&container.state)).count(),
            containers.iter().map(|container| container.size_rw).sum(),
            still,
        ),
        row(
            "Local Volumes",
            volumes.len(),
            volumes.iter().filter(|volume| volume.usage_data.as_ref().is_some_and(|usage| usage.ref_count > 0)).count(),
            sizes.clone().map(|usage| usage.size).sum(),
            sizes.filter(|usage| usage.ref_count == 0).map(|usage| usage.size).sum(),
        ),
        row("Build Cache", caches.len(), 0, cached, cached),
    ]
}

fn row(kind: &str, total: usize, active: usize, size: i64, reclaimable: i64) -> Value {
    let freed = wide_size(reclaimable as f64);
    // Docker gives no percentage for its cache.
    let freed = if size > 0 && kind != "Build Cache" { format!("{freed} ({}%)", reclaimable * 100 / size) } else { freed };
    let fields = [
        ("Type", kind.to_owned()),
        ("TotalCount", total.to_string()),
        ("Active", active.to_string()),
        ("Size", wide_size(size as f64)),
        ("Reclaimable", freed),
    ];
    Value::Map(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect())
}

fn in_full(usage: &DiskUsage, now_secs: i64) -> Result<String, Failure> {
    let listing = |fields: &[(&'static str, &'static str)], rows: &[Value]| {
        let columns: Vec<Column> = fields.iter().map(|(field, title)| Column { field, title }).collect();
        let table = fields.iter().map(|(field, _)| format!("{{{{.{field}}}}}")).collect::<Vec<_>>().join("\t");
        Listing { fields: &columns, table: &table, quiet: "" }.render(None, false, rows, &[])
    };
    let images: Vec<Value> = usage.images.iter().flatten().filter_map(|image| super::images::rows(image, true, false, now_secs).into_iter().next()).collect();
    // Layers are counted with the images.
    let own = |container: &list::Summary| list::Summary { size_root_fs: 0, ..container.clone() };
    let containers: Vec<Value> = usage.containers.iter().flatten().map(|container| super::ps::row(&own(container), true, now_secs)).collect();
    let volumes: Vec<Value> = usage.volumes.iter().flatten().map(super::volumes::row).collect();
    let images = listing(
        &[
            ("Repository", "REPOSITORY"),
            ("Tag", "TAG"),
            ("ID", "IMAGE ID"),
            ("CreatedSince", "CREATED"),
            ("Size", "SIZE"),
            ("SharedSize", "SHARED SIZE"),
            ("UniqueSize", "UNIQUE SIZE"),
            ("Containers", "CONTAINERS"),
        ],
        &images,
    )?;
    let containers = listing(
        &[
            ("ID", "CONTAINER ID"),
            ("Image", "IMAGE"),
            ("Command", "COMMAND"),
            ("LocalVolumes", "LOCAL VOLUMES"),
            ("Size", "SIZE"),
            ("RunningFor", "CREATED"),
            ("Status", "STATUS"),
            ("Names", "NAMES"),
        ],
        &containers,
    )?;
    let volumes = listing(&[("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")], &volumes)?;
    let cache = wide_size(usage.builder_size as f64);
    let caches = listing(
        &[
            ("ID", "CACHE ID"),
            ("Type", "CACHE TYPE"),
            ("Size", "SIZE"),
            ("Created", "CREATED"),
            ("LastUsed", "LAST USED"),
            ("Usage", "USAGE"),
            ("Shared", "SHARED"),
        ],
        &[],
    )?;
    Ok(format!(
        "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\nLocal Volumes space usage:\n\n{volumes}\nBuild cache usage: {cache}\n\n{caches}"
    ))
}
