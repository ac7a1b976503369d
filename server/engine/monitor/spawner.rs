//! Asks the spawner for monitors. The spawner is our own binary with one thread and no heap to speak of; it forks, we never do.

use crate::{EngineError, Result};
use gantry_model::Kind;
use gantry_wire::monitor::{SpawnReply, SpawnRequest};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// The socket to the spawner and the process itself.
pub(crate) struct Spawner {
    program: PathBuf,
    running: Mutex<Option<Running>>,
}

struct Running {
    socket: OwnedFd,
    child: Child,
}

impl Spawner {
    pub(crate) fn new(program: PathBuf) -> Arc<Self> {
        Arc::new(Self { program, running: Mutex::new(None) })
    }

    /// Makes a monitor for the container with these two folders; returns its process id. Blocks for the time of a fork.
    pub(crate) fn spawn(&self, data_dir: &Path, run_dir: &Path) -> Result<i32> {
        match self.ask(&SpawnRequest::Monitor { launch_dir: data_dir.to_owned(), run_dir: run_dir.to_owned() })? {
            (SpawnReply::Spawned { pid }, _) => Ok(pid),
            (reply, _) => Err(refused("start a monitor", reply)),
        }
    }

    /// Stacks the layers of a container that does not run and returns the root: a mount that ends with its descriptor.
    pub(crate) fn root(&self, data_dir: &Path) -> Result<OwnedFd> {
        match self.ask(&SpawnRequest::Root { launch_dir: data_dir.to_owned() })? {
            (SpawnReply::Mounted, Some(root)) => Ok(root),
            (reply, _) => Err(refused("stack the container's layers", reply)),
        }
    }

    /// A spawner that died is replaced once.
    fn ask(&self, request: &SpawnRequest) -> Result<(SpawnReply, Option<OwnedFd>)> {
        let request = serde_json::to_vec(request).map_err(|source| EngineError::caused(Kind::Internal, "name the container's folders", source))?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..2 {
            let spawner = match &mut *running {
                Some(spawner) => spawner,
                none => none.insert(start(&self.program)?),
            };
            match ask(&spawner.socket, &request) {
                Ok(answer) => return answer,
                Err(error) => {
                    tracing::warn!("the spawner went away ({error}); starting another");
                    if let Some(mut gone) = running.take() {
                        let _ = gone.child.kill();
                        let _ = gone.child.wait();
                    }
                }
            }
        }
        Err(EngineError::said(Kind::Internal, "the spawner of monitors dies at once: look into the log"))
    }
}

fn refused(what: &str, reply: SpawnReply) -> EngineError {
    match reply {
        SpawnReply::Failed { kind, message } => EngineError::said(kind, format!("{what}: {message}")),
        other => EngineError::said(Kind::Internal, format!("{what}: the spawner answered {other:?}")),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The spawner ends when its socket closes; a zombie would stay without the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(program: &Path) -> Result<Running> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|source| EngineError::caused(Kind::Internal, "make a socket pair", source))?;
    let child = Command::new(program)
        .arg0("gantry-spawner")
        .arg("spawner")
        // Becomes its stdin: the one descriptor a child gets without any code of ours between fork and exec.
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .current_dir("/")
        .spawn()
        .map_err(|source| EngineError::caused(Kind::Internal, format!("execute {}", program.display()), source))?;
    Ok(Running { socket: ours, child })
}

/// Sends one request and reads its answer, with the descriptor that comes along. The outer error means that the spawner is gone.
fn ask(socket: &OwnedFd, request: &[u8]) -> std::io::Result<Result<(SpawnReply, Option<OwnedFd>)>> {
    send(socket.as_raw_fd(), request, MsgFlags::MSG_NOSIGNAL)?;
    let mut buffer = [0u8; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let reply = serde_json::from_slice(&buffer[..received.bytes]);
    Ok(reply.map(|reply| (reply, descriptor)).map_err(|source| EngineError::caused(Kind::Internal, "understand the spawner", source)))
}
