//! Containers on networks made by users.

use crate::support::*;
use gantry_engine::{Engine, NetworkFilter, PruneFilter};
use gantry_model::{ContainerSpec, EndpointSpec, Kind, NetworkMode, NetworkSpec, PortBinding, RestartPolicy, Role, Subnet};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

const WEB: &str = "mkdir -p /www; echo hello of $(hostname) >/www/index.html; exec httpd -f -p 80 -h /www";
const IDLE: &str = "exec sleep 1000";

/// The `number`th subnet of this test, 14 addresses in each.
fn subnet(world: &World, number: u8) -> Subnet {
    let [a, b, c, _] = world.ip(0).octets();
    // Twice as far as other tests' default bridges are.
    Subnet::around(Ipv4Addr::new(a, b ^ 0x80, c, 16 * number), 28)
}

/// Tests run beside each other, and a subnet is free for all of them until the bridge is there: each names its own.
async fn network(engine: &Engine, world: &World, name: &str, number: u8) -> String {
    let subnet = Some(subnet(world, number));
    make(engine, NetworkSpec { name: name.to_owned(), subnet, ..NetworkSpec::default() }).await
}

async fn make(engine: &Engine, spec: NetworkSpec) -> String {
    let name = spec.name.clone();
    let id = engine.create_network(&root(), spec).await.unwrap_or_else(|error| panic!("create {name}: {}", error.chain()));
    id.to_string()
}

fn on(network: &str, text: &str) -> ContainerSpec {
    let endpoints = vec![EndpointSpec { network: network.to_owned(), ..EndpointSpec::default() }];
    ContainerSpec { network: NetworkMode::Named(network.to_owned()), endpoints, ..script(text) }
}

async fn connect(engine: &Engine, network: &str, container: &str) -> gantry_engine::Result<()> {
    engine.connect_network(&root(), container, EndpointSpec { network: network.to_owned(), ..EndpointSpec::default() }).await
}

async fn ip(engine: &Engine, container: &str, network: &str) -> Ipv4Addr {
    let detail = engine.container(&root(), container).await.expect("it exists");
    let place = detail.summary.endpoints.into_iter().find(|place| place.network == network).unwrap_or_else(|| panic!("{container} is not on {network}"));
    place.ip.unwrap_or_else(|| panic!("{container} has no address on {network}"))
}

async fn reaches(engine: &Engine, from: &str, to: Ipv4Addr) -> bool {
    exec(engine, from, &["ping", "-c1", "-W1", &to.to_string()]).await.1 == Some(0)
}

async fn remove(engine: &Engine, names: &[&str]) {
    for name in names {
        let options = gantry_engine::RemoveOptions { force: true, volumes: true };
        engine.remove_container(&root(), name, options).await.unwrap_or_else(|error| panic!("remove {name}: {}", error.chain()));
    }
}

fn link_exists(name: &str) -> bool {
    std::fs::symlink_metadata(format!("/sys/class/net/{name}")).is_ok()
}

fn table_exists(world: &World, id: &str) -> bool {
    let name = format!("{}-{}", world.name, &id[..12]);
    Command::new("nft").args(["list", "table", "ip", &name]).output().expect("runs").status.success()
}

