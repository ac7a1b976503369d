//! Manifests and indexes. Source: OCI image specification, "manifest.md", "image-index.md"; Docker "Image Manifest Version 2, Schema 2".

use crate::RegistryError;
use crate::error::shown;
use gantry_model::Digest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const CONFIGS: [&str; 2] = ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// All that we read, for the header `Accept`.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// A document byte for byte, its digest proven.
#[derive(Debug, Clone)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub digest: Digest,
    pub media_type: String,
}

/// Source: OCI image specification, "descriptor.md".
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default)]
    pub platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// Operating system, architecture and variant in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default)]
    pub variant: String,
}

/// What a manifest says.
#[derive(Debug, Clone)]
pub enum Document {
    Manifest { config: Descriptor, layers: Vec<Descriptor> },
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: String,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

impl Content {
    /// Reads it.
    ///
    /// # Errors
    /// If it is no image: malformed, of the first schema, or of another kind of thing.
    pub fn document(&self) -> Result<Document, RegistryError> {
        let what = || format!("manifest {}", self.digest.short());
        let unsupported = |reason: String| RegistryError::Unsupported { what: what(), reason };
        let raw: Raw = serde_json::from_slice(&self.bytes).map_err(|error| RegistryError::invalid(what(), format!("it is not what it should be: {error}")))?;
        if raw.schema_version == Some(1) {
            return Err(unsupported(
                "it is of schema 1, which nothing proves and docker gave up too: push the image again with a client of 2017 or later".to_owned(),
            ));
        }
        // What it says of itself must not differ from what it was sent as: each half of the world would read another image.
        if !raw.media_type.is_empty() && !self.media_type.is_empty() && raw.media_type != self.media_type {
            return Err(RegistryError::invalid(what(), format!("it was sent as {}, and says that it is {}", shown(&self.media_type), shown(&raw.media_type))));
        }
        let kind = if raw.media_type.is_empty() { self.media_type.as_str() } else { raw.media_type.as_str() };
        match (raw.config, raw.manifests) {
            (Some(_), Some(_)) => Err(RegistryError::invalid(what(), "it is a manifest and an index at once")),
            (Some(config), None) if kind.is_empty() || [OCI_MANIFEST, DOCKER_MANIFEST].contains(&kind) => {
                if !CONFIGS.contains(&config.media_type.as_str()) {
                    return Err(unsupported(format!("it is no container image: its configuration is of the type {}", shown(&config.media_type))));
                }
                Ok(Document::Manifest { config, layers: raw.layers.unwrap_or_default() })
            }
            (None, Some(list)) if kind.is_empty() || [OCI_INDEX, DOCKER_LIST].contains(&kind) => Ok(Document::Index(list)),
            _ => Err(unsupported(format!("it is neither a manifest nor an index of images, but {}", shown(kind)))),
        }
    }
}

impl Descriptor {
    pub fn new(digest: Digest, size: u64, media_type: &str) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, platform: None, annotations: None }
    }

    /// Build attestations travel in indexes as manifests of an unknown platform.
    fn is_image(&self) -> bool {
        let attests = self.annotations.as_ref().is_some_and(|all| all.contains_key("vnd.docker.reference.type"));
        !attests && self.platform.as_ref().is_none_or(|platform| platform.os != "unknown")
    }
}

