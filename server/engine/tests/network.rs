//! Containers on the default bridge, on others' networks, and on none.

use crate::support::*;
use gantry_engine::{Engine, RemoveOptions};
use gantry_model::{ContainerSpec, Kind, NetworkMode, PortBinding, RestartPolicy, State};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

const WEB: &str = "mkdir -p /www; echo hello of $(hostname) >/www/index.html; exec httpd -f -p 80 -h /www";

fn bridged(text: &str) -> ContainerSpec {
    ContainerSpec { network: NetworkMode::Bridge, ..script(text) }
}

fn publishing(text: &str, ports: &[&str]) -> ContainerSpec {
    let ports = ports.iter().flat_map(|port| PortBinding::parse(port).expect("a port")).collect();
    ContainerSpec { ports, ..bridged(text) }
}

fn get(to: Ipv4Addr, port: u16) -> Option<String> {
    let mut connection = TcpStream::connect_timeout(&(to, port).into(), Duration::from_secs(1)).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(2))).expect("possible");
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    connection.read_to_string(&mut text).ok()?;
    text.split("\r\n\r\n").nth(1).map(|body| body.trim().to_owned())
}

/// Busybox has no server for datagrams.
fn echo_in_network_of(pid: i32, port: u16) {
    let bind = move || {
        let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).expect("it runs");
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("entered");
        UdpSocket::bind(("0.0.0.0", port)).expect("free")
    };
    let socket = std::thread::spawn(bind).join().expect("bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 16];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..len], peer);
        }
    });
}

/// The port of the host that leads to the only published one.
async fn host_port(engine: &Engine, name: &str) -> u16 {
    let detail = engine.container(&root(), name).await.expect("it exists");
    let (_, port) = detail.summary.ports.first().and_then(|port| port.host).expect("it is published");
    port
}

async fn up(engine: &Engine, name: &str) {
    until_async("httpd answers", async || exec(engine, name, &["wget", "-qO-", "http://127.0.0.1/"]).await.1 == Some(0)).await;
}

#[test]
#[ignore = "needs root"]
fn bridged_containers_reach_the_host_and_each_other() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "web", ContainerSpec { hostname: "web".to_owned(), ..bridged(WEB) }).await;
        start(&engine, "client", bridged("exec sleep 1000")).await;
        up(&engine, "web").await;
        let web = world.ip(2).to_string();
        assert_eq!(exec(&engine, "client", &["wget", "-qO-", &format!("http://{web}/")]).await.0, "hello of web\n");
        assert_eq!(get(world.ip(2), 80).as_deref(), Some("hello of web"));
        let gateway = world.ip(1).to_string();
        assert_eq!(exec(&engine, "client", &["ping", "-c1", "-W2", &gateway]).await.1, Some(0));
        let listener = TcpListener::bind((world.ip(1), 0)).expect("the bridge's address is there");
        let port = listener.local_addr().expect("bound").port().to_string();
        let asked = std::thread::spawn(move || listener.accept().expect("somebody came").1.ip());
        exec(&engine, "client", &["nc", "-w", "1", &gateway, &port]).await;
        assert_eq!(asked.join().expect("no panic"), world.ip(3));
        let hosts = exec(&engine, "web", &["cat", "/etc/hosts"]).await.0;
        assert!(hosts.ends_with(&format!("{web}\tweb\n")), "{hosts}");
    });
}

#[test]
#[ignore = "needs root"]
fn a_published_port_leads_to_the_container_from_wherever() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "web", ContainerSpec { hostname: "web".to_owned(), ..publishing(WEB, &["80"]) }).await;
        start(&engine, "client", bridged("exec sleep 1000")).await;
        up(&engine, "web").await;
        let port = host_port(&engine, "web").await;
        assert_ne!(port, 0);
        assert_eq!(get(Ipv4Addr::LOCALHOST, port).as_deref(), Some("hello of web"));
        assert_eq!(get(world.ip(1), port).as_deref(), Some("hello of web"));
        for asker in ["client", "web"] {
            assert_eq!(exec(&engine, asker, &["wget", "-qO-", &format!("http://{}:{port}/", world.ip(1))]).await.0, "hello of web\n", "{asker}");
        }
        engine.stop_container(&root(), "web", Some(Duration::ZERO)).await.expect("stopped");
        // The port is free again at once.
        TcpListener::bind(("0.0.0.0", port)).expect("free");
        engine.start_container(&root(), "web").await.expect("started");
        up(&engine, "web").await;
        let port = host_port(&engine, "web").await;
        assert_eq!(get(Ipv4Addr::LOCALHOST, port).as_deref(), Some("hello of web"));
    });
}

