//! `inspect`: everything that is known of an object, as the server says it.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::format::shapes::{self, Shape};
use crate::format::{Template, Value, indent_json};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;

/// Kinds of objects, in the order in which a bare name is looked for.
const KINDS: [&str; 4] = ["container", "image", "network", "volume"];

#[derive(Args)]
pub struct Inspect {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show sizes of containers, too
    #[arg(short, long)]
    size: bool,
    /// Look only for a container, image, network or volume
    #[arg(long = "type", value_name = "KIND")]
    kind: Option<String>,
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] NAME [NAME...]";
    const ABOUT: &'static str = "Show all that is known of containers, images, networks, volumes";
    const EXAMPLE: &'static str = "inspect -f '{{.State.Pid}}' web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        if let Some(kind) = self.kind.as_deref().filter(|kind| !KINDS.contains(kind)) {
            return Err(Failure::new(format!("unknown kind {kind:?}")).hint(format!("choose one of {}", KINDS.join(", "))));
        }
        let kinds: Vec<&str> = self.kind.as_deref().map_or(KINDS.to_vec(), |kind| vec![kind]);
        show(&client, &self.names, &kinds, self.format.as_deref(), self.size).await
    }
}

macro_rules! of_one_kind {
    ($name:ident, $kind:literal, $about:literal) => {
        #[derive(Args)]
        pub struct $name {
            /// json, or a Go template
            #[arg(short, long, value_name = "FORMAT")]
            format: Option<String>,
            /// Show sizes, too
            #[arg(short, long, hide = $kind != "container")]
            size: bool,
            #[arg(value_name = "NAME", required = true)]
            names: Vec<String>,
        }

        impl Verb for $name {
            const USAGE: &'static str = "[OPTIONS] NAME [NAME...]";
            const ABOUT: &'static str = $about;
            const EXAMPLE: &'static str = concat!($kind, " inspect NAME");

            async fn run(self, client: Client) -> Result<i32, Failure> {
                show(&client, &self.names, &[$kind], self.format.as_deref(), self.size).await
            }
        }
    };
}

of_one_kind!(InspectContainer, "container", "Show all that is known of containers");
of_one_kind!(InspectImage, "image", "Show all that is known of images");
of_one_kind!(InspectNetwork, "network", "Show all that is known of networks");
of_one_kind!(InspectVolume, "volume", "Show all that is known of volumes");

async fn show(client: &Client, names: &[String], kinds: &[&str], format: Option<&str>, size: bool) -> Result<i32, Failure> {
    // Docker's exit code for a template that is none, here and nowhere else.
    let parse = |text: &str| Template::parse(text).map_err(|failure| failure.code(64));
    let template = match format {
        None | Some("json") => None,
        Some(format) => Some(parse(&format.replace("\\t", "\t").replace("\\n", "\n"))?),
    };
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match one(client, name, kinds, size).await {
            Ok(seen) => found.push(seen),
            Err(failure) => failures.push(failure),
        }
    }
    let mut out = String::new();
    match template {
        Some(template) => {
            for (shape, json) in &found {
                template.render_object(&value(json)?, *shape, &mut out)?;
                out.push('\n');
            }
        }
        None => {
            let list = format!("[{}]", found.iter().map(|(_, json)| json.trim_end()).collect::<Vec<_>>().join(","));
            match format {
                Some(_) => value(&list)?.json(&mut out, false),
                None => indent_json(&list, "", &mut out),
            }
            out.push('\n');
        }
    }
    print(&out)?;
    let code = i32::from(!failures.is_empty());
    for failure in failures {
        failure.report();
    }
    Ok(code)
}

fn value(json: &str) -> Result<Value, Failure> {
    serde_json::from_str(json).map_err(|error| Failure::new(format!("understand the server's answer: {error}")))
}

fn shape(kind: &str) -> Shape {
    match kind {
        "container" => shapes::CONTAINER,
        "image" => shapes::IMAGE,
        "network" => shapes::NETWORK,
        _ => shapes::VOLUME,
    }
}

/// The JSON of the first kind that knows `name`, and the shape of that kind.
async fn one(client: &Client, name: &str, kinds: &[&str], size: bool) -> Result<(Shape, String), Failure> {
    let mut last = None;
    for kind in kinds {
        let path = match *kind {
            "container" => format!("/containers/{}/json", segment(name)),
            "image" => format!("/images/{}/json", segment(name)),
            kind => format!("/{kind}s/{}", segment(name)),
        };
        let query = if size && *kind == "container" { vec![("size", "1".to_owned())] } else { Vec::new() };
        match client.get_text(&path, &query).await {
            Ok(json) => return Ok((shape(kind), json)),
            // Not every server has every kind, and no name fits every kind's rules.
            Err(failure) if matches!(failure.status, Some(404 | 400)) => last = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    match last {
        Some(failure) if kinds.len() == 1 => Err(failure),
        _ => Err(Failure::new(format!("No such object: {name}"))),
    }
}