#[test]
#[ignore = "needs root"]
fn containers_of_one_network_reach_each_other_and_no_others() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let (red, blue) = (network(&engine, &world, "red", 1).await, network(&engine, &world, "blue", 2).await);
        for (name, of) in [("r1", "red"), ("r2", "red"), ("b1", "blue")] {
            start(&engine, name, on(of, IDLE)).await;
        }
        start(&engine, "d1", ContainerSpec { network: NetworkMode::Bridge, ..script(IDLE) }).await;
        let (r2, b1) = (ip(&engine, "r2", "red").await, ip(&engine, "b1", "blue").await);
        let d1 = ip(&engine, "d1", "bridge").await;
        assert!(reaches(&engine, "r1", r2).await);
        assert!(!reaches(&engine, "r1", b1).await && !reaches(&engine, "r1", d1).await && !reaches(&engine, "d1", r2).await);
        let error = engine.remove_network(&root(), "red").await.expect_err("it is in use");
        assert!(error.kind() == Kind::Forbidden && error.to_string().contains("network red has active endpoints"), "{error}");
        let members = engine.network(&root(), "red").await.expect("it exists").members;
        assert_eq!(members.len(), 2);
        assert!(table_exists(&world, &red) && link_exists(&format!("gt-{}", &red[..12])));
        remove(&engine, &["r1", "r2", "b1", "d1"]).await;
        for id in [&red, &blue] {
            engine.remove_network(&root(), id).await.expect("nobody is on it");
            assert!(!table_exists(&world, id) && !link_exists(&format!("gt-{}", &id[..12])));
        }
    });
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_running_container_goes_on_and_off_networks() {
    let world = World::with_busybox();
    world.run(async |engine| {
        network(&engine, &world, "aaa", 3).await;
        network(&engine, &world, "zzz", 4).await;
        start(&engine, "web", ContainerSpec { hostname: "web".to_owned(), ..on("zzz", WEB) }).await;
        start(&engine, "client", on("aaa", IDLE)).await;
        connect(&engine, "aaa", "web").await.expect("connected");
        let error = connect(&engine, "aaa", "web").await.expect_err("it is on it");
        assert!(error.to_string().contains("endpoint with name web already exists in network aaa"), "{error}");
        let web = ip(&engine, "web", "aaa").await;
        until_async("it answers", async || exec(&engine, "client", &["wget", "-qO-", &format!("http://{web}/")]).await.0 == "hello of web\n").await;
        // The default route leads over the network whose name is first.
        let gateway = engine.network(&root(), "aaa").await.expect("it exists").gateway.expect("it has one");
        let routes = exec(&engine, "web", &["ip", "route"]).await.0;
        assert!(routes.contains(&format!("default via {gateway} dev eth1")), "{routes}");
        engine.restart_container(&root(), "web", Some(Duration::ZERO)).await.expect("restarted");
        assert_eq!(ip(&engine, "web", "aaa").await, web);
        // One that was never started, as docker-compose does it.
        create(&engine, "new", on("aaa", IDLE)).await;
        engine.disconnect_network(&root(), "aaa", "new", false).await.expect("disconnected");
        connect(&engine, "aaa", "new").await.expect("connected");
        engine.start_container(&root(), "new").await.expect("started");
        assert!(reaches(&engine, "client", ip(&engine, "new", "aaa").await).await);
        until_async("it answers again", async || exec(&engine, "client", &["wget", "-qO-", &format!("http://{web}/")]).await.0 == "hello of web\n").await;
        engine.disconnect_network(&root(), "aaa", "web", false).await.expect("disconnected");
        assert!(!reaches(&engine, "client", web).await);
        let (links, routes) = (exec(&engine, "web", &["ip", "-o", "link"]).await.0, exec(&engine, "web", &["ip", "route"]).await.0);
        assert!(links.contains("eth0") && !links.contains("eth1") && routes.contains("dev eth0"), "{links} {routes}");
        let error = engine.disconnect_network(&root(), "aaa", "web", false).await.expect_err("it is off it");
        assert!(error.to_string().ends_with("is not connected to network aaa"), "{error}");
        start(&engine, "alone", script(IDLE)).await;
        let error = connect(&engine, "aaa", "alone").await.expect_err("it was to have no network");
        assert!(error.to_string().contains("private (none) mode"), "{error}");
        engine.disconnect_network(&root(), "none", "alone", false).await.expect("it has none");
        connect(&engine, "aaa", "alone").await.expect("connected");
        assert!(reaches(&engine, "client", ip(&engine, "alone", "aaa").await).await);
        remove(&engine, &["web", "client", "new", "alone"]).await;
        let pruned = engine.prune_networks(&root(), &PruneFilter::default()).await.expect("allowed");
        assert_eq!(pruned.removed.len(), 2);
    });
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn an_internal_network_leads_nowhere_and_publishes_nothing() {
    let world = World::with_busybox();
    world.run(async |engine| {
        make(&engine, NetworkSpec { name: "inside".to_owned(), subnet: Some(subnet(&world, 9)), internal: true, ..NetworkSpec::default() }).await;
        let ports = PortBinding::parse("80").expect("a port");
        start(&engine, "one", ContainerSpec { ports, ..on("inside", IDLE) }).await;
        start(&engine, "two", on("inside", IDLE)).await;
        let two = ip(&engine, "two", "inside").await;
        assert!(reaches(&engine, "one", two).await);
        let routes = exec(&engine, "one", &["ip", "route"]).await.0;
        assert!(routes.contains("dev eth0") && !routes.contains("default"), "{routes}");
        assert!(engine.container(&root(), "one").await.expect("it exists").summary.ports.iter().all(|port| port.host.is_none()));
        remove(&engine, &["one", "two"]).await;
        engine.remove_network(&root(), "inside").await.expect("nobody is on it");
    });
}

#[test]
#[ignore = "needs root"]
fn addresses_are_given_as_asked_kept_and_taken_from_who_does_not_run() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let subnet = subnet(&world, 8);
        let spec = NetworkSpec { name: "small".to_owned(), subnet: Some(subnet), ..NetworkSpec::default() };
        make(&engine, spec.clone()).await;
        let error = engine.create_network(&root(), NetworkSpec { name: "other".to_owned(), ..spec }).await.expect_err("taken");
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Forbidden, "Pool overlaps with other one on this address space"));
        let asking = |ip: Ipv4Addr| {
            let mut wish = on("small", IDLE);
            wish.endpoints[0].ip = Some(ip);
            wish
        };
        start(&engine, "dynamic", on("small", IDLE)).await;
        let first = ip(&engine, "dynamic", "small").await;
        assert_eq!(first, subnet.address(2));
        create(&engine, "static", asking(first)).await;
        let error = engine.start_container(&root(), "static").await.expect_err("the address is taken");
        assert_eq!(error.to_string(), "Address already in use");
        engine.stop_container(&root(), "dynamic", Some(Duration::ZERO)).await.expect("stopped");
        engine.start_container(&root(), "static").await.expect("the other does not run");
        engine.start_container(&root(), "dynamic").await.expect("it gets another");
        assert_eq!((ip(&engine, "static", "small").await, ip(&engine, "dynamic", "small").await), (first, subnet.address(3)));
        create(&engine, "stranger", asking(Ipv4Addr::new(9, 9, 9, 9))).await;
        let error = engine.start_container(&root(), "stranger").await.expect_err("another network's");
        assert!(error.to_string().starts_with("Invalid address 9.9.9.9"), "{error}");
        create(&engine, "lost", on("nowhere", IDLE)).await;
        let error = engine.start_container(&root(), "lost").await.expect_err("there is no such network");
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::NotFound, "network nowhere not found"));
        remove(&engine, &["dynamic", "static", "stranger", "lost"]).await;
        engine.remove_network(&root(), "small").await.expect("nobody is on it");
    });
}

