//! Images go to Debian's `docker-registry` and come back, and others read there what we wrote.

use crate::support::command::{self, in_time};
use crate::support::peers::{Docker, Podman};
use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::{Server, until};
use std::process::Command;

/// The digest that a pull or push told.
fn digest(said: &str) -> &str {
    let at = said.find("sha256:").unwrap_or_else(|| panic!("no digest in {said}"));
    &said[at..at + 71]
}

#[test]
#[ignore = "needs root, docker, podman, skopeo and docker-registry"]
fn what_we_push_others_pull_and_the_digests_are_the_same() {
    let (server, registry) = (Server::with_busybox(), Registry::plain());
    let name = format!("{}/team/app:1", registry.name);
    server.ok(&["tag", "busybox", &name]);
    let id = server.inspect("busybox", "/Id");
    let pushed = server.ok(&["push", &name]);
    let digest = digest(&pushed).to_owned();
    assert!(pushed.contains(&format!("1: digest: {digest} size: ")), "{pushed}");

    server.ok(&["rmi", "-f", &name, "busybox"]);
    until("the content is swept", || std::fs::read_dir(server.path("data/layers")).is_ok_and(|mut list| list.next().is_none()));
    let pulled = server.ok(&["pull", &name]);
    assert!(pulled.contains(&format!("Digest: {digest}\nStatus: Downloaded newer image for {name}")), "{pulled}");
    assert!(server.ok(&["pull", &name]).contains("Status: Image is up to date"));
    assert_eq!(server.inspect(&name, "/Id"), id);
    let by_digest = format!("{}/team/app@{digest}", registry.name);
    assert_eq!(server.inspect(&name, "/RepoDigests"), serde_json::json!([by_digest]));
    assert_eq!(server.ok(&["run", "--rm", "--network", "none", &by_digest, "cat", "/www/index.html"]), "hello from a container");
    server.ok(&["rmi", &name]);
    assert_eq!(server.ok(&["run", "--rm", "--network", "none", "--pull", "missing", &by_digest, "echo", "there"]), "there");

    // Others, and what they push comes back to us.
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &format!("docker://{name}")]);
    assert_eq!(command::run(&mut skopeo, &[]).ok().trim(), digest);
    Podman::new().ok(&["pull", "-q", "--tls-verify=false", &name]);
    let docker = Docker::start();
    assert!(docker.ok(&["pull", &name]).contains(&digest));
    assert_eq!(serde_json::json!(docker.ok(&["inspect", "-f", "{{.Id}}", &name])), id);
    let theirs = format!("{}/theirs:2", registry.name);
    docker.ok(&["tag", &name, &theirs]);
    let told = docker.ok(&["push", &theirs]);
    let pulled = server.ok(&["pull", &theirs]);
    assert!(pulled.contains(self::digest(&told)), "{pulled} after {told}");
    server.ok(&["rmi", "-f", &theirs, &by_digest]);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root and docker-registry"]
