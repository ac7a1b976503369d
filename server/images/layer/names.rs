//! Judges the names in a layer and takes them apart.

use crate::ImagesError;

/// A name inside a layer: components without `.`, `..` or empty ones; none at all is the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(Vec<u8>);

/// Linux: NAME_MAX and PATH_MAX.
const COMPONENT_BYTES: usize = 255;
const NAME_BYTES: usize = 4095;
/// Deeper trees cannot be removed without care for open files; real ones stay below 60.
const DEPTH: usize = 255;

/// What a file name says about layers below. Source: OCI image specification, "layer.md", "Whiteouts".
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whiteout<'a> {
    /// Hides this name.
    Of(&'a [u8]),
    /// Hides everything below the folder it is in.
    Opaque,
    /// Bookkeeping of aufs; means nothing.
    Aufs,
}

impl Name {
    /// Reads a name as written in an archive. `absolute` takes a leading slash as nothing.
    pub fn parse(raw: &[u8], absolute: bool) -> Result<Self, ImagesError> {
        let bad = |reason: &str| ImagesError::invalid("", reason);
        if raw.starts_with(b"/") && !absolute {
            return Err(bad("an absolute name"));
        }
        let mut parts = Vec::with_capacity(raw.len());
        let mut depth = 0;
        for part in raw.split(|b| *b == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(bad("a name that climbs with '..'")),
                _ if part.len() > COMPONENT_BYTES => return Err(bad("a name longer than 255 bytes")),
                _ => {}
            }
            if depth > 0 {
                parts.push(b'/');
            }
            parts.extend_from_slice(part);
            depth += 1;
        }
        if parts.len() > NAME_BYTES {
            return Err(bad("a path longer than 4095 bytes"));
        }
        if depth > DEPTH {
            return Err(bad("a path deeper than 255 folders"));
        }
        Ok(Self(parts))
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The folder it is in, and its name there.
    pub fn split(&self) -> (&[u8], &[u8]) {
        match self.0.iter().rposition(|b| *b == b'/') {
            Some(slash) => (&self.0[..slash], &self.0[slash + 1..]),
            None => (&[], &self.0),
        }
    }

    /// The last component as a whiteout, if it is one.
    pub fn whiteout(&self) -> Result<Option<Whiteout<'_>>, ImagesError> {
        let (_, last) = self.split();
        let Some(hidden) = last.strip_prefix(b".wh.") else { return Ok(None) };
        match hidden {
            b"" | b"." | b".." => Err(ImagesError::invalid("", "a whiteout of nothing, '.' or '..'")),
            b".wh..opq" => Ok(Some(Whiteout::Opaque)),
            _ if hidden.starts_with(b".wh.") => Ok(Some(Whiteout::Aufs)),
            _ => Ok(Some(Whiteout::Of(hidden))),
        }
    }

    /// True inside a folder that is aufs bookkeeping.
    pub fn in_aufs_folder(&self) -> bool {
        self.0.split(|b| *b == b'/').rev().skip(1).any(|part| part.starts_with(b".wh..wh."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tidied_or_refused() {
        let tidy = |raw: &str| Name::parse(raw.as_bytes(), false).map(|name| String::from_utf8_lossy(name.bytes()).into_owned()).ok();
        assert_eq!(tidy("./a//b/./c/").as_deref(), Some("a/b/c"));
        assert_eq!(tidy("./").as_deref(), Some(""));
        assert_eq!(tidy("a/...b").as_deref(), Some("a/...b"));
        for bad in ["/a", "..", "a/../b", "a/..", &"x".repeat(256), &"a/".repeat(256), &"abcdefgh/".repeat(500)] {
            assert_eq!(tidy(bad), None, "{bad}");
        }
        assert_eq!(Name::parse(b"//etc/x", true).ok().map(|name| name.0), Some(b"etc/x".to_vec()));
    }

    #[test]
    fn whiteouts_are_told_from_names() {
        let of = |raw: &str| Name::parse(raw.as_bytes(), false).and_then(|name| name.whiteout().map(|w| format!("{w:?}"))).ok();
        assert_eq!(of("a/.wh..wh..opq").as_deref(), Some("Some(Opaque)"));
        assert_eq!(of(".wh..wh.plnk").as_deref(), Some("Some(Aufs)"));
        assert_eq!(of("a/b").as_deref(), Some("None"));
        assert!(of("a/.wh.b").is_some());
        for bad in [".wh.", "a/.wh..", ".wh..."] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
