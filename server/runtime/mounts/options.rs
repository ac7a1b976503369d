//! Reads mount options as fstab and the OCI spec write them. In: words. Out: attributes of the mount, and what is left for the file system.
//! Source: OCI runtime specification, `config.md`, "Linux mount options".

use crate::sys::MountAttr;

/// Options of one mount.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// A bind; true with everything mounted below the source.
    pub(crate) bind: Option<bool>,
    /// Attributes of the mount itself.
    pub(crate) attr: MountAttr,
    /// Attributes of the mount and all below it.
    pub(crate) recursive: MountAttr,
    /// Propagation in the order given; true with all below.
    pub(crate) propagation: Vec<(u64, bool)>,
    /// Ids are shifted; true with all below.
    pub(crate) idmap: Option<bool>,
    /// Fill a tmpfs with what it covers.
    pub(crate) copy_up: bool,
    /// For the file system: `key` or `key=value`.
    pub(crate) data: Vec<(String, Option<String>)>,
}

impl MountOptions {
    pub(crate) fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut options = Self::default();
        for word in words {
            options.take(word);
        }
        options
    }

    pub(crate) fn read_only(&self) -> bool {
        (self.attr.set | self.recursive.set) & libc::MOUNT_ATTR_RDONLY != 0
    }

    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.data.iter().rev().find(|(known, _)| known == key).and_then(|(_, value)| value.as_deref())
    }

    fn take(&mut self, word: &str) {
        if let Some(kind) = propagation(word) {
            self.propagation.push(kind);
        } else if let Some(flag) = attribute(word) {
            flag.apply(&mut self.attr);
        } else if let Some(flag) = word.strip_prefix('r').and_then(attribute) {
            flag.apply(&mut self.recursive);
        } else {
            match word {
                "bind" => self.bind = Some(self.bind.unwrap_or(false)),
                "rbind" => self.bind = Some(true),
                "idmap" => self.idmap = Some(false),
                "ridmap" => self.idmap = Some(true),
                "tmpcopyup" => self.copy_up = true,
                "defaults" | "remount" | "loud" | "silent" | "async" | "nomand" | "nolazytime" | "noiversion" | "" => {}
                _ => self.data.push(match word.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (word.to_owned(), None),
                }),
            }
        }
    }
}

struct Attribute {
    set: u64,
    clear: u64,
}

impl Attribute {
    /// A later word wins over an earlier one.
    fn apply(&self, attr: &mut MountAttr) {
        attr.set = attr.set & !self.clear | self.set;
        attr.clear = attr.clear & !self.set | self.clear;
    }
}

fn attribute(word: &str) -> Option<Attribute> {
    use libc::{
        MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW,
        MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME,
    };
    let on = |flag| Some(Attribute { set: flag, clear: 0 });
    let off = |flag| Some(Attribute { set: 0, clear: flag });
    // The kernel wants the whole time field cleared before one of its values is set.
    let time = |flag| Some(Attribute { set: flag, clear: MOUNT_ATTR__ATIME });
    match word {
        "ro" => on(MOUNT_ATTR_RDONLY),
        "rw" => off(MOUNT_ATTR_RDONLY),
        "nosuid" => on(MOUNT_ATTR_NOSUID),
        "suid" => off(MOUNT_ATTR_NOSUID),
        "nodev" => on(MOUNT_ATTR_NODEV),
        "dev" => off(MOUNT_ATTR_NODEV),
        "noexec" => on(MOUNT_ATTR_NOEXEC),
        "exec" => off(MOUNT_ATTR_NOEXEC),
        "nodiratime" => on(MOUNT_ATTR_NODIRATIME),
        "diratime" => off(MOUNT_ATTR_NODIRATIME),
        "nosymfollow" => on(MOUNT_ATTR_NOSYMFOLLOW),
        "symfollow" => off(MOUNT_ATTR_NOSYMFOLLOW),
        "noatime" => time(MOUNT_ATTR_NOATIME),
        "strictatime" => time(MOUNT_ATTR_STRICTATIME),
        "relatime" | "atime" | "norelatime" | "nostrictatime" => time(0),
        _ => None,
    }
}

/// The kind of propagation a word names, and whether it goes for all below.
pub(crate) fn propagation(word: &str) -> Option<(u64, bool)> {
    let kind = |word| match word {
        "private" => Some(libc::MS_PRIVATE),
        "shared" => Some(libc::MS_SHARED),
        "slave" => Some(libc::MS_SLAVE),
        "unbindable" => Some(libc::MS_UNBINDABLE),
        _ => None,
    };
    kind(word).map(|kind| (kind, false)).or_else(|| Some((kind(word.strip_prefix('r')?)?, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> MountOptions {
        MountOptions::parse(words.split(','))
    }

    #[test]
    fn words_become_attributes_and_the_rest_is_for_the_file_system() {
        let options = parse("nosuid,strictatime,mode=755,size=65536k,inode64");
        assert_eq!(options.attr.set, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_STRICTATIME);
        assert_eq!(options.attr.clear, libc::MOUNT_ATTR__ATIME);
        assert_eq!(options.value("mode"), Some("755"));
        assert_eq!(options.data.len(), 3);
    }

    #[test]
    fn the_last_word_wins() {
        assert!(!parse("ro,rw").read_only());
        assert!(parse("rw,ro").read_only());
        assert!(parse("rbind,rro").read_only());
    }

    #[test]
    fn binds_and_propagation_are_told_from_recursive_attributes() {
        let options = parse("rbind,rprivate,rnoexec");
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.propagation, [(libc::MS_PRIVATE, true)]);
        assert_eq!(options.recursive.set, libc::MOUNT_ATTR_NOEXEC);
        assert_eq!(parse("bind,rw").bind, Some(false));
    }
}
