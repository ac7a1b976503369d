//! The roles of this crate. The spawner: requests in, forked monitors out. It has one thread and next to no memory, so a fork costs little.

use crate::error::{Attempt, MonitorError, Result};
use crate::monitor::{Folders, Inherited, Monitor};
use gantry_model::Kind;
use gantry_runtime::fork::{Forked, fork};
use gantry_runtime::overlay::OverlayPlan;
use gantry_wire::monitor::{Launch, SpawnReply, SpawnRequest, files as names};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

const LONGEST: usize = 8192;

/// Role `spawner`: serves the socket that is its stdin until the server at the other end is gone. Returns the exit code.
pub fn spawner() -> i32 {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    match serve() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("gantry spawner: {error}");
            1
        }
    }
}

/// Role `monitor`: one monitor in the foreground, for trying things out. Arguments: the data folder and the run folder.
pub fn foreground(data: &Path, run: &Path) -> i32 {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let folders = Folders { data: data.to_owned(), run: run.to_owned() };
    match inherit(folders).and_then(|inherited| {
        write_pid(&inherited)?;
        Monitor::new(inherited)?.run()
    }) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("gantry monitor: {error}");
            1
        }
    }
}

fn serve() -> Result<()> {
    gantry_runtime::fork::close_inherited().attempting("let go of what the server was started with")?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).attempting("take the server's socket")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).attempting("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).attempting("let go of stdin")?;
    drop(null);
    let epoll = epoll::create(CreateFlags::CLOEXEC).attempting("make an epoll descriptor")?;
    epoll::add(&epoll, &socket, EventData::new_u64(0), EventFlags::IN).attempting("wait for requests")?;
    // Children by the numbers of their pidfds.
    let mut children: Vec<OwnedFd> = Vec::new();
    loop {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 8];
        let count = match epoll::wait(&epoll, &mut events[..], None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.attempting("wait for requests")?,
        };
        for event in &events[..count] {
            match event.data.u64() {
                0 => match answer(&socket, &epoll, &mut children)? {
                    Answer::Given => {}
                    Answer::ServerGone => return Ok(()),
                    Answer::Monitor(inherited) => {
                        // What belongs to the spawner and to other monitors.
                        drop((socket, epoll, children));
                        become_monitor(inherited)
                    }
                },
                number => reap(&mut children, number),
            }
        }
    }
}

fn reap(children: &mut Vec<OwnedFd>, number: u64) {
    let Some(index) = children.iter().position(|child| child.as_raw_fd() as u64 == number) else { return };
    let _ = waitid(WaitId::PidFd(children[index].as_fd()), WaitIdOptions::EXITED);
    children.swap_remove(index);
}

enum Answer {
    Given,
    ServerGone,
    /// This is the child.
    Monitor(Inherited),
}

/// Serves one request.
fn answer(socket: &OwnedFd, epoll: &OwnedFd, children: &mut Vec<OwnedFd>) -> Result<Answer> {
    let mut request = [0; LONGEST];
    let len = match rustix::net::recv(socket, &mut request[..], RecvFlags::empty()) {
        Err(rustix::io::Errno::INTR) => return Ok(Answer::Given),
        Err(rustix::io::Errno::CONNRESET) => return Ok(Answer::ServerGone),
        other => other.attempting("hear from the server")?.0,
    };
    if len == 0 {
        return Ok(Answer::ServerGone);
    }
    match spawn(&request[..len]) {
        Ok(Spawned::Here(inherited)) => return Ok(Answer::Monitor(inherited)),
        Ok(Spawned::Mounted(root)) => send(socket, &SpawnReply::Mounted, Some(root.as_fd()))?,
        Ok(Spawned::There { pid, pidfd }) => {
            send(socket, &SpawnReply::Spawned { pid }, Some(pidfd.as_fd()))?;
            let number = pidfd.as_raw_fd() as u64;
            epoll::add(epoll, &pidfd, EventData::new_u64(number), EventFlags::IN).attempting("watch a monitor")?;
            children.push(pidfd);
        }
        Err(error) => send(socket, &SpawnReply::Failed { kind: error.kind(), message: error.to_string() }, None)?,
    }
    Ok(Answer::Given)
}