#[test]
#[ignore = "needs root"]
fn ports_lead_to_containers_of_a_users_network_and_its_names_are_written_down() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let id = network(&engine, &world, "shop", 7).await;
        let mut wish = ContainerSpec { hostname: "web".to_owned(), ports: PortBinding::parse("127.0.0.1::80").expect("a port"), ..on("shop", WEB) };
        wish.endpoints[0].aliases = vec!["www".to_owned()];
        let container = start(&engine, "web", wish).await;
        let port = engine.container(&root(), "web").await.expect("it exists").summary.ports.iter().find_map(|port| port.host).expect("published").1;
        let get = || Command::new("busybox").args(["wget", "-qO-", &format!("http://127.0.0.1:{port}/")]).output().expect("runs").stdout;
        until("it answers", || get() == b"hello of web\n");
        let file = world.path("run/networks").join(&id).join("names");
        let line = format!("at {} - web www {} ", ip(&engine, "web", "shop").await, &container[..12]);
        assert!(read(&file).contains(line.trim_end()), "{}", read(&file));
        engine.rename_container(&root(), "web", "site".parse().expect("a name")).await.expect("renamed");
        assert!(read(&file).contains(" - site www "), "{}", read(&file));
        engine.stop_container(&root(), "site", Some(Duration::ZERO)).await.expect("stopped");
        until("its names are gone", || !read(&file).contains("site"));
        remove(&engine, &["site"]).await;
        engine.remove_network(&root(), "shop").await.expect("nobody is on it");
        assert!(!file.exists());
    });
}