#[test]
#[ignore = "needs root"]
fn datagrams_find_their_way_and_back() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "udp", publishing("exec sleep 1000", &["53/udp"])).await;
        let port = host_port(&engine, "udp").await;
        let pid = engine.container(&root(), "udp").await.expect("it exists").summary.pid.expect("it runs");
        echo_in_network_of(pid, 53);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("free");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("possible");
        socket.connect(("127.0.0.1", port)).expect("possible");
        let mut buffer = [0; 16];
        until("an echo comes", || socket.send(b"ping").is_ok() && socket.recv(&mut buffer).is_ok_and(|len| &buffer[..len] == b"ping"));
    });
}

#[test]
#[ignore = "needs root"]
fn a_taken_port_is_told_before_anything_starts() {
    let world = World::with_busybox();
    let blocker = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = blocker.local_addr().expect("bound").port();
    world.run(async |engine| {
        create(&engine, "late", publishing("exec sleep 1000", &[&format!("{taken}:80")])).await;
        let error = engine.start_container(&root(), "late").await.expect_err("the port is taken");
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(error.chain().contains(&format!("Bind for 0.0.0.0:{taken} failed: port is already allocated")), "{}", error.chain());
        drop(blocker);
        engine.start_container(&root(), "late").await.expect("the port is free");
        create(&engine, "later", publishing("exec sleep 1000", &[&format!("127.0.0.1:{taken}:80")])).await;
        let error = engine.start_container(&root(), "later").await.expect_err("another container has it");
        assert!(error.chain().contains("port is already allocated"), "{}", error.chain());
        assert!(error.hint().is_some_and(|hint| hint.contains("container late has it")), "{:?}", error.hint());
        assert_eq!(engine.container(&root(), "later").await.expect("it exists").summary.state, State::Created);
    });
}

#[test]
#[ignore = "needs root"]
fn ports_and_links_of_a_dead_monitor_are_taken_back() {
    let mut world = World::with_busybox();
    let (id, port) = world.run(async |engine| {
        let id = start(&engine, "web", publishing(WEB, &["80"])).await;
        (id, host_port(&engine, "web").await)
    });
    let table =
        |world: &World| String::from_utf8_lossy(&Command::new("nft").args(["list", "table", "ip", &world.name]).output().expect("runs").stdout).into_owned();
    assert!(table(&world).contains(&format!("tcp . {port} comment \"{id}\"")), "{}", table(&world));
    kill_9(monitor_pid(&world, &id));
    until("the port is taken back", || !table(&world).contains("tcp . "));
    until("the link is gone", || ports_of(&world.name) == 0);
    // And when no server is there to see it.
    let id = world.run(async |engine| {
        until_async("it is down", async || !engine.container(&root(), "web").await.expect("it exists").summary.state.is_live()).await;
        engine.start_container(&root(), "web").await.expect("started");
        engine.container(&root(), "web").await.expect("it exists").summary.id.to_string()
    });
    let monitor = monitor_pid(&world, &id);
    world.end();
    kill_9(monitor);
    assert!(table(&world).contains("tcp . "));
    world.begin();
    until("the port is taken back", || !table(&world).contains("tcp . "));
}

#[test]
#[ignore = "needs root"]
fn a_firewall_that_was_flushed_while_no_server_ran_is_laid_again() {
    let mut world = World::with_busybox();
    let port = world.run(async |engine| {
        start(&engine, "web", ContainerSpec { hostname: "web".to_owned(), ..publishing(WEB, &["80"]) }).await;
        up(&engine, "web").await;
        host_port(&engine, "web").await
    });
    world.end();
    assert_eq!(get(Ipv4Addr::LOCALHOST, port).as_deref(), Some("hello of web"));
    assert!(Command::new("nft").args(["delete", "table", "ip", &world.name]).status().expect("runs").success());
    assert_eq!(get(Ipv4Addr::LOCALHOST, port), None);
    world.begin();
    assert_eq!(get(Ipv4Addr::LOCALHOST, port).as_deref(), Some("hello of web"));
}

#[test]
#[ignore = "needs root"]
fn a_firewall_that_is_reloaded_is_laid_again_at_once() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "web", ContainerSpec { hostname: "web".to_owned(), ..publishing(WEB, &["80"]) }).await;
        up(&engine, "web").await;
        let port = host_port(&engine, "web").await;
        for damage in [vec!["delete", "table", "ip", &world.name], vec!["flush", "table", "ip", &world.name]] {
            assert!(Command::new("nft").args(&damage).status().expect("runs").success());
            until("it answers again", || get(Ipv4Addr::LOCALHOST, port).as_deref() == Some("hello of web"));
        }
    });
}