enum Spawned {
    Here(Inherited),
    There { pid: i32, pidfd: OwnedFd },
    Mounted(OwnedFd),
}

fn spawn(request: &[u8]) -> Result<Spawned> {
    let request: SpawnRequest = serde_json::from_slice(request).map_err(|error| MonitorError::refused(Kind::Invalid, format!("read a request: {error}")))?;
    let (data, run) = match request {
        SpawnRequest::Monitor { launch_dir, run_dir } => (launch_dir, run_dir),
        SpawnRequest::Root { launch_dir } => return root(&launch_dir).map(Spawned::Mounted),
    };
    let inherited = inherit(Folders { data, run })?;
    Ok(match fork().attempting("fork a monitor")? {
        Forked::Child => Spawned::Here(inherited),
        Forked::Parent { pid, pidfd } => Spawned::There { pid, pidfd },
    })
}

/// Done here because a kernel before 6.8 needs a clone for it, and the server has too many threads to clone.
fn root(data: &Path) -> Result<OwnedFd> {
    let launch = Launch::parse(&crate::files::read(&data.join(names::LAUNCH))?)?;
    let Some(overlay) = launch.overlay else { return Err(MonitorError::refused(Kind::Unsupported, "the container has no layers of its own")) };
    let plan = OverlayPlan { lowers: overlay.lowers, upper: overlay.upper, work: overlay.work, volatile: false };
    Ok(plan.mount()?)
}

fn send(socket: &OwnedFd, reply: &SpawnReply, pidfd: Option<BorrowedFd<'_>>) -> Result<()> {
    let json = serde_json::to_vec(reply).expect("replies are plain");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = pidfd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(&json)], &mut control, SendFlags::NOSIGNAL).attempting("answer the server")?;
    Ok(())
}

/// Locks the container's place and listens there, so that a client that knows of the monitor can connect at once.
fn inherit(folders: Folders) -> Result<Inherited> {
    let folder = rustix::fs::open(&folders.run, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| MonitorError::Read { path: folders.run.clone(), source: error.into() })?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let pid_file = rustix::fs::openat(&folder, names::PID, flags, Mode::RUSR | Mode::WUSR).attempting("open the monitor's pid file")?;
    match rustix::fs::flock(&pid_file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::AGAIN) => return Err(MonitorError::refused(Kind::Conflict, "the container has a monitor already")),
        other => other.attempting("lock the monitor's pid file")?,
    }
    Ok(Inherited { listener: listen(&folder).attempting("listen for clients")?, folders, pid_file: pid_file.into() })
}

fn listen(folder: &OwnedFd) -> io::Result<OwnedFd> {
    match rustix::fs::unlinkat(folder, names::SOCKET, rustix::fs::AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // A socket's path has at most 108 bytes; through its folder's descriptor it always fits.
    let path = format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), names::SOCKET);
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let bound = SocketAddrUnix::new(path.as_str()).and_then(|address| rustix::net::bind(&listener, &address));
    rustix::process::umask(before);
    bound?;
    rustix::net::listen(&listener, 128)?;
    Ok(listener)
}

/// In the child: a session of its own, nothing of the server's, and the loop. Never returns.
fn become_monitor(inherited: Inherited) -> ! {
    let folders = inherited.folders.clone();
    let done = settle(&inherited).and_then(|()| Monitor::new(inherited)?.run());
    if let Err(error) = &done {
        eprintln!("gantry monitor of {}: {error}", folders.data.display());
    }
    std::process::exit(i32::from(done.is_err()));
}

fn settle(inherited: &Inherited) -> Result<()> {
    rustix::process::setsid().attempting("begin a session")?;
    let _ = rustix::thread::set_name(c"gantry-monitor");
    let errors = inherited.folders.run.join("monitor.err");
    let errors = rustix::fs::open(&errors, OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
        .attempting("open the monitor's error file")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).attempting("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).attempting("let go of stdin")?;
    rustix::stdio::dup2_stdout(&null).attempting("let go of stdout")?;
    rustix::stdio::dup2_stderr(&errors).attempting("let go of stderr")?;
    write_pid(inherited)
}

fn write_pid(inherited: &Inherited) -> Result<()> {
    use std::io::Write as _;
    let mut file = &inherited.pid_file;
    file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes())).attempting("write the pid file")
}
