//! Stacks layers into one tree. In: folders. Out: a detached mount that no mount table of the host ever shows.
//! Source: Linux `Documentation/filesystems/overlayfs.rst`.

mod legacy;

use crate::failure::{Attempt, Failure};
use crate::mounts::clone_tree;
use crate::sys;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// As the kernel has it, `OVL_MAX_STACK`.
const MAX_LAYERS: usize = 500;

/// Layers and the folders that take the changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayPlan {
    /// Read-only layers, the topmost first.
    pub lowers: Vec<PathBuf>,
    pub upper: PathBuf,
    /// Empty, beside `upper` in the same folder.
    pub work: PathBuf,
    /// Skips syncing at unmount: for trees that a crash may lose.
    pub volatile: bool,
}

/// How ids of the host and of a container relate.
#[derive(Debug)]
pub(crate) struct IdMap<'a> {
    pub(crate) namespace: BorrowedFd<'a>,
    /// Host ids of the namespace's root and its group.
    pub(crate) root: (u32, u32),
}

impl OverlayPlan {
    /// Mounts the stack without attaching it anywhere. It lives as long as the descriptor or what is attached from it.
    ///
    /// # Errors
    /// What the kernel said, with the folder it was about.
    pub fn mount(&self) -> Result<OwnedFd, crate::process::LaunchError> {
        self.mount_mapped(None).map_err(Into::into)
    }

    /// For a user namespace: ids are shifted, and the kernel's own files in `work` are made by its root, since nobody else has an id there.
    pub(crate) fn mount_in(&self, map: Option<&IdMap<'_>>) -> Result<OwnedFd, Failure> {
        let Some(map) = map else { return self.mount_mapped(None) };
        let _as_root = sys::FileUser::become_user(map.root.0, map.root.1).attempting(|| "act for the root of the user namespace".to_owned())?;
        self.mount_mapped(Some(map.namespace))
    }

    /// The same with every id shifted as the user namespace says, so that layers are stored once.
    fn mount_mapped(&self, idmap: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Failure> {
        if self.lowers.len() > MAX_LAYERS {
            return Err(Failure::refused(format!("an image of {} layers: the kernel stacks {MAX_LAYERS} at most", self.lowers.len())));
        }
        if self.volatile {
            remove_volatile_mark(&self.work).attempting(|| format!("remove the volatile mark in {}", self.work.display()))?;
        }
        // A detached tree ends with its descriptor: these stay until the overlay has its own copies.
        let (upper, work, _parent) = self.upper_and_work(idmap)?;
        let mut layers = Vec::with_capacity(self.lowers.len());
        if self.lowers.is_empty() {
            return clone_tree(upper.as_fd(), false).attempting(|| format!("bind {}", self.upper.display()));
        }
        for layer in &self.lowers {
            layers.push(folder(layer, idmap)?);
        }
        match self.mount_new(&layers, &upper, &work) {
            // Kernels before 6.8 know no `lowerdir+`.
            Err(Refusal::Unknown) if idmap.is_none() => legacy::mount(self),
            Err(Refusal::Unknown) => Err(Failure::refused("layers in a user namespace need Linux 6.15: start it without one, or update the kernel")),
            Err(Refusal::Failed(failure)) => Err(failure),
            Ok(mount) => Ok(mount),
        }
    }

    fn mount_new(&self, layers: &[OwnedFd], upper: &OwnedFd, work: &OwnedFd) -> Result<OwnedFd, Refusal> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).attempting(|| "open the overlay file system".to_owned())?;
        fsconfig_set_string(&context, "source", "overlay").attempting(|| "name the overlay".to_owned())?;
        for (layer, path) in layers.iter().zip(&self.lowers) {
            match set_folder(&context, "lowerdir+", layer) {
                // The old implementation behind the new calls answers so to any descriptor.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => return Err(Refusal::Unknown),
                other => other.attempting(|| format!("stack the layer {}", path.display()))?,
            }
        }
        set_folder(&context, "upperdir", upper).attempting(|| format!("stack the changes in {}", self.upper.display()))?;
        set_folder(&context, "workdir", work).attempting(|| format!("use the work folder {}", self.work.display()))?;
        // Whatever this kernel's defaults are: the upper folder must hold all of a change, or it could not become a layer.
        for (key, value) in PLAIN {
            fsconfig_set_string(&context, key, value).attempting(|| format!("set {key} of the overlay"))?;
        }
        if self.volatile {
            fsconfig_set_flag(&context, "volatile").attempting(|| "make the overlay volatile".to_owned())?;
        }
        fsconfig_create(&context).attempting(|| format!("stack {} layers below {}{}", self.lowers.len(), self.upper.display(), kernel_words(&context)))?;
        Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).attempting(|| "mount the overlay".to_owned())?)
    }

    /// Both below one mount, as overlayfs wants them: their common folder is what is mapped.
    fn upper_and_work(&self, idmap: Option<BorrowedFd<'_>>) -> Result<(OwnedFd, OwnedFd, Option<OwnedFd>), Failure> {
        let parent = self.upper.parent().filter(|parent| self.work.parent() == Some(parent) && idmap.is_some());
        let Some((parent, upper, work)) = parent.and_then(|parent| Some((parent, self.upper.file_name()?, self.work.file_name()?))) else {
            if idmap.is_some() {
                return Err(Failure::refused("with a user namespace the overlay's upper and work folders must lie in one folder"));
            }
            return Ok((folder(&self.upper, None)?, folder(&self.work, None)?, None));
        };
        let parent = folder(parent, idmap)?;
        let open = |name| openat(&parent, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let upper = open(Path::new(upper)).attempting(|| format!("open {}", self.upper.display()))?;
        let work = open(Path::new(work)).attempting(|| format!("open {}", self.work.display()))?;
        Ok((upper, work, Some(parent)))
    }
}

/// Features of overlayfs that would leave half of a change in the layers below.
pub(crate) const PLAIN: [(&str, &str); 2] = [("redirect_dir", "off"), ("metacopy", "off")];

/// Why the new way of mounting did not work.
enum Refusal {
    Unknown,
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn folder(path: &Path, idmap: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Failure> {
    let fd = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).attempting(|| format!("open {}", path.display()))?;
    let Some(idmap) = idmap else { return Ok(fd) };
    let tree = clone_tree(fd.as_fd(), false).attempting(|| format!("bind {}", path.display()))?;
    sys::mount_setattr(tree.as_fd(), sys::MountAttr::default(), false, Some(idmap))
        .attempting(|| format!("map the ids of {} (its file system may not be able to)", path.display()))?;
    Ok(tree)
}

/// By descriptor where the kernel takes one (6.13), else by its name: a path of ours may be longer than the 255 bytes fsconfig takes.
fn set_folder(context: &OwnedFd, key: &str, folder: &OwnedFd) -> Result<(), Errno> {
    match fsconfig_set_fd(context, key, folder) {
        Err(Errno::INVAL | Errno::BADF) => fsconfig_set_string(context, key, format!("/proc/self/fd/{}", folder.as_raw_fd())),
        other => other,
    }
}

/// What the file system itself says of a failed mount, if anything.
pub(crate) fn kernel_words(context: &OwnedFd) -> String {
    let mut buffer = [0; 512];
    match rustix::io::read(context, &mut buffer) {
        Ok(length) if length > 2 => format!(" ({})", String::from_utf8_lossy(&buffer[2..length]).trim_end()),
        _ => String::new(),
    }
}

/// The kernel refuses an overlay that was volatile and not unmounted in order; what it held may be lost, which `volatile` allows.
fn remove_volatile_mark(work: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(work.join("work/incompat")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
