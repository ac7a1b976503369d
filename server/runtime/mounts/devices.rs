//! Device nodes, the usual links in /dev, and the console. In: the spec's devices. Out: nodes in the container, each checked to be what it should be.

use super::{attach, clone_tree};
use crate::failure::{Attempt, Failure};
use crate::tree::{Make, Tree, ensure_link};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};
use rustix::fs::{AtFlags, CWD, Dev, FileType, Mode, OFlags, chownat, fstat, makedev, mknodat, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

#[derive(Debug)]
struct Node {
    path: PathBuf,
    kind: FileType,
    device: Dev,
    mode: u32,
    owner: (u32, u32),
}

/// Makes the default devices, those of the spec, and the links. `bind` for a user namespace, where mknod is not allowed.
pub(crate) fn create(tree: &Tree<'_>, devices: &[LinuxDevice], bind: bool) -> Result<(), Failure> {
    let dev = open_dev(tree)?;
    for node in defaults().into_iter().filter(|node| !devices.iter().any(|device| *device.path() == node.path)) {
        node.create(tree, bind)?;
    }
    for device in devices {
        Node::from_spec(device)?.create(tree, bind)?;
    }
    for (name, target) in
        [(c"fd", c"/proc/self/fd"), (c"stdin", c"/proc/self/fd/0"), (c"stdout", c"/proc/self/fd/1"), (c"stderr", c"/proc/self/fd/2"), (c"ptmx", c"pts/ptmx")]
    {
        ensure_link(dev.as_fd(), name, target).attempting(|| format!("link /dev/{}", name.to_string_lossy()))?;
    }
    if statat(CWD, c"/proc/kcore", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        ensure_link(dev.as_fd(), c"core", c"/proc/kcore").attempting(|| "link /dev/core".to_owned())?;
    }
    Ok(())
}

/// /dev itself, never a link: an image could send every node made into another folder (runc CVE-2026-41579).
fn open_dev(tree: &Tree<'_>) -> Result<OwnedFd, Failure> {
    let dev = Path::new("/dev");
    match tree.open_plain(dev, OFlags::PATH | OFlags::DIRECTORY) {
        Err(Errno::NOENT) => tree.ensure(dev, Make::Directory).attempting(|| "make /dev".to_owned()),
        Err(Errno::LOOP | Errno::NOTDIR) => Err(Failure::refused("/dev in the root filesystem is a link or not a directory")),
        other => other.attempting(|| "open /dev".to_owned()),
    }
}

fn defaults() -> Vec<Node> {
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
        .map(|(name, major, minor)| Node {
            path: Path::new("/dev").join(name),
            kind: FileType::CharacterDevice,
            device: makedev(major, minor),
            mode: 0o666,
            owner: (0, 0),
        })
        .into()
}

impl Node {
    fn from_spec(device: &LinuxDevice) -> Result<Self, Failure> {
        let kind = match device.typ() {
            LinuxDeviceType::B => FileType::BlockDevice,
            LinuxDeviceType::C | LinuxDeviceType::U => FileType::CharacterDevice,
            LinuxDeviceType::P => FileType::Fifo,
            LinuxDeviceType::A => return Err(Failure::refused(format!("the device {} has no type: use b, c, u or p", device.path().display()))),
        };
        let number =
            |value: i64| u32::try_from(value).map_err(|_| Failure::refused(format!("the device {} has an impossible number", device.path().display())));
        Ok(Self {
            path: device.path().clone(),
            kind,
            device: makedev(number(device.major())?, number(device.minor())?),
            mode: device.file_mode().unwrap_or(0o666) & 0o7777,
            owner: (device.uid().unwrap_or(0), device.gid().unwrap_or(0)),
        })
    }

    fn create(&self, tree: &Tree<'_>, bind: bool) -> Result<(), Failure> {
        let what = || format!("make the device {}", self.path.display());
        let (folder, name) = tree.parent(&self.path).attempting(what)?;
        if bind {
            return self.bind(tree);
        }
        match mknodat(&folder, name.as_c_str(), self.kind, Mode::from_raw_mode(self.mode), self.device) {
            Ok(()) if self.owner == (0, 0) => Ok(()),
            Ok(()) => chownat(&folder, name.as_c_str(), Some(Uid::from_raw(self.owner.0)), Some(Gid::from_raw(self.owner.1)), AtFlags::SYMLINK_NOFOLLOW)
                .attempting(what),
            Err(Errno::EXIST) if self.is(&folder, &name).attempting(what)? => Ok(()),
            Err(Errno::PERM) => self.bind(tree),
            Err(errno) => Err(Failure::step(what(), errno)),
        }
    }

    fn is(&self, folder: &OwnedFd, name: &std::ffi::CStr) -> Result<bool, Errno> {
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode) == self.kind && (self.kind == FileType::Fifo || stat.st_rdev == self.device))
    }

    /// The host's node of the same name, if it is the same device.
    fn bind(&self, tree: &Tree<'_>) -> Result<(), Failure> {
        let what = || format!("bind the device {}", self.path.display());
        let host = openat(CWD, &self.path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).attempting(what)?;
        let stat = fstat(&host).attempting(what)?;
        if FileType::from_raw_mode(stat.st_mode) != self.kind || stat.st_rdev != self.device {
            return Err(Failure::refused(format!("{} on the host is another device than the one asked for", self.path.display())));
        }
        let place = tree.ensure(&self.path, Make::File).attempting(what)?;
        let copy = clone_tree(host.as_fd(), false).attempting(what)?;
        attach(copy.as_fd(), place.as_fd()).attempting(what)
    }
}

/// Binds the container's terminal at /dev/console, by the descriptor of the terminal itself (runc CVE-2025-52565).
pub(crate) fn console(tree: &Tree<'_>, terminal: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = || "bind the terminal at /dev/console".to_owned();
    let dev = open_dev(tree)?;
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&dev, c"console", flags | OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY, Mode::from_raw_mode(0o600)) {
        Ok(_) => {}
        Err(Errno::EXIST) => {
            let found = FileType::from_raw_mode(statat(&dev, c"console", AtFlags::SYMLINK_NOFOLLOW).attempting(what)?.st_mode);
            if found == FileType::Symlink {
                unlinkat(&dev, c"console", AtFlags::empty()).attempting(what)?;
                openat(&dev, c"console", flags | OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY, Mode::from_raw_mode(0o600)).attempting(what)?;
            }
        }
        Err(errno) => return Err(Failure::step(what(), errno)),
    }
    let place = openat(&dev, c"console", flags | OFlags::PATH, Mode::empty()).attempting(what)?;
    let copy = clone_tree(terminal, false).attempting(what)?;
    attach(copy.as_fd(), place.as_fd()).attempting(what)
}