#[test]
#[ignore = "needs root"]
fn networks_hold_while_no_server_runs_and_are_known_to_the_next() {
    let mut world = World::with_busybox();
    let again = "while ! [ -e /go ]; do sleep 0.1; done; rm /go; exit 1";
    let (id, container, pid, web) = world.run(async |engine| {
        let id = network(&engine, &world, "kept", 5).await;
        network(&engine, &world, "more", 6).await;
        let wish = ContainerSpec { restart: RestartPolicy::OnFailure { max_retries: 9 }, ..on("kept", again) };
        let container = start(&engine, "web", wish).await;
        connect(&engine, "more", "web").await.expect("connected");
        start(&engine, "client", on("kept", IDLE)).await;
        connect(&engine, "more", "client").await.expect("connected");
        let pid = engine.container(&root(), "web").await.expect("it exists").summary.pid.expect("it runs");
        (id, container, pid, [ip(&engine, "web", "kept").await, ip(&engine, "web", "more").await])
    });
    world.end();
    world.child().kill_9();
    // Its policy starts it again while nobody else is there: on both networks.
    std::fs::write(format!("/proc/{pid}/root/go"), "").expect("it runs");
    let state = world.path("run/containers").join(&container).join("state.json");
    until("it was started again", || read(&state).contains("\"restarts\":1") && read(&state).contains("\"state\":\"running\""));
    world.begin();
    world.run(async |engine| {
        for address in web {
            assert!(reaches(&engine, "client", address).await, "{address}");
        }
        assert_eq!([ip(&engine, "web", "kept").await, ip(&engine, "web", "more").await], web);
        remove(&engine, &["web", "client"]).await;
    });
    world.again();
    world.run(async |engine| {
        let custom = NetworkFilter { custom: Some(true), ..NetworkFilter::default() };
        assert_eq!(engine.list_networks(&root(), &custom).await.expect("allowed").len(), 2);
        engine.remove_network(&root(), &id[..12]).await.expect("by a part of its id");
        engine.remove_network(&root(), "more").await.expect("nobody is on it");
        assert!(!link_exists(&format!("gt-{}", &id[..12])) && !table_exists(&world, &id));
    });
}

#[test]
#[ignore = "needs root"]
fn links_and_addresses_of_the_host_are_no_operators_to_take() {
    let world = World::with_busybox();
    world.run(async |engine| {
        let named = |bridge: &str| NetworkSpec {
            name: "x".to_owned(),
            options: [("com.docker.network.bridge.name".to_owned(), bridge.to_owned())].into(),
            ..NetworkSpec::default()
        };
        for taken in ["lo", &world.name] {
            assert!(engine.create_network(&root(), named(taken)).await.is_err(), "{taken}");
        }
        let public = NetworkSpec { name: "y".to_owned(), subnet: Some("8.8.8.0/24".parse().expect("a subnet")), ..NetworkSpec::default() };
        let error = engine.create_network(&caller(Role::Operator), public).await.expect_err("only an admin");
        assert_eq!(error.kind(), Kind::Forbidden);
        assert!(engine.create_network(&caller(Role::Viewer), NetworkSpec { name: "z".to_owned(), ..NetworkSpec::default() }).await.is_err());
    });
}
