//! `create`, `start` and `run`. In: a bundle. Out: a container at its gate, or running, or ended.

use super::args::{Create, Global, Run};
use super::error::{During, OciError, Result};
use super::foreground::{self, Signals};
use super::hooks::{self, Points};
use super::state::{Container, Saved, Status, read_spec, start_time};
use super::{console, control, limits};
use crate::process::{self, Created, Gate, Launch, LaunchError, Rootfs, Stdio, open_gate};
use crate::sys;
use oci_spec::runtime::{Process, Spec};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// `create`.
pub(super) fn create(global: &Global, args: &Create) -> Result<i32> {
    let spec = read_spec(&bundle(args)?.join(&args.config))?;
    let terminal = spec.process().as_ref().is_some_and(|process| process.terminal().unwrap_or(false));
    check_console(terminal, args.console_socket.is_some(), true)?;
    let container = make(global, args, &spec)?;
    let created = undone(&container, || {
        let gate = listener(&container)?;
        let created = launch(global, args, &container, &spec, own_stdio(spec.process().as_ref())?, Gate::Listener(gate))?;
        hand_over(args, &container, created.pid, created.terminal.as_ref())?;
        Ok(created)
    })?;
    created.leave()?;
    Ok(0)
}

/// `start`.
pub(super) fn start(global: &Global, id: &str) -> Result<i32> {
    let container = Container::load(&global.root, id)?;
    match container.status() {
        Status::Created => {}
        Status::Stopped => return Err(OciError::Refused("cannot start a container that has stopped".into())),
        Status::Creating => return Err(OciError::Refused("cannot start a container that is being created".into())),
        Status::Running | Status::Paused => return Err(OciError::Refused("cannot start an already running container".into())),
    }
    let what = || format!("open the gate of {id}");
    let folder = open_folder(&container.folder).during(what)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).during(what)?;
    connect(&socket, &gate_address(&folder).during(what)?).during(what)?;
    let spec = container.spec()?;
    let pidfd = container.process().ok_or(OciError::NotRunning)?;
    let filter = limits::seccomp(&container, &spec, Status::Created)?;
    let opened = open_gate(socket.as_fd(), container.saved.pid, pidfd.as_fd(), filter.as_ref().and_then(|filter| filter.listener()));
    let _ = fs::remove_file(container.gate());
    opened?;
    after_start(&container, &spec);
    Ok(0)
}

/// `run`.
pub(super) fn run(global: &Global, args: &Run) -> Result<i32> {
    let create = &args.create;
    let spec = read_spec(&bundle(create)?.join(&create.config))?;
    let terminal = spec.process().as_ref().is_some_and(|process| process.terminal().unwrap_or(false));
    check_console(terminal, create.console_socket.is_some(), args.detach)?;
    let signals = if args.detach { None } else { Some(Signals::take()?) };
    let container = make(global, create, &spec)?;
    let running = undone(&container, || {
        let created = launch(global, create, &container, &spec, own_stdio(spec.process().as_ref())?, Gate::Parent)?;
        hand_over(create, &container, created.pid, created.terminal.as_ref().filter(|_| create.console_socket.is_some()))?;
        Ok(created.start()?)
    })?;
    after_start(&Container::load(&global.root, &create.id)?, &spec);
    let Some(signals) = signals else { return Ok(0) };
    let exit = foreground::wait(&running, &signals)?;
    drop(running);
    if !args.keep {
        control::delete_stopped(&Container::load(&global.root, &create.id)?)?;
    }
    Ok(exit.code)
}

/// A failed start leaves no folder and no cgroup.
fn undone<T>(container: &Container, work: impl FnOnce() -> Result<T>) -> Result<T> {
    work().inspect_err(|_| {
        limits::undo(&container.saved);
        let _ = container.remove();
    })
}

pub(super) fn check_console(terminal: bool, socket: bool, detached: bool) -> Result<()> {
    let refused = |text: &str| Err(OciError::Refused(text.to_owned()));
    match (terminal, socket, detached) {
        (true, false, true) => refused("cannot allocate tty if gantry will detach without setting console socket"),
        (false, true, _) => refused("cannot use console socket if gantry will not detach or allocate tty"),
        _ => Ok(()),
    }
}

fn bundle(args: &Create) -> Result<PathBuf> {
    let bundle = args.bundle.clone().unwrap_or_else(|| PathBuf::from("."));
    fs::canonicalize(&bundle).during(|| format!("open the bundle {}", bundle.display()))
}

fn make(global: &Global, args: &Create, spec: &Spec) -> Result<Container> {
    if !spec.version().starts_with("1.") {
        return Err(OciError::Refused(format!("unsupported ociVersion {:?}: 1.x is known", spec.version())));
    }
    let bundle = bundle(args)?;
    let root = spec.root().as_ref().ok_or_else(|| OciError::Refused("the spec has no root".to_owned()))?;
    let rootfs = bundle.join(root.path());
    let rootfs = fs::canonicalize(&rootfs).map_err(|_| OciError::Refused(format!("rootfs ({}) does not exist", rootfs.display())))?;
    let saved = Saved {
        id: args.id.clone(),
        pid: 0,
        start_time: 0,
        rootfs,
        created: jiff::Timestamp::now().to_string(),
        owner: String::new(),
        annotations: spec.annotations().clone().unwrap_or_default(),
        cgroup: limits::place(global, &args.id, spec)?,
        bundle,
    };
    let container = Container::make(&global.root, saved)?;
    undone(&container, || container.save_spec(spec))?;
    Ok(container)
}

