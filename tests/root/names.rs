//! Containers of a user's network find each other by name, whatever happens to the server.

use crate::support::{Server, until};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const WEB: &str = "mkdir -p /www; echo hello of $(hostname) >/www/index.html; exec httpd -f -p 80 -h /www";

fn pid(server: &Server, name: &str) -> String {
    server.inspect(name, "/State/Pid").to_string()
}

fn ip(server: &Server, name: &str, network: &str) -> String {
    let pointer = format!("/NetworkSettings/Networks/{network}/IPAddress");
    server.inspect(name, &pointer).as_str().unwrap_or_else(|| panic!("{name} has no {pointer}")).to_owned()
}

/// Runs a container that has the host's programs and libraries, for what asks as other programs do.
fn run_client(server: &Server, network: &str) {
    let folders = ["/lib", "/lib64", "/usr"].into_iter().filter(|folder| Path::new(folder).exists());
    let binds: Vec<String> = folders.flat_map(|folder| ["-v".to_owned(), format!("{folder}:{folder}:ro")]).collect();
    let binds: Vec<&str> = binds.iter().map(String::as_str).collect();
    let run = ["run", "-d", "--name", "client", "--network", network, "--dns-search", "."];
    server.ok(&[&run[..], &binds, &["busybox", "sleep", "1000"]].concat());
}

/// What the C library finds.
fn found(server: &Server, name: &str) -> BTreeSet<String> {
    let said = server.run(&["exec", "client", "/usr/bin/getent", "ahosts", name]).out;
    said.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The same without the server: asked from the container's network.
fn found_there(pid: &str, name: &str) -> BTreeSet<String> {
    let said = Command::new("nsenter").args(["-t", pid, "-n", "busybox", "nslookup", name, "127.0.0.11"]).output().expect("runs").stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    said.lines().filter_map(|line| line.strip_prefix("Address:")).map(|ip| ip.trim().to_owned()).filter(|ip| !ip.ends_with(":53")).collect()
}

#[test]
#[ignore = "needs root"]
fn containers_reach_each_other_by_name_and_the_servers_death_changes_nothing() {
    let mut server = Server::with_busybox();
    server.ok(&["network", "create", "front"]);
    server.ok(&["network", "create", "back"]);
    for (name, hostname) in [("web", "one"), ("api", "two")] {
        server.ok(&["run", "-d", "--name", name, "--hostname", hostname, "--network", "front", "--network-alias", "site", "busybox", "sh", "-c", WEB]);
    }
    server.ok(&["run", "-d", "--name", "db", "--network", "back", "busybox", "sleep", "1000"]);
    run_client(&server, "front");
    let (web, api, db) = (ip(&server, "web", "front"), ip(&server, "api", "front"), ip(&server, "db", "back"));
    let get = "exec 3<>/dev/tcp/web/80 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && exec cat <&3";
    until("the name leads there", || server.run(&["exec", "client", "/usr/bin/bash", "-c", get]).out.ends_with("hello of one\n"));
    assert_eq!(found(&server, "web"), [web.clone()].into());
    assert_eq!(found(&server, "site"), [web.clone(), api.clone()].into());
    server.ok(&["rename", "web", "shop"]);
    assert_eq!((found(&server, "shop"), found(&server, "web")), ([web.clone()].into(), BTreeSet::new()));
    // The host name is one, too.
    assert_eq!(found(&server, "one"), [web.clone()].into());
    assert_eq!(found(&server, "db"), BTreeSet::new());
    server.ok(&["network", "connect", "--alias", "guest", "back", "client"]);
    assert_eq!(found(&server, "db"), [db.clone()].into());
    assert_eq!(found_there(&pid(&server, "db"), "guest"), [ip(&server, "client", "back")].into());
    let pid = pid(&server, "client");
    server.kill_9();
    for name in ["shop", "api", "db"] {
        assert_eq!(found_there(&pid, name).len(), 1, "{name}");
    }
    assert_eq!(found_there(&pid, "site"), [web, api.clone()].into());
    server.begin();
    server.ok(&["rm", "-f", "shop"]);
    assert_eq!(found(&server, "site"), [api].into());
    server.ok(&["network", "disconnect", "back", "client"]);
    assert_eq!(found(&server, "db"), BTreeSet::new());
    server.ok(&["rm", "-f", "client", "api", "db"]);
    server.ok(&["network", "rm", "front", "back"]);
    server.nothing_is_left();
}
