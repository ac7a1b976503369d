//! Archives as real tools write them are loaded, and what is in them runs.

use crate::support::peers::{Docker, Podman, skopeo_copy};
use crate::support::{Server, image};
use std::path::{Path, PathBuf};

/// Loads an archive, runs the image, and looks at both of its layers and at its settings.
#[track_caller]
fn loads_and_runs(server: &Server, archive: &Path, name: &str) {
    let said = server.ok(&["load", "-i", text(archive)]);
    assert!(said.contains(name), "{}: {said}", archive.display());
    let out = server.ok(&["run", "--rm", "--network", "none", name]);
    assert_eq!(out, "hello from a container\nsecond layer\nblue\n/tmp", "{}", archive.display());
    server.ok(&["rmi", name]);
}

#[test]
#[ignore = "needs root, docker, podman and skopeo"]
fn archives_of_docker_podman_and_skopeo_load_and_run() {
    let server = Server::start();
    let folder = tempfile::Builder::new().prefix("gantry-peer-").tempdir_in("/var/tmp").expect("a scratch folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("base.tar"), image::busybox()).expect("written");
    std::fs::write(at("second"), "second layer\n").expect("written");
    let change = r#"CMD ["sh","-c","cat /www/index.html /second; echo $COLOUR; pwd"]"#;
    let changes = ["--change", change, "--change", "ENV COLOUR=blue", "--change", "WORKDIR /tmp"];

    by_docker(&at("base.tar"), &at("second"), &changes, &at("docker.tar"));
    skopeo_copy(&format!("docker-archive:{}", at("docker.tar").display()), &format!("oci-archive:{}:demo/two:1", at("skopeo.tar").display()), folder.path());
    let [as_docker, as_oci] = ["docker-archive", "oci-archive"].map(|format| (format, at(&format!("podman-{format}.tar"))));
    by_podman(&at("base.tar"), &at("second"), &changes, &[&as_docker, &as_oci]);

    loads_and_runs(&server, &at("docker.tar"), "demo/two:1");
    loads_and_runs(&server, &at("skopeo.tar"), "demo/two:1");
    loads_and_runs(&server, &as_docker.1, "demo.example/two:1");
    loads_and_runs(&server, &as_oci.1, "demo.example/two:1");
    server.nothing_is_left();
}

fn by_docker(base: &Path, second: &Path, changes: &[&str], archive: &Path) {
    let docker = Docker::start();
    docker.ok(&["import", text(base), "base:1"]);
    let made = docker.ok(&["create", "base:1", "sh"]);
    docker.ok(&["cp", text(second), &format!("{made}:/second")]);
    docker.ok(&[&["commit"], changes, &[made.as_str(), "demo/two:1"]].concat());
    docker.ok(&["save", "-o", text(archive), "demo/two:1"]);
}

fn by_podman(base: &Path, second: &Path, changes: &[&str], archives: &[&(&str, PathBuf)]) {
    let podman = Podman::new();
    podman.ok(&["import", "-q", text(base), "localhost/base:1"]);
    let made = podman.ok(&["create", "--network", "none", "localhost/base:1", "sh"]);
    podman.ok(&["cp", text(second), &format!("{made}:/second")]);
    podman.ok(&[&["commit", "-q"], changes, &[made.as_str(), "demo.example/two:1"]].concat());
    for (format, archive) in archives {
        podman.ok(&["save", "-q", "--format", format, "-o", text(archive), "demo.example/two:1"]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
