//! Names of what is on the server, as far as it says them at once.

use crate::client::Client;
use gantry_wire::docker::gantry::{Token, User};
use gantry_wire::docker::{image, list};
use serde::Deserialize;
use std::time::Duration;

/// A shell waits for the answer: better none than a late one.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Containers,
    Running,
    Stopped,
    Paused,
    /// `CONTAINER:`, for `cp`.
    Places,
    Images,
    Volumes,
    Networks,
    Users,
    Tokens,
    /// Containers, images, networks and volumes.
    All,
}

/// Names, and a word on each.
pub async fn of(client: &Client, kind: Kind, typed: &str) -> Vec<(String, String)> {
    let asked = async {
        match kind {
            Kind::Images => images(client, typed).await,
            Kind::Volumes => volumes(client).await,
            Kind::Networks => networks(client).await,
            Kind::Users => {
                let users: Vec<User> = client.get("/gantry/users", &[]).await.unwrap_or_default();
                users.into_iter().map(|user| (user.name.to_string(), user.role.to_string())).collect()
            }
            Kind::Tokens => {
                let tokens: Vec<Token> = client.get("/gantry/tokens", &[]).await.unwrap_or_default();
                tokens.into_iter().map(|token| (token.name.to_string(), token.role.to_string())).collect()
            }
            Kind::All => {
                let mut all = containers(client, kind, typed).await;
                all.extend(images(client, typed).await);
                all.extend(volumes(client).await);
                all.extend(networks(client).await);
                all
            }
            _ => containers(client, kind, typed).await,
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_default()
}

async fn containers(client: &Client, kind: Kind, typed: &str) -> Vec<(String, String)> {
    let containers: Vec<list::Summary> = client.get("/containers/json", &[("all", "1".to_owned())]).await.unwrap_or_default();
    let fits = |state: &str| match kind {
        Kind::Running => matches!(state, "running" | "restarting" | "paused"),
        Kind::Stopped => matches!(state, "created" | "exited" | "dead"),
        Kind::Paused => state == "paused",
        _ => true,
    };
    let mut all = Vec::new();
    for container in containers.iter().filter(|container| fits(&container.state)) {
        let about = format!("{}, {}", container.image, container.status);
        let end = if kind == Kind::Places { ":" } else { "" };
        all.extend(container.names.iter().map(|name| (format!("{}{end}", name.trim_start_matches('/')), about.clone())));
        // An id only to who begins one.
        if typed.len() >= 2 && container.id.starts_with(typed) {
            all.push((format!("{}{end}", &container.id[..container.id.len().min(12)]), about));
        }
    }
    all
}

async fn images(client: &Client, typed: &str) -> Vec<(String, String)> {
    let images: Vec<image::Summary> = client.get("/images/json", &[]).await.unwrap_or_default();
    let mut all = Vec::new();
    for image in &images {
        let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
        let about = crate::format::decimal_size(image.size as f64);
        for tag in image.repo_tags.iter().filter(|tag| *tag != "<none>:<none>") {
            all.push((tag.clone(), about.clone()));
            all.extend(tag.strip_suffix(":latest").map(|name| (name.to_owned(), about.clone())));
        }
        if typed.len() >= 2 && id.starts_with(typed) {
            all.push((id[..id.len().min(12)].to_owned(), about));
        }
    }
    all
}

async fn volumes(client: &Client) -> Vec<(String, String)> {
    let list: Option<gantry_wire::docker::volume::List> = client.get("/volumes", &[]).await.ok();
    list.into_iter().flat_map(|list| list.volumes).map(|volume| (volume.name, "volume".to_owned())).collect()
}

async fn networks(client: &Client) -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Network {
        #[serde(rename = "Name")]
        name: String,
        #[serde(rename = "Driver", default)]
        driver: String,
    }
    let networks: Vec<Network> = client.get("/networks", &[]).await.unwrap_or_default();
    networks.into_iter().map(|network| (network.name, format!("network, {}", network.driver))).collect()
}
