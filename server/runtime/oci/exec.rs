//! `exec`. In: a container and a process, in JSON or words. Out: its exit code, or its pid when detached.

use super::args::{Exec, Global};
use super::create::{check_console, extra_fds, own_stdio, write_pid};
use super::error::{During, OciError, Result};
use super::foreground::{self, Signals};
use super::state::{Container, Status};
use super::{console, limits};
use crate::process::{self, ExecLaunch};
use oci_spec::runtime::{Capabilities, LinuxCapabilities, Process, Spec, User};
use std::fs;
use std::path::PathBuf;

pub(super) fn exec(global: &Global, args: &Exec) -> Result<i32> {
    let container = Container::load(&global.root, &args.id)?;
    match container.status() {
        Status::Stopped | Status::Creating => return Err(OciError::Refused("cannot exec in a stopped container".into())),
        Status::Paused if !args.ignore_paused => return Err(OciError::Refused("cannot exec in a paused container (use --ignore-paused to override)".into())),
        _ => {}
    }
    let spec = container.spec()?;
    let process = describe(args, &spec)?;
    let terminal = process.terminal().unwrap_or(false);
    check_console(terminal, args.console_socket.is_some(), args.detach)?;
    let signals = if args.detach { None } else { Some(Signals::take()?) };
    let cgroup = limits::join(&container.saved, args.cgroup.as_deref())?;
    let seccomp = limits::seccomp(&container, &spec, container.status())?;
    let mut running = process::exec(ExecLaunch {
        target_pid: container.saved.pid,
        process: &process,
        user: None,
        stdio: own_stdio(Some(&process))?,
        cgroup: cgroup.as_ref(),
        extra_fds: extra_fds(args.preserve_fds)?,
        seccomp: seccomp.as_ref(),
    })?;
    for warning in &running.warnings {
        super::log::warn(global, warning);
    }
    if let Some(socket) = &args.console_socket
        && let Some(terminal) = running.terminal.take()
    {
        console::send(socket, &terminal)?;
    }
    if let Some(path) = &args.pid_file {
        write_pid(path, running.pid)?;
    }
    let Some(signals) = signals else { return Ok(0) };
    Ok(foreground::wait(&running, &signals)?.code)
}

/// The process of `-p`, or the container's own with what the words change.
fn describe(args: &Exec, spec: &Spec) -> Result<Process> {
    if let Some(path) = &args.process {
        let text = fs::read(path).during(|| format!("read {}", path.display()))?;
        return serde_json::from_slice(&text).map_err(|source| OciError::Json { what: format!("read {}", path.display()), source });
    }
    if args.args.is_empty() {
        return Err(OciError::Refused("process args cannot be empty".into()));
    }
    let mut process = spec.process().clone().unwrap_or_default();
    process.set_args(Some(args.args.clone()));
    process.set_terminal(Some(args.tty));
    if let Some(cwd) = &args.cwd {
        process.set_cwd(PathBuf::from(cwd));
    }
    if let Some(label) = &args.process_label {
        process.set_selinux_label(Some(label.clone()));
    }
    if let Some(profile) = &args.apparmor {
        process.set_apparmor_profile(Some(profile.clone()));
    }
    if args.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    let mut env = process.env().clone().unwrap_or_default();
    env.extend(args.env.iter().cloned());
    process.set_env(Some(env));
    if let Some(text) = &args.user {
        process.set_user(user(text, process.user())?);
    }
    if !args.additional_gids.is_empty() {
        let mut user = process.user().clone();
        user.set_additional_gids(Some(args.additional_gids.clone()));
        process.set_user(user);
    }
    if !args.cap.is_empty() {
        let sets = process.capabilities().clone().unwrap_or_default();
        process.set_capabilities(Some(with_capabilities(sets, &args.cap)?));
    }
    Ok(process)
}

fn user(text: &str, before: &User) -> Result<User> {
    let bad = |part: &str| OciError::Refused(format!("parsing {part:?} as an id failed: use UID[:GID]"));
    let id = |part: &str| part.parse::<u32>().ok().filter(|id| i32::try_from(*id).is_ok()).ok_or_else(|| bad(part));
    let (uid, gid) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
    let mut user = before.clone();
    user.set_uid(id(uid)?);
    if let Some(gid) = gid {
        user.set_gid(id(gid)?);
    }
    Ok(user)
}

/// Bounding, permitted and effective grow; inheritable and ambient never (runc CVE-2022-29162).
fn with_capabilities(mut sets: LinuxCapabilities, names: &[String]) -> Result<LinuxCapabilities> {
    let added = names.iter().map(|name| name.trim_start_matches("CAP_").parse().map_err(|_| OciError::Refused(format!("unknown capability {name:?}"))));
    let added: Capabilities = added.collect::<Result<_>>()?;
    let grown = |set: &Option<Capabilities>| Some(set.iter().flatten().copied().chain(added.iter().copied()).collect());
    let (bounding, permitted, effective) = (grown(sets.bounding()), grown(sets.permitted()), grown(sets.effective()));
    sets.set_bounding(bounding).set_permitted(permitted).set_effective(effective);
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_exact_or_an_error() {
        let ids = |text: &str| user(text, &User::default()).map(|user| (user.uid(), user.gid())).ok();
        assert_eq!(ids("1"), Some((1, 0)));
        assert_eq!(ids("01:2"), Some((1, 2)));
        assert_eq!(ids("65536"), Some((65536, 0)));
        for bad in ["", "-1", "4294967296", "4294967295", "1:", "root"] {
            assert_eq!(ids(bad), None, "{bad}");
        }
    }
}
