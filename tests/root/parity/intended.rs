//! Where we mean to differ from dockerd 20.10, and why.

use super::Client;

/// Stands for a line that one side does not have.
pub const NOTHING: &str = "(nothing)";

/// A difference that stays. One that no longer occurs fails the test.
#[derive(Debug)]
pub struct Intended {
    /// The command line has this in it.
    pub command: &'static str,
    /// These texts are in what each side says.
    pub docker: &'static str,
    pub gantry: &'static str,
    /// Seen by clients from this release on: they ask us in a newer version of the API than that dockerd has.
    pub since: u32,
    pub why: &'static str,
}

impl Intended {
    pub fn is(&self, client: &Client, command: &str, docker: &str, gantry: &str) -> bool {
        self.occurs_with(client) && command.contains(self.command) && docker.contains(self.docker) && gantry.contains(self.gantry)
    }

    pub fn occurs_with(&self, client: &Client) -> bool {
        client.release >= self.since
    }
}

const fn intended(command: &'static str, docker: &'static str, gantry: &'static str, why: &'static str) -> Intended {
    Intended { command, docker, gantry, since: 0, why }
}

pub const INTENDED: [Intended; 27] = [
    intended("", "strconv.", "", "a number that is none is told in words, not in those of Go's library"),
    Intended { since: 23, ..intended("volume prune", "kept", NOTHING, "from API 1.42 on a prune takes anonymous volumes only") },
    Intended { since: 23, ..intended("volume ls", NOTHING, "kept", "and so it is still there") },
    intended("inspect -f '{{range $key", "KernelMemory", NOTHING, "newer versions of the API do not have it"),
    intended("inspect -f '{{range $key", "MaskedPaths", "MaskedPaths", "we hide more, as newer dockerd does"),
    intended("inspect -f '{{range $key", "NetworkMode \"default\"", "NetworkMode \"bridge\"", "newer dockerd names the network, too"),
    intended("inspect -f '{{range $key", "Runtime \"runc\"", "Runtime \"gantry\"", "the runtime is our own"),
    Intended { since: 23, ..intended("", "no such image: ", "such image", "newer dockerd says it once, too") },
    intended("image inspect UPPER", "no such image: UPPER: ", "repository name must be lowercase", "newer dockerd says it once, too"),
    intended("docker cp box:/dir/file/", "lstat <data>", "/dir/file", "no path of the host is told"),
    intended("", "Error processing tar file", "of the tar stream", "what is wrong with an archive is told, and where"),
    intended("empty.tar", "/repositories: no such file", "it holds no image", "no path of the host is told"),
    intended("tar tf all.tar", "repositories", NOTHING, "the document of docker before 1.10, which had no manifest.json"),
    intended("history -q kept:2", "<short id", "<missing>", "images have no parents here, as with BuildKit: each stands alone"),
    intended("rmi one:1", NOTHING, "Deleted: ", "and none is kept because another was made from it"),
    intended("rmi two:1", "Deleted: ", NOTHING, "so its parent went before it"),
    intended("rmi -f one:1", "Deleted: ", NOTHING, "an image stays as long as a container needs its layers"),
    intended("--hostname 'bad host'", "exit code 0", "exit code 125", "a name that is none is refused"),
    intended("--hostname 'bad host'", NOTHING, "", "and this is told"),
    intended("/etc/resolv.conf", "search", NOTHING, "the order of its lines means nothing"),
    intended("/etc/resolv.conf", NOTHING, "search", "the order of its lines means nothing"),
    intended("docker exec -w /nosuch", "chdir to cwd", "working directory /nosuch", "our runtime's words"),
    intended("docker exec", "exit code 126", "exit code 127", "the code of a program that is not there, as with newer dockerd and in every shell"),
    intended(
        "--filter nosuch=1",
        "exit code 0",
        "exit code 1",
        "events refuse a filter that they do not know, as lists do: one with a typo would show everything",
    ),
    intended("--filter nosuch=1", "", "Invalid filter 'nosuch'", "and this is told"),
    intended("--filter nosuch=1", "<moment>", NOTHING, "instead of everything"),
    intended("", "", "Gantry has no swarm mode", "there is none"),
];
