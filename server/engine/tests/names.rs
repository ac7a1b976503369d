//! Names inside networks of users, as programs in containers ask for them.

use crate::support::*;
use gantry_engine::Engine;
use gantry_model::{ContainerSpec, EndpointSpec, Mount, MountKind, NetworkMode, NetworkSpec, Propagation};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const IDLE: &str = "exec sleep 1000";

async fn network(engine: &Engine, name: &str, internal: bool) {
    let spec = NetworkSpec { name: name.to_owned(), internal, ..NetworkSpec::default() };
    engine.create_network(&root(), spec).await.unwrap_or_else(|error| panic!("create {name}: {}", error.chain()));
}

fn place(network: &str, aliases: &[&str]) -> EndpointSpec {
    EndpointSpec { network: network.to_owned(), aliases: aliases.iter().map(ToString::to_string).collect(), ..EndpointSpec::default() }
}

/// Without a domain of the host's: busybox's nslookup asks for nothing else where there is one.
fn on(network: &str, aliases: &[&str]) -> ContainerSpec {
    let (network, endpoints) = (NetworkMode::Named(network.to_owned()), vec![place(network, aliases)]);
    ContainerSpec { network, endpoints, dns_search: vec![".".to_owned()], ..script(IDLE) }
}

async fn ip(engine: &Engine, container: &str, network: &str) -> IpAddr {
    let detail = engine.container(&root(), container).await.expect("it exists");
    let place = detail.summary.endpoints.into_iter().find(|place| place.network == network).unwrap_or_else(|| panic!("{container} is not on {network}"));
    IpAddr::V4(place.ip.unwrap_or_else(|| panic!("{container} has no address on {network}")))
}

/// The addresses in what nslookup prints. The server's own has a port.
fn listed(text: &str) -> BTreeSet<IpAddr> {
    text.lines().filter_map(|line| line.strip_prefix("Address:")?.trim().parse().ok()).collect()
}

async fn asks(engine: &Engine, from: &str, name: &str) -> BTreeSet<IpAddr> {
    listed(&exec(engine, from, &["nslookup", name]).await.0)
}

/// A name server on the host's loopback that knows one name, `example.org`, and one address for it. Returns its address and how often it was asked.
fn outside(world: &World) -> (String, Arc<AtomicU32>) {
    let [_, b, c, _] = world.ip(0).octets();
    let address = Ipv4Addr::new(127, b, c, 53);
    let socket = UdpSocket::bind((address, 53)).expect("free");
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::Relaxed);
            let question = &buffer[..len];
            let mut answer = question.to_vec();
            let is_known = question[12..].starts_with(b"\x07example\x03org\0");
            answer[2..4].copy_from_slice(&[0x81, if is_known { 0x80 } else { 0x83 }]);
            if is_known && question.ends_with(&[0, 1, 0, 1]) {
                answer[7] = 1;
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 9]);
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    (address.to_string(), asked)
}

#[test]
#[ignore = "needs root"]
fn a_container_is_known_by_name_short_id_aliases_and_address() {
    let world = World::with_busybox();
    let (server, asked) = outside(&world);
    world.run(async |engine| {
        network(&engine, "front", false).await;
        let id = start(&engine, "web", on("front", &["site", "www"])).await;
        start(&engine, "api", on("front", &["site"])).await;
        start(&engine, "client", ContainerSpec { dns: vec![server], ..on("front", &[]) }).await;
        let other = ContainerSpec {
            hostname: "box".to_owned(),
            dns_search: vec!["lan.example".to_owned()],
            extra_hosts: vec!["up:host-gateway".to_owned(), "db:192.0.2.1".to_owned()],
            ..on("front", &[])
        };
        start(&engine, "other", other).await;
        let (hosts, own) = (exec(&engine, "other", &["cat", "/etc/hosts"]).await.0, ip(&engine, "other", "front").await);
        let gateway = engine.network(&root(), "front").await.expect("it exists").gateway.expect("it has one");
        assert!(hosts.ends_with(&format!("{gateway}\tup\n192.0.2.1\tdb\n{own}\tbox\n")), "{hosts}");
        let resolv = exec(&engine, "other", &["cat", "/etc/resolv.conf"]).await.0;
        assert!(resolv.starts_with("nameserver 127.0.0.11\nsearch lan.example\noptions ") && resolv.ends_with("ndots:0\n"), "{resolv}");
        let (web, api) = (ip(&engine, "web", "front").await, ip(&engine, "api", "front").await);
        for name in ["web", "WEB.", "www", &id[..12], "web.front"] {
            assert_eq!(asks(&engine, "client", name).await, [web].into(), "{name}");
        }
        assert_eq!(asks(&engine, "client", "site").await, [web, api].into());
        let pointer = exec(&engine, "client", &["nslookup", &web.to_string()]).await.0;
        assert!(pointer.contains("name = web.front"), "{pointer}");
        assert_eq!(asks(&engine, "client", "example.org").await, ["192.0.2.9".parse().expect("an address")].into());
        assert!(asked.load(Ordering::Relaxed) > 0);
        // It knows itself, and those that come and go.
        assert_eq!(asks(&engine, "web", "web").await, [web].into());
        engine.stop_container(&root(), "api", Some(Duration::ZERO)).await.expect("stopped");
        assert_eq!(asks(&engine, "client", "site").await, [web].into());
        engine.rename_container(&root(), "web", "shop".parse().expect("a name")).await.expect("renamed");
        assert_eq!(asks(&engine, "client", "shop").await, [web].into());
        assert_eq!(asks(&engine, "client", "web").await, BTreeSet::new());
    });
}

