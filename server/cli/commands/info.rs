//! `info`: what the server is, has and can't do.

use crate::client::Client;
use crate::failure::Failure;
use crate::format::{Missing, Template, Value, binary_size};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::system::Info as Server;

#[derive(Args)]
pub struct Info {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Verb for Info {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Show what the server is, has, and can't do on this host";
    const EXAMPLE: &'static str = "info --format '{{.CgroupVersion}}'";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let json = client.get_text("/info", &[]).await?;
        let bad = |error: serde_json::Error| Failure::new(format!("understand the server's answer: {error}"));
        if let Some(format) = &self.format {
            let value: Value = serde_json::from_str(&json).map_err(bad)?;
            let template = Template::parse(if format == "json" { "{{json .}}" } else { format })?;
            let mut out = String::new();
            template.render(&value, None, Missing::Error, &mut out)?;
            print(&(out + "\n"))?;
            return Ok(0);
        }
        let server: Server = serde_json::from_str(&json).map_err(bad)?;
        print(&format!("Client:\n Version:    {}\n Host:       {}\n\nServer:\n{}", env!("CARGO_PKG_VERSION"), client.host(), about(&server)))?;
        for warning in server.warnings.iter().flatten() {
            eprintln!("{warning}");
        }
        Ok(0)
    }
}

fn about(server: &Server) -> String {
    let mut out = String::new();
    let mut line = |depth: usize, name: &str, value: &str| out.push_str(&format!("{:depth$}{name}:{}{value}\n", "", if value.is_empty() { "" } else { " " }));
    line(1, "Containers", &server.containers.to_string());
    line(2, "Running", &server.containers_running.to_string());
    line(2, "Paused", &server.containers_paused.to_string());
    line(2, "Stopped", &server.containers_stopped.to_string());
    line(1, "Images", &server.images.to_string());
    line(1, "Server Version", &server.server_version);
    line(1, "Storage Driver", &server.driver);
    server.driver_status.iter().for_each(|[name, value]| line(2, name, value));
    line(1, "Logging Driver", &server.logging_driver);
    line(1, "Cgroup Driver", &server.cgroup_driver);
    line(1, "Cgroup Version", &server.cgroup_version);
    line(1, "Plugins", "");
    line(2, "Volume", &server.plugins.volume.join(" "));
    line(2, "Network", &server.plugins.network.join(" "));
    line(2, "Log", &server.plugins.log.join(" "));
    line(1, "Swarm", &server.swarm.local_node_state);
    line(1, "Runtimes", &server.runtimes.keys().cloned().collect::<Vec<_>>().join(" "));
    line(1, "Default Runtime", &server.default_runtime);
    line(1, "Init Binary", &server.init_binary);
    line(1, "Security Options", "");
    for option in &server.security_options {
        // `name=seccomp,profile=default`
        let mut parts = option.split(',').filter_map(|part| part.split_once('='));
        line(2, parts.next().map_or(option.as_str(), |(_, name)| name), "");
        parts.for_each(|(name, value)| line(3, &title(name), value));
    }
    line(1, "Kernel Version", &server.kernel_version);
    line(1, "Operating System", &server.operating_system);
    line(1, "OSType", &server.os_type);
    line(1, "Architecture", &server.architecture);
    line(1, "CPUs", &server.n_cpu.to_string());
    line(1, "Total Memory", &binary_size(server.mem_total as f64));
    line(1, "Name", &server.name);
    line(1, "ID", &server.id);
    line(1, "Docker Root Dir", &server.docker_root_dir);
    line(1, "Debug Mode", &server.debug.to_string());
    line(1, "Experimental", &server.experimental_build.to_string());
    line(1, "Live Restore Enabled", &server.live_restore_enabled.to_string());
    out.replace("seccomp:\n", "seccomp\n")
}

fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
