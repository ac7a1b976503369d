//! The overlay of kernels before 6.8, by mount(2). In: open layers. Out: the same detached mount.
//!
//! mount(2) needs a place, and no table of the host shall show it: a child with a mount namespace of its own mounts and hands the mount back.

use super::{OverlayPlan, folder};
use crate::failure::{Attempt, Failure};
use crate::mounts::clone_tree;
use crate::process::channel::{self, Message};
use crate::sys::{self, Cloned, MountAttr};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{MountFlags, mount as mount2};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Layers are named by descriptor, so that a page of options holds more than 200.
pub(super) fn mount(plan: &OverlayPlan) -> Result<OwnedFd, Failure> {
    let (here, there) = channel::pair().attempting(|| "make a channel".to_owned())?;
    match sys::clone3(sys::CLONE_NEWNS, None).attempting(|| "clone for the overlay".to_owned())? {
        Cloned::Child => {
            let answer = match in_own_namespace(plan) {
                Ok(mount) => Message::Cloned(mount),
                Err(failure) => Message::Failed(failure),
            };
            let _ = channel::send(there.as_fd(), &answer);
            sys::exit_now(0)
        }
        Cloned::Parent { pidfd, .. } => {
            drop(there);
            let answer = channel::receive(here.as_fd());
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            match answer {
                Ok(Some(Message::Cloned(mount))) => Ok(mount),
                Ok(Some(Message::Failed(failure))) => Err(failure),
                _ => Err(Failure::refused("the overlay's helper ended without a word")),
            }
        }
    }
}

fn in_own_namespace(plan: &OverlayPlan) -> Result<OwnedFd, Failure> {
    let what = || format!("stack {} layers below {}", plan.lowers.len(), plan.upper.display());
    let root = openat(CWD, c"/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).attempting(what)?;
    sys::mount_setattr(root.as_fd(), MountAttr::propagation(libc::MS_PRIVATE), true, None).attempting(what)?;
    // Opened here: the kernel takes no folder of another mount namespace.
    let layers = plan.lowers.iter().map(|layer| folder(layer, None)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (folder(&plan.upper, None)?, folder(&plan.work, None)?);
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let names: Vec<String> = layers.iter().map(name).collect();
    let volatile = if plan.volatile { ",volatile" } else { "" };
    let plain = super::PLAIN.map(|(key, value)| format!("{key}={value}")).join(",");
    let options = format!("lowerdir={},upperdir={},workdir={},{plain}{volatile}", names.join(":"), name(&upper), name(&work));
    let options = CString::new(options).map_err(|_| Failure::refused("a descriptor's name has no NUL"))?;
    // Over /proc, which every host has and this child needs no more once the names are resolved.
    mount2(c"overlay", c"/proc", c"overlay", MountFlags::empty(), Some(options.as_c_str())).attempting(what)?;
    let top = openat(CWD, c"/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).attempting(what)?;
    clone_tree(top.as_fd(), false).attempting(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alone;

    #[test]
    #[ignore = "needs root"]
    fn the_old_way_stacks_the_same_tree() {
        alone(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let make = |name: &str| {
                let path = folder.path().join(name);
                std::fs::create_dir(&path).expect("made");
                std::fs::write(path.join(name), name).expect("written");
                path
            };
            let lowers = (0..128).map(|number| make(&format!("layer{number}"))).collect();
            let work = folder.path().join("work");
            std::fs::create_dir(&work).expect("made");
            let before = std::fs::read_to_string("/proc/self/mountinfo").expect("read");
            let mounted = mount(&OverlayPlan { lowers, upper: make("upper"), work, volatile: true }).expect("mounted");
            for name in ["layer0", "layer127", "upper"] {
                openat(&mounted, name, OFlags::RDONLY, Mode::empty()).expect(name);
            }
            assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").expect("read"), before);
        });
    }
}