fn a_registry_gets_only_the_layers_that_it_does_not_have() {
    let (server, registry) = (Server::with_busybox(), Registry::plain());
    let named = |repository: &str| format!("{}/{repository}", registry.name);
    server.ok(&["tag", "busybox", &named("one:1")]);
    server.ok(&["push", &named("one:1")]);
    // A layer and a configuration.
    until("the registry has written its log", || registry.requests("PUT /v2/one/manifests/1") == 1);
    assert_eq!(registry.requests("PUT /v2/one/blobs/"), 2, "{}", registry.log());

    server.ok(&["rmi", "-f", "busybox", &named("one:1")]);
    let pulled = server.ok(&["pull", &named("one:1")]);
    server.ok(&["tag", &named("one:1"), &named("two:1")]);
    let pushed = server.ok(&["push", &named("two:1")]);
    assert_eq!(digest(&pushed), digest(&pulled));
    until("the registry has written its log", || registry.requests("PUT /v2/two/manifests/1") == 1);
    assert_eq!(registry.requests("PUT /v2/two/blobs/"), 0, "{}", registry.log());

    let made = server.ok(&["run", "-d", "--network", "none", &named("two:1"), "sh", "-c", "echo changed >/tmp/file"]);
    server.ok(&["wait", &made]);
    server.ok(&["commit", &made, &named("two:2")]);
    server.ok(&["push", &named("two:2")]);
    until("the registry has written its log", || registry.requests("PUT /v2/two/manifests/2") == 1);
    assert_eq!(registry.requests("PUT /v2/two/blobs/"), 2, "one layer more, and its configuration: {}", registry.log());
    server.ok(&["rm", &made]);
    server.ok(&["push", "-a", "-q", &named("two")]);
    server.ok(&["rmi", "-f", &named("one:1"), &named("two:1"), &named("two:2")]);
    assert!(server.ok(&["pull", "-a", &named("two")]).contains("two:2"));
    server.ok(&["rmi", "-f", &named("two:2"), &named("two:1")]);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root, openssl and docker-registry"]
fn a_registry_proves_who_it_is_and_asks_who_we_are() {
    let registry = Registry::guarded();
    let server = Server::with_flags(&["--registry-certs", registry.certs().to_str().expect("UTF-8")]);
    let name = format!("{}/private/app:1", registry.name);
    server.ok(&["tag", "busybox", &name]);
    let log_in = |password: &str| command::run(&mut server.gantry(&["login", "-u", USER, "--password-stdin", &registry.name]), password.as_bytes());
    let refused = log_in("wrong");
    assert!(refused.code == 1 && refused.err.contains("401 Unauthorized"), "{refused:?}");
    assert!(server.run(&["push", &name]).err.contains("no basic auth credentials"));
    assert!(log_in(PASSWORD).ok().contains("Login Succeeded"));
    server.ok(&["push", &name]);
    let logins = std::fs::read_to_string(server.path("logins/config.json")).expect("written");
    assert!(logins.contains(&registry.name) && !logins.contains(PASSWORD), "{logins}");
    server.ok(&["rmi", "-f", &name, "busybox"]);

    // The same folder of logins serves docker's client at our socket.
    let mut docker = Command::new("docker");
    docker.args(["pull", &name]).env("DOCKER_CONFIG", server.path("logins")).env("DOCKER_HOST", format!("unix://{}", server.path("run/gantry.sock").display()));
    let said = command::run(&mut docker, &[]).ok();
    assert!(said.contains("Pull complete") && said.contains("Status: Downloaded newer image for"), "{said}");
    server.ok(&["logout", &registry.name]);
    let denied = server.run(&["pull", &name]);
    assert!(denied.code == 1 && denied.err.contains("pull access denied"), "{denied:?}");

    // Another authority does not vouch for it, and then nothing is tried in clear.
    let other = Registry::guarded();
    std::fs::copy(other.certs().join(&other.name).join("ca.crt"), registry.certs().join(&registry.name).join("ca.crt")).expect("copied");
    let denied = server.run(&["pull", &name]);
    assert!(denied.code == 1 && denied.err.contains("certificate"), "{denied:?}");
    assert!(!server.log().contains(PASSWORD));
    server.ok(&["rmi", &name]);
    server.nothing_is_left();
}

#[test]
#[ignore = "needs root and docker-registry"]
fn a_server_killed_in_the_middle_of_a_pull_leaves_nothing_and_pulls_again() {
    let registry = Registry::plain();
    let mut server = Server::with_busybox();
    let name = format!("{}/large:1", registry.name);
    let made = server.ok(&["run", "-d", "--network", "none", "busybox", "sh", "-c", "head -c 150000000 /dev/urandom >/root/large"]);
    server.ok(&["wait", &made]);
    server.ok(&["commit", &made, &name]);
    server.ok(&["push", "-q", &name]);
    server.ok(&["rm", &made]);
    server.ok(&["rmi", "-f", &name, "busybox"]);
    let empty = |server: &Server| {
        let none = |folder: &str| std::fs::read_dir(server.path(folder)).is_ok_and(|mut list| list.next().is_none());
        none("data/layers") && none("data/images/ingest") && none("data/images/blobs/sha256") && none("data/images/records")
    };
    until("the content is swept", || empty(&server));

    let mut pulling = server.gantry(&["pull", &name]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("started");
    until("the layer is coming", || !empty(&server));
    server.kill_9();
    assert!(!pulling.wait().expect("waited for").success());
    server.begin();
    assert!(in_time(|| empty(&server)), "something is left");

    // A client that goes takes its pull along.
    let mut pulling = server.gantry(&["pull", &name]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("started");
    until("the layer is coming", || !empty(&server));
    pulling.kill().expect("killed");
    pulling.wait().expect("waited for");
    until("the pull is cleared away", || empty(&server));

    server.ok(&["pull", &name]);
    assert_eq!(server.ok(&["run", "--rm", "--network", "none", &name, "sh", "-c", "wc -c </root/large"]), "150000000");
    server.ok(&["rmi", &name]);
    server.nothing_is_left();
}
