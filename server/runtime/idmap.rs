//! User namespaces made for their id maps. In: maps of the spec. Out: a namespace descriptor.

use crate::failure::{Attempt, Failure};
use crate::sys::{self, Cloned};
use oci_spec::runtime::LinuxIdMapping;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::fmt::Write as _;
use std::os::fd::{AsFd, OwnedFd};

/// Makes a user namespace with these maps. A child holds it until the maps are written and its descriptor is open.
pub(crate) fn user_namespace(uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<OwnedFd, Failure> {
    if uids.is_empty() || gids.is_empty() {
        return Err(Failure::refused("a user namespace needs uidMappings and gidMappings"));
    }
    let (wait, release) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).attempting(|| "make a pipe".to_owned())?;
    match sys::clone3(sys::CLONE_NEWUSER, None).attempting(|| "make a user namespace".to_owned())? {
        Cloned::Child => {
            drop(release);
            let _ = rustix::io::read(&wait, &mut [0; 1]);
            sys::exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            let made = write_maps(pid, uids, gids);
            drop(release);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            made
        }
    }
}

fn write_maps(pid: i32, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<OwnedFd, Failure> {
    for (file, maps) in [("uid_map", uids), ("gid_map", gids)] {
        let mut lines = String::new();
        for map in maps {
            let _ = writeln!(lines, "{} {} {}", map.container_id(), map.host_id(), map.size());
        }
        std::fs::write(format!("/proc/{pid}/{file}"), &lines).attempting(|| format!("write {file} of the user namespace ({})", lines.trim_end()))?;
    }
    std::fs::File::open(format!("/proc/{pid}/ns/user")).map(OwnedFd::from).attempting(|| "open the user namespace".to_owned())
}
