//! The real tools whose archives are read and whose speed is compared, each on folders of its own.

use super::command::{self, in_time, kill_9, until};
use super::leftovers;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Debian's docker daemon.
pub struct Docker {
    folder: TempDir,
    child: Child,
}

impl Docker {
    /// Without a bridge and without a firewall.
    pub fn start() -> Self {
        let mut command = Command::new("dockerd");
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]);
        Self::begin(command)
    }

    /// With all of its network, in a network namespace of its own.
    pub fn in_own_network() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up; exec \"$0\" \"$@\"", "dockerd"]);
        Self::begin(command)
    }

    fn begin(mut command: Command) -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-peer-").tempdir_in("/var/tmp").expect("a scratch folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("settings"), "{}").expect("written");
        let log = std::fs::File::create(at("log")).expect("made");
        let child = command
            .arg(format!("--config-file={}", at("settings").display()))
            .arg(format!("--host=unix://{}", at("socket").display()))
            .arg(format!("--cgroup-parent=/peer{}", std::process::id()))
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("copied"))
            .stderr(log)
            .spawn()
            .expect("dockerd is installed: apt-get install docker.io");
        let mut docker = Self { folder, child };
        let ready = in_time(|| docker.child.try_wait().expect("waited for").is_some() || command::run(&mut docker.docker(&["version"]), &[]).code == 0);
        let log = std::fs::read_to_string(docker.folder.path().join("log")).unwrap_or_default();
        assert!(ready && docker.child.try_wait().expect("waited for").is_none(), "dockerd did not come up: {log}");
        docker
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// What clients take as their host.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Its `--data-root`.
    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Debian's client: others may not speak to this daemon.
    pub fn docker(&self, args: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/docker");
        command.arg("--host").arg(self.host()).args(args);
        command.env("DOCKER_CONFIG", self.folder.path());
        command
    }

    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let said = command::run(&mut self.docker(args), &[]);
        assert_eq!(said.code, 0, "docker {args:?}: {}{}", said.out, said.err);
        said.out.trim_end().to_owned()
    }

    /// Its processes: the daemon and the containerd that it starts.
    pub fn pids(&self) -> Vec<u32> {
        let all = leftovers::processes(self.folder.path(), "no cgroup has this name");
        all.iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id() as i32), nix::sys::signal::Signal::SIGTERM);
        if !in_time(|| self.child.try_wait().is_ok_and(|status| status.is_some())) {
            kill_9(self.child.id());
            let _ = self.child.wait();
        }
        self.pids().into_iter().for_each(kill_9);
        for mount in leftovers::mounts(self.folder.path()) {
            if let Some(path) = mount.split(' ').nth(4) {
                let _ = Command::new("umount").args(["-l", path]).status();
            }
        }
        for cgroup in leftovers::cgroups(&format!("peer{}", std::process::id())).iter().rev() {
            let _ = std::fs::remove_dir(cgroup);
        }
    }
}

/// Podman on folders of its own; no daemon.
pub struct Podman {
    folder: TempDir,
}

impl Podman {
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("gantry-peer-").tempdir_in("/var/tmp").expect("a scratch folder") }
    }

    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("podman");
        command.arg("--root").arg(at("data")).arg("--runroot").arg(at("run")).arg("--tmpdir").arg(at("tmp"));
        // Debian's crun refuses a host with both versions of cgroups.
        command.args(["--runtime", "runc", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]).args(args);
        command.env("TMPDIR", self.folder.path()).env_remove("XDG_RUNTIME_DIR");
        command::run(&mut command, &[]).ok().trim_end().to_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        until("podman lets go of its folders", || leftovers::processes(self.folder.path(), "no cgroup has this name").is_empty());
        for mount in leftovers::mounts(self.folder.path()) {
            if let Some(path) = mount.split(' ').nth(4) {
                let _ = Command::new("umount").args(["-l", path]).status();
            }
        }
    }
}

/// `skopeo copy`.
#[track_caller]
pub fn skopeo_copy(from: &str, to: &str, scratch: &Path) {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "--tmpdir"]).arg(scratch).args(["copy", "--quiet", from, to]);
    command::run(&mut command, &[]).ok();
}
