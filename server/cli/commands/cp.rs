//! `cp`: files between a container and this machine. Source: docker/cli `cli/command/container/cp.go`.

use crate::client::{Client, segment};
use crate::copy;
use crate::failure::{Attempt, Failure};
use crate::format::decimal_size;
use crate::tree::Verb;
use base64::Engine as _;
use clap::Args;
use gantry_wire::docker::container::PathStat;
use reqwest::{Method, Response};

/// Go's `os.ModeDir` and `os.ModeSymlink`.
const FOLDER: u32 = 1 << 31;
const LINK: u32 = 1 << 27;
/// Links followed one after the other before they count as a circle.
const HOPS: usize = 40;

#[derive(Args)]
pub struct Cp {
    /// Keep user and group ids
    #[arg(short, long)]
    archive: bool,
    /// Copy what a link leads to
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Don't tell how much was copied
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "SOURCE")]
    source: String,
    #[arg(value_name = "DESTINATION")]
    destination: String,
}

/// `CONTAINER:PATH`, unless it is plainly a path here. Source: docker/cli `splitCpArg`.
fn remote(argument: &str) -> Option<(&str, &str)> {
    if argument.starts_with(['/', '.']) || argument == "-" {
        return None;
    }
    argument.split_once(':').filter(|(container, _)| !container.is_empty())
}

impl Verb for Cp {
    const USAGE: &'static str = "[OPTIONS] CONTAINER:PATH PATH|-\n       gantry cp [OPTIONS] PATH|- CONTAINER:PATH";
    const ABOUT: &'static str = "Copy files between a container and this machine";
    const EXAMPLE: &'static str = "cp web:/etc/nginx/nginx.conf .";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        match (remote(&self.source), remote(&self.destination)) {
            (Some((container, path)), None) => self.fetch(&client, container, path).await,
            (None, Some((container, path))) => self.bring(&client, container, path).await,
            (Some(_), Some(_)) => Err(Failure::new("copying between containers is not supported").hint("copy to this machine first")),
            (None, None) => Err(Failure::new("must specify at least one container source").hint("name a container's file as CONTAINER:PATH")),
        }
    }
}

impl Cp {
    async fn fetch(&self, client: &Client, container: &str, path: &str) -> Result<i32, Failure> {
        let mut path = absolute(path);
        let mut response = get(client, container, &path).await?;
        if self.follow_link {
            for _ in 0..HOPS {
                let stat = stat(&response)?;
                if stat.mode & LINK == 0 {
                    break;
                }
                let above = path.trim_end_matches('/').rsplit_once('/').map_or("", |(above, _)| above);
                path = if stat.link_target.starts_with('/') { stat.link_target } else { format!("{above}/{}", stat.link_target) };
                response = get(client, container, &path).await?;
            }
        }
        if self.destination == "-" {
            super::archives::copy(client, response, &mut std::io::stdout().lock()).await?;
            return Ok(0);
        }
        let is_folder = stat(&response)?.mode & FOLDER != 0;
        let place = copy::Place::find(&self.destination, is_folder, path == "/" || path.ends_with("/."))?;
        let bytes = copy::unpack(client, response, place, self.archive).await?;
        self.tell(bytes, &self.destination);
        Ok(0)
    }

    async fn bring(&self, client: &Client, container: &str, path: &str) -> Result<i32, Failure> {
        let path = absolute(path);
        if self.source == "-" {
            let mut here = std::io::stdin();
            let body = copy::stream(move |out| std::io::copy(&mut here, out).map(drop));
            return self.put(client, container, &path, body.0).await.map(|()| 0);
        }
        let (mut there, mut target) = (head(client, container, &path).await?, path.clone());
        for _ in 0..HOPS {
            match &there {
                Some(stat) if stat.mode & LINK != 0 => {
                    let above = target.trim_end_matches('/').rsplit_once('/').map_or("", |(above, _)| above);
                    target = if stat.link_target.starts_with('/') { stat.link_target.clone() } else { format!("{above}/{}", stat.link_target) };
                    there = head(client, container, &target).await?;
                }
                _ => break,
            }
        }
        let source = copy::Source::find(&self.source, self.follow_link)?;
        let base =
            target.trim_end_matches('/').rsplit_once('/').map_or_else(|| (String::new(), target.clone()), |(above, base)| (above.to_owned(), base.to_owned()));
        let (folder, name) = match &there {
            Some(stat) if stat.mode & FOLDER != 0 => (target.clone(), source.name.clone()),
            Some(_) if source.is_folder => return Err(Failure::new(format!("cannot copy a folder onto {container}:{path}, which is a file"))),
            None if !source.is_folder && path.ends_with('/') => return Err(Failure::new(format!("destination folder {container}:{path} must exist"))),
            _ => (if base.0.is_empty() { "/".to_owned() } else { base.0 }, Some(base.1)),
        };
        let (body, counted) = source.pack(name);
        self.put(client, container, &folder, body).await?;
        self.tell(counted.load(std::sync::atomic::Ordering::Relaxed), &self.destination);
        Ok(0)
    }

    async fn put(&self, client: &Client, container: &str, folder: &str, body: reqwest::Body) -> Result<(), Failure> {
        let mut query = vec![("path", folder.to_owned()), ("noOverwriteDirNonDir", "true".to_owned())];
        query.extend(self.archive.then(|| ("copyUIDGID", "true".to_owned())));
        let request = client.request(Method::PUT, &archive(container), &query)?.header("Content-Type", "application/x-tar");
        client.answer(request.body(body)).await.map(drop)
    }

    fn tell(&self, bytes: u64, whereto: &str) {
        if !self.quiet && crate::stream::is_terminal(std::io::stderr()) {
            eprintln!("Successfully copied {} to {whereto}", decimal_size(bytes as f64));
        }
    }
}

fn archive(container: &str) -> String {
    format!("/containers/{}/archive", segment(container))
}

/// Paths in a container begin at its root.
fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

async fn get(client: &Client, container: &str, path: &str) -> Result<Response, Failure> {
    client.send(Method::GET, &archive(container), &[("path", path.to_owned())], None).await
}

/// What is at `path` in the container; `None` if nothing is.
async fn head(client: &Client, container: &str, path: &str) -> Result<Option<PathStat>, Failure> {
    match client.send(Method::HEAD, &archive(container), &[("path", path.to_owned())], None).await {
        // A HEAD has no body to tell a missing path from a missing container; the PUT will.
        Err(failure) if failure.status == Some(404) => Ok(None),
        response => stat(&response?).map(Some),
    }
}

fn stat(response: &Response) -> Result<PathStat, Failure> {
    let header = response.headers().get("X-Docker-Container-Path-Stat").ok_or_else(|| Failure::new("the server did not say what the path is"))?;
    let json = base64::engine::general_purpose::STANDARD.decode(header.as_bytes()).attempt(|| "understand what the path is".to_owned())?;
    serde_json::from_slice(&json).attempt(|| "understand what the path is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_what_stands_before_the_colon() {
        assert_eq!(remote("web:/etc"), Some(("web", "/etc")));
        assert_eq!(remote("web:etc:x"), Some(("web", "etc:x")));
        assert_eq!((remote("./a:b"), remote("/a:b"), remote("-"), remote("file")), (None, None, None, None));
    }
}
