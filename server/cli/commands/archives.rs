//! Archives in and out: `load`, `import`, `save`, `export`; and `tag`, `rmi`, `commit`.

use super::each;
use crate::client::{Client, segment};
use crate::failure::{Attempt, Failure};
use crate::parse::print;
use crate::progress;
use crate::stream::is_terminal;
use crate::tree::Verb;
use bytes::Bytes;
use clap::Args;
use gantry_model::ImageRef;
use gantry_wire::docker::container::Config;
use gantry_wire::docker::image::{Committed, Removed};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Body, Method, Response};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Bytes of an archive sent at once.
const PART: usize = 256 << 10;

#[derive(Args)]
pub struct Load {
    /// Read this file instead of stdin
    #[arg(short, long, value_name = "FILE")]
    input: Option<String>,
    /// Don't show progress
    #[arg(short, long)]
    quiet: bool,
}

impl Verb for Load {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Load images from an archive of docker save, podman or skopeo";
    const EXAMPLE: &'static str = "load -i alpine.tar";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        if self.input.is_none() && is_terminal(std::io::stdin()) {
            return Err(Failure::new("requested load from stdin, but stdin is empty").hint("name an archive with -i, or send one: gantry load < FILE"));
        }
        let request = client.request(Method::POST, "/images/load", &[("quiet", "1".to_owned())])?.header("Content-Type", "application/x-tar");
        let response = client.answer(request.body(archive(self.input.as_deref(), self.quiet)?)).await?;
        print(&progress::show(&client, response, self.quiet).await?.concat())?;
        Ok(0)
    }
}

#[derive(Args)]
pub struct Import {
    /// Apply an instruction as in a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR (may be repeated)
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Message kept with the image
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Platform of the files
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    #[arg(value_name = "FILE|URL|-")]
    source: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

impl Verb for Import {
    const USAGE: &'static str = "[OPTIONS] FILE|URL|- [REPOSITORY[:TAG]]";
    const ABOUT: &'static str = "Make an image of the files in a tar";
    const EXAMPLE: &'static str = "import -c 'CMD [\"sh\"]' rootfs.tar.gz base:1";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let is_url = self.source.starts_with("http://") || self.source.starts_with("https://");
        let mut query = vec![("fromSrc", if is_url { self.source.clone() } else { "-".to_owned() })];
        query.extend(self.reference.clone().map(|reference| ("repo", reference)));
        query.extend(self.message.clone().map(|message| ("message", message)));
        query.extend(self.platform.clone().map(|platform| ("platform", platform)));
        query.extend(self.change.iter().cloned().map(|change| ("changes", change)));
        let request = client.request(Method::POST, "/images/create", &query)?;
        let request = if is_url {
            request
        } else {
            let file = (self.source != "-").then_some(self.source.as_str());
            request.header("Content-Type", "text/plain").body(archive(file, false)?)
        };
        let response = client.answer(request).await?;
        print(&progress::show(&client, response, false).await?.concat())?;
        Ok(0)
    }
}

/// The bytes of `file`, or of stdin, with a bar on a terminal.
fn archive(file: Option<&str>, quiet: bool) -> Result<Body, Failure> {
    let mut source: Box<dyn Read + Send> = Box::new(std::io::stdin());
    let mut length = None;
    if let Some(path) = file {
        let opened = File::open(path).attempt(|| format!("open {path}"))?;
        let metadata = opened.metadata().attempt(|| format!("open {path}"))?;
        if metadata.is_dir() {
            return Err(Failure::new(format!("open {path}: it is a folder")).hint("give an archive; make one with: tar -C FOLDER -cf ARCHIVE ."));
        }
        length = metadata.is_file().then_some(metadata.len());
        source = Box::new(opened);
    }
    let bar = if quiet || !is_terminal(std::io::stderr()) { ProgressBar::hidden() } else { ProgressBar::new(length.unwrap_or_default()) };
    let template = if length.is_some() { "Sending [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}" } else { "Sending {bytes} {bytes_per_sec}" };
    bar.set_style(ProgressStyle::with_template(template).expect("a valid template").progress_chars("=> "));
    // Reading a file or a pipe with nothing else to do may block this thread.
    let parts = futures_util::stream::iter(std::iter::from_fn(move || {
        let mut part = vec![0; PART];
        match source.read(&mut part) {
            Ok(0) => {
                bar.finish_and_clear();
                None
            }
            Ok(count) => {
                part.truncate(count);
                bar.inc(count as u64);
                Some(Ok(Bytes::from(part)))
            }
            Err(error) => Some(Err(error)),
        }
    }));
    Ok(Body::wrap_stream(parts))
}

#[derive(Args)]
pub struct Save {
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for Save {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const ABOUT: &'static str = "Write images to an archive that load reads";
    const EXAMPLE: &'static str = "save -o alpine.tar alpine:3";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let query: Vec<_> = self.images.into_iter().map(|image| ("names", image)).collect();
        write_archive(&client, "/images/get", &query, self.output.as_deref(), "save").await
    }
}

#[derive(Args)]
pub struct Export {
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Export {
    const USAGE: &'static str = "[OPTIONS] CONTAINER";
    const ABOUT: &'static str = "Write the files of a container as a tar";
    const EXAMPLE: &'static str = "export -o web.tar web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        write_archive(&client, &format!("/containers/{}/export", segment(&self.container)), &[], self.output.as_deref(), "export").await
    }
}

async fn write_archive(client: &Client, path: &str, query: crate::client::Query<'_>, file: Option<&str>, verb: &str) -> Result<i32, Failure> {
    let Some(file) = file else {
        if is_terminal(std::io::stdout()) {
            return Err(Failure::new(format!("cowardly refusing to {verb} to a terminal")).hint("use -o FILE, or redirect stdout"));
        }
        let response = client.send(Method::GET, path, query, None).await?;
        copy(client, response, &mut std::io::stdout().lock()).await?;
        return Ok(0);
    };
    let response = client.send(Method::GET, path, query, None).await?;
    // Beside the file and renamed at the end: what is there stays until the new one is whole.
    let part = format!("{file}.gantry-part-{}", std::process::id());
    let written = async {
        let mut out = File::options().write(true).create_new(true).mode(0o600).open(&part).attempt(|| format!("make {part}"))?;
        copy(client, response, &mut out).await?;
        out.sync_all().and_then(|()| std::fs::rename(&part, file)).attempt(|| format!("write {file}"))
    };
    // Devices and pipes are written to as they are.
    if std::fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        if Path::new(file).is_dir() {
            return Err(Failure::new(format!("write {file}: it is a folder")));
        }
        let response = client.send(Method::GET, path, query, None).await?;
        let mut out = File::options().write(true).open(file).attempt(|| format!("open {file}"))?;
        copy(client, response, &mut out).await?;
        return Ok(0);
    }
    let written = written.await;
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written.map(|()| 0)
}