fn launch(global: &Global, args: &Create, container: &Container, spec: &Spec, stdio: Stdio, gate: Gate) -> Result<Created> {
    let (extra_fds, spec) = with_extra_fds(args.preserve_fds, spec)?;
    let mut points =
        spec.hooks().as_ref().map(|hooks| Points { hooks, container: Container { folder: container.folder.clone(), saved: container.saved.clone() } });
    let cgroup = limits::create(&container.saved, &spec)?;
    let seccomp = limits::seccomp(container, &spec, Status::Creating)?;
    let launch = Launch {
        id: &args.id,
        spec: &spec,
        bundle: &container.saved.bundle,
        rootfs: Rootfs::Path(container.saved.rootfs.clone()),
        user: None,
        stdio,
        cgroup: cgroup.as_ref(),
        extra_fds,
        no_pivot: args.no_pivot,
        no_new_keyring: args.no_new_keyring,
        seccomp: seccomp.as_ref(),
        gate,
        hooks: points.as_mut().map(|points| points as &mut dyn process::Hooks),
        init: false,
    };
    let created = process::create(launch)?;
    for warning in &created.warnings {
        super::log::warn(global, warning);
    }
    Ok(created)
}

/// `--preserve-fds`, and sockets of systemd's kind (`LISTEN_FDS`).
pub(super) fn with_extra_fds(preserve: u32, spec: &Spec) -> Result<(Vec<OwnedFd>, Spec)> {
    let mut spec = spec.clone();
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    let listening = number("LISTEN_FDS").filter(|_| number("LISTEN_PID").is_none_or(|pid| pid == std::process::id())).unwrap_or(0);
    if listening > 0
        && let Some(process) = spec.process_mut()
    {
        let mut env = process.env().clone().unwrap_or_default();
        env.extend([format!("LISTEN_FDS={listening}"), "LISTEN_PID=1".to_owned()]);
        process.set_env(Some(env));
    }
    Ok((extra_fds(preserve + listening)?, spec))
}

pub(super) fn extra_fds(count: u32) -> Result<Vec<OwnedFd>> {
    let missing = |number| OciError::Refused(format!("preserve-fds: descriptor {number} is not open"));
    let after = 3 + count as i32;
    (3..after).map(|number| sys::inherited(number, after).ok_or_else(|| missing(number))).collect()
}

/// A terminal if the process wants one, else our own three descriptors.
pub(super) fn own_stdio(process: Option<&Process>) -> Result<Stdio> {
    if let Some(process) = process.filter(|process| process.terminal().unwrap_or(false)) {
        let (rows, cols) = process.console_size().map_or_else(console::own_size, |size| (size.height() as u16, size.width() as u16));
        return Ok(Stdio::Terminal { rows, cols });
    }
    let copy = |fd| sys::inherited(fd, 3).ok_or_else(|| OciError::Refused("stdin, stdout and stderr must be open".to_owned()));
    Ok(Stdio::Fds([copy(0)?, copy(1)?, copy(2)?]))
}

/// Everything that others wait for, the pid file last.
fn hand_over(args: &Create, container: &Container, pid: i32, terminal: Option<&OwnedFd>) -> Result<()> {
    let mut saved = container.saved.clone();
    saved.pid = pid;
    saved.start_time = start_time(pid).ok_or_else(|| LaunchError::Lost(String::new()))?;
    Container { folder: container.folder.clone(), saved }.save()?;
    if let (Some(socket), Some(terminal)) = (&args.console_socket, terminal) {
        console::send(socket, terminal)?;
    }
    args.pid_file.as_deref().map_or(Ok(()), |path| write_pid(path, pid))
}

/// By rename: a waiting reader never sees half a number.
pub(super) fn write_pid(path: &Path, pid: i32) -> Result<()> {
    let what = || format!("write the pid file {}", path.display());
    let name = path.file_name().ok_or_else(|| OciError::Refused(format!("{} is no file name", path.display())))?;
    let fresh = path.with_file_name(format!(".{}", name.display()));
    fs::write(&fresh, pid.to_string()).during(what)?;
    fs::rename(&fresh, path).during(what)
}

/// A failing poststart hook is told and changes nothing. Source: OCI runtime specification, `runtime.md`, "Lifecycle".
fn after_start(container: &Container, spec: &Spec) {
    if let Some(hooks) = spec.hooks()
        && let Err(reason) = hooks::run("poststart", hooks.poststart().as_ref(), &hooks::state(container, Status::Running))
    {
        tracing::warn!("{reason}");
    }
}

/// A socket on which `start` will be heard. It is bound by the folder's descriptor: a path may be too long for a socket address.
fn listener(container: &Container) -> Result<OwnedFd> {
    let what = || format!("make the gate of {}", container.saved.id);
    let folder = open_folder(&container.folder).during(what)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).during(what)?;
    bind(&socket, &gate_address(&folder).during(what)?).during(what)?;
    listen(&socket, 8).during(what)?;
    Ok(socket)
}

fn open_folder(path: &Path) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};
    open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn gate_address(folder: &OwnedFd) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/start.sock", folder.as_raw_fd()))
}
