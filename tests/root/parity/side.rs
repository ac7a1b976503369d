//! One of the two that are compared: a daemon, a client for it, and a folder to work in.

use super::case::{Case, Line, Step};
use crate::support::peers::Docker;
use crate::support::terminal::Terminal;
use crate::support::{Said, Server, image, run};
use portable_pty::CommandBuilder;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Longer than any line takes.
const SECS: &str = "40";

/// What runc says when its first process is gone before it is told to go on: now and then on a busy machine.
const ACCIDENT: &str = "write init-p: broken pipe";

/// Takes away what a case left: only the images that both began with stay.
const CLEAR: &str = r#"
docker ps -aq --no-trunc | xargs -r docker rm -f -v
docker volume ls -q | xargs -r docker volume rm
for image in $(docker images -q --no-trunc | sort -u); do
  grep -qx "$image" ../images || docker rmi -f "$image"
done
docker images --format '{{.Repository}}:{{.Tag}}' | grep -vx 'busybox:latest\|app:1' | xargs -r docker rmi -f
"#;

enum Daemon {
    Docker(Docker),
    Gantry(Box<Server>),
}

pub struct Side {
    daemon: Daemon,
    /// `bin/docker` is the client; each case has a folder of its own.
    folder: TempDir,
}

impl Side {
    /// dockerd and us with the same images, for one client.
    pub fn pair(client: &Path) -> (Self, Self) {
        let docker = Self::new(client, Daemon::Docker(Docker::in_own_network()));
        let gantry = Self::new(client, Daemon::Gantry(Box::new(Server::beside_docker())));
        std::fs::write(docker.folder.path().join("root.tar"), image::busybox()).expect("written");
        docker.must(
            r#"docker import --change 'CMD ["sh"]' --change 'ENV PATH=/bin' root.tar busybox:latest
            sleep 1.1 # Lists are sorted by the second.
            docker import --change 'ENTRYPOINT ["/bin/echo"]' --change 'CMD ["hello"]' --change 'ENV A=1' --change 'WORKDIR /www' --change 'USER user' \
                --change 'LABEL tier=front' --change 'EXPOSE 80/tcp' --change 'VOLUME /kept' root.tar app:1
            docker save -o both.tar busybox:latest app:1"#,
        );
        let both = docker.folder.path().join("both.tar");
        gantry.must(&format!("docker load -i {}", both.display()));
        for side in [&docker, &gantry] {
            side.must("docker images -q --no-trunc > images");
        }
        (docker, gantry)
    }

    fn new(client: &Path, daemon: Daemon) -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-parity-").tempdir_in("/var/tmp").expect("a scratch folder");
        std::fs::create_dir(folder.path().join("bin")).expect("made");
        symlink(client, folder.path().join("bin/docker")).expect("linked");
        Self { daemon, folder }
    }

    fn environment(&self) -> [(&'static str, String); 4] {
        let path = std::env::var("PATH").unwrap_or_default();
        let host = match &self.daemon {
            Daemon::Docker(docker) => docker.host(),
            Daemon::Gantry(server) => format!("unix://{}", server.path("run/gantry.sock").display()),
        };
        [
            ("PATH", format!("{}:{path}", self.folder.path().join("bin").display())),
            ("DOCKER_HOST", host),
            ("DOCKER_CONFIG", self.folder.path().join("config").display().to_string()),
            ("TERM", "xterm".to_owned()),
        ]
    }

    fn shell(&self, folder: &Path, line: &str) -> Said {
        let mut command = Command::new("timeout");
        command.args([SECS, "sh", "-c", line]).current_dir(folder).envs(self.environment());
        run(&mut command, &[])
    }

    #[track_caller]
    fn must(&self, script: &str) {
        let said = self.shell(self.folder.path(), &format!("set -e\n{script}"));
        assert_eq!(said.code, 0, "{script}: {}{}", said.out, said.err);
    }

    /// What each line said, and how it ended. Afterwards everything is as before.
    pub fn run(&self, case: &Case) -> Vec<Said> {
        // Of an accident of theirs nothing is learned about us.
        let broke = |said: &Said| matches!(self.daemon, Daemon::Docker(_)) && said.err.contains(ACCIDENT);
        (0..2).map(|_| self.once(case)).find(|said| !said.iter().any(broke)).unwrap_or_else(|| self.once(case))
    }

    fn once(&self, case: &Case) -> Vec<Said> {
        let folder = self.folder.path().join("case");
        std::fs::create_dir(&folder).expect("made");
        let said = case.lines.iter().map(|line| self.line(&folder, line)).collect();
        let cleared = self.shell(&folder, CLEAR);
        assert_eq!(cleared.err, "", "clear after {}: {}", case.name, cleared.out);
        std::fs::remove_dir_all(&folder).expect("removed");
        said
    }

    fn line(&self, folder: &PathBuf, line: &Line) -> Said {
        let said = if line.steps.is_empty() { self.shell(folder, &line.command) } else { self.terminal(folder, line) };
        let data = match &self.daemon {
            Daemon::Docker(docker) => docker.data(),
            Daemon::Gantry(server) => server.path("data"),
        };
        let named = |text: String| text.replace(&*folder.to_string_lossy(), "<folder>").replace(&*data.to_string_lossy(), "<data>");
        Said { out: named(said.out), err: named(said.err), ..said }
    }

    fn terminal(&self, folder: &PathBuf, line: &Line) -> Said {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", &line.command]);
        command.cwd(folder);
        self.environment().into_iter().for_each(|(name, value)| command.env(name, value));
        let mut terminal = Terminal::open(command);
        let mut err = String::new();
        for step in &line.steps {
            match step {
                Step::See(text) if !terminal.shows(text, Duration::from_secs(20)) => err = format!("{err}{text:?} was not shown\n"),
                Step::See(_) => {}
                Step::Type(keys) => terminal.keys(keys),
                Step::Resize(rows, cols) => terminal.resize(*rows, *cols),
            }
        }
        let code = terminal.ended().map_or(-1, |code| code as i32);
        Said { code, out: terminal.seen(), err }
    }
}
