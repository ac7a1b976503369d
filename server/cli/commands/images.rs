//! `images` and `history`.

use super::filter;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::flags::now_secs;
use crate::format::{Column, Listing, Value, ago, decimal_size, ellipsis, local_time, short_id, utc_time, wide_size};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::image::{History as Step, Summary};

#[derive(Args)]
pub struct Images {
    /// Show intermediate images, too
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show those that fit, for example dangling=true (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// table, json, a Go template, or "table TEMPLATE"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Don't cut long texts
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    repository: Option<String>,
}

const FIELDS: &[Column] = &[
    Column { field: "ID", title: "IMAGE ID" },
    Column { field: "Repository", title: "REPOSITORY" },
    Column { field: "Tag", title: "TAG" },
    Column { field: "Digest", title: "DIGEST" },
    Column { field: "CreatedSince", title: "CREATED" },
    Column { field: "CreatedAt", title: "CREATED AT" },
    Column { field: "Size", title: "SIZE" },
    Column { field: "Containers", title: "CONTAINERS" },
    Column { field: "VirtualSize", title: "SIZE" },
    Column { field: "SharedSize", title: "SHARED SIZE" },
    Column { field: "UniqueSize", title: "UNIQUE SIZE" },
];

const NONE: &str = "<none>";

impl Verb for Images {
    const USAGE: &'static str = "[OPTIONS] [REPOSITORY[:TAG]]";
    const ABOUT: &'static str = "List images";
    const EXAMPLE: &'static str = "images --filter dangling=true -q";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let mut query = Vec::new();
        query.extend(self.all.then(|| ("all", "1".to_owned())));
        let mut filters = filter::filters(&self.filter)?;
        if let Some(repository) = &self.repository {
            filters.add("reference", repository.clone());
        }
        if !filters.is_empty() {
            query.push(("filters", filters.to_json()));
        }
        let images: Vec<Summary> = client.get("/images/json", &query).await?;
        let now = now_secs();
        let digests = self.digests || self.format.as_deref().is_some_and(|format| format.contains("{{.Digest}}"));
        let rows: Vec<Value> = images.iter().flat_map(|image| rows(image, !self.no_trunc, digests, now)).collect();
        let middle = if self.digests { "{{.Digest}}\t" } else { "" };
        let table = format!(
            "{{{{.Repository}}}}\t{{{{.Tag}}}}\t{middle}{{{{.ID}}}}\t{{{{if .CreatedSince}}}}{{{{.CreatedSince}}}}{{{{else}}}}N/A{{{{end}}}}\t{{{{.Size}}}}"
        );
        let listing = Listing { fields: FIELDS, table: &table, quiet: "{{.ID}}" };
        print(&listing.render(self.format.as_deref(), self.quiet, &rows, &[])?)?;
        Ok(0)
    }
}

/// A row for each tag, or each digest; one row for an image that has neither. Source: docker/cli `formatter/image.go`.
pub fn rows(image: &Summary, cut: bool, digests: bool, now_secs: i64) -> Vec<Value> {
    let tags: Vec<(&str, &str)> = image.repo_tags.iter().filter(|tag| *tag != "<none>:<none>").filter_map(|tag| tag.rsplit_once(':')).collect();
    let known: Vec<(&str, &str)> = image.repo_digests.iter().filter(|digest| *digest != "<none>@<none>").filter_map(|digest| digest.split_once('@')).collect();
    let mut rows = Vec::new();
    for (repository, tag) in &tags {
        let own: Vec<_> = known.iter().filter(|(of, _)| digests && of == repository).collect();
        if own.is_empty() {
            rows.push(row(image, cut, now_secs, repository, tag, NONE));
        }
        rows.extend(own.into_iter().map(|(_, digest)| row(image, cut, now_secs, repository, tag, digest)));
    }
    let mut told: Vec<&str> = Vec::new();
    for (repository, digest) in known {
        let tagged = tags.iter().any(|(of, _)| *of == repository);
        if tagged || (!digests && told.contains(&repository)) {
            continue;
        }
        told.push(repository);
        rows.push(row(image, cut, now_secs, repository, NONE, if digests { digest } else { "" }));
    }
    if rows.is_empty() {
        rows.push(row(image, cut, now_secs, NONE, NONE, NONE));
    }
    rows
}

fn row(image: &Summary, cut: bool, now_secs: i64, repository: &str, tag: &str, digest: &str) -> Value {
    let known = |size: i64| if size < 0 { "N/A".to_owned() } else { wide_size(size as f64) };
    let unique = if image.shared_size < 0 { -1 } else { image.size - image.shared_size };
    let fields = [
        ("ID", if cut { short_id(&image.id).to_owned() } else { image.id.clone() }),
        ("Repository", repository.to_owned()),
        ("Tag", tag.to_owned()),
        ("Digest", digest.to_owned()),
        ("CreatedSince", if image.created <= 0 { "N/A".to_owned() } else { ago(image.created, now_secs) }),
        ("CreatedAt", if image.created <= 0 { "N/A".to_owned() } else { local_time(image.created) }),
        ("Size", decimal_size(image.size as f64)),
        ("Containers", if image.containers < 0 { "N/A".to_owned() } else { image.containers.to_string() }),
        ("VirtualSize", wide_size(image.size as f64)),
        ("SharedSize", known(image.shared_size)),
        ("UniqueSize", known(unique)),
    ];
    Value::Map(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect())
}

#[derive(Args)]
pub struct History {
    /// table, json, a Go template, or "table TEMPLATE"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Sizes and dates for people
    #[arg(short = 'H', long, action = clap::ArgAction::Set, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    human: bool,
    /// Don't cut long texts
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "IMAGE")]
    image: String,
}

const STEP_FIELDS: &[Column] = &[
    Column { field: "ID", title: "IMAGE" },
    Column { field: "CreatedSince", title: "CREATED" },
    Column { field: "CreatedAt", title: "CREATED AT" },
    Column { field: "CreatedBy", title: "CREATED BY" },
    Column { field: "Size", title: "SIZE" },
    Column { field: "Comment", title: "COMMENT" },
];

impl Verb for History {
    const USAGE: &'static str = "[OPTIONS] IMAGE";
    const ABOUT: &'static str = "Show how an image was made, layer by layer";
    const EXAMPLE: &'static str = "history --no-trunc nginx";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let steps: Vec<Step> = client.get(&format!("/images/{}/history", segment(&self.image)), &[]).await?;
        let now = now_secs();
        let rows: Vec<Value> = steps.iter().map(|step| self.row(step, now)).collect();
        let table = if self.human {
            "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
        } else {
            "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
        };
        let listing = Listing { fields: STEP_FIELDS, table, quiet: "{{.ID}}" };
        print(&listing.render(self.format.as_deref(), self.quiet, &rows, &[])?)?;
        Ok(0)
    }
}

impl History {
    fn row(&self, step: &Step, now_secs: i64) -> Value {
        let cut = !self.no_trunc;
        let by = step.created_by.replace('\t', " ");
        let at = utc_time(step.created);
        let fields = [
            ("ID", if cut { short_id(&step.id).to_owned() } else { step.id.clone() }),
            ("CreatedSince", if self.human { ago(step.created, now_secs) } else { at.clone() }),
            ("CreatedAt", at),
            ("CreatedBy", if cut { ellipsis(&by, 45) } else { by }),
            ("Size", if self.human { decimal_size(step.size as f64) } else { step.size.to_string() }),
            ("Comment", step.comment.clone()),
        ];
        Value::Map(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect())
    }
}
