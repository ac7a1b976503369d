//! `version`: this program's and the server's.

use crate::client::Client;
use crate::failure::Failure;
use crate::format::{Template, Value, shapes, weekday_time};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::VERSION;
use gantry_wire::docker::system::Version as Server;

#[derive(Args)]
pub struct Version {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Verb for Version {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Show the versions of this program and of the server";
    const EXAMPLE: &'static str = "version --format '{{.Server.Version}}'";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let mine = client_version();
        // Without a server this program has a version all the same.
        let server: Result<String, Failure> = client.get_text("/version", &[]).await;
        if let Some(format) = &self.format {
            let value = match &server {
                Ok(json) => serde_json::from_str(json).map_err(|error| Failure::new(format!("understand the server's answer: {error}")))?,
                Err(_) => Value::Null,
            };
            let both = Value::Map(vec![("Client".to_owned(), mine), ("Server".to_owned(), value)]);
            let template = Template::parse(if format == "json" { "{{json .}}" } else { format })?;
            let mut out = String::new();
            template.render_object(&both, shapes::VERSION, &mut out)?;
            print(&(out + "\n"))?;
        } else {
            let lines =
                [("Version", mine.str("Version")), ("API version", mine.str("ApiVersion")), ("OS/Arch", &format!("{}/{}", mine.str("Os"), mine.str("Arch")))];
            print(&format!("Client:\n{}", block(" ", &lines)))?;
            if let Ok(json) = &server {
                let server: Server = serde_json::from_str(json).map_err(|error| Failure::new(format!("understand the server's answer: {error}")))?;
                print(&format!("\nServer:\n{}", about(&server)))?;
            }
        }
        server.map(|_| 0)
    }
}

fn client_version() -> Value {
    let text = |name: &str, value: String| (name.to_owned(), Value::Text(value));
    let arch = if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        std::env::consts::ARCH
    };
    Value::Map(vec![
        text("Version", env!("CARGO_PKG_VERSION").to_owned()),
        text("ApiVersion", VERSION.to_string()),
        text("DefaultAPIVersion", VERSION.to_string()),
        text("Os", "linux".to_owned()),
        text("Arch", arch.to_owned()),
    ])
}

fn about(server: &Server) -> String {
    let mut out = String::new();
    for part in &server.components {
        out.push_str(&format!(" {}:\n", if part.name.is_empty() { "Engine" } else { &part.name }));
        let detail = |name: &str| part.details.get(name).cloned().unwrap_or_default();
        let mut lines = vec![("Version", part.version.clone())];
        if part.name == "Engine" {
            lines.push(("API version", format!("{} (minimum version {})", detail("ApiVersion"), detail("MinAPIVersion"))));
            lines.push(("Go version", detail("GoVersion")));
            lines.push(("Git commit", detail("GitCommit")));
            lines.push(("Built", weekday_time(&detail("BuildTime"))));
            lines.push(("OS/Arch", format!("{}/{}", detail("Os"), detail("Arch"))));
            lines.push(("Experimental", detail("Experimental")));
        } else {
            lines.extend(part.details.iter().map(|(name, value)| (name.as_str(), value.clone())));
        }
        let lines: Vec<(&str, &str)> = lines.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, value.as_str())).collect();
        out.push_str(&block("  ", &lines));
    }
    out
}

fn block(indent: &str, lines: &[(&str, &str)]) -> String {
    lines.iter().map(|(name, value)| format!("{indent}{:<18}{value}\n", format!("{name}:"))).collect()
}
