//! Asks the spawner for monitors. The spawner is our own binary with one thread and no heap to speak of; it forks, we never do.

use crate::{EngineError, Result};
use gantry_model::Kind;
use gantry_wire::monitor::{SpawnReply, SpawnRequest};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
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

    /// Makes a monitor for the container with these two folders; returns its process id.
    /// Blocks for the time of a fork. A spawner that died is replaced once.
    pub(crate) fn spawn(&self, data_dir: &Path, run_dir: &Path) -> Result<i32> {
        let request = SpawnRequest { launch_dir: data_dir.to_owned(), run_dir: run_dir.to_owned() };
        let request = serde_json::to_vec(&request).map_err(|source| EngineError::caused(Kind::Internal, "name the container's folders", source))?;
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

/// Sends one request and reads its answer. The outer error means that the spawner is gone.
fn ask(socket: &OwnedFd, request: &[u8]) -> std::io::Result<Result<i32>> {
    send(socket.as_raw_fd(), request, MsgFlags::MSG_NOSIGNAL)?;
    let mut buffer = [0u8; 4096];
    let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    if length == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(match serde_json::from_slice::<SpawnReply>(&buffer[..length]) {
        Ok(SpawnReply::Spawned { pid }) => Ok(pid),
        Ok(SpawnReply::Failed { kind, message }) => Err(EngineError::said(kind, format!("start a monitor: {message}"))),
        Err(source) => Err(EngineError::caused(Kind::Internal, "understand the spawner", source)),
    })
}
