//! Getting an image from a registry, and the progress streams of the server.

use crate::client::Client;
use crate::failure::{Attempt, Failure};
use crate::progress;
use reqwest::Method;

/// Asks the server to get `image`.
pub async fn pull(client: &Client, image: &str, platform: Option<&str>, quiet: bool) -> Result<(), Failure> {
    let reference: gantry_model::ImageRef = image.parse().attempt(|| format!("understand the image name {image:?}")).map_err(|failure| failure.code(125))?;
    let tag = reference.digest().map(ToString::to_string).or_else(|| reference.tag().map(str::to_owned)).unwrap_or_default();
    let mut query = vec![("fromImage", super::archives::full_name(&reference)), ("tag", tag)];
    query.extend(platform.map(|platform| ("platform", platform.to_owned())));
    let response = client.send(Method::POST, "/images/create", &query, None).await?;
    progress::show(client, response, quiet).await.map(drop)
}
