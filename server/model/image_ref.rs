//! Image references: `[registry/]user/name[:tag|@digest]`.

use crate::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";

/// An image reference, normalised as docker does: `busybox` is `docker.io/library/busybox:latest`.
/// Source: `distribution/reference`, "Grammar".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageRefError {
    #[error("invalid reference format: {0:?}")]
    Format(String),
    #[error("invalid reference format: repository name must be lowercase")]
    UpperCase(String),
}

impl ImageRef {
    /// Host and optional port, `docker.io` when none was given.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Path below the registry; `library/` is added to one-word names of docker.io.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` unless a tag or digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The name as docker shows it, without tag: `busybox`, `user/app`, `host:5000/app`.
    pub fn familiar_name(&self) -> String {
        if self.registry != DEFAULT_REGISTRY {
            return format!("{}/{}", self.registry, self.repository);
        }
        self.repository.strip_prefix("library/").unwrap_or(&self.repository).to_owned()
    }

    /// The reference as docker shows it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_name();
        if let Some(tag) = &self.tag {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = &self.digest {
            text = format!("{text}@{digest}");
        }
        text
    }
}

impl fmt::Display for ImageRef {
    /// The full form, `docker.io/library/busybox:latest`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        let bad = || ImageRefError::Format(text.chars().take(300).collect());
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(bad());
        }
        let (registry, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" || host.bytes().any(|b| b.is_ascii_uppercase()) => (host, path),
            _ => (DEFAULT_REGISTRY, name),
        };
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ImageRefError::UpperCase(text.chars().take(300).collect()));
        }
        // A bare 64-digit hex text is an image id, never a name.
        let is_id = path.len() == 64 && path.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_host(registry) || is_id || repository.len() > 255 || !repository.split('/').all(is_path_component) {
            return Err(bad());
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, Some(_)) => None,
            (None, None) => Some(DEFAULT_TAG.to_owned()),
        };
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

fn is_tag(tag: &str) -> bool {
    let mut bytes = tag.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && tag.len() <= 128
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port_ok = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    if let Some(v6) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        return port_ok && !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    }
    let label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-') && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    port_ok && name.split('.').all(label)
}

/// Lower-case letters and digits, parted by `.`, one or two `_`, or any number of `-`.
fn is_path_component(part: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if !alnum(first) || !alnum(last) {
        return false;
    }
    part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|sep| matches!(sep, "" | "." | "_" | "__") || sep.bytes().all(|b| b == b'-'))
}

impl TryFrom<String> for ImageRef {
    type Error = ImageRefError;
    fn try_from(text: String) -> Result<Self, ImageRefError> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> String {
        image.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, full: &str, familiar: &str) {
        let image: ImageRef = text.parse().expect(text);
        assert_eq!(image.to_string(), full);
        assert_eq!(image.familiar(), familiar);
    }

    #[test]
    fn references_are_normalised_as_docker_does() {
        check("busybox", "docker.io/library/busybox:latest", "busybox:latest");
        check("user/app:1", "docker.io/user/app:1", "user/app:1");
        check("localhost/app", "localhost/app:latest", "localhost/app:latest");
        check("127.0.0.1:5000/a/b:x_1", "127.0.0.1:5000/a/b:x_1", "127.0.0.1:5000/a/b:x_1");
        check("index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest");
        let digest = format!("sha256:{}", "0".repeat(64));
        check(&format!("busybox@{digest}"), &format!("docker.io/library/busybox@{digest}"), &format!("busybox@{digest}"));
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for bad in ["", ":tag", "a:", "a b", "a/../b", "-a", "a//b", "a___b", "a@sha256:12", "host:x/a", &"f".repeat(64)] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
        assert!(matches!("Busybox".parse::<ImageRef>(), Err(ImageRefError::UpperCase(_))));
    }
}