/// Copies an answer to its end.
pub async fn copy(client: &Client, mut response: Response, out: &mut impl Write) -> Result<(), Failure> {
    while let Some(part) = response.chunk().await.map_err(|error| client.unreachable(&error))? {
        out.write_all(&part)?;
    }
    out.flush()?;
    Ok(())
}

#[derive(Args)]
pub struct Tag {
    #[arg(value_name = "IMAGE[:TAG]")]
    source: String,
    #[arg(value_name = "NEW_NAME[:TAG]")]
    target: String,
}

impl Verb for Tag {
    const USAGE: &'static str = "IMAGE[:TAG] NEW_NAME[:TAG]";
    const ABOUT: &'static str = "Give an image another name";
    const EXAMPLE: &'static str = "tag app:build app:1.4";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let target: ImageRef = self.target.parse().attempt(|| format!("{:?} is not a valid repository/tag", self.target))?;
        if target.digest().is_some() {
            return Err(Failure::new("refusing to create a tag with a digest reference"));
        }
        let query = [("repo", full_name(&target)), ("tag", target.tag().unwrap_or_default().to_owned())];
        client.order(&format!("/images/{}/tag", segment(&self.source)), &query).await?;
        Ok(0)
    }
}

/// `docker.io/library/busybox`: without tag or digest.
pub fn full_name(reference: &ImageRef) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}

#[derive(Args)]
pub struct RemoveImage {
    /// Remove it even if containers use it
    #[arg(short, long)]
    force: bool,
    /// Keep untagged parents
    #[arg(long)]
    no_prune: bool,
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for RemoveImage {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const ABOUT: &'static str = "Remove images";
    const EXAMPLE: &'static str = "rmi app:old";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let mut query = Vec::new();
        query.extend(self.force.then(|| ("force", "1".to_owned())));
        query.extend(self.no_prune.then(|| ("noprune", "1".to_owned())));
        each(&self.images, 1, async |name| {
            let path = format!("/images/{}", segment(name));
            let response = client.delete(&path, &query).await;
            let bytes = match response {
                Err(failure) if self.force && failure.status == Some(404) => {
                    eprintln!("gantry: {}", failure.message);
                    return Ok(String::new());
                }
                response => client.whole(response?).await?,
            };
            let removed: Vec<Removed> = serde_json::from_slice(&bytes).attempt(|| "understand the server's answer".to_owned())?;
            Ok(removed_text(&removed))
        })
        .await
    }
}

/// `Untagged: …` and `Deleted: …` lines.
pub fn removed_text(removed: &[Removed]) -> String {
    let line = |row: &Removed| if row.deleted.is_empty() { format!("Untagged: {}\n", row.untagged) } else { format!("Deleted: {}\n", row.deleted) };
    removed.iter().map(line).collect()
}

#[derive(Args)]
pub struct Commit {
    /// Who made it
    #[arg(short, long, value_name = "TEXT")]
    author: Option<String>,
    /// Apply an instruction as in a Dockerfile (may be repeated)
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Message kept with the image
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Freeze the container meanwhile
    #[arg(short, long, action = clap::ArgAction::Set, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pause: bool,
    #[arg(value_name = "CONTAINER")]
    container: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

impl Verb for Commit {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]";
    const ABOUT: &'static str = "Make an image of a container's changes";
    const EXAMPLE: &'static str = "commit -m 'with tools' web web:tools";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let mut query = vec![("container", self.container)];
        if let Some(reference) = &self.reference {
            let reference: ImageRef = reference.parse().attempt(|| format!("{reference:?} is not a valid repository/tag"))?;
            query.push(("repo", full_name(&reference)));
            query.extend(reference.tag().map(|tag| ("tag", tag.to_owned())));
        }
        query.extend(self.message.map(|text| ("comment", text)));
        query.extend(self.author.map(|text| ("author", text)));
        query.extend(self.change.into_iter().map(|change| ("changes", change)));
        query.extend((!self.pause).then(|| ("pause", "0".to_owned())));
        let committed: Committed = client.post("/commit", &query, &Config::default()).await?;
        println!("{}", committed.id);
        Ok(0)
    }
}
