//! Choosing among images, and removing those nobody uses.

use super::KnownImage;
use crate::authorize::authorize;
use crate::containers::{PruneFilter, Pruned};
use crate::{Engine, ImageSummary, Result};
use gantry_model::{Action, Caller, ImageRef};

/// Which images a list shows. Values of one key are OR-ed, keys and labels AND-ed.
#[derive(Debug, Clone, Default)]
pub struct ImageFilter {
    /// Without a name, or with one.
    pub dangling: Option<bool>,
    /// `key` or `key=value`.
    pub label: Vec<String>,
    /// Patterns of names: `busybox`, `*/app:1.*`.
    pub reference: Vec<String>,
    pub before: Option<String>,
    pub since: Option<String>,
    /// Only what was made before, Unix milliseconds.
    pub until_ms: Option<i64>,
}

impl Engine {
    /// Newest first.
    pub async fn find_images(&self, caller: &Caller, filter: &ImageFilter) -> Result<Vec<ImageSummary>> {
        let created = |reference: &Option<String>| {
            let id = reference.as_ref().map(|reference| self.image_id(reference)).transpose()?;
            Ok::<_, crate::EngineError>(id.and_then(|id| self.known().iter().find(|known| known.row.id == id).map(|known| known.row.created_at_ms)))
        };
        let (before, since) = (created(&filter.before)?, created(&filter.since)?);
        let labels = PruneFilter { until_ms: filter.until_ms, label: filter.label.clone(), no_label: Vec::new() };
        let mut images = self.list_images(caller).await?;
        if !filter.reference.is_empty() {
            images.iter_mut().for_each(|image| image.tags.retain(|tag| filter.reference.iter().any(|pattern| named(tag, pattern))));
        }
        images.retain(|image| {
            labels.takes(image.created_at_ms, &image.labels)
                && filter.dangling.is_none_or(|dangling| image.tags.is_empty() == dangling)
                && before.is_none_or(|at| image.created_at_ms < at)
                && since.is_none_or(|at| image.created_at_ms > at)
                && (filter.reference.is_empty() || !image.tags.is_empty())
        });
        images.sort_by_key(|image| std::cmp::Reverse(image.created_at_ms));
        Ok(images)
    }

    /// Unpacked bytes of all layers, each counted once.
    pub async fn layers_bytes(&self, caller: &Caller) -> Result<u64> {
        authorize(caller, Action::View)?;
        let layers: std::collections::BTreeMap<_, _> = self.known().iter().flat_map(|known| known.layers.clone()).collect();
        Ok(layers.values().sum())
    }

    /// Removes images without a container: those without a name, or with `all` every one.
    pub async fn prune_images(&self, caller: &Caller, all: bool, filter: &PruneFilter) -> Result<(Vec<crate::Removed>, Pruned)> {
        authorize(caller, Action::Operate)?;
        let takes = |known: &&KnownImage| (all || known.row.tags.is_empty()) && filter.takes(known.row.created_at_ms, &known.labels);
        let candidates: Vec<_> = self.known().iter().filter(takes).map(|known| (known.row.id.clone(), known.row.size_bytes)).collect();
        let (mut removed, mut pruned) = (Vec::new(), Pruned::default());
        for (id, bytes) in candidates {
            // One that a container uses is refused, and stays.
            if self.image_uses().contains_key(&id) {
                continue;
            }
            if let Ok(gone) = self.remove_image(caller, id.as_str(), true).await {
                pruned.removed.extend(gone.deleted.iter().map(ToString::to_string));
                pruned.bytes += bytes;
                removed.push(gone);
            }
        }
        Ok((removed, pruned))
    }
}

/// Go's `path.Match` on the familiar name, with or without its tag.
fn named(tag: &str, pattern: &str) -> bool {
    let name = tag.parse::<ImageRef>().map(|image| image.familiar_name()).unwrap_or_default();
    matches(pattern.as_bytes(), tag.as_bytes()) || matches(pattern.as_bytes(), name.as_bytes())
}

/// `*` is anything but a `/`, `?` one letter of that.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last star began, and how far it has eaten: two positions are enough, time is linear times length.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') if text[t] != b'/' => (p, t) = (p + 1, t + 1),
            Some(letter) if *letter == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, eaten)) if text[eaten] != b'/' => {
                    star = Some((at, eaten + 1));
                    (p, t) = (at + 1, eaten + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn patterns_of_names_are_those_of_docker() {
        for (pattern, tag) in [
            ("busybox", "busybox:latest"),
            ("busybox:*", "busybox:1"),
            ("user/*", "user/app:1"),
            ("*", "busybox:1"),
            ("b?sy*", "busybox:1"),
            ("*/*:2", "a/b:2"),
        ] {
            assert!(named(tag, pattern), "{pattern}");
        }
        for (pattern, tag) in [("busy", "busybox:latest"), ("*", "user/app:1"), ("user/*:2", "user/app:1"), ("", "busybox:1")] {
            assert!(!named(tag, pattern), "{pattern}");
        }
    }
}