#[test]
#[ignore = "needs root"]
fn an_internal_network_has_names_and_no_way_out() {
    let world = World::with_busybox();
    let (server, asked) = outside(&world);
    world.run(async |engine| {
        network(&engine, "back", true).await;
        start(&engine, "db", on("back", &[])).await;
        start(&engine, "client", ContainerSpec { dns: vec![server], ..on("back", &[]) }).await;
        assert_eq!(asks(&engine, "client", "db").await, [ip(&engine, "db", "back").await].into());
        assert_eq!(asks(&engine, "client", "example.org").await, BTreeSet::new());
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    });
}

#[test]
#[ignore = "needs root"]
fn names_come_and_go_with_networks_of_a_running_container() {
    let world = World::with_busybox();
    world.run(async |engine| {
        for name in ["front", "back"] {
            network(&engine, name, true).await;
        }
        start(&engine, "db", on("back", &["store"])).await;
        start(&engine, "web", on("front", &[])).await;
        let db = ip(&engine, "db", "back").await;
        assert_eq!(asks(&engine, "web", "store").await, BTreeSet::new());
        engine
            .connect_network(&root(), "web", EndpointSpec { links: vec!["db:database".to_owned()], ..place("back", &["front-end"]) })
            .await
            .expect("connected");
        assert_eq!(asks(&engine, "web", "store").await, [db].into());
        assert_eq!(asks(&engine, "web", "database").await, [db].into());
        assert_eq!(asks(&engine, "db", "front-end").await, [ip(&engine, "web", "back").await].into());
        assert_eq!(asks(&engine, "db", "database").await, BTreeSet::new(), "a link is for one container");
        engine.restart_container(&root(), "web", Some(Duration::ZERO)).await.expect("restarted");
        assert_eq!(asks(&engine, "web", "database").await, [db].into());
        engine.disconnect_network(&root(), "back", "web", false).await.expect("disconnected");
        assert_eq!(asks(&engine, "web", "store").await, BTreeSet::new());
        assert_eq!(asks(&engine, "db", "front-end").await, BTreeSet::new());
        assert_eq!(asks(&engine, "web", "web").await, [ip(&engine, "web", "front").await].into());
        // Who was on no such network has a name server from then on.
        start(&engine, "plain", ContainerSpec { network: NetworkMode::Bridge, dns_search: vec![".".to_owned()], ..script(IDLE) }).await;
        assert!(!exec(&engine, "plain", &["cat", "/etc/resolv.conf"]).await.0.contains("127.0.0.11"));
        engine.connect_network(&root(), "plain", place("back", &[])).await.expect("connected");
        assert_eq!(asks(&engine, "plain", "store").await, [db].into());
    });
}

#[test]
#[ignore = "needs root"]
fn names_are_answered_while_no_server_runs_to_programs_of_any_kind() {
    let mut world = World::with_busybox();
    let folders = ["/lib", "/lib64", "/usr"].into_iter().filter(|folder| std::path::Path::new(folder).exists());
    let bind = |folder: &str| Mount {
        kind: MountKind::Bind { source: folder.to_owned(), propagation: Propagation::Rprivate, recursive: true, create_source: false },
        target: folder.to_owned(),
        read_only: true,
        described: false,
        labels: std::collections::BTreeMap::new(),
    };
    let libraries: Vec<Mount> = folders.map(bind).collect();
    let (web, pid) = world.run(async |engine| {
        network(&engine, "front", false).await;
        start(&engine, "web", on("front", &["site"])).await;
        start(&engine, "client", ContainerSpec { mounts: libraries, ..on("front", &[]) }).await;
        let web = ip(&engine, "web", "front").await;
        // The C library's resolver, which asks for both families at once.
        let found = exec(&engine, "client", &["/usr/bin/getent", "ahosts", "site"]).await.0;
        assert!(found.lines().all(|line| line.starts_with(&web.to_string())) && found.contains("STREAM"), "{found}");
        let found = exec(&engine, "client", &["/usr/bin/getent", "hosts", &web.to_string()]).await.0;
        assert!(found.contains("web.front"), "{found}");
        (web, engine.container(&root(), "client").await.expect("it exists").summary.pid.expect("it runs").to_string())
    });
    world.end();
    let output = Command::new("nsenter").args(["-t", &pid, "-n", "busybox", "nslookup", "site", "127.0.0.11"]).output().expect("runs");
    assert_eq!(listed(&String::from_utf8_lossy(&output.stdout)), [web].into());
    world.begin();
}