#[test]
#[ignore = "needs root"]
fn nothing_is_left_of_the_network_when_nobody_is_on_it() {
    let mut world = World::with_busybox();
    let is_there = |world: &World| {
        let table = Command::new("nft").args(["list", "table", "ip", &world.name]).output().expect("runs").status.success();
        (std::path::Path::new("/sys/class/net").join(&world.name).exists(), table)
    };
    assert_eq!(is_there(&world), (false, false));
    world.run(async |engine| drop(start(&engine, "web", publishing(WEB, &["80"])).await));
    world.again();
    assert_eq!(is_there(&world), (true, true));
    world.run(async |engine| engine.remove_container(&root(), "web", RemoveOptions { force: true, volumes: true }).await.expect("removed"));
    assert_eq!(is_there(&world), (true, true));
    world.end();
    assert_eq!(is_there(&world), (false, false));
    world.begin();
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn two_engines_have_networks_side_by_side() {
    let (one, two) = (World::with_busybox(), World::with_busybox());
    let mut ports = Vec::new();
    for (world, name) in [(&one, "one"), (&two, "two")] {
        ports.push(world.run(async |engine| {
            start(&engine, "web", ContainerSpec { hostname: name.to_owned(), ..publishing(WEB, &["80"]) }).await;
            up(&engine, "web").await;
            host_port(&engine, "web").await
        }));
    }
    assert_eq!(get(Ipv4Addr::LOCALHOST, ports[0]).as_deref(), Some("hello of one"));
    drop(one);
    assert_eq!(get(Ipv4Addr::LOCALHOST, ports[1]).as_deref(), Some("hello of two"));
}

#[test]
#[ignore = "needs root"]
fn a_container_may_share_the_network_of_another_the_hosts_or_none() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "web", ContainerSpec { hostname: "web".to_owned(), ..bridged(WEB) }).await;
        up(&engine, "web").await;
        let shares = |of: &str| ContainerSpec { network: NetworkMode::Container(of.to_owned()), ..script("exec sleep 1000") };
        start(&engine, "side", shares("web")).await;
        assert_eq!(exec(&engine, "side", &["wget", "-qO-", "http://127.0.0.1/"]).await.0, "hello of web\n");
        for file in ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"] {
            assert_eq!(exec(&engine, "side", &["cat", file]).await.0, exec(&engine, "web", &["cat", file]).await.0, "{file}");
        }
        start(&engine, "host", ContainerSpec { network: NetworkMode::Host, ..script("exec sleep 1000") }).await;
        let links = exec(&engine, "host", &["ip", "-o", "link"]).await.0;
        assert!(links.contains(&format!("{}:", world.name)), "{links}");
        start(&engine, "alone", script("exec sleep 1000")).await;
        let links = exec(&engine, "alone", &["ip", "-o", "addr"]).await.0;
        assert!(links.contains("127.0.0.1/8") && !links.contains("eth0"), "{links}");
        // The one whose network it is goes: a new start of the other says what is wrong, and works again with it.
        engine.stop_container(&root(), "web", Some(Duration::ZERO)).await.expect("stopped");
        engine.stop_container(&root(), "side", Some(Duration::ZERO)).await.expect("stopped");
        let error = engine.start_container(&root(), "side").await.expect_err("nothing to join");
        assert!(error.to_string().contains("non running container") && error.to_string().contains("web"), "{error}");
        engine.start_container(&root(), "web").await.expect("started");
        engine.start_container(&root(), "side").await.expect("started");
        // While another holds the old network, the container comes back with a new one.
        engine.restart_container(&root(), "web", Some(Duration::ZERO)).await.expect("restarted");
        up(&engine, "web").await;
        until("only the new link is left", || ports_of(&world.name) == 1);
        assert_eq!(get(world.ip(2), 80).as_deref(), Some("hello of web"));
        for name in ["web", "side", "host", "alone"] {
            engine.remove_container(&root(), name, RemoveOptions { force: true, volumes: true }).await.expect("removed");
        }
    });
    world.nothing_is_left();
}

#[test]
#[ignore = "needs root"]
fn a_restart_by_policy_does_not_join_what_is_gone() {
    let world = World::with_busybox();
    world.run(async |engine| {
        start(&engine, "web", bridged("exec sleep 1000")).await;
        let side = ContainerSpec {
            network: NetworkMode::Container("web".to_owned()),
            restart: RestartPolicy::OnFailure { max_retries: 1 },
            ..script("while ! [ -e /go ]; do sleep 0.1; done; exit 1")
        };
        start(&engine, "side", side).await;
        engine.restart_container(&root(), "web", Some(Duration::ZERO)).await.expect("restarted");
        exec(&engine, "side", &["touch", "/go"]).await;
        until_async("it says why it gave up", async || {
            let side = engine.container(&root(), "side").await.expect("it exists");
            side.summary.state == State::Exited && side.error.contains("container web, whose namespaces this one shares, was stopped or started again")
        })
        .await;
    });
}