impl Platform {
    /// This host's.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "aarch64" => ("arm64", "v8"),
            "x86" => ("386", ""),
            "arm" => ("arm", "v7"),
            "powerpc64" => ("ppc64le", ""),
            other => (other, ""),
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: variant.to_owned() }
    }

    /// The image of an index for this platform; one without platforms is for any.
    pub fn choose<'a>(&self, index: &'a [Descriptor]) -> Option<&'a Descriptor> {
        let images = || index.iter().filter(|descriptor| descriptor.is_image());
        let same = |found: &Platform| found.os == self.os && found.architecture == self.architecture;
        let exact = images().find(|descriptor| descriptor.platform.as_ref().is_some_and(|found| same(found) && found.variant == self.variant));
        // A plain `arm64` is `v8`, and an older variant runs on a newer processor.
        let near = || {
            let older = |found: &Platform| same(found) && (found.variant.is_empty() || self.variant.is_empty() || found.variant < self.variant);
            images().filter(|descriptor| descriptor.platform.as_ref().is_some_and(older)).max_by(|a, b| {
                let variant = |descriptor: &Descriptor| descriptor.platform.as_ref().map(|found| found.variant.clone());
                variant(a).cmp(&variant(b))
            })
        };
        exact.or_else(near).or_else(|| images().find(|descriptor| descriptor.platform.is_none()))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl FromStr for Platform {
    type Err = String;

    /// `linux/arm64/v8`, `linux/amd64`, or an architecture alone. Source: containerd `platforms`, "Parse".
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{:?} is no platform: give one as linux/amd64 or linux/arm64/v8", shown(text));
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        if parts.iter().any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))) {
            return Err(bad());
        }
        let (os, architecture, variant) = match parts[..] {
            ["linux"] => return Ok(Self::host()),
            [architecture] => ("linux", architecture, ""),
            [os, architecture] => (os, architecture, ""),
            [os, architecture, variant] => (os, architecture, variant),
            _ => return Err(bad()),
        };
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            "i386" | "i686" => "386",
            "armhf" | "armv7" => return Ok(Self { os: os.to_owned(), architecture: "arm".to_owned(), variant: "v7".to_owned() }),
            known => known,
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: &str, index: &[&str]) -> Option<usize> {
        let descriptor = |(number, platform): (usize, &&str)| Descriptor {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::sha256([number as u8; 32]),
            size: 1,
            platform: (!platform.is_empty()).then(|| match platform.split('/').collect::<Vec<_>>()[..] {
                [os, architecture, variant] => Platform { os: os.into(), architecture: architecture.into(), variant: variant.into() },
                [os, architecture] => Platform { os: os.into(), architecture: architecture.into(), variant: String::new() },
                _ => panic!("{platform}"),
            }),
            annotations: None,
        };
        let index: Vec<Descriptor> = index.iter().enumerate().map(descriptor).collect();
        let found = wanted.parse::<Platform>().expect("a platform").choose(&index)?.digest.clone();
        index.iter().position(|descriptor| descriptor.digest == found)
    }

    #[test]
    fn the_image_for_a_platform_is_the_nearest_that_runs_there() {
        assert_eq!(chosen("linux/amd64", &["unknown/unknown", "linux/arm64/v8", "linux/amd64"]), Some(2));
        assert_eq!(chosen("arm64", &["linux/amd64", "linux/arm64/v8"]), Some(1));
        assert_eq!(chosen("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6", "linux/arm64/v8"]), Some(1));
        assert_eq!(chosen("linux/arm/v6", &["linux/arm/v7"]), None);
        assert_eq!(chosen("linux/amd64", &["windows/amd64", ""]), Some(1));
        assert_eq!(chosen("linux/amd64", &["windows/amd64"]), None);
    }

    #[test]
    fn what_is_no_image_says_why() {
        let content =
            |media_type: &str, text: &str| Content { bytes: text.as_bytes().to_vec(), digest: Digest::sha256([1; 32]), media_type: media_type.to_owned() };
        let digest = Digest::sha256([2; 32]);
        let blob = |kind: &str| format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":2}}"#);
        let said = |media_type: &str, text: &str| content(media_type, text).document().expect_err("refused").to_string();
        assert!(said("application/vnd.docker.distribution.manifest.v1+prettyjws", r#"{"schemaVersion":1,"fsLayers":[]}"#).contains("schema 1"));
        assert!(
            said(OCI_MANIFEST, &format!(r#"{{"config":{},"layers":[]}}"#, blob("application/vnd.cncf.helm.config.v1+json"))).contains("no container image")
        );
        assert!(said(OCI_INDEX, &format!(r#"{{"mediaType":"{OCI_MANIFEST}","config":{}}}"#, blob(CONFIGS[0]))).contains("was sent as"));
        assert!(said("", &format!(r#"{{"manifests":[],"config":{}}}"#, blob(CONFIGS[0]))).contains("at once"));
        assert!(said("text/html", "<html>").contains("not what it should be"));
        assert!(content("", &format!(r#"{{"schemaVersion":2,"config":{}}}"#, blob(CONFIGS[1]))).document().is_ok());
    }
}
