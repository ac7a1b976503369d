//! What pages and `gantry explain` teach is true: the command that they show makes the same container.

use crate::support::server::program;
use crate::support::{Server, command};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Everything that can be wished without a device of the host, or another container.
const WISH: &[&str] = &[
    "--tty",
    "--hostname=h",
    "--domainname=example.com",
    "--user=1:1",
    "--workdir=/tmp",
    "--env=A=it's \"b\" $c",
    "--label=team=a b",
    "--annotation=note=n",
    "--stop-signal=SIGUSR1",
    "--stop-timeout=3",
    "--restart=on-failure:3",
    "--init",
    "--health-cmd=test -e /tmp/ok || exit 1",
    "--health-interval=90s",
    "--health-timeout=1500ms",
    "--health-retries=4",
    "--health-start-period=5s",
    "--expose=9000",
    "--publish=127.0.0.1:0:80/udp",
    "--dns=192.0.2.1",
    "--dns-search=example.org",
    "--dns-option=ndots:2",
    "--add-host=db:192.0.2.2",
    "--volume=data:/data:ro",
    "--tmpfs=/scratch:size=1m,noexec",
    "--memory=64m",
    "--memory-swap=96m",
    "--cpus=0.5",
    "--cpu-shares=512",
    "--pids-limit=40",
    "--ulimit=nofile=100:200",
    "--sysctl=net.ipv4.ip_forward=0",
    "--oom-score-adj=100",
    "--shm-size=1m",
    "--read-only",
    "--cap-drop=ALL",
    "--cap-add=CHOWN",
    "--security-opt=no-new-privileges",
    "--security-opt=seccomp=unconfined",
    "--pid=host",
    "--ipc=shareable",
    "--entrypoint=/bin/sh",
];

/// What was asked for, without the host name of one that asked for none.
fn wish(server: &Server, name: &str) -> BTreeMap<String, Value> {
    let id = server.inspect(name, "/Id");
    let mut all = BTreeMap::new();
    for part in ["Config", "HostConfig"] {
        let Value::Object(fields) = server.inspect(name, &format!("/{part}")) else { panic!("{part} is an object") };
        all.extend(fields.into_iter().map(|(key, value)| (format!("{part}.{key}"), value)));
    }
    all.retain(|key, value| key != "Config.Hostname" || !id.as_str().is_some_and(|id| value.as_str().is_some_and(|name| id.starts_with(name))));
    all
}

#[test]
#[ignore = "needs root"]
fn the_command_that_is_taught_makes_the_same_container() {
    let server = Server::with_busybox();
    for flags in [&[] as &[&str], WISH] {
        server.ok(&[&["create", "--name", "first"], flags, &["busybox", "-c", "echo 'x y'"]].concat());
        let taught = server.ok(&["explain", "first"]);
        let line = taught.lines().next().expect("the command comes first");
        let line = line.replacen("gantry run -d", "gantry create", 1).replacen("gantry run", "gantry create", 1).replacen("first", "second", 1);
        let script = format!("gantry() {{ \"$PROGRAM\" \"$@\"; }}; {line}");
        let host = format!("unix://{}", server.path("run/gantry.sock").display());
        command::run(Command::new("sh").args(["-c", &script]).env("PROGRAM", program()).env("GANTRY_HOST", host), &[]).ok();
        let (first, second) = (wish(&server, "first"), wish(&server, "second"));
        let other: Vec<_> = first.iter().filter(|(key, value)| second.get(*key) != Some(value)).map(|(key, value)| (key, value, second.get(key))).collect();
        assert!(other.is_empty() && first.len() == second.len(), "{line}\n{other:#?}");
        server.ok(&["rm", "-v", "first", "second"]);
    }
    server.ok(&["volume", "rm", "data"]);
    server.nothing_is_left();
}
