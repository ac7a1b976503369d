//! Hands the descriptor on which a filter tells of calls to whoever answers them. In: a child under the filter. Out: its listener has the descriptor.
//! Source: OCI runtime specification, `config-linux.md`, "The Container Process State"; runc does the same.

use super::channel::{self, Message};
use crate::failure::{Attempt, Failure};
use crate::seccomp::Listener;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, sendmsg, socket_with,
};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use serde_json::json;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// In the child, under its filter already: only write and read are used, so that the filter may ask about all else.
pub(super) fn tell(channel: BorrowedFd<'_>, listener: &OwnedFd) -> Result<(), Failure> {
    let what = || "tell of the seccomp listener".to_owned();
    rustix::io::write(channel, &channel::listener_packet(listener.as_raw_fd())).attempting(what)?;
    match rustix::io::read(channel, &mut [0; 1]) {
        Ok(1) => Ok(()),
        Ok(_) => crate::sys::exit_now(1),
        Err(errno) => Err(Failure::step(what(), errno)),
    }
}

/// In the parent: takes the descriptor out of the child, sends it, lets the child go on.
pub(super) fn pass(channel: BorrowedFd<'_>, pidfd: BorrowedFd<'_>, pid: i32, number: i32, listener: Option<&Listener>) -> Result<(), Failure> {
    let Some(listener) = listener else { return Err(Failure::refused("the seccomp filter has a listener that nobody asked for")) };
    let descriptor = pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty()).attempting(|| "take the seccomp listener's descriptor".to_owned())?;
    send(listener, pid, &descriptor)?;
    channel::send(channel, &Message::Go).attempting(|| "talk to the container's first process".to_owned())
}

fn send(listener: &Listener, pid: i32, descriptor: &OwnedFd) -> Result<(), Failure> {
    let what = || format!("send the seccomp descriptor to the listener {}", listener.path.display());
    let mut state = listener.state.clone();
    if state["pid"].as_i64().unwrap_or(0) == 0 {
        state["pid"] = json!(pid);
    }
    let text = json!({ "ociVersion": state["ociVersion"], "fds": ["seccompFd"], "pid": pid, "metadata": listener.metadata, "state": state }).to_string();
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).attempting(what)?;
    connect(&socket, &SocketAddrUnix::new(&listener.path).attempting(what)?).attempting(what)?;
    let fds = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(&socket, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL).attempting(what).map(drop)
}
